// The list of dashboards: find by words.

const search = document.querySelector("[data-filter-boards]");
const boards = [...document.querySelectorAll("[data-board]")];
const none = document.querySelector("[data-none]");

search.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const board of boards) board.hidden = !words.every((word) => board.textContent.toLowerCase().includes(word));
  none.hidden = boards.some((board) => !board.hidden);
});

search.addEventListener("keydown", (event) => {
  const first = boards.find((board) => !board.hidden);
  if (event.key === "Enter" && first) location.assign(first.querySelector("a").href);
});
