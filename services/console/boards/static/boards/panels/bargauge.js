// Bars: who has most of it.

import { meaning } from "../colours.js";
import { h, linkList } from "../dom.js";
import { display, toNumber } from "../units.js";
import { drawEmpty } from "./empty.js";

export function drawBars(body, data) {
  if (!data.values.length) {
    drawEmpty(body);
    return;
  }
  const numbers = data.values.map((one) => toNumber(one.value) ?? 0);
  const list = h("div", { class: "board-bars", "data-scrolls": true, tabindex: "0", role: "list", "aria-label": "Values" });
  data.values.forEach((one, index) => {
    const { min = 0, max = Math.max(...numbers, min) } = one.config;
    const share = max > min ? Math.min(Math.max((numbers[index] - min) / (max - min), 0), 1) : 0;
    const fill = h("div", { class: `board-bar-fill ${meaning(one.value, one.config)}` });
    fill.style.width = `${share * 100}%`;
    list.append(
      h(
        "div",
        { class: "board-bar", role: "listitem" },
        h("span", { class: "board-bar-name", title: one.name }, one.name),
        h("div", { class: "board-bar-track", "aria-hidden": "true" }, fill),
        h("span", { class: `num ${meaning(one.value, one.config)}` }, display(one.value, one.config)),
        one.links.length ? h("details", { class: "menu" }, h("summary", { "aria-label": `Where ${one.name} leads` }, "⋯"), h("div", { class: "menu-body" }, linkList(one.links))) : null,
      ),
    );
  });
  body.append(list);
}
