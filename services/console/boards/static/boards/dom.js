// Elements without HTML strings: what comes from a backend is only ever text.

// h("a", { class: "btn", href: url, onclick: f }, "text", child): an element. Attributes that are null or false are left out.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

// A small square in a colour. Set as a property: the content security policy forbids style attributes.
export function swatch(colour) {
  const element = h("span", { class: "board-swatch", "aria-hidden": "true" });
  element.style.backgroundColor = colour;
  return element;
}

// Links as a list; nothing if there are none.
export function linkList(links) {
  if (!links?.length) return null;
  return h("ul", { class: "board-links" }, ...links.map((link) => h("li", {}, h("a", { href: link.url }, link.title))));
}
