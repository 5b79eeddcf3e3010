// Dials: a share of a whole, with the part marked where it becomes bad.

import { mount } from "../../shell/chart.js";
import { named, nameOf } from "../colours.js";
import { h } from "../dom.js";
import { display, toNumber } from "../units.js";
import { drawEmpty } from "./empty.js";

export function drawGauge(body, data) {
  if (!data.values.length) {
    drawEmpty(body);
    return;
  }
  const row = h("div", { class: "board-gauges" });
  body.append(row);
  for (const one of data.values) {
    const chart = h("div", { class: "board-gauge", role: "img", "aria-label": `${one.name}: ${display(one.value, one.config)}` });
    row.append(h("figure", {}, chart, data.values.length > 1 ? h("figcaption", { class: "muted" }, one.name) : null));
    mount(chart, (c) => option(one, c, chart));
  }
}

function option(one, c, element) {
  const { min = 0, max = 1 } = one.config;
  const size = Math.min(element.clientWidth / 2, element.clientHeight / 1.25);
  const thick = Math.max(Math.round(size * 0.16), 8);
  const value = toNumber(one.value);
  const arc = { type: "gauge", startAngle: 200, endAngle: -20, min, max, center: ["50%", "62%"], axisTick: { show: false }, splitLine: { show: false }, axisLabel: { show: false }, pointer: { show: false } };
  return {
    series: [
      {
        ...arc,
        radius: size,
        axisLine: { lineStyle: { width: thick, color: [[1, c.raised]] } },
        progress: { show: value !== null, width: thick, itemStyle: { color: named(nameOf(one.value, one.config) ?? "blue", c) } },
        detail: { offsetCenter: [0, "-2%"], fontSize: Math.max(Math.round(size * 0.28), 14), fontWeight: 600, color: c.text, formatter: () => display(one.value, one.config) },
        data: [{ value: value ?? min }],
      },
      // The thin ring outside: which part is good and which is not.
      { ...arc, radius: size + 6, axisLine: { lineStyle: { width: 3, color: ring(one.config, min, max, c) } }, detail: { show: false }, data: [] },
    ],
  };
}

function ring(config, min, max, c) {
  const steps = config.thresholds?.steps ?? [];
  if (!steps.length) return [[1, c.line]];
  return steps.map((step, index) => {
    const end = steps[index + 1]?.value ?? max;
    return [Math.min(Math.max((end - min) / (max - min), 0), 1), named(step.color, c)];
  });
}

