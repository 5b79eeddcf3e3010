// Charts by Apache ECharts, in the page's colours. The library loads with the first page that has a chart.

import * as echarts from "../vendor/echarts/dist/echarts.esm.min.js";
import { isLocal } from "./zone.js";

export { echarts };

const calm = matchMedia("(prefers-reduced-motion: reduce)");

// The page's colours as they are now: { text, muted, line, surface, raised, accent, ok, warn, crit, series: [] }.
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["bg", "text", "muted", "line", "surface", "raised", "accent", "ok", "warn", "crit"];
  return {
    ...Object.fromEntries(names.map((name) => [name, value(name)])),
    series: [1, 2, 3, 4, 5, 6, 7, 8].map((index) => value(`c${index}`)),
    sans: value("sans"),
    mono: value("mono"),
  };
}

function theme() {
  const c = colours();
  const axis = {
    axisLine: { lineStyle: { color: c.line } },
    axisTick: { lineStyle: { color: c.line } },
    axisLabel: { color: c.muted },
    nameTextStyle: { color: c.muted },
    splitLine: { lineStyle: { color: c.line, opacity: 0.6 } },
  };
  return {
    color: c.series,
    backgroundColor: "transparent",
    textStyle: { color: c.text, fontFamily: c.sans },
    categoryAxis: axis,
    valueAxis: axis,
    timeAxis: axis,
    logAxis: axis,
    legend: { textStyle: { color: c.text }, pageTextStyle: { color: c.muted } },
    tooltip: { backgroundColor: c.surface, borderColor: c.line, textStyle: { color: c.text } },
    graph: { color: c.series },
  };
}

const mounted = new Map();

function restyle() {
  for (const [element, { chart, make }] of mounted) {
    if (!element.isConnected) {
      chart.dispose();
      mounted.delete(element);
      continue;
    }
    chart.setTheme(theme());
    if (make) chart.setOption(complete(make(colours())), true);
  }
}

document.addEventListener("themechange", restyle);

// Tooltips are drawn on the canvas: as HTML they would need inline styles, which the content security policy forbids.
function complete(option) {
  const tooltip = option.tooltip ? { confine: true, ...option.tooltip, renderMode: "richText" } : option.tooltip;
  return { useUTC: !isLocal(), ...option, animation: option.animation === true && !calm.matches, ...(tooltip && { tooltip }) };
}

const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) mounted.get(target)?.chart.resize();
});

// Draw `option` (or what it gives for the current colours, when it is a function) into `element`; returns the ECharts
// instance. Mounting again replaces the previous chart. The chart follows the element's size and the page's theme.
export function mount(element, option) {
  const make = typeof option === "function" ? option : null;
  mounted.get(element)?.chart.dispose();
  const chart = echarts.init(element, theme(), { renderer: "canvas" });
  mounted.set(element, { chart, make });
  sizes.observe(element);
  chart.setOption(complete(make ? make(colours()) : option));
  return chart;
}

// Forget the charts below `root` (before its HTML is replaced).
export function unmount(root) {
  for (const [element, { chart }] of mounted) {
    if (root.contains(element)) {
      sizes.unobserve(element);
      chart.dispose();
      mounted.delete(element);
    }
  }
}

document.addEventListener("htmx:beforeCleanupElement", ({ target }) => target instanceof Element && unmount(target));

// Let a drag across the chart choose the page's time range.
export function selectTime(chart) {
  chart.setOption({ toolbox: { show: true, itemSize: 0, feature: { dataZoom: { yAxisIndex: "none", icon: { zoom: "none", back: "none" }, title: { zoom: "", back: "" } } } } });
  chart.dispatchAction({ type: "takeGlobalCursor", key: "dataZoomSelect", dataZoomSelectActive: true });
  chart.on("datazoom", (event) => {
    const { startValue: from, endValue: to } = event.batch?.[0] ?? event;
    if (Number.isFinite(from) && to - from >= 1000) document.dispatchEvent(new CustomEvent("timerange:set", { detail: { from, to } }));
  });
}
