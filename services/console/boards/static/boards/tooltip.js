// One tooltip for the page. It follows the pointer; a click pins it, so that its links can be followed.

import { h } from "./dom.js";

const GAP = 14;
let box = null;
let pinned = false;

function element() {
  if (!box?.isConnected) {
    box = h("div", { class: "board-tooltip", role: "tooltip", hidden: true });
    document.body.append(box);
  }
  return box;
}

export function isPinned() {
  return pinned;
}

export function showTooltip(content, x, y, pin = false) {
  const tip = element();
  if (!content) {
    hideTooltip(true);
    return;
  }
  pinned = pin;
  tip.classList.toggle("pinned", pin);
  tip.replaceChildren(content);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = x + GAP + width < innerWidth ? x + GAP : Math.max(x - GAP - width, 4);
  const top = Math.min(Math.max(y - height / 2, 4), Math.max(innerHeight - height - 4, 4));
  tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  if (pin) tip.querySelector("a")?.focus({ preventScroll: true });
}

export function hideTooltip(evenPinned = false) {
  if (pinned && !evenPinned) return;
  pinned = false;
  element().hidden = true;
}

document.addEventListener("keydown", (event) => event.key === "Escape" && hideTooltip(true));
document.addEventListener("pointerdown", (event) => pinned && !box.contains(event.target) && hideTooltip(true));
addEventListener("scroll", () => hideTooltip(true), { passive: true });
