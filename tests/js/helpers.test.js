import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock, frameAt } from "../../widgets/js/core/clock.js";
import { HELP, commandFor, isNotebookKey } from "../../widgets/js/core/keys.js";
import { Lru } from "../../widgets/js/data/lru.js";
import { describeCell } from "../../widgets/js/data/axes.js";
import { formatDuration, formatTimeLeft, isolateBidi, summarizeRun } from "../../widgets/js/core/text.js";

/** A clock whose animation frames the test triggers. */
function manual() {
  const waiting = [];
  const clock = new Clock((f) => waiting.push(f), () => waiting.pop());
  return { clock, waiting, frame: (now) => waiting.splice(0).forEach((f) => f(now)) };
}

test("one animation frame is requested at a time, and all painters get the same time", () => {
  const { clock, waiting, frame } = manual();
  const seen = [];
  clock.painters.add((s) => seen.push(s));
  clock.painters.add((s) => seen.push(s));
  clock.play(true);
  clock.wake();
  assert.equal(waiting.length, 1);
  frame(1000);
  frame(1100);
  frame(1200);
  assert.deepEqual(seen.map((s) => Math.round(s * 1000)), [0, 0, 100, 100, 200, 200]);
});

test("nothing is painted while the clock is paused or nothing is visible", () => {
  const { clock, waiting, frame } = manual();
  clock.play(true);
  frame(0);
  clock.play(false);
  frame(100);
  assert.equal(waiting.length, 0);
  clock.wake();
  assert.equal(waiting.length, 1);
  frame(5000);
  assert.equal(clock.seconds, 0);
  clock.sleep(true);
  clock.play(true);
  assert.equal(waiting.length, 0);
  clock.sleep(false);
  assert.equal(waiting.length, 1);
});

test("a page that returns from the background resumes where it was", () => {
  const { clock, frame } = manual();
  clock.play(true);
  frame(0);
  frame(60_000);
  assert.equal(clock.seconds, 0.25);
});

test("a sheet of fewer frames than the clip keeps the clip's length", () => {
  const sheet = { frames: 24, count: 48, fps: 8 };
  assert.equal(frameAt(sheet, 0, null), 0);
  assert.equal(frameAt(sheet, 3, null), 12);
  assert.equal(frameAt(sheet, 6, null), 0);
  assert.equal(frameAt(sheet, 1, 0.9999), 23);
  assert.equal(frameAt(sheet, 1, 0), 0);
  assert.equal(frameAt({ frames: 1, count: 0, fps: 0 }, 9, null), 0);
});

const key = (name, more = {}) =>
  ({ key: name, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...more });

test("keys mean what the help says", () => {
  assert.deepEqual(commandFor(key("3"), "grid"), { name: "stars", stars: 3 });
  assert.deepEqual(commandFor(key("0"), "large"), { name: "stars", stars: 0 });
  assert.equal(commandFor(key("X"), "grid").name, "reject");
  assert.equal(commandFor(key(" "), "grid").name, "play");
  assert.equal(commandFor(key("Enter"), "grid").name, "open");
  assert.equal(commandFor(key("Enter"), "large"), null);
  assert.equal(commandFor(key("f"), "large").name, "full");
  assert.equal(commandFor(key("ArrowRight"), "large").name, "step");
  assert.equal(commandFor(key("ArrowRight", { shiftKey: true }), "grid").extend, true);
  assert.equal(commandFor(key("6"), "grid"), null);
  assert.equal(commandFor(key("b"), "grid"), null);
  assert.ok(HELP.length > 8);
});

test("the notebook keeps its shortcuts", () => {
  for (const k of [key("Enter", { shiftKey: true }), key("Enter", { ctrlKey: true }),
    key("s", { metaKey: true }), key("1", { altKey: true })]) {
    assert.equal(isNotebookKey(k), true);
    assert.equal(commandFor(k, "grid"), null);
  }
  assert.equal(isNotebookKey(key("?", { shiftKey: true })), false);
});

test("the least recently used entries are dropped first, pinned ones stay", () => {
  const dropped = [];
  const lru = new Lru(30, (v) => dropped.push(v), (k) => k === 1);
  lru.set(1, "a", 10);
  lru.set(2, "b", 10);
  lru.set(3, "c", 10);
  assert.equal(lru.get(2), "b");
  lru.set(4, "d", 10);
  assert.deepEqual(dropped, ["c"]);
  assert.equal(lru.weight, 30);
  lru.set(2, "e", 5);
  assert.deepEqual(dropped, ["c", "b"]);
  lru.clear();
  assert.equal(lru.weight, 0);
  assert.equal(lru.has(1), false);
});

test("only pinned entries may exceed the budget", () => {
  const lru = new Lru(10, () => {}, (k) => k < 3);
  for (let k = 0; k < 6; k++) lru.set(k, k, 10);
  assert.deepEqual([...lru.entries.keys()].sort(), [0, 1, 2, 5]);
});

test("durations and counts are readable", () => {
  assert.deepEqual([0.35981, 9.5, 41.4, 90].map(formatDuration), ["0.36 s", "9.5 s", "41 s", "1.5 min"]);
  assert.equal(formatTimeLeft(null), "");
  assert.equal(formatTimeLeft(0.2), "almost done");
  assert.equal(formatTimeLeft(41.2), "about 42 s left");
  assert.equal(formatTimeLeft(150), "about 3 min left");
  assert.equal(formatTimeLeft(3720), "about 1 h 2 min left");
  const run = { status: "running", counts: { done: 3, cached: 1, failed: 2 }, total: 1200, seconds_left: 30 };
  assert.equal(summarizeRun(run, 1200), "4 of 1,200 · 2 failed · about 30 s left");
  assert.equal(summarizeRun({ ...run, status: "cancelled" }, 1200), "4 of 1,200 · 2 failed · stopped");
  assert.equal(summarizeRun(null, 1), "1 clip");
  assert.equal(summarizeRun(run, 1200, true), "4 of 1,200 drafts · 2 failed · about 30 s left");
});

test("right-to-left text and bidi controls cannot reorder the text around them", () => {
  assert.equal(isolateBidi("a bee, 3"), "a bee, 3");
  assert.equal(isolateBidi("\u202eevil"), "\u2068\u202eevil\u2069");
  assert.equal(isolateBidi("نحلة"), "\u2068نحلة\u2069");
  assert.equal(isolateBidi("out \u2069\u202eevil"), "\u2068out \u202eevil\u2069", "it cannot end its isolate");
  const store = {
    axes: [
      { name: "insect", labels: ["bee", "\u202eevil"], notes: ["small", ""] },
      { name: "one", labels: ["x"], notes: [] }, { name: "seed", labels: ["0", "1"], notes: [] },
    ],
    coords: Int32Array.from([0, 0, 1, 1, 0, 0]),
  };
  assert.equal(describeCell(store, 0, false), "insect bee · seed 1");
  assert.equal(describeCell(store, 0, true, true), "bee (small) · seed 1");
  assert.equal(describeCell(store, 1, true), "insect \u2068\u202eevil\u2069 · seed 0");
});
