import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { reducedSheet } from "../../widgets/js/data/sheets.js";
import { Store } from "../../widgets/js/data/store.js";

globalThis.document = { hidden: false };

let said, store;
const image = () => ({ width: 32, height: 8, closed: 0, close() { this.closed++; } });
const bytes = (...values) => new DataView(Uint8Array.from(values).buffer);
const soon = (ms = 60) => new Promise((done) => setTimeout(done, ms));
const kinds = () => said.map((m) => m.kind);

beforeEach(() => {
  said = [];
  store = new Store({ send: (m) => said.push(m), decode: async () => image() });
});
afterEach(() => store.close());

function begin(total, { live = true, token = "t" } = {}) {
  const coords = new Int32Array(total).map((_, i) => i);
  // As it comes from the network: a view into a larger buffer, not aligned.
  const packed = new Uint8Array(coords.byteLength + 3);
  packed.set(new Uint8Array(coords.buffer), 3);
  store.hear({
    kind: "cells", axes: [{ name: "seed", labels: [], notes: [] }], total, title: "", model: "",
    token, aspect: 1, live,
  }, [new DataView(packed.buffer, 3)]);
}
const state = (cells, previews = [], buffers = []) => store.hear({
  kind: "state", run: { status: "running", counts: {}, total: 9, seconds_left: null, message: null },
  cells, previews,
}, buffers);
const sheet = (i, id = 1) => store.hear({
  kind: "sheets", id, to: store.client,
  items: [{ i, prompt: "a bee", seed: "1", stars: 2, rejected: false, fps: 8, frames: 17,
    sheet: { frames: 4, width: 8, height: 8, at: 0 } }],
}, [bytes(1, 2, 3)]);

test("coordinates survive a buffer that isn't aligned", () => {
  begin(5);
  assert.deepEqual([...store.coords], [0, 1, 2, 3, 4]);
});

test("only visible cells that have a clip are asked for, once", async () => {
  begin(9);
  state([[0, "done", 4, 4, "", 1], [1, "running", 1, 4, "", null], [5, "cached", 0, 0, "", null]]);
  store.setVisible("a", [0, 1, 2]);
  await soon();
  const see = said.filter((m) => m.kind === "see");
  assert.equal(see.length, 1);
  assert.deepEqual(see[0].want, [0]);
  assert.deepEqual(see[0].visible, [0, 1, 2]);
  store.setVisible("a", [0, 1, 2]);
  await soon();
  assert.equal(said.filter((m) => m.kind === "see").length, 1);
});

test("a sheet is acknowledged, decoded and let go with its cell", async () => {
  begin(3);
  state([[0, "done", 4, 4, "", 1]]);
  store.setVisible("a", [0]);
  sheet(0, 7);
  assert.deepEqual(said.find((m) => m.kind === "ack").id, 7);
  await soon(10);
  const picture = store.imageOf(0);
  assert.equal(picture.sheet.frames, 4);
  assert.equal(picture.sheet.count, 17);
  assert.equal(store.annotation(0).stars, 2);
  store.clear();
  assert.equal(picture.image.closed, 1);
});

test("what was scrolled away is not decoded", async () => {
  begin(3);
  state([[0, "done", 4, 4, "", 1]]);
  store.setVisible("a", [0]);
  store.setVisible("a", [1]);
  sheet(0);
  await soon(10);
  assert.equal(store.images.has(0), false);
  assert.equal(store.encoded.has(0), true);
  store.setVisible("a", [0]);
  await soon(10);
  assert.equal(store.images.has(0), true);
});

test("messages for another page are left alone", () => {
  begin(3);
  store.hear({ kind: "marks", to: "somebody else", cells: [[0, 5, false, ["a"]]] }, []);
  assert.equal(store.annotation(0).stars, 0);
  store.hear({ kind: "marks", cells: [[0, 5, false, ["a"]]] }, []);
  assert.equal(store.annotation(0).stars, 5);
});

test("previews make place for the clip, and go with a failure", async () => {
  begin(3);
  store.setVisible("a", [0, 1]);
  state([[0, "running", 1, 4, "", null], [1, "running", 1, 4, "", null]], [[0, 4], [1, 4]], [bytes(1), bytes(2)]);
  await soon(10);
  const preview = store.imageOf(0);
  assert.equal(preview.preview, true);
  state([[0, "done", 4, 4, "", 1], [1, "failed", 4, 4, "no paint", null]]);
  assert.equal(store.imageOf(0), preview, "the preview stays until the clip is there");
  assert.equal(store.imageOf(1), undefined);
  sheet(0);
  await soon(10);
  assert.equal(store.imageOf(0).preview, false);
  assert.equal(preview.image.closed, 1);
});

test("stars are shown at once and said", () => {
  begin(3);
  state([[0, "done", 4, 4, "", 1]]);
  store.annotate([0, 1], { stars: 4 });
  assert.equal(store.annotation(0).stars, 4);
  assert.deepEqual(said.filter((m) => m.kind === "rate"), [
    { kind: "rate", cells: [0], turn: 1, stars: 4, client: store.client },
  ]);
});

test("an answer to an earlier press does not undo a later one", () => {
  begin(2);
  state([[0, "done", 4, 4, "", 1]]);
  sheet(0);
  const marks = (turn, rejected) => store.hear({
    kind: "marks", cells: [[0, 2, rejected, []]], heard: turn ? { [store.client]: turn, other: 9 } : { other: 9 },
  }, []);
  store.annotate([0], { rejected: true });
  store.annotate([0], { rejected: false });
  marks(1, true);
  assert.equal(store.annotation(0).rejected, false, "the second is still on its way");
  sheet(0, 2);
  store.annotate([0], { stars: 5 });
  sheet(0, 3);
  assert.equal(store.annotation(0).stars, 5, "and so is what a sheet says");
  marks(2, false);
  assert.equal(store.annotation(0).stars, 5);
  marks(3, false);
  assert.equal(store.annotation(0).stars, 2, "Python has the last word");
  marks(0, true);
  assert.equal(store.annotation(0).rejected, true, "from another page");
  // What a page says after a break is answered with all that there is.
  store.annotate([0], { stars: 1 });
  store.hello();
  sheet(0, 4);
  assert.equal(store.annotation(0).stars, 2);
});

test("a run that is continued keeps its pictures, another one doesn't", async () => {
  begin(3);
  state([[0, "done", 4, 4, "", 1]]);
  store.setVisible("a", [0]);
  sheet(0);
  await soon(10);
  begin(3);
  assert.equal(store.images.has(0), true);
  begin(3, { token: "other" });
  assert.equal(store.images.has(0), false);
});

test("an mp4 in parts becomes one file", async () => {
  begin(3);
  let got;
  store.addEventListener("mp4", (event) => { got = event.detail; });
  store.hear({ kind: "detail", to: store.client, i: 2, parts: 2 }, []);
  store.hear({ kind: "mp4", to: store.client, i: 2, part: 0, parts: 2 }, [bytes(1, 2)]);
  assert.equal(got, undefined);
  store.hear({ kind: "mp4", to: store.client, i: 2, part: 1, parts: 2 }, [bytes(3)]);
  assert.deepEqual([...new Uint8Array(await got.data.arrayBuffer())], [1, 2, 3]);
});

test("a sheet that can't be decoded is a sentence", async () => {
  store.decode = async () => { throw new Error("no JPEG"); };
  begin(3);
  state([[0, "done", 4, 4, "", 1]]);
  store.setVisible("a", [0]);
  sheet(0);
  await soon(10);
  assert.match(store.items.get(0).problem, /damaged/);
});

test("a kernel that answers nothing is said, and one that is heard again is asked for all", () => {
  const told = [];
  begin(3);
  store.setVisible("a", [0]);
  store.addEventListener("away", () => told.push(store.connectionProblem));
  for (let i = 0; i < 3; i++) store.heartbeat();
  assert.match(told[0], /does not answer/);
  store.heartbeat();
  assert.equal(told.length, 1);
  said.length = 0;
  store.hear({ kind: "heard", to: store.client }, []);
  assert.deepEqual([told[1], kinds()], ["", ["hello"]]);
  for (let i = 0; i < 9; i++) {
    store.heartbeat();
    store.hear({ kind: "heard", to: store.client }, []);
  }
  assert.equal(told.length, 2);
});

test("where nothing can be sent nothing is thrown, and actions are refused with a sentence", () => {
  begin(3, { live: false });
  const problems = [];
  store.addEventListener("problem", (event) => problems.push(event.detail));
  store.transport.send = () => { throw new Error("Cannot send"); };
  store.controlRun("stop");
  assert.match(store.connectionProblem, /run the cell again/);
  store.transport.send = (m) => said.push(m);
  said.length = 0;
  assert.equal(store.reportIfGone(), true);
  store.regenerate([0]);
  store.controlRun("run");
  assert.deepEqual([kinds(), problems.length], [[], 3]);
});

test("a host that says that the kernel is gone may be wrong", () => {
  begin(1);
  store.onEnded();
  assert.match(store.connectionProblem, /run the cell again/);
  begin(1);
  assert.equal(store.connectionProblem, "");
});

test("leaving says so", () => {
  begin(3);
  store.setVisible("a", [0]);
  store.removeView("a");
  assert.ok(kinds().includes("bye"));
});

test("sheets are decoded no larger than their cells need", () => {
  const full = { frames: 24, width: 160, height: 96, count: 24, fps: 8 };
  assert.deepEqual(reducedSheet(full, 72), { ...full, width: 80, height: 48 });
  assert.deepEqual(reducedSheet(full, 90), full);
  assert.deepEqual(reducedSheet({ ...full, width: 48, height: 31 }, 10), { ...full, width: 12, height: 8 });
});

test("larger cells get a sharper picture", async () => {
  const asked = [];
  store.decode = async (data, size) => { asked.push(size); return image(); };
  begin(1);
  state([[0, "done", 4, 4, "", 1]]);
  store.setVisible("a", [0], 3);
  sheet(0);
  await soon(10);
  store.setVisible("a", [0], 3);
  store.setVisible("a", [0], 8);
  await soon(10);
  assert.deepEqual(asked, [[16, 4], undefined], "decoded no larger than it is shown");
});

test("a sheet that came small is asked for again when its cell grows", async () => {
  begin(1);
  state([[0, "done", 4, 4, "", 1]]);
  store.setVisible("a", [0], 8);
  await soon();
  store.hear({ kind: "sheets", id: 1, to: store.client, items: [{ i: 0, fps: 8, frames: 17,
    stars: 0, rejected: false, sheet: { frames: 4, width: 8, height: 8, at: 0, full: 32 } }] }, [bytes(1)]);
  await soon();
  assert.equal(said.filter((m) => m.kind === "see" && m.want.length).length, 1);
  store.setVisible("a", [0], 20);
  await soon();
  const last = said.filter((m) => m.kind === "see" && m.want.length).at(-1);
  assert.deepEqual([last.want, last.pixels], [[0], 20]);
  assert.ok(store.imageOf(0), "the small one stays until then");
});
