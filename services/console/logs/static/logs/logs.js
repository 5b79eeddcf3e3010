// The logs page: histogram with drag, lines that open, live tail, keys.

import { mount, unmount } from "../shell/chart.js";
import { inZone, isLocal, zoneName } from "../shell/zone.js";
import { dragTime } from "../traces/drag.js";

const LEVELS = ["critical", "error", "warning", "info", "debug", "other"];
const TAIL_EVERY_MS = 2000;
const HISTOGRAM_EVERY_MS = 10000;
const MOST_ROWS = 1000;

const results = document.getElementById("log-results");
const histogram = document.getElementById("histogram");

async function fetchJson(url) {
  const response = await fetch(url, { headers: { Accept: "application/json" } });
  if (response.status === 401) location.reload();
  const body = await response.json().catch(() => ({}));
  if (!response.ok || body.note) throw Object.assign(new Error(body.note ?? "The console doesn't answer."), { body });
  return body;
}

// --- histogram

function width(step) {
  if (step < 60) return `${step} s`;
  if (step < 3600) return `${step / 60} min`;
  return step < 86400 ? `${step / 3600} h` : `${step / 86400} d`;
}

async function drawHistogram() {
  let found;
  try {
    found = await fetchJson(histogram.dataset.url);
  } catch (error) {
    const note = document.createElement("p");
    note.className = "note note-warn";
    const isWrong = error.body?.position !== undefined;
    note.textContent = isWrong ? "No histogram: see the message at the query." : `No histogram: ${error.message}`;
    if (!isWrong) note.dataset.backendDown = error.body?.backend ?? "console";
    unmount(histogram);
    histogram.replaceChildren(note);
    histogram.classList.add("is-note");
    return;
  }
  if (histogram.classList.contains("is-note")) {
    histogram.replaceChildren();
    histogram.classList.remove("is-note");
  }
  const names = LEVELS.filter((level) => found.levels[level]);
  const chart = mount(histogram, (colours) => {
    const colour = { critical: colours.series[3], error: colours.crit, warning: colours.warn, info: colours.series[0], debug: colours.muted, other: colours.line };
    return {
      grid: { left: 48, right: 12, top: 24, bottom: 22 },
      useUTC: !isLocal(),
      legend: { top: 0, right: 0, itemHeight: 9, itemWidth: 12, data: names },
      tooltip: {
        trigger: "axis", axisPointer: { type: "shadow" },
        formatter: (bars) => [`${inZone(bars[0].value[0]).toISOString().replace("T", " ").slice(0, 19)} ${zoneName()}, ${width(found.step)}`, ...bars.filter((bar) => bar.value[1]).map((bar) => `${bar.seriesName}: ${bar.value[1]}`)].join("\n"),
      },
      xAxis: { type: "time", min: found.from, max: found.to, axisLabel: { hideOverlap: true } },
      yAxis: { type: "value", minInterval: 1, splitNumber: 3 },
      series: names.toReversed().map((level) => ({
        name: level, type: "bar", stack: "lines", barCategoryGap: "8%", itemStyle: { color: colour[level] },
        data: found.times.map((time, index) => [time + (found.step * 1000) / 2, found.levels[level][index]]),
      })),
    };
  });
  dragTime(chart);
  histogram.setAttribute("aria-label", `${found.total} lines over time, by level. Drag to choose a time.`);
  histogram.dataset.drawn = "";
}

drawHistogram();
document.addEventListener("panels:reload", drawHistogram);

// --- the message at the query

document.addEventListener("htmx:oobAfterSwap", ({ detail }) => {
  if (detail.target?.id !== "query-error") return;
  document.getElementById("query").setAttribute("aria-invalid", "true");
});

// --- one line's fields

async function toggle(log) {
  const button = log.querySelector("[data-expand]");
  const detail = log.querySelector(".log-detail");
  const open = button.getAttribute("aria-expanded") !== "true";
  button.setAttribute("aria-expanded", String(open));
  if (detail) detail.hidden = !open;
  else if (open) {
    const url = new URL("/logs/line", location.origin);
    for (const [name, value] of new URLSearchParams(location.search)) if (name !== "tail") url.searchParams.append(name, value);
    url.searchParams.set("id", log.dataset.id);
    url.searchParams.set("at", log.dataset.at);
    await window.htmx.ajax("GET", `${url.pathname}${url.search}`, { target: log, swap: "beforeend" });
  }
}

results.addEventListener("click", (event) => {
  const row = event.target.closest(".log-row");
  if (!row || event.target.closest("a") || getSelection().toString()) return;
  toggle(row.parentElement);
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select") || document.querySelector("dialog[open]")) return;
  if (event.key !== "j" && event.key !== "k") return;
  const buttons = [...results.querySelectorAll("[data-expand]")];
  const at = buttons.indexOf(document.activeElement);
  buttons[Math.max(0, Math.min(buttons.length - 1, at + (event.key === "j" ? 1 : -1)))]?.focus();
});

// --- live tail

function startTail() {
  const url = new URL(results.dataset.tailUrl.replace("/logs?", "/logs/tail?"), location.origin);
  let since = null;
  let arrived = 0;
  const look = async () => {
    // A hidden page does not poll: it catches up when it is shown again.
    if (document.hidden) return;
    const table = document.getElementById("log-table");
    if (!table) return;
    const newest = Number(table.querySelector(".log")?.dataset.at ?? Number(results.dataset.end) * 1000);
    url.searchParams.set("since", String(Math.round(since ?? newest)));
    const count = document.getElementById("log-count");
    let found;
    try {
      found = await fetchJson(url);
    } catch (error) {
      count.textContent = `Live tail waits: ${error.message}`;
      return;
    }
    ({ since } = found);
    const fresh = document.createElement("template");
    fresh.innerHTML = `<table>${found.rows}</table>`;
    const known = new Set([...table.querySelectorAll(".log")].map((log) => log.dataset.id));
    const rows = [...fresh.content.querySelectorAll(".log")].filter((log) => !known.has(log.dataset.id));
    for (const row of rows) row.classList.add("is-new");
    if (rows.length) {
      table.hidden = false;
      table.closest(".slot").querySelector(".note")?.remove();
      table.querySelector("thead").after(...rows);
      arrived += rows.length;
      for (const old of [...table.querySelectorAll(".log")].slice(MOST_ROWS)) old.remove();
    }
    count.textContent = `Live: ${arrived} new line${arrived === 1 ? "" : "s"}${found.full ? ", more than can be shown: narrow the query" : ""}`;
  };
  const loop = async () => {
    await look();
    setTimeout(loop, TAIL_EVERY_MS);
  };
  loop();
  setInterval(() => document.hidden || drawHistogram(), HISTOGRAM_EVERY_MS);
}

if ("tailing" in results.dataset) startTail();
