// What is painted by hand is painted again when the page goes from light to dark.

const painters = new Set();

// Call `paint` at every change of theme for as long as `element` is on the page.
export function onTheme(element, paint) {
  for (const entry of painters) if (!entry.element.isConnected && entry.seen) painters.delete(entry);
  const entry = { element, paint, seen: false };
  painters.add(entry);
  requestAnimationFrame(() => (entry.seen = true));
}

document.addEventListener("themechange", () => {
  for (const entry of painters) {
    if (entry.element.isConnected) entry.paint();
    else painters.delete(entry);
  }
});
