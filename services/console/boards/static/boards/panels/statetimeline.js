// What state each series was in over time: a row for each, a bar for each state.

import { colours, mount } from "../../shell/chart.js";
import { zoneName } from "../../shell/zone.js";
import { named, nameOf } from "../colours.js";
import { h, linkList } from "../dom.js";
import { interactive, timeAxis } from "../plot.js";
import { onTheme } from "../theme.js";
import { display, moment } from "../units.js";
import { drawEmpty } from "./empty.js";

const ROW_PIXELS = 22;

export function drawStates(body, data) {
  if (!data.series.length) {
    drawEmpty(body);
    return;
  }
  const plot = h("div", { class: "board-states", role: "img", "aria-label": summary(data) });
  plot.style.height = `${data.series.length * ROW_PIXELS + 34}px`;
  body.append(h("div", { class: "board-scroll", "data-scrolls": true, tabindex: "0", role: "region", "aria-label": "States over time" }, plot));
  const chart = mount(plot, (c) => option(data, c, plot.clientWidth));
  const row = (y) => chart.convertFromPixel({ yAxisIndex: 0 }, y);
  interactive(plot, {
    area: () => ({
      left: chart.convertToPixel({ xAxisIndex: 0 }, data.from),
      right: chart.convertToPixel({ xAxisIndex: 0 }, data.to),
      top: 0,
      bottom: chart.getHeight() - 24,
    }),
    timeAt: (x) => chart.convertFromPixel({ xAxisIndex: 0 }, x),
    xOf: (time) => chart.convertToPixel({ xAxisIndex: 0 }, time),
    describe: (time, _, y, isPinned) => describe(data.series[row(y)], time, isPinned),
  });
  body.append(key(data));
}

function summary(data) {
  return `States of ${data.series.length} series: ${data.series.slice(0, 5).map((one) => one.name).join(", ")}`;
}

function option(data, c, width) {
  const bars = data.series.flatMap((one, index) => one.states.map(([from, to, value]) => ({ value: [from, to, index], itemStyle: { color: named(nameOf(value, one.config) ?? "blue", c) } })));
  return {
    grid: { left: 4, right: 20, top: 4, bottom: 4, containLabel: true },
    xAxis: timeAxis(data.from, data.to, width),
    yAxis: { type: "category", inverse: true, data: data.series.map((one) => one.name), axisTick: { show: false }, axisLine: { show: false }, axisLabel: { width: 190, overflow: "truncate", color: c.text } },
    series: [
      {
        type: "custom",
        data: bars,
        encode: { x: [0, 1], y: 2 },
        silent: true,
        animation: false,
        clip: true,
        renderItem: (_, api) => {
          const start = api.coord([api.value(0), api.value(2)]);
          const end = api.coord([api.value(1), api.value(2)]);
          const height = api.size([0, 1])[1] * 0.8;
          return { type: "rect", shape: { x: start[0], y: start[1] - height / 2, width: Math.max(end[0] - start[0], 1), height }, style: { fill: api.visual("color"), opacity: 0.85 } };
        },
      },
    ],
  };
}

function describe(one, time, isPinned) {
  if (!one) return null;
  const state = one.states.find(([from, to]) => from <= time && time < to);
  return h(
    "div",
    {},
    h("p", { class: "board-tooltip-time mono" }, `${moment(time)} ${zoneName()}`),
    h("p", {}, h("strong", {}, one.name), `: ${state ? display(state[2], one.config) : "nothing known"}`),
    state ? h("p", { class: "muted mono" }, `${moment(state[0], false)} – ${moment(state[1], false)}`) : null,
    isPinned ? linkList(one.links) : null,
  );
}

// Which colour stands for which state.
function key(data) {
  const words = new Map();
  for (const one of data.series) for (const [, , value] of one.states) words.set(display(value, one.config), nameOf(value, one.config) ?? "blue");
  const marks = [];
  const list = h(
    "ul",
    { class: "board-key" },
    ...[...words].map(([word, name]) => {
      const mark = h("span", { class: "board-swatch", "aria-hidden": "true" });
      marks.push([mark, name]);
      return h("li", {}, mark, word);
    }),
  );
  const paint = () => {
    const c = colours();
    for (const [mark, name] of marks) mark.style.backgroundColor = named(name, c);
  };
  paint();
  onTheme(list, paint);
  return list;
}
