// The whole trace on a strip: each span a line. Drag to zoom, double click for the whole.

import { context2d, palette } from "./model.js";

const HEIGHT = 52;

export class Overview {
  constructor(canvas, model, viewport) {
    this.canvas = canvas;
    this.model = model;
    this.viewport = viewport;
    this.dragged = null;
    viewport.onChange(() => this.draw());
    document.addEventListener("themechange", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.finish(event));
    canvas.addEventListener("pointercancel", () => this.cancel());
    canvas.addEventListener("dblclick", () => viewport.reset());
  }

  time(event) {
    const box = this.canvas.getBoundingClientRect();
    return (Math.min(Math.max(event.clientX - box.left, 0), box.width) / box.width) * this.model.duration;
  }

  begin(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.dragged = { from: this.time(event), to: this.time(event) };
  }

  move(event) {
    if (!this.dragged) return;
    this.dragged.to = this.time(event);
    this.draw();
  }

  finish() {
    if (!this.dragged) return;
    const [from, to] = [this.dragged.from, this.dragged.to].sort((a, b) => a - b);
    this.dragged = null;
    const width = this.canvas.getBoundingClientRect().width;
    // Less than a few pixels was a click.
    if (((to - from) / this.model.duration) * width > 4) this.viewport.set(from, to);
    else this.draw();
  }

  cancel() {
    this.dragged = null;
    this.draw();
  }

  draw() {
    const { model, viewport } = this;
    const width = this.canvas.parentElement.clientWidth;
    if (!width) return;
    const context = context2d(this.canvas, width, HEIGHT);
    const colours = palette();
    const rowHeight = Math.max(0.6, Math.min(4, (HEIGHT - 4) / model.size));
    const x = (time) => (time / model.duration) * width;
    for (let index = 0; index < model.size; index += 1) {
      const y = 2 + (index / model.size) * (HEIGHT - 4);
      context.fillStyle = model.isError[index] ? colours.crit : colours.services[model.colour[index]];
      context.fillRect(x(model.start(index)), y, Math.max(1, x(model.length(index))), rowHeight);
    }
    const shade = (from, to) => {
      context.globalAlpha = 0.72;
      context.fillStyle = colours.raised;
      context.fillRect(x(from), 0, x(to) - x(from), HEIGHT);
      context.globalAlpha = 1;
    };
    if (!viewport.isWhole) {
      shade(0, viewport.from);
      shade(viewport.to, model.duration);
      context.strokeStyle = colours.accent;
      context.strokeRect(x(viewport.from) + 0.5, 0.5, Math.max(1, x(viewport.span) - 1), HEIGHT - 1);
    }
    if (this.dragged) {
      context.globalAlpha = 0.25;
      context.fillStyle = colours.accent;
      context.fillRect(x(Math.min(this.dragged.from, this.dragged.to)), 0, Math.abs(x(this.dragged.to) - x(this.dragged.from)), HEIGHT);
      context.globalAlpha = 1;
    }
  }
}
