import assert from "node:assert/strict";
import test from "node:test";

import { differingArguments, promptWords } from "../../widgets/js/surface/diff.js";
import { loopOffset } from "../../widgets/js/surface/video_stage.js";

test("only arguments in which some clips differ are listed", () => {
  const details = [
    { prompt: "", arguments: [["seed", "1"], ["steps", "20"], ["extra", "x"]] },
    { prompt: "", arguments: [["seed", "2"], ["steps", "20"]] },
    { prompt: "", arguments: [["seed", "1"], ["steps", "20"]] },
  ];
  assert.deepEqual(differingArguments(details), [
    [{ name: "seed", value: "1" }, { name: "extra", value: "x" }],
    [{ name: "seed", value: "2" }, { name: "extra", value: "—" }],
    [{ name: "seed", value: "1" }, { name: "extra", value: "—" }],
  ]);
  assert.deepEqual(differingArguments([details[0]]), [[]]);
});

test("words that not all prompts share are marked", () => {
  const [first, second] = promptWords(["A bee over dunes, slowly", "a moth over dunes slowly"]);
  assert.deepEqual(first.filter((one) => !one.shared).map((one) => one.word), ["bee"]);
  assert.deepEqual(second.filter((one) => !one.shared).map((one) => one.word), ["moth"]);
  assert.equal(first.map((one) => one.word).join(" "), "A bee over dunes, slowly");
});

test("the offset of a video is measured the shorter way around its loop", () => {
  assert.ok(Math.abs(loopOffset(1.9, 0.1, 2) + 0.2) < 1e-9);
  assert.ok(Math.abs(loopOffset(0.1, 1.9, 2) - 0.2) < 1e-9);
  assert.ok(Math.abs(loopOffset(0.5, 0.4, 2) - 0.1) < 1e-9);
});
