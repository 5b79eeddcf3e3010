// A dashboard's page: panels load when they come into view, again at every refresh, each for itself.

import { h, linkList } from "./dom.js";
import { load } from "./loading.js";
import { renderers } from "./panels/index.js";
import { setEvents } from "./events.js";
import { watchVariables } from "./variables.js";
import { unmount } from "../shell/chart.js";

const board = document.querySelector("[data-board]");
const panels = new Map();
const MILLISECONDS = { s: 1000, m: 60_000 };

class Panel {
  constructor(element) {
    this.element = element;
    this.body = element.querySelector("[data-body]");
    this.menu = element.querySelector("[data-menu]");
    this.isVisible = false;
    this.isStale = true;
    this.request = 0;
  }

  show(isVisible) {
    this.isVisible = isVisible;
    if (isVisible && this.isStale) this.load();
  }

  refresh() {
    this.isStale = true;
    if (this.isVisible) this.load();
  }

  async load() {
    this.isStale = false;
    this.request += 1;
    const { request } = this;
    this.element.setAttribute("aria-busy", "true");
    const data = await load(address(this.element.dataset.url, { width: Math.max(Math.round(this.body.clientWidth), 50) }));
    // A later request has overtaken this one.
    if (request !== this.request) return;
    this.element.setAttribute("aria-busy", "false");
    if (data.error) this.fail(data.error);
    else this.draw(data);
  }

  draw(data) {
    const scrolled = this.body.querySelector("[data-scrolls]")?.scrollTop ?? 0;
    unmount(this.body);
    const draw = renderers[data.type];
    const notes = (data.notes ?? []).map((note) => h("p", { class: "note note-warn" }, note));
    this.body.replaceChildren(...notes);
    this.body.dataset.drawn = draw ? data.type : "unsupported";
    if (draw) draw(this.body, data);
    const scrolls = this.body.querySelector("[data-scrolls]");
    if (scrolls) scrolls.scrollTop = scrolled;
    this.drawMenu(data);
  }

  drawMenu(data) {
    const slowest = (data.exemplars ?? []).reduce((best, one) => (best === null || one.value > best.value ? one : best), null);
    const links = [...(data.panel_links ?? [])];
    if (slowest) links.unshift({ title: "Trace of the highest point", url: slowest.url });
    if (!links.length || this.menu.querySelector("details[open]")) return;
    const title = this.element.querySelector("h3").textContent;
    this.menu.replaceChildren(
      h("details", { class: "menu" }, h("summary", { "aria-label": `Where “${title}” leads` }, "⋯"), h("div", { class: "menu-body" }, linkList(links))),
    );
  }

  fail({ backend, reason, rejected }) {
    unmount(this.body);
    const what = rejected ? `${backend || "The console"} refused the question` : `${backend} doesn't answer`;
    this.body.dataset.drawn = "error";
    this.body.replaceChildren(
      h(
        "div",
        { class: "note note-warn", "data-backend-down": backend },
        h("p", {}, h("strong", {}, `No data: ${what}.`)),
        h("p", { class: "muted mono" }, reason),
        h("button", { type: "button", class: "btn", onclick: () => this.load() }, "Try again"),
      ),
    );
  }
}

// A data address with what the page's own has: time and variables.
function address(path, extra = {}) {
  const params = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(extra)) params.set(name, value);
  return `${path}?${params}`;
}

async function loadEvents() {
  const data = await load(address(board.dataset.annotationsUrl));
  const errors = data.error ? [`${data.error.backend}: ${data.error.reason}`] : data.errors;
  const note = document.querySelector("[data-annotations-note]");
  if (note) {
    note.hidden = !errors.length;
    note.textContent = errors.length ? `Some lines are missing. ${errors.join("; ")}` : "";
  }
  if (!data.error) setEvents(data.annotations);
}

function reload() {
  for (const panel of panels.values()) panel.refresh();
  loadEvents();
}

// --- refresh

let timer = null;

function every(text) {
  const match = /^(\d+)([sm])$/.exec(text);
  return match ? Number(match[1]) * MILLISECONDS[match[2]] : 0;
}

function schedule() {
  clearInterval(timer);
  const select = document.querySelector("[data-refresh]");
  const period = every(select.value);
  // A fixed window doesn't change: there is nothing to refresh.
  if (period && board.dataset.live === "true") {
    timer = setInterval(() => document.visibilityState === "visible" && reload(), period);
  }
}

function watchRefresh() {
  const select = document.querySelector("[data-refresh]");
  select.addEventListener("change", () => {
    const url = new URL(location.href);
    url.searchParams.set("refresh", select.value);
    history.replaceState(null, "", url);
    schedule();
  });
  schedule();
}

// --- the page

function watchPanels() {
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) panels.get(entry.target)?.show(entry.isIntersecting);
    },
    { rootMargin: "300px 0px" },
  );
  for (const element of board.querySelectorAll("[data-panel]")) {
    panels.set(element, new Panel(element));
    seen.observe(element);
  }
}

board.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-info]");
  if (!button) return;
  const text = button.closest("[data-panel]").querySelector("[data-description]");
  text.hidden = !text.hidden;
  button.setAttribute("aria-expanded", String(!text.hidden));
});

document.addEventListener("panels:reload", reload);
watchVariables();
watchRefresh();
watchPanels();
loadEvents();
