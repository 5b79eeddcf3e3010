// The results of a search: the scatter plot, and choosing two traces to compare.

import { mount } from "../shell/chart.js";
import { inZone, isLocal, zoneName } from "../shell/zone.js";
import { dragTime } from "./drag.js";
import { duration } from "./model.js";

function draw(element) {
  const points = JSON.parse(element.dataset.points);
  const dot = ([time, seconds, spans, errors, id, name]) => ({
    value: [time, Math.max(seconds, 1e-6)], symbolSize: Math.min(22, 6 + Math.sqrt(spans)), trace: { id, name, spans, errors },
  });
  const chart = mount(element, (colours) => ({
    grid: { left: 64, right: 16, top: 28, bottom: 28 },
    legend: { top: 0, right: 0, itemHeight: 9, data: ["ok", "failed"] },
    tooltip: {
      trigger: "item",
      formatter: ({ data }) => `${data.trace.name}\n${duration(data.value[1] * 1e6)} · ${data.trace.spans} spans${data.trace.errors ? ` · ${data.trace.errors} failed` : ""}\n${inZone(data.value[0]).toISOString().slice(11, 23)} ${zoneName()}`,
    },
    useUTC: !isLocal(),
    xAxis: { type: "time", min: Number(element.dataset.from) * 1000, max: Number(element.dataset.to) * 1000, axisLabel: { hideOverlap: true } },
    yAxis: { type: "log", axisLabel: { formatter: (value) => duration(value * 1e6) }, splitLine: { show: true } },
    series: [
      { name: "ok", type: "scatter", data: points.filter((point) => !point[3]).map(dot), itemStyle: { color: colours.series[0], opacity: 0.75 } },
      { name: "failed", type: "scatter", symbol: "diamond", data: points.filter((point) => point[3]).map(dot), itemStyle: { color: colours.crit, opacity: 0.9 } },
    ],
  }));
  chart.on("click", ({ data }) => location.assign(`/traces/${data.trace.id}`));
  dragTime(chart);
}

function pick(form) {
  const picked = [...form.querySelectorAll("[data-pick]:checked")];
  form.querySelector("[data-compare]").disabled = picked.length !== 2;
  picked.forEach((box, index) => (box.name = index === 0 ? "a" : "b"));
  for (const box of form.querySelectorAll("[data-pick]:not(:checked)")) {
    box.removeAttribute("name");
    box.disabled = picked.length >= 2;
  }
}

document.addEventListener("htmx:load", ({ target }) => {
  for (const element of target.parentElement?.querySelectorAll("[data-points]:not([data-drawn])") ?? []) {
    element.dataset.drawn = "";
    draw(element);
  }
});
document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-pick]")) pick(target.form);
});
