// Single figures.

import { echarts, mount } from "../../shell/chart.js";
import { meaning } from "../colours.js";
import { h, linkList } from "../dom.js";
import { display, toNumber } from "../units.js";
import { drawEmpty } from "./empty.js";

export function drawStat(body, data) {
  if (!data.values.length) {
    drawEmpty(body);
    return;
  }
  const withNames = data.text_mode === "value_and_name" || (data.text_mode === "auto" && data.values.length > 1);
  // Many values are rows: each name stays on the line of its value, whatever the panel's height.
  const isList = data.values.length > 3;
  const list = h("div", { class: isList ? "board-stats as-list" : "board-stats", "data-count": Math.min(data.values.length, 12), "data-scrolls": true });
  for (const one of data.values) {
    const kind = data.color_mode === "none" ? "" : meaning(one.value, one.config);
    const figure = h(
      "div",
      { class: `board-stat ${data.color_mode === "background" ? `filled ${kind}` : kind}` },
      withNames ? h("span", { class: "board-stat-name", title: one.name }, one.name) : null,
      h("span", { class: "board-stat-value" }, display(one.value, one.config)),
      one.links.length ? h("details", { class: "menu board-stat-links" }, h("summary", { "aria-label": `Where ${one.name} leads` }, "⋯"), h("div", { class: "menu-body" }, linkList(one.links))) : null,
    );
    if (one.spark && !isList) figure.append(spark(one));
    list.append(figure);
  }
  body.append(list);
}

function spark(one) {
  const element = h("div", { class: "board-spark", "aria-hidden": "true" });
  // Mounted when it is on the page and has a size.
  requestAnimationFrame(() => mount(element, (c) => sparkOption(one, c)));
  return element;
}

function sparkOption(one, c) {
  const colour = c[meaning(one.value, one.config)] ?? c.accent;
  return {
    grid: { left: 0, right: 0, top: 2, bottom: 0 },
    xAxis: { type: "category", show: false, boundaryGap: false },
    yAxis: { type: "value", show: false, scale: true },
    series: [
      {
        type: "line",
        data: one.spark.map(toNumber),
        symbol: "none",
        lineStyle: { width: 1, color: colour },
        areaStyle: { color: new echarts.graphic.LinearGradient(0, 0, 0, 1, [{ offset: 0, color: colour }, { offset: 1, color: "transparent" }]), opacity: 0.3 },
      },
    ],
  };
}
