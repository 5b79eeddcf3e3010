// A trace in the browser: the columns of traces/document.py, read by index. Times are microseconds from its start.

export class TraceModel {
  constructor(raw) {
    const { columns } = raw;
    this.id = raw.trace_id;
    this.startUs = raw.start_us;
    this.duration = Math.max(1, raw.duration_us);
    this.services = raw.services;
    this.root = raw.root;
    this.failing = raw.failing;
    this.errors = raw.errors;
    this.logsUrl = raw.logs_url;
    this.window = raw.window;
    this.texts = raw.texts;
    this.columns = columns;
    this.size = columns.id.length;
    this.events = raw.events;
    this.links = raw.links;
    this.warnings = raw.warnings;
    this.isError = flags(this.size, columns.error);
    this.isOrphan = flags(this.size, columns.orphan);
    this.indexOf = new Map(columns.id.map((id, index) => [id, index]));
    const order = new Map(raw.services.map((service, index) => [service.name, index]));
    this.colour = columns.service.map((text) => order.get(this.texts[text]) % 8);
    this.critical = new Map();
    for (const [index, start, end] of raw.critical) {
      if (!this.critical.has(index)) this.critical.set(index, []);
      this.critical.get(index).push([start, end]);
    }
    this.lines = new Map();
    this.lineCount = 0;
  }

  id_(index) { return this.columns.id[index]; }
  parent(index) { return this.columns.parent[index]; }
  depth(index) { return this.columns.depth[index]; }
  descendants(index) { return this.columns.size[index]; }
  start(index) { return this.columns.start[index]; }
  length(index) { return this.columns.duration[index]; }
  end(index) { return this.columns.start[index] + this.columns.duration[index]; }
  own(index) { return this.columns.self[index]; }
  service(index) { return this.texts[this.columns.service[index]]; }
  process(index) { return this.texts[this.columns.process[index]]; }
  operation(index) { return this.texts[this.columns.operation[index]]; }
  kind(index) { return this.texts[this.columns.kind[index]]; }
  status(index) { return this.texts[this.columns.status[index]]; }
  resource(index) { return JSON.parse(this.texts[this.columns.resource[index]]); }

  // [[key, value], …]
  tags(index) {
    const pairs = this.columns.tags[index];
    const found = [];
    for (let at = 0; at < pairs.length; at += 2) found.push([this.texts[pairs[at]], this.texts[pairs[at + 1]]]);
    return found;
  }

  ancestors(index) {
    const found = [];
    for (let above = this.parent(index); above >= 0; above = this.parent(above)) found.push(above);
    return found;
  }

  // Put log lines in the place of the span that wrote them; those of a span that isn't stored go to the first one.
  setLines(lines) {
    this.lines = new Map();
    this.lineCount = lines.length;
    for (const line of lines) {
      const index = this.indexOf.get(line.span_id) ?? 0;
      if (!this.lines.has(index)) this.lines.set(index, []);
      this.lines.get(index).push({ ...line, at: line.time - this.startUs });
    }
  }

  // Indices of the spans that have every word in their service, operation, status or tags.
  find(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    const lower = this.texts.map((one) => one.toLowerCase());
    const found = [];
    for (let index = 0; index < this.size; index += 1) {
      const { service, operation, status, tags, id } = this.columns;
      const parts = [lower[service[index]], lower[operation[index]], lower[status[index]], id[index]];
      for (const number of tags[index]) parts.push(lower[number]);
      if (words.every((word) => parts.some((part) => part.includes(word)))) found.push(index);
    }
    return found;
  }
}

function flags(size, indices) {
  const set = Array(size).fill(false);
  for (const index of indices) set[index] = true;
  return set;
}

// The stretch of time that is shown, shared by all views: { from, to }, and who wants to know when it changes.
export class Viewport {
  constructor(duration) {
    this.whole = duration;
    this.from = 0;
    this.to = duration;
    this.listeners = [];
  }

  get isWhole() { return this.from === 0 && this.to === this.whole; }
  get span() { return this.to - this.from; }
  fraction(time) { return (time - this.from) / this.span; }
  onChange(listener) { this.listeners.push(listener); }

  set(from, to) {
    const least = Math.min(this.whole, 2);
    this.from = Math.max(0, Math.min(from, this.whole - least));
    this.to = Math.min(this.whole, Math.max(to, this.from + least));
    for (const listener of this.listeners) listener();
  }

  reset() { this.set(0, this.whole); }
}

export function duration(us) {
  if (us < 0) return `-${duration(-us)}`;
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${precise(us / 1e3)} ms`;
  if (us < 60e6) return `${precise(us / 1e6)} s`;
  const seconds = Math.round(us / 1e6);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function precise(value) {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

// Round steps for an axis: about `count` of them in [from, to].
export function ticks(from, to, count) {
  const rough = (to - from) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? power * 10);
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(at);
  return found;
}

// An element with properties and children: h("a", { href, class: "btn" }, "text"). null and false children are left out.
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// The page's colours as they are now, for drawing on a canvas.
export function palette() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: value("text"), muted: value("muted"), line: value("line"), surface: value("surface"), raised: value("raised"),
    accent: value("accent"), crit: value("crit"), bg: value("bg"), sans: value("sans"),
    services: [1, 2, 3, 4, 5, 6, 7, 8].map((index) => value(`c${index}`)),
  };
}

// A canvas's context with a scale for sharp lines; width and height in CSS pixels.
export function context2d(canvas, width, height) {
  const scale = devicePixelRatio || 1;
  const wide = Math.max(1, Math.round(width * scale));
  const high = Math.max(1, Math.round(height * scale));
  if (canvas.width !== wide) canvas.width = wide;
  if (canvas.height !== high) canvas.height = high;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}
