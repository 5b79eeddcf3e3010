// Log lines: a click opens one with all its fields.

import { h, linkList } from "../dom.js";
import { moment } from "../units.js";
import { drawEmpty } from "./empty.js";

const LEVELS = { error: "crit", critical: "crit", fatal: "crit", warning: "warn", warn: "warn" };

export function drawLogs(body, data) {
  if (!data.lines.length) {
    drawEmpty(body, "No lines in this window.");
    return;
  }
  body.append(h("div", { class: `board-logs board-scroll${data.wrap ? " wrap" : ""}`, "data-scrolls": true, tabindex: "0", role: "region", "aria-label": "Log lines" }, ...data.lines.map(line)));
}

function line(one) {
  const details = h(
    "details",
    { class: `board-log ${LEVELS[one.level] ?? ""}` },
    h(
      "summary",
      {},
      h("time", { class: "muted", datetime: new Date(one.time).toISOString(), title: moment(one.time) }, moment(one.time, false)),
      h("span", { class: "board-log-level" }, one.level),
      h("span", { class: "board-log-service" }, one.service),
      h("span", { class: "board-log-message" }, one.message),
    ),
  );
  // Filled when it is opened: most never are.
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    const fields = one.fields.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
    details.append(h("div", { class: "board-log-fields" }, linkList(one.links), h("dl", { class: "kv mono" }, ...fields)));
  });
  return details;
}
