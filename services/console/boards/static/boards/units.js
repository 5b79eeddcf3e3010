// Numbers as Grafana writes them: units, automatic decimals, value mappings (packages/grafana-data/src/valueFormats).

import { inZone } from "../shell/zone.js";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;

// Decimals that show three significant figures.
export function automaticDecimals(value) {
  if (value === 0 || Number.isInteger(value)) return 0;
  return Math.min(Math.max(2 - Math.floor(Math.log10(Math.abs(value))), 0), 12);
}

function fixed(value, decimals) {
  if (decimals !== undefined && decimals !== null) return value.toFixed(decimals);
  const text = value.toFixed(automaticDecimals(value));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function scaled(factor, suffixes, separator = "") {
  return (value, decimals) => {
    let size = Math.abs(value);
    let index = 0;
    while (size >= factor && index < suffixes.length - 1) {
      size /= factor;
      index += 1;
    }
    const number = fixed(Math.sign(value) * size, decimals);
    return suffixes[index] ? `${number}${separator}${suffixes[index]}` : number;
  };
}

const short = scaled(1000, ["", "K", "Mil", "Bil", "Tri"], " ");
const counted = scaled(1000, ["", "K", "M", "B", "T"]);
const binary = scaled(1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"], " ");
const decimal = scaled(1000, ["B", "kB", "MB", "GB", "TB", "PB"], " ");

// A unit that has its prefix before it: 1.2K req/s.
const perSecond = (unit) => (value, decimals) => `${counted(value, decimals)} ${unit}`;

function seconds(value, decimals) {
  const size = Math.abs(value);
  if (size === 0) return "0 s";
  if (size < 1e-6) return `${fixed(value * 1e9, decimals)} ns`;
  if (size < 1e-3) return `${fixed(value * 1e6, decimals)} µs`;
  if (size < 1) return `${fixed(value * 1e3, decimals)} ms`;
  if (size < MINUTE) return `${fixed(value, decimals)} s`;
  if (size < HOUR) return `${fixed(value / MINUTE, decimals)} min`;
  if (size < DAY) return `${fixed(value / HOUR, decimals)} h`;
  return `${fixed(value / DAY, decimals)} d`;
}

const FORMATS = {
  none: fixed,
  short,
  percent: (value, decimals) => `${fixed(value, decimals)}%`,
  percentunit: (value, decimals) => `${fixed(value * 100, decimals)}%`,
  s: seconds,
  ms: (value, decimals) => seconds(value / 1000, decimals),
  bytes: binary,
  decbytes: decimal,
  Bps: (value, decimals) => `${decimal(value, decimals)}/s`,
  binBps: (value, decimals) => `${binary(value, decimals)}/s`,
  ops: perSecond("ops/s"),
  reqps: perSecond("req/s"),
  rowsps: perSecond("rows/s"),
  rps: perSecond("rd/s"),
  wps: perSecond("wr/s"),
  cps: perSecond("c/s"),
  currencyEUR: (value, decimals) => `€${counted(value, decimals)}`,
  bool_on_off: (value) => (value ? "On" : "Off"),
  bool: (value) => (value ? "True" : "False"),
  bool_yes_no: (value) => (value ? "Yes" : "No"),
};

// "+Inf" and "-Inf" come as words: JSON has no infinity.
export function toNumber(value) {
  if (value === "+Inf") return Infinity;
  if (value === "-Inf") return -Infinity;
  return value;
}

// A number with its unit; a dash for none. An unknown unit follows the number, as in Grafana.
export function format(value, unit = "short", decimals = undefined) {
  const number = toNumber(value);
  if (number === null || number === undefined || Number.isNaN(number)) return "–";
  if (typeof number !== "number") return String(number);
  if (!Number.isFinite(number)) return number > 0 ? "∞" : "−∞";
  const known = FORMATS[unit];
  return known ? known(number, decimals) : `${short(number, decimals)} ${unit}`;
}

// What a field's configuration makes of a value: its mapping's words, else the number with its unit.
export function display(value, config = {}) {
  const mapped = mapping(value, config);
  if (mapped?.text) return mapped.text;
  if (value === null || value === undefined) return config.noValue ?? "–";
  return format(value, config.unit ?? "short", config.decimals);
}

// The mapping that a value falls under: { text, color }, or null.
export function mapping(value, config = {}) {
  const number = toNumber(value);
  for (const item of config.mappings ?? []) {
    if (item.type === "value" && number !== null && String(number) in item.options) return item.options[String(number)];
    if (item.type === "range" && typeof number === "number") {
      const { from, to, result } = item.options;
      if ((from ?? -Infinity) <= number && number <= (to ?? Infinity)) return result;
    }
    if (item.type === "special") {
      const { match, result } = item.options;
      if ((match === "null" || match === "null+nan") && (number === null || number === undefined)) return result;
    }
  }
  return null;
}

const two = (number) => String(number).padStart(2, "0");

// A moment (epoch milliseconds) in the shown zone.
export function moment(ms, withDate = true) {
  const time = inZone(ms);
  const clock = `${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())}`;
  const date = `${time.getUTCFullYear()}-${two(time.getUTCMonth() + 1)}-${two(time.getUTCDate())}`;
  return withDate ? `${date} ${clock}` : clock;
}

// The same for an axis: as short as the span allows.
export function tick(ms, span) {
  const time = inZone(ms);
  const clock = `${two(time.getUTCHours())}:${two(time.getUTCMinutes())}`;
  const day = `${two(time.getUTCMonth() + 1)}-${two(time.getUTCDate())}`;
  if (span <= 10 * MINUTE * 1000) return `${clock}:${two(time.getUTCSeconds())}`;
  if (span <= DAY * 1000) return clock;
  return span <= 5 * DAY * 1000 ? `${day} ${clock}` : day;
}
