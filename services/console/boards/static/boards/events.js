// What happened in the window (annotations): shared by all graphs of the page, each kind can be switched off.

let found = [];
const listeners = new Set();

const NAMES = { blue: "accent", red: "crit", orange: "warn", green: "ok", yellow: "warn" };

// The colour of a kind of event in the page's colours.
export function eventColour(name, c) {
  return name === "purple" ? c.series[3] : c[NAMES[name] ?? "muted"];
}

function isOn(name) {
  const box = [...document.querySelectorAll("[data-annotation]")].find((one) => one.dataset.annotation === name);
  return box ? box.checked : true;
}

// All events that are switched on: { time, end, title, text, tags, links, color }.
export function events() {
  return found.filter((kind) => isOn(kind.name)).flatMap((kind) => kind.events.map((event) => ({ ...event, color: kind.color })));
}

export function setEvents(annotations) {
  found = annotations;
  announce();
}

// Call `listener` at every change for as long as `element` is on the page.
export function onEvents(element, listener) {
  for (const entry of listeners) if (!entry.element.isConnected) listeners.delete(entry);
  listeners.add({ element, listener });
}

function announce() {
  for (const entry of listeners) {
    if (entry.element.isConnected) entry.listener();
    else listeners.delete(entry);
  }
}

document.addEventListener("change", ({ target }) => target.matches?.("[data-annotation]") && announce());
