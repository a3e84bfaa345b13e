import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { PanelStore } from "../../widgets/js/panel/panel_store.js";
import { isNotebookKeyWhileTyping } from "../../widgets/js/core/keys.js";
import {
  describeAllowed, describeCost, formatEstimate, moveItem, newRows, nextValue, runLabel, segments, slotsOf,
} from "../../widgets/js/panel/text/slots.js";

const kinds = (template) => segments(template).map(({ text, kind }) => [text, kind]);

test("a template is split into segments that join to the whole of it", () => {
  assert.deepEqual(kinds("a {insect} over {dunes|a lake}."), [
    ["a ", "text"], ["{insect}", "slot"], [" over ", "text"], ["{dunes|a lake}", "variants"], [".", "text"],
  ]);
  for (const odd of ["", "{", "}", "{}", "{a", "a}", "{{a}}", "{a{b}c}", "{{{a}}}", "{a}}", "{ ä_1 }", "{1a}", "{prompt}", "\n{a}\n", "{🐝}", "{नाम}"]) {
    assert.equal(segments(odd).map((one) => one.text).join(""), odd);
  }
});

test("invalid slots are marked, and doubled braces are text", () => {
  assert.deepEqual(kinds("{{a}} {a"), [["{{a}} ", "text"], ["{a", "invalid"]]);
  assert.deepEqual(kinds("{a b} {prompt} x}"), [["{a b}", "invalid"], [" ", "text"], ["{prompt}", "invalid"], [" x", "text"], ["}", "invalid"]]);
  assert.deepEqual(slotsOf("{a} {b} {a} {seed} { Ä } {c|d} {{e}}"), ["a", "b", "Ä"]);
});

// The kit reads the same file.
const templates = JSON.parse(readFileSync(new URL("./templates.json", import.meta.url), "utf8"));
for (const { template, slots, choices } of templates) {
  test(`the slots of ${template} are those of the kit`, () => {
    assert.deepEqual(slotsOf(template), slots);
    const found = segments(template);
    assert.equal(found.map((one) => one.text).join(""), template);
    // Choices within a switch are text of its brackets and segments of their own.
    assert.equal(found.filter((one) => one.kind === "variants").length, choices);
  });
}

test("choices, wildcards and escapes are told apart from slots", () => {
  assert.deepEqual(kinds("{{a|b} c|d} \\{x\\} __y__ {3::z}"), [
    ["{{a|b} c|d}", "variants"], [" \\{x\\} ", "text"], ["__y__", "variants"], [" ", "text"], ["{3::z}", "variants"],
  ]);
  assert.deepEqual(kinds("__../x__ {plain}"), [["__../x__", "invalid"], [" ", "text"], ["{plain}", "invalid"]]);
});

test("pasted lines become values, without duplicates", () => {
  const rows = [["a bee", "", ""]];
  assert.deepEqual(newRows("a bee\r\n a moth \n\n\na moth\ra wasp", rows).map((row) => row[0]), ["a moth", "a wasp"]);
  assert.deepEqual(newRows("   ", rows), []);
  assert.deepEqual(newRows("4", [[4, "", ""]]), []);
});

test("values are moved to where they are dropped", () => {
  assert.deepEqual(moveItem(["a", "b", "c"], 0, 2), ["b", "c", "a"]);
  assert.deepEqual(moveItem(["a", "b", "c"], 2, 0), ["c", "a", "b"]);
  assert.deepEqual(moveItem(["a", "b"], 0, 9), ["b", "a"]);
});

const control = (more) => ({ name: "x", kind: "integer", low: null, high: null, step: 1, base: 0, default: "", choices: [], help: "", only_with: [], ...more });

test("arrow keys step through what a model allows", () => {
  const frames = control({ step: 8, base: 1, default: "17", low: 1 });
  assert.deepEqual([nextValue(frames, "", 1), nextValue(frames, "", -1), nextValue(frames, "20", 1), nextValue(frames, "20", -1), nextValue(frames, "1", -1)], ["25", "9", "25", "17", "1"]);
  const scale = control({ kind: "number", step: null, default: "3" });
  assert.deepEqual([nextValue(scale, "", 1), nextValue(scale, "0.1", 1), nextValue(scale, "many", 1)], ["3.5", "0.5", null]);
  assert.equal(nextValue(control({}), "", 1), null);
  assert.equal(describeAllowed(frames), "8k+1, 17 by default");
  assert.equal(describeAllowed(control({ step: 32, default: "64" })), "multiples of 32, 64 by default");
});

test("the cost is described in one line", () => {
  const shape = [["insect", 3], ["place", 1], ["seed", 4]];
  assert.equal(describeCost({ cells: 12, cached: 5, seconds: 4.2, shape }), "12 clips = 3 insect × 4 seed · 5 generated already · about 4 s");
  assert.equal(describeCost({ cells: 12, cached: 12, seconds: 0, shape }), "12 clips = 3 insect × 4 seed · all generated already");
  assert.equal(describeCost({ cells: 5, cached: 0, seconds: null, shape }), "5 clips drawn from 12: 3 insect × 4 seed · not timed yet");
  assert.equal(describeCost({ cells: 1, cached: 0, seconds: 1, shape: [] }), "1 clip · about a second");
  assert.deepEqual([formatEstimate(70), formatEstimate(600), formatEstimate(7200), formatEstimate(90000)], ["about 70 s", "about 10 min", "about 2.0 h", "about 25 h"]);
  assert.deepEqual([runLabel({}), runLabel({ cells: 3, cached: 2 }), runLabel({ cells: 3, cached: 3 }), runLabel({ cells: 1200, cached: 0 })],
    ["Run", "Generate 1 clip", "Show 3 clips", "Generate 1,200 clips"]);
});

test("while text is typed, its editing keys do not belong to the notebook", () => {
  const key = (k, more = {}) => isNotebookKeyWhileTyping({ key: k, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...more });
  for (const one of ["z", "Z", "a", "c", "v", "x", "y"]) assert.equal(key(one, { ctrlKey: true }), false, one);
  assert.equal(key("{", { ctrlKey: true, altKey: true }), false, "AltGr types a brace");
  assert.equal(key("b"), false);
  assert.equal(key("Enter"), false);
  assert.equal(key("Enter", { shiftKey: true }), true);
  assert.equal(key("Enter", { ctrlKey: true }), true);
  assert.equal(key("s", { metaKey: true }), true);
});

/** The model of a widget; the test answers for Python. */
class FakeModel {
  constructor(state) {
    this.state = state;
    this.sent = [];
    this.listeners = new Set();
  }
  get() { return this.state; }
  on(_, listener) { this.listeners.add(listener); }
  off(_, listener) { this.listeners.delete(listener); }
  send(content) { this.sent.push(structuredClone(content)); }
  answer(state) {
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}

globalThis.window ??= globalThis;

test("an answer to an older edit does not undo what was typed since", () => {
  const model = new FakeModel({ template: "a", axes: {}, serial: 1, edit: ["", 0] });
  const store = new PanelStore(model);
  store.change((state) => { state.template = "ab"; });
  store.flush();
  const [first] = model.sent;
  assert.deepEqual([first.kind, first.state], ["edit", { template: "ab", axes: {} }]);
  store.change((state) => { state.template = "abc"; });
  model.answer({ template: "ab", axes: {}, serial: 2, edit: first.edit });
  assert.equal(store.state.template, "abc", "the edit is not sent yet");
  store.flush();
  model.answer({ template: "ab", axes: {}, serial: 3, edit: first.edit });
  assert.equal(store.state.template, "abc", "the answer to this edit has not arrived");
  assert.equal(store.ahead, true);
  model.answer({ template: "abc!", axes: {}, serial: 4, edit: model.sent[1].edit });
  assert.equal(store.state.template, "abc!");
  assert.equal(store.ahead, false);
  model.answer({ template: "by code", axes: {}, serial: 5, edit: ["", 0] });
  assert.equal(store.state.template, "by code", "a value set by Python is shown");
});

test("pending edits are sent before a request", () => {
  const model = new FakeModel({ template: "a", axes: {}, edit: ["", 0] });
  const store = new PanelStore(model);
  store.change((state) => { state.template = "b"; });
  store.request("run");
  assert.deepEqual(model.sent.map((one) => one.kind), ["edit", "run"]);
  store.close();
  assert.equal(model.listeners.size, 0);
});

test("typed values are separated by commas, except in quotes and brackets", () => {
  const values = (text) => newRows(text, [], false).map((row) => row[0]);
  assert.deepEqual(values("bee, moth"), ["bee", "moth"]);
  assert.deepEqual(values(" bee ,, bee,moth, "), ["bee", "moth"]);
  assert.deepEqual(values('"dawn, seen from afar", dusk'), ["dawn, seen from afar", "dusk"]);
  assert.deepEqual(values("(1, 2), [3, 4], {a, b}"), ["(1, 2)", "[3, 4]", "{a, b}"]);
  assert.deepEqual(values("a bee"), ["a bee"]);
  assert.deepEqual(values('5" lens (old'), ['5" lens (old']);
  assert.deepEqual(newRows("a, b\nc", []).map((row) => row[0]), ["a, b", "c"], "pasted lines keep theirs");
});
