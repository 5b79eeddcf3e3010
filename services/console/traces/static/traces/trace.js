// A trace's page: fetches the spans and the log lines, and ties the views to each other and to the address.

import { inZone, zoneName } from "../shell/zone.js";
import { renderDetails } from "./details.js";
import { Flame } from "./flame.js";
import { TraceModel, Viewport, duration, h } from "./model.js";
import { Overview } from "./overview.js";
import { Waterfall } from "./waterfall.js";

const page = document.getElementById("trace");
const part = (name) => page.querySelector(`[data-${name}]`);
// Above this many spans log lines are marked on the bars only, until the user shows them as rows.
const LINES_SHOWN_UP_TO = 300;

// Without headers of its own, so that it is the request that the page's head has begun already.
async function fetchJson(url) {
  const response = await fetch(url);
  // To the login: the session has ended.
  if (response.redirected) location.reload();
  const body = await response.json().catch(() => ({}));
  if (!response.ok || body.note) throw Object.assign(new Error(body.note ?? `The console answered ${response.status}.`), { body });
  return body;
}

function showNote(error) {
  const { body = {} } = error;
  part("skeleton").hidden = true;
  page.setAttribute("aria-busy", "false");
  part("note").replaceChildren(
    h(
      "div",
      { class: "note note-warn", role: "alert", "data-backend-down": body.unknown ? null : (body.backend ?? "console") },
      h("p", {}, h("strong", {}, body.unknown ? "Unknown trace" : "No trace")),
      h("p", {}, body.note ?? "The console doesn't answer."),
      body.reason && h("p", { class: "muted mono" }, body.reason),
      h(
        "p",
        { class: "row" },
        h("button", { type: "button", class: "btn", onclick: () => location.reload() }, "Try again"),
        body.logs_url && h("a", { class: "btn", href: body.logs_url }, "Log lines with this trace id"),
      ),
    ),
  );
}

function showFacts(model) {
  const root = model.root;
  part("title").textContent = `${model.service(root)} ${model.operation(root)}`;
  document.title = `${model.operation(root)} · Trace · Console`;
  part("facts").replaceChildren(
    h("strong", {}, duration(model.duration)),
    h("span", {}, `${model.size} span${model.size === 1 ? "" : "s"}`),
    model.errors ? h("span", { class: "badge badge-crit" }, `${model.errors} failed`) : h("span", { class: "badge badge-ok" }, "nothing failed"),
    h("time", { class: "muted mono", datetime: new Date(model.startUs / 1000).toISOString() }, `${inZone(model.startUs / 1000).toISOString().replace("T", " ").slice(0, 23)} ${zoneName()}`),
    ...model.services.map((service, index) =>
      h("span", { class: `chip svc-${index % 8}` }, h("span", { class: "wf-dot" }), h("a", { href: `/services/${encodeURIComponent(service.name)}` }, service.name), h("span", { class: "muted" }, String(service.spans))),
    ),
  );
  part("logs-link").href = model.logsUrl;
}

function start(model) {
  const viewport = new Viewport(model.duration);
  let linesNote = "";
  let selected = -1;
  const details = part("details");

  const remember = () => {
    const url = new URL(location.href);
    if (selected >= 0) url.searchParams.set("span", model.id_(selected));
    else url.searchParams.delete("span");
    history.replaceState(null, "", url);
  };
  const showDetails = () =>
    renderDetails(details, model, selected, { close, linesNote, choose: (index) => choose(index, { reveal: true }) });
  function choose(index, { reveal = false, focus = false } = {}) {
    selected = index;
    waterfall.select(index, { reveal });
    flame.select(index);
    showDetails();
    remember();
    if (focus) details.focus();
  }
  function close() {
    selected = -1;
    waterfall.select(-1);
    flame.select(-1);
    details.hidden = true;
    remember();
    (part("flame").hidden ? waterfall : flame).scroller.focus();
  }

  page.setAttribute("aria-busy", "false");
  part("skeleton").hidden = true;
  part("body").hidden = false;
  const waterfall = new Waterfall(part("waterfall"), model, viewport, choose);
  const flame = new Flame(part("flame"), model, viewport, choose);
  new Overview(part("overview"), model, viewport).draw();
  viewport.onChange(() => (page.querySelector('[data-action="unzoom"]').hidden = viewport.isWhole));

  const setView = (view) => {
    for (const button of page.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === view));
    part("waterfall").hidden = view !== "waterfall";
    part("flame").hidden = view !== "flame";
    // What works on rows only.
    for (const control of page.querySelectorAll("[data-rows]")) control.hidden = view === "flame";
    if (view === "flame") flame.draw();
    else waterfall.redraw();
    const url = new URL(location.href);
    if (view === "flame") url.searchParams.set("view", view);
    else url.searchParams.delete("view");
    history.replaceState(null, "", url);
  };

  const find = part("find");
  let found = [];
  let foundAt = -1;
  const search = () => {
    found = model.find(find.value);
    foundAt = -1;
    waterfall.highlight(found);
    flame.highlight(found);
    part("find-count").textContent = find.value.trim() ? `${found.length} found` : "";
  };
  find.addEventListener("input", search);
  find.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !found.length) return;
    event.preventDefault();
    foundAt = (foundAt + (event.shiftKey ? -1 : 1) + found.length) % found.length;
    part("find-count").textContent = `${foundAt + 1} of ${found.length}`;
    choose(found[foundAt], { reveal: true });
  });

  const failing = page.querySelector('[data-action="failing"]');
  failing.hidden = model.failing === null;
  page.addEventListener("click", (event) => {
    const view = event.target.closest("[data-view]")?.dataset.view;
    if (view) setView(view);
    const action = event.target.closest("[data-action]")?.dataset.action;
    if (action === "collapse") waterfall.foldAll(true);
    else if (action === "expand") waterfall.foldAll(false);
    else if (action === "unzoom") viewport.reset();
    else if (action === "failing") choose(model.failing, { reveal: true });
  });
  const toggles = {
    critical: (on) => {
      waterfall.showCritical = on;
      waterfall.redraw();
    },
    lines: (on) => {
      waterfall.showLines = on;
      waterfall.rebuild();
    },
  };
  page.addEventListener("change", ({ target }) => toggles[target.dataset.toggle]?.(target.checked));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !details.hidden && !document.querySelector("dialog[open]")) close();
  });

  const params = new URLSearchParams(location.search);
  if (params.get("view") === "flame") setView("flame");
  const wanted = model.indexOf.get(params.get("span") ?? "");
  if (wanted !== undefined) choose(wanted, { reveal: true });

  loadLines();
  async function loadLines() {
    const url = `${page.dataset.linesUrl}?start=${model.startUs}&end=${model.startUs + model.duration}`;
    const count = part("lines-count");
    try {
      const { lines, total } = await fetchJson(url);
      model.setLines(lines);
      count.textContent = lines.length < total ? `${lines.length} of ${total}` : String(total);
    } catch (error) {
      linesNote = `No log lines: ${error.message}`;
      count.textContent = "not available";
      count.title = linesNote;
    }
    const box = page.querySelector('[data-toggle="lines"]');
    box.checked = model.lineCount > 0 && model.size <= LINES_SHOWN_UP_TO;
    toggles.lines(box.checked);
    if (selected >= 0) {
      waterfall.scrollTo(waterfall.rowOf[selected]);
      showDetails();
    }
    page.dataset.linesLoaded = "";
  }
}

try {
  const model = new TraceModel(await fetchJson(page.dataset.url));
  showFacts(model);
  start(model);
  performance.mark("trace-shown");
} catch (error) {
  showNote(error);
  if (!error.body) throw error;
}
