// The choices above a dashboard: "All" excludes the others, long lists can be searched, closing a list applies it.

function state(menu) {
  return [...menu.querySelectorAll("input[name]:checked")].map((box) => box.value).join("\n");
}

function onChange(target) {
  const menu = target.closest("[data-variable]");
  if (!menu || !target.name) return;
  const boxes = [...menu.querySelectorAll("input[name]")];
  const all = boxes.find((box) => "all" in box.dataset);
  if (target.type === "radio") {
    menu.closest("form").requestSubmit();
    return;
  }
  if (!all) return;
  if (target === all && all.checked) for (const box of boxes) if (box !== all) box.checked = false;
  if (target !== all && target.checked) all.checked = false;
  if (!boxes.some((box) => box.checked)) all.checked = true;
}

function onFind(target) {
  const words = target.value.toLowerCase();
  for (const option of target.closest("[data-variable]").querySelectorAll("[data-option]")) {
    option.hidden = !option.textContent.toLowerCase().includes(words);
  }
}

export function watchVariables() {
  const opened = new WeakMap();
  document.addEventListener(
    "toggle",
    ({ target }) => {
      if (!target.matches?.("[data-variable]")) return;
      if (target.open) opened.set(target, state(target));
      else if (opened.get(target) !== state(target)) target.closest("form").requestSubmit();
    },
    true,
  );
  document.addEventListener("change", ({ target }) => onChange(target));
  document.addEventListener("input", ({ target }) => target.matches?.("[data-find]") && onFind(target));
}
