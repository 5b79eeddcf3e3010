// What a panel says that has nothing to show.

import { h } from "../dom.js";

export function drawEmpty(body, text = "Nothing in this window.") {
  body.append(h("p", { class: "board-empty muted" }, text));
}
