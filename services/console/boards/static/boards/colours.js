// Colours by meaning. Dashboards name colours; the page's theme says what these look like.

import { mapping, toNumber } from "./units.js";

const NAMES = { green: "ok", red: "crit", orange: "warn", yellow: "warn", blue: "accent", text: "text", gray: "muted", grey: "muted" };

// A dashboard's colour ("red", "semi-dark-orange", "#abc") in the page's colours `c` (shell/chart.js: colours()).
export function named(name, c) {
  const plain = String(name ?? "").replace(/^(super-light|light|semi-dark|dark)-/, "");
  if (NAMES[plain]) return c[NAMES[plain]];
  if (plain === "purple") return c.series[3];
  if (/^(#[0-9a-f]{3,8}|rgba?\([\d\s.,%/]+\))$/i.test(plain)) return plain;
  return c.text;
}

// The name of the threshold's colour that a value has reached; null where there are none.
export function threshold(value, config) {
  const steps = config.thresholds?.steps;
  const number = toNumber(value);
  if (!steps || number === null || number === undefined) return null;
  let reached = null;
  for (const step of steps) if (step.value === null || number >= step.value) reached = step.color;
  return reached;
}

// The name of a value's colour, by its mapping or else its threshold; null where it has none.
export function nameOf(value, config) {
  return mapping(value, config)?.color ?? threshold(value, config);
}

// What a value means, for classes: ok, warn, crit or nothing.
export function meaning(value, config) {
  const name = nameOf(value, config);
  const found = NAMES[String(name ?? "").replace(/^(super-light|light|semi-dark|dark)-/, "")];
  return ["ok", "warn", "crit"].includes(found) ? found : "";
}
