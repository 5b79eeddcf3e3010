// What all graphs over time share: the time axis, the line under the pointer on every graph at once, the tooltip, and
// dragging to zoom.

import { tick } from "./units.js";
import { hideTooltip, isPinned, showTooltip } from "./tooltip.js";

const DRAG_STARTS_AT = 6;

// Options of an axis of time from `from` to `to` (epoch milliseconds, shown in UTC).
export function timeAxis(from, to, width) {
  return {
    type: "time",
    min: from,
    max: to,
    splitNumber: Math.max(2, Math.floor(width / 110)),
    axisLabel: { formatter: (ms) => tick(ms, to - from), hideOverlap: true, showMinLabel: false, showMaxLabel: false },
    splitLine: { show: true },
    axisPointer: { show: false },
  };
}

function overlay(element, className) {
  const part = document.createElement("div");
  part.className = className;
  part.hidden = true;
  element.append(part);
  return part;
}

function place(part, left, width, height) {
  part.hidden = false;
  part.style.transform = `translateX(${left}px)`;
  part.style.width = `${width}px`;
  part.style.height = `${height}px`;
}

/* Make a graph answer to the pointer.

`area()` gives the plot's { left, right, top, bottom } in pixels, `timeAt(x)` and `xOf(time)` translate, `describe(time, x, y)`
gives the tooltip's content (an element), or null for none; `onClick(time, x, y)` returns true if it has done something. */
export function interactive(element, { area, timeAt, xOf, describe, onClick }) {
  const cross = overlay(element, "board-cross");
  const zoom = overlay(element, "board-zoom");
  let dragFrom = null;
  let isDragging = false;

  const at = (event) => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const inside = ({ x, y }) => {
    const { left, right, top, bottom } = area();
    return x >= left && x <= right && y >= top && y <= bottom;
  };

  const showCross = ({ detail }) => {
    if (!element.isConnected) {
      document.removeEventListener("boards:time", showCross);
      return;
    }
    const { left, right, bottom } = area();
    const x = detail.time === null ? -1 : xOf(detail.time);
    if (x < left || x > right) cross.hidden = true;
    else place(cross, x, 1, bottom);
  };
  document.addEventListener("boards:time", showCross);
  const announce = (time) => document.dispatchEvent(new CustomEvent("boards:time", { detail: { time } }));

  const leave = () => {
    announce(null);
    hideTooltip();
  };

  element.addEventListener("pointermove", (event) => {
    const point = at(event);
    if (dragFrom) {
      const { left, right, bottom } = area();
      const x = Math.min(Math.max(point.x, left), right);
      isDragging ||= Math.abs(x - dragFrom.x) > DRAG_STARTS_AT;
      if (isDragging) {
        place(zoom, Math.min(x, dragFrom.x), Math.abs(x - dragFrom.x), bottom);
        hideTooltip();
        return;
      }
    }
    if (!inside(point)) {
      leave();
      return;
    }
    const time = timeAt(point.x);
    announce(time);
    if (!isPinned()) showTooltip(describe(time, point.x, point.y), event.clientX, event.clientY);
  });
  element.addEventListener("pointerleave", () => !isDragging && leave());
  element.addEventListener("pointerdown", (event) => {
    const point = at(event);
    if (event.pointerType === "touch" || event.button !== 0 || !inside(point)) return;
    dragFrom = point;
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointerup", (event) => {
    const from = dragFrom;
    dragFrom = null;
    zoom.hidden = true;
    if (!from || !isDragging) return;
    const { left, right } = area();
    const x = Math.min(Math.max(at(event).x, left), right);
    const [start, end] = [timeAt(from.x), timeAt(x)].sort((a, b) => a - b);
    if (end - start >= 1000) document.dispatchEvent(new CustomEvent("timerange:set", { detail: { from: start, to: end } }));
  });
  element.addEventListener("pointercancel", () => {
    dragFrom = null;
    isDragging = false;
    zoom.hidden = true;
  });
  element.addEventListener("click", (event) => {
    const wasDragging = isDragging;
    isDragging = false;
    const point = at(event);
    if (wasDragging || !inside(point)) return;
    const time = timeAt(point.x);
    if (onClick?.(time, point.x, point.y)) return;
    showTooltip(describe(time, point.x, point.y, true), event.clientX, event.clientY, true);
  });
}

// The first index in a sorted list whose time is closest.
export function nearest(times, time) {
  if (!times.length) return -1;
  let low = 0;
  let high = times.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle] < time) low = middle;
    else high = middle;
  }
  return time - times[low] <= times[high] - time ? low : high;
}
