import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { StaticBackend } from "../../widgets/js/data/static_backend.js";
import { Model } from "../../widgets/js/data/local_model.js";

const figure = (media) => ({
  querySelector: (tag) => (media[tag] ? { getAttribute: () => `data:x;base64,${btoa(media[tag])}` } : null),
});
const item = (more = {}) => ({
  prompt: "a bee", seed: "1", stars: 0, rejected: false, tags: [], fps: 8, frames: 9,
  sheet: { frames: 9, width: 16, height: 8, full: 16 }, ...more,
});
const soon = (ms = 30) => new Promise((done) => setTimeout(done, ms));
const text = (view) => String.fromCharCode(...new Uint8Array(view.buffer));

let answers, heard;

beforeEach(() => {
  heard = [];
  answers = new StaticBackend({
    head: { kind: "cells", total: 3 }, coords: [0, 1, 2],
    columns: {
      kind: "columns", usual: ["stars"], cells: [0, 1], states: [1, 1], tags: [],
      columns: [{ name: "stars", values: [0, null] }, { name: "prompt", texts: ["a bee"], values: [0, -1] }],
    },
    items: [item(), item({ stars: 2, tags: ["keep"] }), { problem: "lost" }],
    details: [{ prompt: "a bee" }, { prompt: "a bee", problem: "no film" }, { prompt: "" }],
  }, [figure({ img: "one", video: "film" }), figure({ img: "two" }), figure({})]);
  answers.hear = (content, buffers) => heard.push([content, buffers]);
});

test("a hello is answered with the head and its coordinates, but not at once", async () => {
  answers.take({ kind: "hello" });
  assert.equal(heard.length, 0);
  await soon();
  assert.equal(heard[0][0].total, 3);
  assert.deepEqual([...new Int32Array(heard[0][1][0].buffer)], [0, 1, 2]);
});

test("what is wanted comes with its picture, what has none with its sentence", async () => {
  answers.take({ kind: "see", want: [2, 1] });
  await soon();
  const [content, buffers] = heard[0];
  assert.deepEqual(content.items.map((one) => [one.i, one.problem, one.sheet?.at]), [[2, "lost", undefined], [1, undefined, 0]]);
  assert.equal(text(buffers[0]), "two");
});

test("clips come some at a time, and what was scrolled away does not come", async () => {
  answers.facts.items = Array.from({ length: 40 }, () => item());
  answers.figures = Array.from({ length: 40 }, () => figure({ img: "x" }));
  answers.take({ kind: "see", want: Array.from({ length: 40 }, (_, i) => i) });
  await new Promise((done) => setTimeout(done));
  answers.take({ kind: "see", want: [39] });
  await soon(60);
  const came = heard.flatMap(([content]) => content.items.map((one) => one.i));
  assert.ok(heard[0][0].items.length <= 6);
  assert.equal(came.at(-1), 39);
  assert.ok(came.length < 20, String(came));
});

test("marks stay in the page: they are told, and asked for again they are still there", async () => {
  answers.take({ kind: "rate", cells: [0, 1, 2], stars: 4 });
  answers.take({ kind: "rate", cells: [1], tag: "new", on: true });
  answers.take({ kind: "rate", cells: [1], tag: "keep", on: false });
  await soon();
  assert.deepEqual(heard.at(-1)[0].cells, [[1, 4, false, ["new"]]]);
  assert.deepEqual(heard[0][0].cells.map(([i]) => i), [0, 1], "a lost clip takes no marks");
  heard = [];
  answers.take({ kind: "see", want: [1] });
  answers.take({ kind: "columns" });
  await soon();
  assert.equal(heard.find(([one]) => one.kind === "sheets")[0].items[0].stars, 4);
  assert.deepEqual(heard.filter(([one]) => ["columns", "marks"].includes(one.kind)).map(([one]) => one.kind), ["columns", "marks"]);
});

test("columns are numbers with NaN for none, and places of texts", async () => {
  answers.take({ kind: "columns" });
  await soon();
  const [, buffers] = heard[0];
  assert.deepEqual([...new Float64Array(buffers[1].buffer)], [0, NaN]);
  assert.deepEqual([...new Int32Array(buffers[2].buffer)], [0, -1]);
  assert.equal(buffers.length, 4);
});

test("a detail has its film in one part, or says that there is none", async () => {
  answers.take({ kind: "detail", cell: 0 });
  answers.take({ kind: "detail", cell: 1 });
  await soon();
  assert.deepEqual(heard.map(([one]) => [one.kind, one.i]), [["detail", 0], ["mp4", 0], ["detail", 1]]);
  assert.equal(text(heard[1][1][0]), "film");
  assert.equal(heard[2][0].problem, "no film");
});

test("what only a kernel can do is not answered", async () => {
  for (const kind of ["run", "fill", "again", "bye", "ack"]) answers.take({ kind, cells: [0] });
  await soon();
  assert.deepEqual(heard, []);
});

test("a model tells of what changed, of several values at once, and of nothing else", () => {
  const model = new Model({ rows: [], size: 0 });
  const told = [];
  const rows = () => told.push(model.get("rows"), model.get("size"));
  model.on("change:rows", rows);
  model.on("change:size", () => told.push("size"));
  model.set({ rows: ["a"], size: 9 });
  assert.deepEqual(told, [["a"], 9, "size"]);
  model.set("rows", ["a"]);
  model.off("change:rows", rows);
  model.set("rows", []);
  assert.equal(told.length, 3);
  model.save_changes();
});
