// What every page does: theme, keyboard, palette, the time range's controls, notes for parts that didn't come.

import { toggleZone } from "./zone.js";

const html = document.documentElement;
const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// --- theme: the system's, unless the user chose one. A cookie, so that the server's first byte is already right.

const systemDark = matchMedia("(prefers-color-scheme: dark)");

export function isDark() {
  return html.dataset.theme ? html.dataset.theme === "dark" : systemDark.matches;
}

function announceTheme() {
  document.dispatchEvent(new CustomEvent("themechange", { detail: { dark: isDark() } }));
}

function toggleTheme() {
  html.dataset.theme = isDark() ? "light" : "dark";
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${html.dataset.theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  announceTheme();
}

systemDark.addEventListener("change", announceTheme);

// --- messages

export function toast(text, kind = "crit") {
  const note = document.createElement("p");
  note.className = `note note-${kind}`;
  note.textContent = text;
  one("#toasts").append(note);
  setTimeout(() => note.remove(), 8000);
}

// --- fragments: done loading, or not

document.addEventListener("htmx:beforeRequest", ({ detail }) => detail.elt.classList?.contains("slot") && detail.elt.setAttribute("aria-busy", "true"));
document.addEventListener("htmx:afterRequest", ({ detail }) => detail.elt.classList?.contains("slot") && detail.elt.setAttribute("aria-busy", "false"));

function couldNotLoad({ detail }) {
  const slot = detail.elt.closest?.(".slot");
  if (!slot) {
    toast("The console doesn't answer. Nothing was changed.");
    return;
  }
  const note = document.createElement("div");
  note.className = "note note-warn";
  note.dataset.backendDown = "console";
  const text = document.createElement("p");
  text.textContent = "This part could not be loaded: the console doesn't answer.";
  const again = document.createElement("button");
  again.type = "button";
  again.className = "btn";
  again.textContent = "Try again";
  again.addEventListener("click", () => window.htmx.trigger(slot, "load"));
  note.append(text, again);
  slot.replaceChildren(note);
}

document.addEventListener("htmx:sendError", couldNotLoad);
document.addEventListener("htmx:timeout", couldNotLoad);

export function reloadPanels() {
  window.htmx.trigger(document.body, "refresh");
  document.dispatchEvent(new CustomEvent("panels:reload"));
}

// --- what scrolls sideways takes the focus, so that it scrolls by keyboard too

function makeScrollable() {
  for (const element of all(".table-wrap, pre")) {
    if (element.scrollWidth > element.clientWidth) element.tabIndex = 0;
    else element.removeAttribute("tabindex");
  }
}

makeScrollable();
document.addEventListener("htmx:afterSettle", makeScrollable);
addEventListener("resize", makeScrollable);

// --- time range

function setTimeRange(from, to) {
  const url = new URL(location.href);
  url.searchParams.set("from", from);
  url.searchParams.set("to", to);
  location.assign(url);
}

function onTimeRangeClick(button) {
  const form = button.closest("[data-timerange]");
  const start = Number(form.dataset.start) * 1000;
  const end = Number(form.dataset.end) * 1000;
  const span = end - start;
  if (button.dataset.from) setTimeRange(button.dataset.from, "now");
  else if (button.dataset.shift) {
    const by = (span / 2) * Number(button.dataset.shift);
    const later = Math.min(end + by, Date.now());
    setTimeRange(Math.round(later - span), Math.round(later));
  } else if ("zoomOut" in button.dataset) {
    const later = Math.min(end + span / 2, Date.now());
    setTimeRange(Math.round(later - 2 * span), Math.round(later));
  } else if ("reload" in button.dataset) {
    if (form.dataset.to === "now" || form.dataset.from.startsWith("now")) location.reload();
    else reloadPanels();
  }
}

// A chart's drag asks for a span of time by this event: { detail: { from, to } } in epoch milliseconds.
document.addEventListener("timerange:set", ({ detail }) => setTimeRange(Math.round(detail.from), Math.round(detail.to)));

// --- palette

let places = null;
let chosen = 0;

async function openPalette() {
  const dialog = one("#palette");
  if (!dialog || dialog.open) return;
  dialog.showModal();
  const input = one("input", dialog);
  input.value = "";
  if (!places) {
    const response = await fetch(dialog.dataset.src, { headers: { Accept: "application/json" } }).catch(() => null);
    places = response?.ok ? (await response.json()).places : [];
  }
  showPlaces(input.value); // it may have been typed into meanwhile
}

function matches(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const id = text.trim().toLowerCase();
  const found = places.filter((place) => words.every((word) => `${place.title} ${place.kind}`.toLowerCase().includes(word)));
  if (/^[0-9a-f]{32}$/.test(id)) found.unshift({ title: id, kind: "trace", url: `/traces/${id}` });
  return found.slice(0, 50);
}

function showPlaces(text) {
  const list = one("#palette-list");
  const found = matches(text);
  chosen = 0;
  list.replaceChildren(
    ...found.map((place, index) => {
      const item = document.createElement("li");
      item.setAttribute("role", "option");
      item.id = `place-${index}`;
      item.dataset.url = place.url;
      const title = document.createElement("span");
      title.textContent = place.title;
      const kind = document.createElement("span");
      kind.className = "muted";
      kind.textContent = place.kind;
      item.append(title, kind);
      return item;
    }),
  );
  choose(0);
}

function choose(index) {
  const items = all("#palette-list li");
  if (!items.length) return;
  chosen = (index + items.length) % items.length;
  items.forEach((item, at) => item.setAttribute("aria-selected", String(at === chosen)));
  items[chosen].scrollIntoView({ block: "nearest" });
  one("#palette input").setAttribute("aria-activedescendant", items[chosen].id);
}

one("#palette input")?.addEventListener("input", (event) => places && showPlaces(event.target.value));
one("#palette")?.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") choose(chosen + 1);
  else if (event.key === "ArrowUp") choose(chosen - 1);
  else if (event.key === "Enter") {
    const item = all("#palette-list li")[chosen];
    if (item) location.assign(item.dataset.url);
  } else return;
  event.preventDefault();
});

// --- clicks

document.addEventListener("click", (event) => {
  const target = event.target;
  for (const menu of all("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
  if (target.closest("[data-theme-toggle]")) toggleTheme();
  if (target.closest("[data-zone-toggle]")) toggleZone();
  const opener = target.closest("[data-open]");
  if (opener?.dataset.open === "palette") openPalette();
  else if (opener) one(`#${opener.dataset.open}`)?.showModal();
  const place = target.closest("#palette-list li");
  if (place) location.assign(place.dataset.url);
  if (target instanceof HTMLDialogElement && target.open) target.close(); // the backdrop
  const control = target.closest("[data-timerange] button[type=button]");
  if (control) onTimeRangeClick(control);
});

// --- keys

let goPressedAt = 0;

function isTyping(target) {
  return target.closest?.("input, textarea, select, [contenteditable=true]") !== null;
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  if (event.key === "Escape") for (const menu of all("details.menu[open]")) menu.open = false;
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || one("dialog[open]")) return;
  const afterGo = event.timeStamp - goPressedAt < 1200 && goPressedAt > 0;
  goPressedAt = 0;
  if (afterGo) {
    const place = one(`[data-go="${CSS.escape(event.key)}"]`);
    if (place) {
      event.preventDefault();
      place.click();
      return;
    }
  }
  if (event.key === "g") goPressedAt = event.timeStamp;
  else if (event.key === "?") one("#help")?.showModal();
  else if (event.key === "r") reloadPanels();
  else if (event.key === "/") {
    const search = one("[data-search]") ?? one("main input[type=search]");
    event.preventDefault();
    if (search) {
      search.focus();
      search.select?.();
    } else openPalette();
  }
});
