// Texts. Markdown was made into HTML by the server, which lets none of the author's own through.

import { h } from "../dom.js";

export function drawText(body, data) {
  if (data.plain !== undefined) {
    body.append(h("pre", { class: "board-scroll" }, data.plain));
    return;
  }
  const text = h("div", { class: "prose board-scroll" });
  text.innerHTML = data.html;
  body.append(text);
}
