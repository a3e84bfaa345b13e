import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { StaticBackend } from "../../widgets/js/data/static_backend.js";
import { LocalModel } from "../../widgets/js/data/local_model.js";

const figure = (media) => ({
  querySelector: (tag) => (media[tag] ? { getAttribute: () => `data:x;base64,${btoa(media[tag])}` } : null),
});
const item = (more = {}) => ({
  prompt: "a bee", seed: "1", stars: 0, rejected: false, tags: [], fps: 8, frames: 9,
  sheet: { frames: 9, width: 16, height: 8, full: 16 }, ...more,
});
const soon = (ms = 30) => new Promise((done) => setTimeout(done, ms));
const text = (view) => String.fromCharCode(...new Uint8Array(view.buffer));

let backend, received;

beforeEach(() => {
  received = [];
  backend = new StaticBackend({
    head: { kind: "cells", total: 3 }, coords: [0, 1, 2],
    columns: {
      kind: "columns", common: ["stars"], cells: [0, 1], states: [1, 1], tags: [],
      columns: [{ name: "stars", values: [0, null] }, { name: "prompt", texts: ["a bee"], values: [0, -1] }],
    },
    items: [item(), item({ stars: 2, tags: ["keep"] }), { problem: "lost" }],
    details: [{ prompt: "a bee" }, { prompt: "a bee", problem: "no video" }, { prompt: "" }],
  }, [figure({ img: "one", video: "mp4" }), figure({ img: "two" }), figure({})]);
  backend.onMessage = (content, buffers) => received.push([content, buffers]);
});

test("a hello is answered with the head and the coordinates, asynchronously", async () => {
  backend.receive({ kind: "hello" });
  assert.equal(received.length, 0);
  await soon();
  assert.equal(received[0][0].total, 3);
  assert.deepEqual([...new Int32Array(received[0][1][0].buffer)], [0, 1, 2]);
});

test("requested cells arrive with their image, or with the reason why they have none", async () => {
  backend.receive({ kind: "viewport", requested: [2, 1] });
  await soon();
  const [content, buffers] = received[0];
  assert.deepEqual(content.items.map((one) => [one.i, one.problem, one.sheet?.buffer]), [[2, "lost", undefined], [1, undefined, 0]]);
  assert.equal(text(buffers[0]), "two");
});

test("clips arrive in batches, and a new request replaces what is queued", async () => {
  backend.contents.items = Array.from({ length: 40 }, () => item());
  backend.figures = Array.from({ length: 40 }, () => figure({ img: "x" }));
  backend.receive({ kind: "viewport", requested: Array.from({ length: 40 }, (_, i) => i) });
  await new Promise((done) => setTimeout(done));
  backend.receive({ kind: "viewport", requested: [39] });
  await soon(60);
  const arrived = received.flatMap(([content]) => content.items.map((one) => one.i));
  assert.ok(received[0][0].items.length <= 6);
  assert.equal(arrived.at(-1), 39);
  assert.ok(arrived.length < 20, String(arrived));
});

test("annotations stay in the page: they are sent, and sent again on request", async () => {
  backend.receive({ kind: "annotate", cells: [0, 1, 2], stars: 4 });
  backend.receive({ kind: "annotate", cells: [1], tag: "new", on: true });
  backend.receive({ kind: "annotate", cells: [1], tag: "keep", on: false });
  await soon();
  assert.deepEqual(received.at(-1)[0].cells, [[1, 4, false, ["new"]]]);
  assert.deepEqual(received[0][0].cells.map(([i]) => i), [0, 1], "a lost clip cannot be annotated");
  received = [];
  backend.receive({ kind: "viewport", requested: [1] });
  backend.receive({ kind: "columns" });
  await soon();
  assert.equal(received.find(([one]) => one.kind === "sheets")[0].items[0].stars, 4);
  assert.deepEqual(received.filter(([one]) => ["columns", "annotations"].includes(one.kind)).map(([one]) => one.kind), ["columns", "annotations"]);
});

test("columns are numbers with NaN for null, and indices of strings", async () => {
  backend.receive({ kind: "columns" });
  await soon();
  const [, buffers] = received[0];
  assert.deepEqual([...new Float64Array(buffers[1].buffer)], [0, NaN]);
  assert.deepEqual([...new Int32Array(buffers[2].buffer)], [0, -1]);
  assert.equal(buffers.length, 4);
});

test("details come with the video in one part, or with the reason why there is none", async () => {
  backend.receive({ kind: "detail", cell: 0 });
  backend.receive({ kind: "detail", cell: 1 });
  await soon();
  assert.deepEqual(received.map(([one]) => [one.kind, one.i]), [["detail", 0], ["mp4", 0], ["detail", 1]]);
  assert.equal(text(received[1][1][0]), "mp4");
  assert.equal(received[2][0].problem, "no video");
});

test("requests that need a kernel are not answered", async () => {
  for (const kind of ["run", "fill", "regenerate", "bye", "ack"]) backend.receive({ kind, cells: [0] });
  await soon();
  assert.deepEqual(received, []);
});

test("a local model notifies of changes, of several traits at once, and of nothing else", () => {
  const model = new LocalModel({ rows: [], size: 0 });
  const notified = [];
  const onRows = () => notified.push(model.get("rows"), model.get("size"));
  model.on("change:rows", onRows);
  model.on("change:size", () => notified.push("size"));
  model.set({ rows: ["a"], size: 9 });
  assert.deepEqual(notified, [["a"], 9, "size"]);
  model.set("rows", ["a"]);
  model.off("change:rows", onRows);
  model.set("rows", []);
  assert.equal(notified.length, 3);
  model.save_changes();
});
