// The waterfall: one row for each span (and log line), of which only those in sight are in the document.

import { duration, h, ticks } from "./model.js";

const ROW = 26;
const SPARE = 12;
const DEEPEST_INDENT = 24;

export class Waterfall {
  // `choose(index)` is called when the user selects a span.
  constructor(element, model, viewport, choose) {
    this.model = model;
    this.viewport = viewport;
    this.choose = choose;
    this.collapsed = new Uint8Array(model.size);
    this.matches = new Set();
    this.selected = -1;
    this.showCritical = true;
    this.showLines = false;
    this.drawn = new Map();
    this.axis = h("div", { class: "wf-axis", "aria-hidden": "true" });
    this.space = h("div", { class: "wf-space", role: "rowgroup" });
    this.scroller = h(
      "div",
      { class: "wf-scroll", role: "treegrid", tabindex: "0", "aria-label": "Spans of the trace; arrow keys move, Enter opens" },
      this.space,
    );
    element.append(h("div", { class: "wf-head", "aria-hidden": "true" }, h("div", { class: "wf-name" }, "Service and operation"), this.axis), this.scroller);
    this.scroller.addEventListener("scroll", () => this.schedule(), { passive: true });
    this.scroller.addEventListener("click", (event) => this.onClick(event));
    this.scroller.addEventListener("keydown", (event) => this.onKey(event));
    new ResizeObserver(() => this.redraw()).observe(this.scroller);
    viewport.onChange(() => this.redraw());
    this.rebuild();
  }

  // --- what is shown

  rebuild() {
    const { model } = this;
    this.items = [];
    this.rowOf = new Int32Array(model.size).fill(-1);
    for (let index = 0; index < model.size; ) {
      this.rowOf[index] = this.items.length;
      this.items.push({ span: index });
      if (this.showLines) for (const line of model.lines.get(index) ?? []) this.items.push({ span: index, line });
      index += this.collapsed[index] ? model.descendants(index) + 1 : 1;
    }
    this.space.style.height = `${this.items.length * ROW}px`;
    this.scroller.setAttribute("aria-rowcount", String(this.items.length));
    this.redraw();
  }

  redraw() {
    for (const row of this.drawn.values()) row.remove();
    this.drawn.clear();
    this.drawAxis();
    this.draw();
  }

  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.draw();
    });
  }

  draw() {
    const top = this.scroller.scrollTop;
    const height = this.scroller.clientHeight || 600;
    const first = Math.max(0, Math.floor(top / ROW) - SPARE);
    const last = Math.min(this.items.length, Math.ceil((top + height) / ROW) + SPARE);
    for (const [at, row] of this.drawn) {
      if (at < first || at >= last) {
        row.remove();
        this.drawn.delete(at);
      }
    }
    const fresh = document.createDocumentFragment();
    for (let at = first; at < last; at += 1) {
      if (this.drawn.has(at)) continue;
      const row = this.items[at].line ? this.lineRow(at) : this.spanRow(at);
      row.style.top = `${at * ROW}px`;
      this.drawn.set(at, row);
      fresh.append(row);
    }
    this.space.append(fresh);
    this.pointAtSelected();
  }

  drawAxis() {
    const width = this.axis.clientWidth || 600;
    const { from, to } = this.viewport;
    this.axis.replaceChildren(
      ...ticks(from, to, Math.max(2, Math.floor(width / 110))).map((time) => {
        const tick = h("span", { class: "wf-tick" }, duration(time));
        tick.style.left = `${this.viewport.fraction(time) * 100}%`;
        return tick;
      }),
    );
  }

  spanRow(at) {
    const { model } = this;
    const index = this.items[at].span;
    const children = model.descendants(index);
    const classes = ["wf-row", `svc-${model.colour[index]}`];
    if (model.isError[index]) classes.push("is-error");
    if (index === this.selected) classes.push("is-selected");
    if (this.matches.size) classes.push(this.matches.has(index) ? "is-match" : "is-other");
    const toggle = children
      ? h("span", { class: "wf-toggle", "data-toggle-row": "", title: this.collapsed[index] ? `Show ${children} below` : "Collapse" }, this.collapsed[index] ? `▸ ${children}` : "▾")
      : h("span", { class: "wf-toggle" });
    const name = h(
      "div",
      { class: "wf-name", role: "gridcell" },
      toggle,
      h("span", { class: "wf-dot" }),
      h("span", { class: "wf-label" }, h("span", { class: "wf-service" }, model.service(index)), " ", model.operation(index)),
      model.isError[index] && h("span", { class: "badge badge-crit" }, index === model.failing ? "failed here" : "failed"),
      model.isOrphan[index] && h("span", { class: "badge", title: "The span that called it isn't stored" }, "caller missing"),
      !this.showLines && model.lines.has(index) && h("span", { class: "badge" }, `${model.lines.get(index).length} lines`),
    );
    name.style.paddingLeft = `${Math.min(model.depth(index), DEEPEST_INDENT) * 12 + 4}px`;
    const row = h(
      "div",
      {
        class: classes.join(" "), id: `row-${at}`, role: "row", "data-at": at, "aria-rowindex": at + 1,
        "aria-level": model.depth(index) + 1, "aria-selected": String(index === this.selected),
        "aria-expanded": children ? String(!this.collapsed[index]) : null,
      },
      name,
      h("div", { class: "wf-track", role: "gridcell" }, ...this.bar(index)),
    );
    return row;
  }

  bar(index) {
    const { model, viewport } = this;
    const start = viewport.fraction(model.start(index));
    const end = viewport.fraction(model.end(index));
    const text = duration(model.length(index));
    if (end < 0 || start > 1) return [h("span", { class: "visually-hidden" }, text)];
    const left = Math.max(0, start);
    const right = Math.min(1, end);
    const bar = h("span", { class: "wf-bar" });
    bar.style.left = `${left * 100}%`;
    bar.style.width = `${Math.max(0, right - left) * 100}%`;
    const label = h("span", { class: "wf-time" }, text);
    // Beside the bar, on the side with more room.
    if (right - left > 0.8) label.classList.add("is-inside");
    else if (left > 1 - right) {
      label.style.right = `${(1 - left) * 100}%`;
      label.classList.add("is-left");
    } else label.style.left = `${right * 100}%`;
    const marks = [];
    if (this.showCritical) {
      for (const [from, to] of model.critical.get(index) ?? []) {
        const [begin, finish] = [viewport.fraction(from), viewport.fraction(to)];
        if (finish < 0 || begin > 1) continue;
        const mark = h("span", { class: "wf-critical" });
        mark.style.left = `${Math.max(0, begin) * 100}%`;
        mark.style.width = `${(Math.min(1, finish) - Math.max(0, begin)) * 100}%`;
        marks.push(mark);
      }
    }
    for (const line of model.lines.get(index) ?? []) marks.push(...this.mark(line));
    return [bar, ...marks, label];
  }

  mark(line) {
    const at = this.viewport.fraction(line.at);
    if (at < 0 || at > 1) return [];
    const mark = h("span", { class: `wf-mark level-${line.level}` });
    mark.style.left = `${at * 100}%`;
    return [mark];
  }

  lineRow(at) {
    const { model } = this;
    const { span, line } = this.items[at];
    const text = line.failure ? `${line.message} — ${line.failure}` : line.message;
    const name = h(
      "div",
      { class: "wf-name", role: "gridcell", title: text },
      h("span", { class: `badge wf-level level-${line.level}` }, line.level || "log"),
      h("span", { class: "wf-label" }, text),
    );
    name.style.paddingLeft = `${Math.min(model.depth(span) + 1, DEEPEST_INDENT) * 12 + 16}px`;
    return h(
      "div",
      { class: `wf-row wf-line svc-${model.colour[span]}`, id: `row-${at}`, role: "row", "data-at": at, "aria-rowindex": at + 1, "aria-level": model.depth(span) + 2 },
      name,
      h("div", { class: "wf-track", role: "gridcell" }, h("span", { class: "visually-hidden" }, duration(line.at)), ...this.mark(line)),
    );
  }

  // --- selection and folding

  select(index, { reveal = false } = {}) {
    this.selected = index;
    if (index >= 0 && reveal) {
      let folded = false;
      for (const above of this.model.ancestors(index)) {
        folded ||= Boolean(this.collapsed[above]);
        this.collapsed[above] = 0;
      }
      if (folded) this.rebuild();
      this.scrollTo(this.rowOf[index]);
    }
    for (const [at, row] of this.drawn) {
      const { span, line } = this.items[at];
      if (line) continue;
      row.classList.toggle("is-selected", span === index);
      row.setAttribute("aria-selected", String(span === index));
    }
    this.pointAtSelected();
  }

  scrollTo(at) {
    if (at < 0) return;
    const top = at * ROW;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop || top + ROW > scrollTop + clientHeight) this.scroller.scrollTop = top - clientHeight / 3;
    this.draw();
  }

  pointAtSelected() {
    const at = this.selected >= 0 ? this.rowOf[this.selected] : -1;
    if (at >= 0 && this.drawn.has(at)) this.scroller.setAttribute("aria-activedescendant", `row-${at}`);
    else this.scroller.removeAttribute("aria-activedescendant");
  }

  fold(index, folded) {
    if (!this.model.descendants(index) || Boolean(this.collapsed[index]) === folded) return;
    this.collapsed[index] = folded ? 1 : 0;
    this.rebuild();
  }

  // Collapse all but the first level, or nothing.
  foldAll(folded) {
    for (let index = 0; index < this.model.size; index += 1) {
      this.collapsed[index] = folded && this.model.depth(index) > 0 && this.model.descendants(index) ? 1 : 0;
    }
    this.rebuild();
    if (this.selected >= 0) this.scrollTo(this.rowOf[this.selected]);
  }

  highlight(indices) {
    this.matches = new Set(indices);
    this.redraw();
  }

  onClick(event) {
    const row = event.target.closest(".wf-row");
    if (!row) return;
    const { span } = this.items[Number(row.dataset.at)];
    if (event.target.closest("[data-toggle-row]")) this.fold(span, !this.collapsed[span]);
    else this.choose(span);
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { model, selected } = this;
    const at = selected >= 0 ? this.rowOf[selected] : -1;
    const spanAt = (row, step) => {
      for (let next = row + step; next >= 0 && next < this.items.length; next += step) {
        if (!this.items[next].line) return this.items[next].span;
      }
      return selected;
    };
    let next = null;
    if (event.key === "ArrowDown") next = at < 0 ? this.items[0].span : spanAt(at, 1);
    else if (event.key === "ArrowUp") next = at < 0 ? this.items[0].span : spanAt(at, -1);
    else if (event.key === "Home") next = 0;
    else if (event.key === "End") next = spanAt(this.items.length, -1);
    else if (event.key === "ArrowRight" && selected >= 0) {
      if (this.collapsed[selected]) this.fold(selected, false);
      else if (model.descendants(selected)) next = selected + 1;
    } else if (event.key === "ArrowLeft" && selected >= 0) {
      if (model.descendants(selected) && !this.collapsed[selected]) this.fold(selected, true);
      else if (model.parent(selected) >= 0) next = model.parent(selected);
    } else if (event.key === "Enter" && selected >= 0) {
      this.choose(selected, { focus: true });
    } else return;
    event.preventDefault();
    if (next !== null) {
      this.choose(next);
      this.scrollTo(this.rowOf[next]);
    }
  }
}
