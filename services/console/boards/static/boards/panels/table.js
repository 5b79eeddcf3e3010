// Tables: sorted by a click on a heading, coloured by thresholds, cells that lead somewhere.

import { meaning } from "../colours.js";
import { h, linkList } from "../dom.js";
import { display, moment, toNumber } from "../units.js";
import { drawEmpty } from "./empty.js";

// More links than this go behind a button.
const LINKS_IN_CELL = 1;

export function drawTable(body, data) {
  if (!data.rows.length) {
    drawEmpty(body);
    return;
  }
  let sort = data.sort;
  const head = h("tr");
  const rows = h("tbody");
  const order = () => {
    const places = data.rows.map((_, index) => index);
    if (sort) places.sort((a, b) => compare(data.rows[a][sort.column], data.rows[b][sort.column], sort.desc));
    rows.replaceChildren(...places.map((place) => row(data, place)));
    [...head.children].forEach((cell, index) => {
      if (sort?.column === index) cell.setAttribute("aria-sort", sort.desc ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
  };
  data.columns.forEach((column, index) => {
    const button = h("button", { type: "button", class: "board-sort" }, column.name.replace("\\", " ↓ → "));
    button.addEventListener("click", () => {
      sort = { column: index, desc: sort?.column === index ? !sort.desc : column.kind === "number" };
      order();
    });
    const cell = h("th", { scope: "col", class: column.kind === "number" ? "num" : null }, button);
    if (column.width) cell.style.minWidth = `${column.width}px`;
    head.append(cell);
  });
  order();
  body.append(h("div", { class: "table-wrap board-scroll", "data-scrolls": true, tabindex: "0", role: "region", "aria-label": "Table" }, h("table", { class: "table" }, h("thead", {}, head), rows)));
  if (data.more) body.append(h("p", { class: "muted" }, `${data.more} more rows are left out.`));
}

function row(data, place) {
  return h("tr", {}, ...data.columns.map((column, index) => cell(column, data.rows[place][index], data.links[index]?.[place] ?? [])));
}

function cell(column, value, links) {
  const isNumber = column.kind === "number";
  const isEmpty = value === null || value === "";
  const text = isEmpty ? "" : written(value, column);
  // Thresholds are about numbers; a word has a colour only if a mapping gives it one.
  const hasColour = !isEmpty && column.cell !== "auto" && (isNumber || column.config.mappings);
  const kind = hasColour ? meaning(value, column.config) : "";
  const classes = [isNumber ? "num" : "", column.kind === "time" ? "mono" : "", kind ? `${column.cell === "color-text" ? "" : "filled "}${kind}` : ""];
  const content = isEmpty || !links.length ? text : h("a", { href: links[0].url, title: links[0].title }, text);
  const more =
    !isEmpty && links.length > LINKS_IN_CELL
      ? h("details", { class: "menu board-cell-links" }, h("summary", { "aria-label": `Where ${text} leads` }, "⋯"), h("div", { class: "menu-body" }, linkList(links)))
      : null;
  return h("td", { class: classes.filter(Boolean).join(" ") || null }, content, more);
}

function written(value, column) {
  if (column.kind === "time") return moment(value);
  return column.kind === "number" || column.config.mappings ? display(value, column.config) : String(value);
}

// Numbers by size, words by the alphabet, nothing last.
function compare(a, b, desc) {
  const [left, right] = [toNumber(a), toNumber(b)];
  const isNothing = (value) => value === null || value === "" || value === undefined;
  if (isNothing(left) || isNothing(right)) return Number(isNothing(left)) - Number(isNothing(right));
  const areNumbers = typeof left === "number" && typeof right === "number";
  const order = areNumbers ? left - right : String(left).localeCompare(String(right), "en", { numeric: true });
  return desc ? -order : order;
}
