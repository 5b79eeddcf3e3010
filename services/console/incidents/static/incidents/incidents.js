// An incident's page: charts drawn from the JSON beside them, and keys for acting.

import { mount, unmount } from "../shell/chart.js";
import { inZone } from "../shell/zone.js";

// htmx would copy style attributes from what it replaces, which the content security policy forbids.
window.htmx.config.attributesToSettle = ["class"];

const seconds = (value) => (value >= 1 ? `${+value.toPrecision(3)} s` : `${+(value * 1000).toPrecision(3)} ms`);
const formats = {
  s: seconds,
  "/s": (value) => `${+value.toPrecision(3)}/s`,
  share: (value) => `${+(value * 100).toPrecision(3)} %`,
};
const format = (unit) => formats[unit] ?? ((value) => `${+value.toPrecision(4)}`);
const clock = (at) => inZone(at).toISOString().slice(11, 19);

function option({ unit, from, to, lines, marks }, colours) {
  const written = format(unit);
  const mark = {
    silent: true,
    symbol: "none",
    label: { formatter: "{b}", color: colours.muted, position: "insideEndTop" },
    data: marks
      .filter(({ at }) => at >= from && at <= to)
      .map(({ at, label, kind }) => ({ xAxis: at, name: label, lineStyle: { color: colours[kind] ?? colours.muted, type: "dashed" } })),
  };
  return {
    grid: { left: 56, right: 16, top: 34, bottom: 24 },
    legend: { type: "scroll", top: 0, icon: "roundRect", itemHeight: 8 },
    tooltip: { trigger: "axis", valueFormatter: written, axisPointer: { label: { formatter: ({ value }) => clock(value) } } },
    xAxis: { type: "time", min: from, max: to, axisLabel: { formatter: (value) => clock(value).slice(0, 5), hideOverlap: true } },
    yAxis: { type: "value", min: 0, axisLabel: { formatter: written } },
    series: lines.map(({ name, points }, index) => ({
      name,
      type: "line",
      showSymbol: points.length < 2,
      data: points,
      ...(index === 0 && { markLine: mark }),
    })),
  };
}

function draw(root) {
  for (const element of root.querySelectorAll("[data-incident-chart]")) {
    const source = document.getElementById(element.dataset.incidentChart);
    const data = JSON.parse(source.textContent);
    mount(element, (colours) => option(data, colours));
  }
}

document.addEventListener("htmx:beforeSwap", ({ detail }) => unmount(detail.target));
document.addEventListener("htmx:afterSwap", ({ detail }) => draw(detail.target));
draw(document);

// a: acknowledge, n: write a note. Not while the user is typing.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, dialog[open]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "a") document.querySelector('#actions [data-key="a"]')?.focus();
  if (event.key === "n") {
    const note = document.querySelector('#actions textarea[name="text"]');
    if (note) {
      event.preventDefault();
      note.focus();
    }
  }
});
