// Numbers as people read them: run by test_units.py.

import assert from "node:assert/strict";
import test from "node:test";

import { meaning, nameOf } from "./static/boards/colours.js";
import { automaticDecimals, display, format, mapping, moment, tick } from "./static/boards/units.js";

test("seconds take the unit that fits", () => {
  const written = [0, 1.5e-7, 2.5e-5, 0.0123, 0.5, 1.234, 59.9, 90, 5400, 172800].map((value) => format(value, "s"));
  assert.deepEqual(written, ["0 s", "150 ns", "25 µs", "12.3 ms", "500 ms", "1.23 s", "59.9 s", "1.5 min", "1.5 h", "2 d"]);
});

test("shares are per cent", () => {
  assert.equal(format(0.0285, "percentunit"), "2.85%");
  assert.equal(format(1, "percentunit"), "100%");
  assert.equal(format(0.5, "percentunit", 2), "50.00%");
});

test("rates keep their unit behind the prefix", () => {
  assert.equal(format(1234.5, "reqps"), "1.23K req/s");
  assert.equal(format(0.689, "ops"), "0.689 ops/s");
});

test("money has its currency, business rates name what they count", () => {
  assert.equal(format(203_400, "currencyEUR", 0), "€203K");
  assert.equal(format(0.5, "orders/s"), "0.5 orders/s");
});

test("bytes go by 1024", () => {
  assert.equal(format(1536, "bytes"), "1.5 KiB");
  assert.equal(format(1500, "decbytes"), "1.5 kB");
  assert.equal(format(1500, "Bps"), "1.5 kB/s");
});

test("an unknown unit follows the number", () => {
  assert.equal(format(0.0345, "cores"), "0.0345 cores");
});

test("three significant figures, none after a whole number", () => {
  assert.deepEqual([0, 5, 123.456, 12.345, 1.2345, 0.012345].map(automaticDecimals), [0, 0, 0, 1, 2, 4]);
  assert.equal(format(123456, "short"), "123 K");
  assert.equal(format(-2.5, "none"), "-2.5");
});

test("nothing, infinity and words have a sign of their own", () => {
  assert.deepEqual([null, undefined, NaN, "+Inf", "-Inf"].map((value) => format(value, "s")), ["–", "–", "–", "∞", "−∞"]);
});

test("a mapping's words come before the number", () => {
  const config = { unit: "bool_on_off", mappings: [{ type: "value", options: { 0: { text: "down", color: "red" }, 1: { text: "up" } } }] };
  assert.equal(display(0, config), "down");
  assert.equal(display(1, config), "up");
  assert.equal(display(2, config), "On");
  assert.equal(nameOf(0, config), "red");
  assert.equal(mapping(null, { mappings: [{ type: "special", options: { match: "null", result: { text: "none" } } }] }).text, "none");
  assert.equal(mapping(5, { mappings: [{ type: "range", options: { from: 1, to: 5, result: { text: "few" } } }] }).text, "few");
});

test("a threshold is reached at its own value", () => {
  const config = { thresholds: { steps: [{ value: null, color: "green" }, { value: 0.1, color: "orange" }, { value: 0.5, color: "red" }] } };
  assert.deepEqual([0, 0.099, 0.1, 0.5, "+Inf", null].map((value) => meaning(value, config)), ["ok", "ok", "warn", "crit", "crit", ""]);
  assert.equal(meaning(5, {}), "");
});

test("times are UTC and as short as the span allows", () => {
  const time = Date.UTC(2026, 0, 2, 3, 4, 5);
  assert.equal(moment(time), "2026-01-02 03:04:05");
  assert.deepEqual([60e3, 3600e3, 2 * 86400e3, 30 * 86400e3].map((span) => tick(time, span)), ["03:04:05", "03:04", "01-02 03:04", "01-02"]);
});
