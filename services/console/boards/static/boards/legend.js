// The list of series below a graph: names, figures, links; a click shows one series alone.

import { h, linkList, swatch } from "./dom.js";
import { display } from "./units.js";

// `items` are { name, colour, calcs, config, links, dashed }, `headings` the figures' names. `onSelect(indexes)` receives the ones that
// series to show: all of them when it is null.
export function legend(items, headings, onSelect) {
  let alone = null;
  const rows = items.map((item, index) => {
    const mark = swatch(item.colour);
    mark.classList.toggle("dashed", Boolean(item.dashed));
    const button = h("button", { type: "button", class: "board-legend-name", "aria-pressed": "false", title: item.name }, mark, h("span", {}, item.name));
    button.addEventListener("click", (event) => select(index, event.ctrlKey || event.metaKey || event.shiftKey));
    return h(
      "tr",
      {},
      h("td", {}, button),
      ...item.calcs.map((value) => h("td", { class: "num" }, display(value, item.config))),
      h("td", { class: "board-legend-links" }, item.links.length ? menu(item) : null),
    );
  });

  function select(index, add) {
    if (add && alone) {
      alone = alone.includes(index) ? alone.filter((one) => one !== index) : [...alone, index];
      if (!alone.length) alone = null;
    } else alone = alone?.length === 1 && alone[0] === index ? null : [index];
    rows.forEach((row, at) => {
      const isShown = alone === null || alone.includes(at);
      row.classList.toggle("off", !isShown);
      row.querySelector("button").setAttribute("aria-pressed", String(alone !== null && isShown));
    });
    onSelect(alone);
  }

  return h(
    "div",
    { class: "board-legend", "data-scrolls": true, tabindex: "0", role: "group", "aria-label": "Series" },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h("tr", {}, h("th", { scope: "col" }, "Series"), ...headings.map((name) => h("th", { class: "num", scope: "col" }, name)), h("th", { scope: "col" }, h("span", { class: "visually-hidden" }, "Links"))),
      ),
      h("tbody", {}, ...rows),
    ),
  );
}

function menu(item) {
  const details = h("details", { class: "menu board-legend-menu" }, h("summary", { "aria-label": `Where ${item.name} leads` }, "⋯"));
  // Filled when it is opened: a dashboard has hundreds of these.
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(h("div", { class: "menu-body" }, linkList(item.links)));
  });
  return details;
}
