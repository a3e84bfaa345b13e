import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { captioner, distinguish, fits, truncate } from "../../widgets/js/captions/captions.js";
import { FlowCaptions } from "../../widgets/js/captions/flow_captions.js";
import { shortenHeaders } from "../../widgets/js/grid/headers.js";
import { ShortValues } from "../../widgets/js/captions/short_values.js";

const cases = JSON.parse(readFileSync(new URL("./caption_cases.json", import.meta.url), "utf8"));

test("captions are the same as those of the kit's static sheets", () => {
  for (const { labels, limit, short } of cases.distinguish) assert.deepEqual(distinguish(labels, limit), short);
  for (const { columns, limit, values, caption } of cases.captions) assert.equal(captioner(columns, limit)(values), caption);
});

test("labels that differ are shown differently, whatever they share", () => {
  let seed = 7;
  const random = (n) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % n;
  };
  const words = ["a", "bee", "moth", "meadow", "over", "1", "12", "0.30000000000000004", "蜜蜂", "🐝", "…", "x".repeat(40)];
  for (let round = 0; round < 3000; round++) {
    const shared = Array.from({ length: random(12) }, () => words[random(words.length)]).join(" ");
    const labels = [...new Set(Array.from({ length: 2 + random(8) }, () =>
      [shared, ...Array.from({ length: random(3) }, () => words[random(words.length)]), random(2) ? shared : ""].join(" ")))];
    const limit = 8 + random(40);
    const short = distinguish(labels, limit);
    assert.equal(new Set(short).size, labels.length, JSON.stringify([labels, limit, short]));
    for (const text of short) assert.equal(truncate(text, limit), text, "it fits");
  }
});

test("text is cut between characters", () => {
  assert.equal(truncate("a bee over", 6), "a bee…");
  assert.equal(truncate("🐝🐝🐝", 5), "🐝🐝…");
  assert.equal(distinguish(["x".repeat(99)], 0)[0].length, 99);
});

const axes = [
  { name: "insect", labels: ["bee", "butterfly"], notes: ["small", ""] },
  { name: "seed", labels: ["1", "12"], notes: [] },
];
const coords = Int32Array.from([0, 0, 0, 1, 1, 0, 1, 1]);

test("captions of a flow say what the shown cells differ in", () => {
  const flow = new FlowCaptions({ axes, coords, items: new Map() });
  assert.equal(flow.update([0, 1, 2, 3], () => 200), 1);
  assert.equal(flow.of(0), "bee (small) · seed 1");
  assert.equal(flow.update([0, 1, 2, 3], () => 104), 2, "two lines before anything is left out");
  assert.equal(flow.of(1), "bee (small) · seed 12");
  assert.equal(flow.update([0, 1], () => 104), 1);
  assert.equal(flow.of(1), "seed 12", "all shown ones are bees");
});

test("captions of clips without axes come from their prompts and seeds", () => {
  globalThis.requestAnimationFrame = (f) => f();
  const items = new Map([[0, { prompt: "a bee over dunes", seed: "1" }]]);
  const flow = new FlowCaptions({ axes: [], coords: new Int32Array(0), items });
  flow.update([0, 1, 2], () => 160);
  assert.equal(flow.of(0), "a bee over dunes · seed 1");
  assert.equal(flow.of(1), "");
  items.set(1, { prompt: "a bee over dunes", seed: "2" });
  let shown = 0;
  flow.refreshSoon(() => { shown++; });
  assert.equal(shown, 1);
  assert.equal(flow.of(0), "seed 1");
  flow.refreshSoon(() => assert.fail("nothing new is known"));
});

test("headers are shortened to the room that they have", () => {
  const heads = ["a bee over the very wide green meadow", "a moth over the very wide green meadow"]
    .map((label, i) => ({ key: [0, i], labels: ["dunes", label], notes: ["", ""], titles: [] }));
  assert.deepEqual(shortenHeaders(heads).map((one) => one[1]), heads.map((one) => one.labels[1]));
  assert.deepEqual(shortenHeaders(heads, 100, 32), [["dunes", "a bee …"], ["dunes", "a moth …"]]);
  assert.deepEqual(shortenHeaders([{ key: [], labels: [], notes: [], titles: [] }], 100, 32), [[]]);
});

test("values of a table are shortened to their column, but numbers have room", () => {
  const values = { prompt: ["a bee over the meadow at noon", "a moth over the meadow at noon"], seed: ["1", "12345678901"] };
  const short = new ShortValues(() => 90, (name) => values[name]);
  assert.equal(short.of("prompt", values.prompt[1]), "a moth …");
  assert.equal(short.of("seed", "12345678901"), "12345678901");
  assert.ok(short.widthOf("seed", 64) >= 11 * 7);
  assert.equal(short.widthOf("prompt", 64), 64);
  short.clear("a");
  values.prompt = ["a bee"];
  assert.equal(short.of("prompt", "a bee"), "a bee");
});

test("everything is shown if there is room", () => {
  assert.equal(fits(axes, "butterfly (small) · seed 12".length), true);
  assert.equal(fits(axes, 12), false);
  assert.equal(fits([], 0), true);
});
