import assert from "node:assert/strict";
import test from "node:test";

import { pace, words } from "../../widgets/js/progress.js";

test("a pace is told in the unit that has a number to read", () => {
  assert.equal(pace(25.4), "25 a second");
  assert.equal(pace(2.54), "2.5 a second");
  assert.equal(pace(0.1), "6.0 a minute");
  assert.equal(pace(0.005), "18.0 an hour");
});

test("what is known is told, and no more", () => {
  const state = { label: "", done: 1200, total: 4000, rate: 10, left: 280, status: "running", note: "b" };
  assert.equal(words(state), "1,200 of 4,000 · 10 a second · about 5 min left · b");
  assert.equal(words({ ...state, total: null, left: null, note: "" }), "1,200 · 10 a second");
  assert.equal(words({ ...state, status: "stopped", note: "" }), "1,200 of 4,000 · stopped");
  assert.equal(words({ ...state, status: "done", note: "" }), "1,200 of 4,000");
});
