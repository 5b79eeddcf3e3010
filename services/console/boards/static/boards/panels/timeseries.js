// Lines over time: with the points of single requests, what happened as lines across, and the list of series below.

import { colours, mount } from "../../shell/chart.js";
import { zoneName } from "../../shell/zone.js";
import { named } from "../colours.js";
import { h, linkList, swatch } from "../dom.js";
import { eventColour, events, onEvents } from "../events.js";
import { legend } from "../legend.js";
import { interactive, nearest, timeAxis } from "../plot.js";
import { onTheme } from "../theme.js";
import { display, format, moment, toNumber } from "../units.js";
import { drawEmpty } from "./empty.js";

const ROWS_IN_TOOLTIP = 16;
// How near the pointer has to be, in pixels.
const NEAR = 7;

export function drawTimeseries(body, data) {
  if (!data.series.length && !data.exemplars.length) {
    drawEmpty(body);
    return;
  }
  const graph = new Graph(data);
  const plot = h("div", { class: "board-plot", role: "img", "aria-label": summary(data) });
  body.append(plot);
  if (data.legend.show) body.append(graph.legend());
  graph.mount(plot);
}

function summary(data) {
  const names = data.series.slice(0, 5).map((one) => one.name);
  return `Graph of ${data.series.length} series: ${names.join(", ")}${data.series.length > 5 ? ", …" : ""}`;
}

class Graph {
  constructor(data) {
    this.data = data;
    this.shown = null; // indexes of the series that are shown alone
    this.isLog = data.scale === "log";
    this.units = [...new Set(data.series.map((one) => one.config.unit ?? "short"))];
    this.values = data.series.map((one) => one.values.map((value) => this.drawable(value)));
  }

  // A logarithmic axis has no place for zero.
  drawable(value) {
    const number = toNumber(value);
    return number === null || !Number.isFinite(number) || (this.isLog && number <= 0) ? null : number;
  }

  isShown(index) {
    return this.shown === null || this.shown.includes(index);
  }

  colour(index, c) {
    const fixed = this.data.series[index]?.config.color;
    return fixed?.mode === "fixed" ? named(fixed.fixedColor, c) : c.series[index % c.series.length];
  }

  mount(element) {
    this.element = element;
    this.chart = mount(element, (c) => this.option(c));
    onEvents(element, () => this.redraw());
    interactive(element, {
      area: () => this.area(),
      timeAt: (x) => this.chart.convertFromPixel({ xAxisIndex: 0 }, x),
      xOf: (time) => this.chart.convertToPixel({ xAxisIndex: 0 }, time),
      describe: (time, x, y, isPinned) => this.describe(time, x, y, isPinned),
      onClick: (time, x, y) => this.follow(x, y),
    });
  }

  redraw() {
    // Everything at once: series that no longer exist must not stay.
    this.chart.setOption({ ...this.option(colours()), animation: false }, { replaceMerge: ["series"] });
  }

  area() {
    const { from, to } = this.data;
    const pixel = (time) => this.chart.convertToPixel({ xAxisIndex: 0 }, time);
    return { left: pixel(from), right: pixel(to), top: 0, bottom: this.chart.getHeight() - 22 };
  }

  legend() {
    const c = colours();
    const items = this.data.series.map((one, index) => ({
      ...one,
      colour: this.colour(index, c),
      dashed: one.style.lineStyle?.fill === "dash",
    }));
    const box = legend(items, this.data.legend.calcs, (indexes) => {
      this.shown = indexes;
      this.redraw();
    });
    onTheme(box, () => {
      const now = colours();
      box.querySelectorAll(".board-swatch").forEach((mark, index) => (mark.style.backgroundColor = this.colour(index, now)));
    });
    return box;
  }

  option(c) {
    const { data } = this;
    const config = data.series[0]?.config ?? {};
    return {
      grid: { left: 4, right: this.units.length > 1 ? 4 : 20, top: 8, bottom: 4, containLabel: true },
      xAxis: timeAxis(data.from, data.to, this.element?.clientWidth ?? 600),
      yAxis: this.units.slice(0, 2).map((unit, index) => this.valueAxis(unit, index, config)),
      series: [...data.series.map((_, index) => this.line(index, c)), this.points(c), this.marks(c)],
    };
  }

  valueAxis(unit, index, config) {
    return {
      type: this.isLog ? "log" : "value",
      position: index ? "right" : "left",
      min: index || this.isLog ? undefined : config.min,
      max: index ? undefined : config.max,
      scale: config.min === undefined,
      splitNumber: 4,
      splitLine: { show: index === 0 },
      axisLabel: { formatter: (value) => format(value, unit), hideOverlap: true },
      axisPointer: { show: false },
    };
  }

  line(index, c) {
    const one = this.data.series[index];
    const { style } = one;
    const colour = this.colour(index, c);
    const isBar = style.drawStyle === "bars";
    const isStacked = style.stacking?.mode === "normal";
    return {
      id: `series-${index}`,
      name: one.name,
      type: isBar ? "bar" : "line",
      yAxisIndex: Math.min(Math.max(this.units.indexOf(one.config.unit ?? "short"), 0), 1),
      stack: isStacked ? style.stacking.group ?? "A" : undefined,
      data: this.isShown(index) ? this.data.times.map((time, at) => [time, this.values[index][at]]) : [],
      connectNulls: style.spanNulls === true,
      // A value between two gaps is no line: it would not be seen.
      showSymbol: lonely(this.values[index]),
      symbol: "circle",
      symbolSize: 3,
      sampling: this.data.times.length > 1500 ? "lttb" : undefined,
      lineStyle: { width: (style.lineWidth ?? 1) + 0.5, color: colour, type: style.lineStyle?.fill === "dash" ? "dashed" : "solid" },
      itemStyle: { color: colour },
      areaStyle: style.fillOpacity ? { color: colour, opacity: style.fillOpacity / 100 } : undefined,
      emphasis: { disabled: true },
      silent: true,
      animation: false,
      z: 2,
    };
  }

  points(c) {
    return {
      id: "exemplars",
      type: "scatter",
      data: this.shown === null ? this.data.exemplars.map((one) => [one.time, this.drawable(one.value)]) : [],
      symbol: "diamond",
      symbolSize: 7,
      itemStyle: { color: c.surface, borderColor: c.accent, borderWidth: 1.3, opacity: 0.9 },
      clip: true,
      silent: true,
      z: 4,
    };
  }

  // Thresholds and events have no series of their own; an empty one carries their lines.
  marks(c) {
    const { config } = this.data.series[0] ?? { config: {} };
    const steps = this.data.thresholds_style === "off" ? [] : (config.thresholds?.steps ?? []).filter((step) => step.value !== null);
    const thresholds = steps.map((step) => ({ yAxis: step.value, lineStyle: { color: named(step.color, c), type: "dashed", width: 1 } }));
    const visible = events().filter((event) => event.end >= this.data.from && event.time <= this.data.to);
    const lines = visible.map((event) => ({ xAxis: event.time, lineStyle: { color: eventColour(event.color, c), type: "dashed", width: 1, opacity: 0.8 } }));
    const spans = visible.filter((event) => event.end > event.time);
    return {
      id: "marks",
      type: "line",
      data: [],
      markLine: { silent: true, symbol: "none", label: { show: false }, animation: false, data: [...thresholds, ...lines.filter((line) => line.xAxis >= this.data.from)] },
      markArea: {
        silent: true,
        animation: false,
        data: spans.map((event) => [
          { xAxis: Math.max(event.time, this.data.from), itemStyle: { color: eventColour(event.color, c), opacity: 0.08 } },
          { xAxis: Math.min(event.end, this.data.to) },
        ]),
      },
      z: 3,
    };
  }

  // --- the pointer

  exemplarAt(x, y) {
    if (this.shown !== null) return null;
    const distance = (one) => {
      const pixel = this.chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [one.time, this.drawable(one.value)]);
      return pixel ? Math.hypot(pixel[0] - x, pixel[1] - y) : Infinity;
    };
    return closest(this.data.exemplars, distance, NEAR + 2);
  }

  eventsAt(x) {
    return events().filter((event) => {
      const start = this.chart.convertToPixel({ xAxisIndex: 0 }, Math.max(event.time, this.data.from));
      return Math.abs(start - x) <= NEAR && event.time <= this.data.to && event.end >= this.data.from;
    });
  }

  follow(x, y) {
    const exemplar = this.exemplarAt(x, y);
    if (!exemplar) return false;
    location.assign(exemplar.url);
    return true;
  }

  describe(time, x, y, isPinned = false) {
    const exemplar = this.exemplarAt(x, y);
    if (exemplar) return describeExemplar(exemplar, this.data.series[0]?.config ?? {});
    const at = nearest(this.data.times, time);
    const c = colours();
    const rows = this.data.series
      .map((one, index) => ({ one, index, value: toNumber(one.values[at]) }))
      .filter(({ index, value }) => this.isShown(index) && value !== null && value !== undefined);
    if (this.data.tooltip === "desc") rows.sort((a, b) => b.value - a.value);
    if (this.data.tooltip === "asc") rows.sort((a, b) => a.value - b.value);
    const under = this.seriesAt(rows, at, y);
    const listed = rows.slice(0, ROWS_IN_TOOLTIP);
    if (under && !listed.includes(under)) listed[listed.length - 1] = under;
    return h(
      "div",
      {},
      h("p", { class: "board-tooltip-time mono" }, `${moment(this.data.times[at] ?? time)} ${zoneName()}`),
      ...this.eventsAt(x).map((event) => describeEvent(event, c, isPinned)),
      h(
        "table",
        {},
        h(
          "tbody",
          {},
          ...listed.map((row) =>
            h("tr", { class: row === under ? "under" : null }, h("td", {}, swatch(this.colour(row.index, c)), row.one.name), h("td", { class: "num" }, display(row.one.values[at], row.one.config))),
          ),
        ),
      ),
      rows.length > listed.length ? h("p", { class: "muted" }, `and ${rows.length - listed.length} more`) : null,
      isPinned && under?.one.links.length ? h("div", { class: "board-tooltip-links" }, h("strong", {}, under.one.name), linkList(under.one.links)) : null,
      !isPinned && rows.some((row) => row.one.links.length) ? h("p", { class: "muted" }, "Click for links, drag to zoom") : null,
    );
  }

  // The series whose line is closest to the pointer: stacked ones by the top of their area.
  seriesAt(rows, at, y) {
    let below = 0;
    const tops = new Map();
    for (const row of [...rows].sort((a, b) => a.index - b.index)) {
      const isStacked = row.one.style.stacking?.mode === "normal";
      if (isStacked) below += this.values[row.index][at] ?? 0;
      tops.set(row, isStacked ? below : this.values[row.index][at]);
    }
    const distance = (row) => {
      const axis = Math.min(Math.max(this.units.indexOf(row.one.config.unit ?? "short"), 0), 1);
      return Math.abs(this.chart.convertToPixel({ yAxisIndex: axis }, tops.get(row)) - y);
    };
    return closest(rows, distance, Infinity);
  }
}

function closest(items, distance, limit) {
  let best = null;
  let least = limit;
  for (const item of items) {
    const far = distance(item);
    if (far <= least) [best, least] = [item, far];
  }
  return best;
}

function lonely(values) {
  return values.some((value, at) => value !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null);
}

export function describeExemplar(one, config) {
  const labels = Object.entries(one.labels).map(([name, value]) => `${name} ${value}`);
  return h(
    "div",
    {},
    h("p", { class: "board-tooltip-time mono" }, `${moment(one.time)} ${zoneName()}`),
    h("p", {}, h("strong", {}, display(one.value, config)), ` one request: ${labels.join(", ")}`),
    h("p", { class: "mono muted" }, one.trace),
    h("p", { class: "muted" }, "Click to open its trace"),
  );
}

function describeEvent(event, c, isPinned) {
  return h(
    "div",
    { class: "board-tooltip-event" },
    h("p", {}, swatch(eventColour(event.color, c)), h("strong", {}, event.title), event.text ? ` ${event.text}` : ""),
    event.end > event.time ? h("p", { class: "muted mono" }, `${moment(event.time, false)} – ${moment(event.end, false)}`) : null,
    isPinned ? linkList(event.links) : null,
  );
}

