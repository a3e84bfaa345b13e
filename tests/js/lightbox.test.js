import assert from "node:assert/strict";
import test from "node:test";

import { describeDifferences } from "../../widgets/js/surface/differences.js";
import { arrangePanes } from "../../widgets/js/surface/panes.js";
import { loopOffset } from "../../widgets/js/surface/video_stage.js";

const detail = (prompt, ...rest) => ({ prompt, arguments: rest });

test("a line below each compared clip has what it differs in and nothing else", () => {
  const lines = (details, limit = 40) => describeDifferences(details, limit).map((one) => one.line);
  const far = "a bee over a wide green meadow, seen from far away";
  assert.deepEqual(lines([detail(far, ["seed", "1"], ["steps", "20"]), detail(far, ["seed", "2"], ["steps", "20"])]), ["seed 1", "seed 2"]);
  assert.deepEqual(lines([detail(far, ["seed", "1"]), detail(far.replace("bee", "moth"), ["seed", "1"])]), ["bee", "moth"]);
  assert.deepEqual(lines([detail(far, ["extra", "x"]), detail(far)]), ["x", "—"]);
  assert.deepEqual(lines([detail("a bee"), detail("a bee at night"), detail("A bee")]), ["a", "a … at night", "A"]);
  assert.deepEqual(lines([detail(far, ["seed", "1"]), detail(far, ["seed", "1"])]), ["the same shot", "the same shot"]);
  const [first] = describeDifferences([detail(far, ["seed", "1"]), detail("a moth", ["seed", "2"])], 12);
  assert.equal(first.title, `seed: 1\nprompt: ${far}`, "the title has all of it");
});

const seeded = (seed) => () => {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return seed / 2147483648;
};

test("compared clips keep their shape, fit, and no other arrangement shows them larger", () => {
  const random = seeded(1);
  for (let round = 0; round < 2000; round++) {
    const room = { width: 200 + Math.floor(random() * 1400), height: 160 + Math.floor(random() * 900) };
    const aspects = Array.from({ length: 1 + Math.floor(random() * 8) }, () => 0.2 + random() * 3);
    const { columns, column, sizes } = arrangePanes(room, aspects, 22);
    const rows = Math.ceil(aspects.length / columns);
    const lines = Array.from({ length: rows }, (_, row) =>
      Math.max(...sizes.slice(row * columns, (row + 1) * columns).map((size) => size.height)));
    assert.ok(columns * column + 8 * (columns - 1) <= room.width);
    assert.ok(lines.reduce((sum, one) => sum + one + 22, 8 * (rows - 1)) <= room.height);
    sizes.forEach(({ width, height }, i) => {
      assert.ok(width <= column);
      assert.ok(Math.abs(height - width * aspects[i]) <= 1 + aspects[i], "nothing of a pane is empty");
    });
    const area = sizes.reduce((sum, { width, height }) => sum + width * height, 0);
    for (let other = 1; other <= aspects.length; other++) {
      const high = Math.floor((room.height - 8 * (Math.ceil(aspects.length / other) - 1)) / Math.ceil(aspects.length / other)) - 22;
      const wide = Math.floor((room.width - 8 * (other - 1)) / other);
      const possible = aspects.reduce((sum, a) => sum + Math.floor(Math.min(wide, high / a)) * Math.round(Math.floor(Math.min(wide, high / a)) * a), 0);
      assert.ok(area >= possible - 1);
    }
  }
});

test("four square clips are not shrunk", () => {
  const { sizes } = arrangePanes({ width: 1092, height: 440 }, [1, 1, 1, 1], 22);
  assert.deepEqual(sizes.map((size) => size.width), [267, 267, 267, 267]);
  assert.equal(arrangePanes({ width: 0, height: 0 }, [1, 2], 22).sizes.length, 2, "without room it is nothing to fail of");
});

test("the offset of a video is measured the shorter way around its loop", () => {
  assert.ok(Math.abs(loopOffset(1.9, 0.1, 2) + 0.2) < 1e-9);
  assert.ok(Math.abs(loopOffset(0.1, 1.9, 2) - 0.2) < 1e-9);
  assert.ok(Math.abs(loopOffset(0.5, 0.4, 2) - 0.1) < 1e-9);
});
