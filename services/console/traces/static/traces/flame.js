// The flame view: time to the right, callers above what they called. For traces that are too wide for rows.

import { context2d, duration, h, palette } from "./model.js";

const LANE = 20;
const LEAST_LABEL = 34;

export class Flame {
  constructor(element, model, viewport, choose) {
    this.element = element;
    this.model = model;
    this.viewport = viewport;
    this.choose = choose;
    this.selected = -1;
    this.matches = new Set();
    this.lanes = lanesOf(model);
    this.laneCount = this.lanes.reduce((most, lane) => Math.max(most, lane + 1), 1);
    this.canvas = h("canvas", { class: "flame-canvas", "aria-hidden": "true" });
    this.tip = h("p", { class: "flame-tip", role: "status" }, "Arrow keys move between spans, a double click zooms.");
    this.space = h("div", { class: "flame-space" }, this.canvas);
    this.space.style.height = `${this.laneCount * LANE + 4}px`;
    this.scroller = h(
      "div",
      { class: "flame-scroll", tabindex: "0", role: "application", "aria-label": "Flame view: arrow keys move to the caller, the first call, the next call" },
      this.space,
    );
    element.append(this.scroller, this.tip);
    this.scroller.addEventListener("scroll", () => this.schedule(), { passive: true });
    this.canvas.addEventListener("pointermove", (event) => this.hover(this.at(event)));
    this.canvas.addEventListener("pointerleave", () => this.hover(-1));
    this.canvas.addEventListener("click", (event) => {
      const index = this.at(event);
      if (index >= 0) this.choose(index);
    });
    this.canvas.addEventListener("dblclick", (event) => {
      const index = this.at(event);
      if (index >= 0) viewport.set(model.start(index), model.end(index));
      else viewport.reset();
    });
    this.scroller.addEventListener("keydown", (event) => this.onKey(event));
    new ResizeObserver(() => this.draw()).observe(this.scroller);
    viewport.onChange(() => this.draw());
    document.addEventListener("themechange", () => this.draw());
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
    const width = this.scroller.clientWidth;
    const height = this.scroller.clientHeight;
    if (!width || this.element.hidden) return;
    const { model, viewport } = this;
    const context = context2d(this.canvas, width, height);
    const colours = palette();
    const top = this.scroller.scrollTop;
    context.font = `11px ${colours.sans}`;
    context.textBaseline = "middle";
    const least = (viewport.span / width) * 0.5;
    for (let index = 0; index < model.size; index += 1) {
      const y = this.lanes[index] * LANE - top + 2;
      if (y + LANE < 0 || y > height || model.end(index) < viewport.from || model.start(index) > viewport.to) continue;
      const left = Math.max(0, viewport.fraction(model.start(index)) * width);
      const right = Math.min(width, viewport.fraction(model.end(index)) * width);
      const wide = Math.max(model.length(index) > least ? 1 : 0.5, right - left - 0.5);
      const dimmed = this.matches.size > 0 && !this.matches.has(index);
      context.globalAlpha = dimmed ? 0.25 : 1;
      context.fillStyle = colours.services[model.colour[index]];
      context.fillRect(left, y, wide, LANE - 2);
      if (model.isError[index]) {
        context.fillStyle = colours.crit;
        context.fillRect(left, y + LANE - 5, wide, 3);
      }
      if (index === this.selected) {
        context.strokeStyle = colours.text;
        context.lineWidth = 2;
        context.strokeRect(left + 1, y + 1, Math.max(1, wide - 2), LANE - 4);
      }
      if (wide > LEAST_LABEL) {
        context.fillStyle = colours.surface;
        context.save();
        context.beginPath();
        context.rect(left, y, wide - 3, LANE);
        context.clip();
        context.fillText(`${model.operation(index)}  ${duration(model.length(index))}`, left + 4, y + LANE / 2 - 1);
        context.restore();
      }
    }
    context.globalAlpha = 1;
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const { model, viewport } = this;
    const lane = Math.floor((event.clientY - box.top + this.scroller.scrollTop - 2) / LANE);
    const slack = (2 / box.width) * viewport.span;
    const time = viewport.from + ((event.clientX - box.left) / box.width) * viewport.span;
    let found = -1;
    let nearest = Infinity;
    for (let index = 0; index < model.size; index += 1) {
      if (this.lanes[index] !== lane) continue;
      const away = Math.max(model.start(index) - time, time - model.end(index), 0);
      if (away <= slack && away < nearest) {
        nearest = away;
        found = index;
      }
    }
    return found;
  }

  hover(index) {
    const { model } = this;
    const shown = index >= 0 ? index : this.selected;
    this.tip.textContent =
      shown < 0
        ? "Arrow keys move between spans, a double click zooms."
        : `${model.service(shown)}: ${model.operation(shown)} · ${duration(model.length(shown))}, own time ${duration(model.own(shown))}${model.isError[shown] ? " · failed" : ""}`;
    this.canvas.classList.toggle("is-over", index >= 0);
  }

  select(index) {
    this.selected = index;
    if (index >= 0) {
      const y = this.lanes[index] * LANE;
      const { scrollTop, clientHeight } = this.scroller;
      if (clientHeight && (y < scrollTop || y + LANE > scrollTop + clientHeight)) this.scroller.scrollTop = y - clientHeight / 3;
    }
    this.hover(-1);
    this.draw();
  }

  highlight(indices) {
    this.matches = new Set(indices);
    this.draw();
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { model, selected } = this;
    const sibling = (step) => {
      const parent = model.parent(selected);
      for (let index = selected + step; index >= 0 && index < model.size; index += step) if (model.parent(index) === parent) return index;
      return selected;
    };
    let next = null;
    if (selected < 0 && event.key.startsWith("Arrow")) next = model.root;
    else if (event.key === "ArrowUp") next = model.parent(selected) >= 0 ? model.parent(selected) : selected;
    else if (event.key === "ArrowDown") next = model.descendants(selected) ? selected + 1 : selected;
    else if (event.key === "ArrowLeft") next = sibling(-1);
    else if (event.key === "ArrowRight") next = sibling(1);
    else if (event.key === "Enter" && selected >= 0) {
      event.preventDefault();
      this.choose(selected, { focus: true });
      return;
    } else return;
    event.preventDefault();
    this.choose(next);
  }
}

// The lane of each span: below its caller's, and free at that time. Spans are placed in order of their start.
function lanesOf(model) {
  const order = Array.from({ length: model.size }, (_, index) => index);
  order.sort((a, b) => model.start(a) - model.start(b) || model.depth(a) - model.depth(b) || a - b);
  const lanes = new Int32Array(model.size).fill(-1);
  const freeFrom = [];
  for (const index of order) {
    const parent = model.parent(index);
    let lane = parent >= 0 && lanes[parent] >= 0 ? lanes[parent] + 1 : model.depth(index);
    while ((freeFrom[lane] ?? -1) > model.start(index)) lane += 1;
    lanes[index] = lane;
    freeFrom[lane] = model.end(index);
  }
  return lanes;
}
