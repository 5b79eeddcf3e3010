// How durations are spread: a row for each bucket, stronger where more fell into it, single requests as points.

import { mount } from "../../shell/chart.js";
import { zoneName } from "../../shell/zone.js";
import { h } from "../dom.js";
import { interactive, nearest, timeAxis } from "../plot.js";
import { format, moment, toNumber } from "../units.js";
import { drawEmpty } from "./empty.js";
import { describeExemplar } from "./timeseries.js";

const NEAR = 9;
// What is less comes from floating point.
const NO_COUNT = 1e-9;

export function drawHeatmap(body, data) {
  if (!data.buckets.length || !data.times.length) {
    drawEmpty(body);
    return;
  }
  const plot = h("div", { class: "board-plot", role: "img", "aria-label": `Heat map of ${data.buckets.length} buckets` });
  body.append(plot);
  const points = data.exemplars.map((one) => ({ one, at: [one.time, bucketOf(data, one.value)] }));
  const cells = filled(data);
  const chart = mount(plot, (c) => option(data, cells, points, c, plot.clientWidth));
  const x = { xAxisIndex: 0 };
  const y = { yAxisIndex: 0 };
  const pointAt = (left, top) =>
    points.find(({ at }) => {
      const pixel = chart.convertToPixel({ ...x, ...y }, at);
      return Math.hypot(pixel[0] - left, pixel[1] - top) <= NEAR;
    })?.one;
  interactive(plot, {
    area: () => ({ left: chart.convertToPixel(x, data.from), right: chart.convertToPixel(x, data.to), top: 0, bottom: chart.getHeight() - 24 }),
    timeAt: (left) => chart.convertFromPixel(x, left),
    xOf: (time) => chart.convertToPixel(x, time),
    describe: (time, left, top) => {
      const point = pointAt(left, top);
      return point ? describeExemplar(point, data.config) : describe(data, time, chart.convertFromPixel(y, top));
    },
    onClick: (_, left, top) => {
      const point = pointAt(left, top);
      if (point) location.assign(point.url);
      return Boolean(point);
    },
  });
}

// Cells that something fell into: [time, bucket's index, strength]. The square root: else one full bucket hides all others.
function filled(data) {
  return data.counts.flatMap((counts, bucket) =>
    counts.flatMap((count, at) => (toNumber(count) > NO_COUNT ? [[data.times[at], bucket, Math.sqrt(toNumber(count))]] : [])),
  );
}

function bucketOf(data, value) {
  const bucket = data.buckets.findIndex((bound) => value <= Number(bound.replace("Inf", "Infinity")));
  return bucket < 0 ? data.buckets.length - 1 : bucket;
}

function boundOf(data, at) {
  const name = data.buckets[at];
  return name === "+Inf" ? "∞" : format(Number(name), data.config.unit);
}

function option(data, cells, points, c, width) {
  return {
    grid: { left: 4, right: 20, top: 6, bottom: 4, containLabel: true },
    xAxis: { ...timeAxis(data.from, data.to, width), splitLine: { show: false } },
    yAxis: { type: "category", data: data.buckets, axisTick: { show: false }, axisLabel: { formatter: (_, at) => boundOf(data, at), hideOverlap: true } },
    visualMap: { show: false, type: "continuous", min: 0, max: Math.max(...cells.map((cell) => cell[2]), 1e-6), dimension: 2, seriesIndex: 0, inRange: { color: ramp(c) } },
    series: [
      {
        type: "custom",
        data: cells,
        renderItem: (_, api) => cell(api, data.step),
        silent: true,
        animation: false,
        clip: true,
        progressive: 0,
      },
      { type: "scatter", data: points.map(({ at }) => at), symbol: "diamond", symbolSize: 7, itemStyle: { color: c.surface, borderColor: c.text, borderWidth: 1.2 }, silent: true, clip: true, z: 3 },
    ],
  };
}

// A cell ends at its time: its count is of the step before.
function cell(api, step) {
  const end = api.coord([api.value(0), api.value(1)]);
  const start = api.coord([api.value(0) - step, api.value(1)]);
  const height = api.size([0, 1])[1];
  return {
    type: "rect",
    shape: { x: start[0], y: end[1] - height / 2, width: Math.max(end[0] - start[0] - 0.5, 1), height: Math.max(height - 1, 1) },
    style: { fill: api.visual("color") },
  };
}

// From the page's own colours: few is faint, much is strong, in light and in dark.
function ramp(c) {
  return [c.raised, c.series[0], c.series[3], c.series[4], c.series[1]];
}

function describe(data, time, bucket) {
  if (bucket < 0 || bucket >= data.buckets.length) return null;
  const at = Math.min(nearest(data.times, time + data.step / 2), data.times.length - 1);
  const count = toNumber(data.counts[bucket][at]);
  const from = bucket ? boundOf(data, bucket - 1) : "0";
  return h(
    "div",
    {},
    h("p", { class: "board-tooltip-time mono" }, `${moment(data.times[at])} ${zoneName()}`),
    h("p", {}, `${from} to ${boundOf(data, bucket)}: `, h("strong", {}, count > NO_COUNT ? `${format(count, "short")}/s` : "none")),
  );
}
