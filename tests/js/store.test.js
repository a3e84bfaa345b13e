import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { reducedSheet } from "../../widgets/js/data/sheets.js";
import { Store } from "../../widgets/js/data/store.js";

globalThis.document = { hidden: false };

let sent, store;
const page = { signal: new AbortController().signal };
const image = () => ({ width: 32, height: 8, closed: 0, close() { this.closed++; } });
const bytes = (...values) => new DataView(Uint8Array.from(values).buffer);
const soon = (ms = 60) => new Promise((done) => setTimeout(done, ms));
const kinds = () => sent.map((m) => m.kind);

beforeEach(() => {
  sent = [];
  store = new Store({ send: (m) => sent.push(m), decode: async () => image() });
});
afterEach(() => store.close());

function start(total, { live = true, token = "t", extended = "" } = {}) {
  const coords = new Int32Array(total).map((_, i) => i);
  // As it comes from the network: a view into a larger buffer, not aligned.
  const packed = new Uint8Array(coords.byteLength + 3);
  packed.set(new Uint8Array(coords.buffer), 3);
  store.onMessage({
    kind: "cells", axes: [{ name: "seed", labels: [], notes: [] }], total, title: "", model: "",
    token, extends: extended, aspect: 1, live,
  }, [new DataView(packed.buffer, 3)]);
}
const state = (cells, previews = [], buffers = []) => store.onMessage({
  kind: "state", run: { status: "running", counts: {}, total: 9, seconds_left: null, message: null },
  cells, previews,
}, buffers);
const sheet = (i, id = 1) => store.onMessage({
  kind: "sheets", id, to: store.client,
  items: [{ i, prompt: "a bee", seed: "1", stars: 2, rejected: false, fps: 8, frames: 17,
    sheet: { frames: 4, width: 8, height: 8, buffer: 0 } }],
}, [bytes(1, 2, 3)]);

test("coordinates survive a buffer that isn't aligned", () => {
  start(5);
  assert.deepEqual([...store.coords], [0, 1, 2, 3, 4]);
});

test("sheets are requested once, for visible cells with a clip", async () => {
  start(9);
  state([[0, "done", 4, 4, "", 1], [1, "running", 1, 4, "", null], [5, "cached", 0, 0, "", null]]);
  store.setVisible("a", [0, 1, 2]);
  await soon();
  const viewports = sent.filter((m) => m.kind === "viewport");
  assert.equal(viewports.length, 1);
  assert.deepEqual(viewports[0].requested, [0]);
  assert.deepEqual(viewports[0].visible, [0, 1, 2]);
  store.setVisible("a", [0, 1, 2]);
  await soon();
  assert.equal(sent.filter((m) => m.kind === "viewport").length, 1);
});

test("a sheet is acknowledged, decoded and dropped with its cell", async () => {
  start(3);
  state([[0, "done", 4, 4, "", 1]]);
  store.setVisible("a", [0]);
  sheet(0, 7);
  assert.deepEqual(sent.find((m) => m.kind === "ack").id, 7);
  await soon(10);
  const cellImage = store.imageOf(0);
  assert.equal(cellImage.sheet.frames, 4);
  assert.equal(cellImage.sheet.count, 17);
  assert.equal(store.annotation(0).stars, 2);
  store.clear();
  assert.equal(cellImage.bitmap.closed, 1);
});

test("sheets of cells out of view are not decoded", async () => {
  start(3);
  state([[0, "done", 4, 4, "", 1]]);
  store.setVisible("a", [0]);
  store.setVisible("a", [1]);
  sheet(0);
  await soon(10);
  assert.equal(store.images.decoded.has(0), false);
  assert.equal(store.images.encoded.has(0), true);
  store.setVisible("a", [0]);
  await soon(10);
  assert.equal(store.images.decoded.has(0), true);
});

test("messages for another page are ignored", () => {
  start(3);
  store.onMessage({ kind: "annotations", to: "another page", cells: [[0, 5, false, ["a"]]] }, []);
  assert.equal(store.annotation(0).stars, 0);
  store.onMessage({ kind: "annotations", cells: [[0, 5, false, ["a"]]] }, []);
  assert.equal(store.annotation(0).stars, 5);
});

test("a preview is replaced by its clip, and dropped with a failure", async () => {
  start(3);
  store.setVisible("a", [0, 1]);
  state([[0, "running", 1, 4, "", null], [1, "running", 1, 4, "", null]], [[0, 4], [1, 4]], [bytes(1), bytes(2)]);
  await soon(10);
  const preview = store.imageOf(0);
  assert.equal(preview.preview, true);
  state([[0, "done", 4, 4, "", 1], [1, "failed", 4, 4, "no paint", null]]);
  assert.equal(store.imageOf(0), preview, "the preview stays until the sheet arrives");
  assert.equal(store.imageOf(1), undefined);
  sheet(0);
  await soon(10);
  assert.equal(store.imageOf(0).preview, false);
  assert.equal(preview.bitmap.closed, 1);
});

test("stars are shown at once and sent", () => {
  start(3);
  state([[0, "done", 4, 4, "", 1]]);
  store.annotate([0, 1], { stars: 4 });
  assert.equal(store.annotation(0).stars, 4);
  assert.deepEqual(sent.filter((m) => m.kind === "annotate"), [
    { kind: "annotate", cells: [0], turn: 1, stars: 4, client: store.client, token: "t" },
  ]);
});

test("an answer to an earlier change does not undo a later one", () => {
  start(2);
  state([[0, "done", 4, 4, "", 1]]);
  sheet(0);
  const answer = (turn, rejected) => store.onMessage({
    kind: "annotations", cells: [[0, 2, rejected, []]], turns: turn ? { [store.client]: turn, other: 9 } : { other: 9 },
  }, []);
  store.annotate([0], { rejected: true });
  store.annotate([0], { rejected: false });
  answer(1, true);
  assert.equal(store.annotation(0).rejected, false, "the second is not acknowledged yet");
  sheet(0, 2);
  store.annotate([0], { stars: 5 });
  sheet(0, 3);
  assert.equal(store.annotation(0).stars, 5, "nor do annotations that come with a sheet");
  answer(2, false);
  assert.equal(store.annotation(0).stars, 5);
  answer(3, false);
  assert.equal(store.annotation(0).stars, 2, "Python's value wins in the end");
  answer(0, true);
  assert.equal(store.annotation(0).rejected, true, "set by another page");
  // A hello after a break is answered with everything.
  store.annotate([0], { stars: 1 });
  store.hello();
  sheet(0, 4);
  assert.equal(store.annotation(0).stars, 2);
});

test("a continued run keeps its images, another run does not", async () => {
  start(3);
  state([[0, "done", 4, 4, "", 1]]);
  store.setVisible("a", [0]);
  sheet(0);
  await soon(10);
  start(3);
  assert.equal(store.images.decoded.has(0), true);
  start(3, { token: "other" });
  assert.equal(store.images.decoded.has(0), false);
});

// --- other clips, while something of the earlier ones is on its way ---------------------------------

test("every message names the cells that it is about", () => {
  start(3, { token: "first" });
  state([[0, "done", 4, 4, "", 1]]);
  store.setVisible("a", [0]);
  const act = () => {
    sent.length = 0;
    store.annotate([0], { stars: 4 });
    store.controlRun("skip", 0);
    store.fillEmpty([[0]]);
    store.regenerate([0]);
    store.details.request(0);
    store.columns.request();
    store.heartbeat();
    return [kinds(), new Set(sent.map((m) => m.token))];
  };
  assert.deepEqual(act(), [["annotate", "run", "fill", "regenerate", "detail", "columns", "ping", "viewport"], new Set(["first"])]);
  start(3, { token: "other", live: false });
  assert.deepEqual(act()[1], new Set(["other"]));
});

test("views hear whether the cells still have their clips", () => {
  const same = [];
  start(3);
  store.addEventListener("cells", (event) => same.push(event.detail), page);
  start(3);
  start(3, { token: "longer", extended: "t" });
  start(3, { token: "other", extended: "t" });
  assert.deepEqual(same, [true, true, false]);
});

test("nothing that is known of the earlier clips is taken for the others", () => {
  start(3);
  state([[0, "done", 4, 4, "", 1], [1, "done", 4, 4, "", 1]]);
  store.setVisible("a", [0]);
  state([[1, "failed", 0, 4, "boom", null]]);
  store.annotate([0], { stars: 5 });
  const seen = [];
  start(3, { token: "other" });
  store.addEventListener("cell", (event) => seen.push(event.detail), page);
  state([[0, "done", 4, 4, "", 1]]);
  sheet(0);
  assert.equal(store.annotation(0).stars, 2, "the star was for another clip");
  seen.length = 0;
  store.setVisible("a", [0, 1]);
  assert.deepEqual(seen, [], "the other clip has not changed");
});

test("columns do not undo a change that is on its way", () => {
  start(2);
  state([[0, "done", 4, 4, "", 1], [1, "done", 4, 4, "", 1]]);
  store.columns.request();
  store.annotate([0], { stars: 5 });
  const numbers = (kind, ...values) => new DataView(new kind(values).buffer);
  store.onMessage({ kind: "columns", common: ["stars"], columns: [{ name: "stars" }], tags: [] },
    [numbers(Int32Array, 0, 1), numbers(Float64Array, 1, 3), numbers(Int32Array, 0, 0)]);
  assert.deepEqual([store.annotation(0).stars, store.annotation(1).stars], [5, 3]);
  assert.deepEqual([store.columns.value(0, "stars"), store.columns.value(1, "stars")], [5, 3]);
});

/** Let the test decide when each image is decoded, and whether it can be. */
function decodeByHand() {
  const waiting = [];
  store.images.decode = () => new Promise((done, fail) => waiting.push({
    done: () => { const made = image(); done(made); return made; }, fail: () => fail(new Error("no JPEG")),
  }));
  return waiting;
}
const running = (id = 1) => state([[0, "running", id, 9, "", null]], [[0, 4]], [bytes(id)]);
const done = () => state([[0, "done", 4, 4, "", 1]]);
const LEAVE = {
  "other clips came": () => start(3, { token: "other" }),
  "the store was closed": () => store.close(),
};

for (const [what, leave] of Object.entries(LEAVE)) {
  for (const kind of ["sheet", "preview"]) {
    test(`a ${kind} that is decoded after ${what} is dropped`, async () => {
      const waiting = decodeByHand();
      start(3);
      store.setVisible("a", [0]);
      if (kind === "preview") running();
      else { done(); sheet(0); }
      leave();
      if (kind === "preview") store.cells.set(0, { status: "running" });
      const late = waiting[0].done();
      await soon(5);
      assert.equal(store.imageOf(0), undefined);
      assert.equal(late.closed, 1);
      if (kind === "preview" || store.closed) return;
      done();
      sheet(0, 2);
      const own = waiting[1].done();
      await soon(5);
      assert.equal(store.imageOf(0).bitmap, own, "its own sheet is shown");
    });
  }

  test(`a sheet that fails to be decoded after ${what} does not damage another clip`, async () => {
    const waiting = decodeByHand();
    start(3);
    store.setVisible("a", [0]);
    done();
    sheet(0);
    leave();
    waiting[0].fail();
    await soon(5);
    assert.equal(store.items.get(0)?.problem, undefined);
  });
}

test("of two images of one cell the later one stays, in whatever order they are decoded", async () => {
  const waiting = decodeByHand();
  start(3);
  store.setVisible("a", [0]);
  running(1);
  running(2);
  const later = waiting[1].done();
  await soon(5);
  const earlier = waiting[0].done();
  await soon(5);
  assert.deepEqual([store.imageOf(0).bitmap === later, earlier.closed, later.closed], [true, 1, 0]);
  done();
  sheet(0, 1);
  sheet(0, 2);
  const second = waiting[3].done();
  await soon(5);
  const first = waiting[2].done();
  await soon(5);
  assert.deepEqual([store.imageOf(0).bitmap === second, first.closed, second.closed], [true, 1, 0]);
});

test("the parts of an mp4 are joined", async () => {
  start(3);
  let received;
  store.addEventListener("mp4", (event) => { received = event.detail; }, page);
  store.onMessage({ kind: "detail", to: store.client, i: 2, parts: 2 }, []);
  store.onMessage({ kind: "mp4", to: store.client, i: 2, part: 0, parts: 2 }, [bytes(1, 2)]);
  assert.equal(received, undefined);
  store.onMessage({ kind: "mp4", to: store.client, i: 2, part: 1, parts: 2 }, [bytes(3)]);
  assert.deepEqual([...new Uint8Array(await received.data.arrayBuffer())], [1, 2, 3]);
});

test("a sheet that cannot be decoded is reported", async () => {
  store.images.decode = async () => { throw new Error("no JPEG"); };
  start(3);
  state([[0, "done", 4, 4, "", 1]]);
  store.setVisible("a", [0]);
  sheet(0);
  await soon(10);
  assert.match(store.items.get(0).problem, /damaged/);
});

test("a silent kernel is reported, and asked for everything once it answers", () => {
  const reports = [];
  start(3);
  store.setVisible("a", [0]);
  store.addEventListener("connection", () => reports.push(store.connectionProblem), page);
  for (let i = 0; i < 3; i++) store.heartbeat();
  assert.match(reports[0], /does not answer/);
  store.heartbeat();
  assert.equal(reports.length, 1);
  sent.length = 0;
  store.onMessage({ kind: "pong", to: store.client }, []);
  assert.deepEqual([reports[1], kinds()], ["", ["hello"]]);
  for (let i = 0; i < 9; i++) {
    store.heartbeat();
    store.onMessage({ kind: "pong", to: store.client }, []);
  }
  assert.equal(reports.length, 2);
});

test("without a connection nothing is thrown, and actions are refused with a message", () => {
  start(3, { live: false });
  const problems = [];
  store.addEventListener("problem", (event) => problems.push(event.detail), page);
  store.transport.send = () => { throw new Error("Cannot send"); };
  store.controlRun("stop");
  assert.match(store.connectionProblem, /run the cell again/);
  store.transport.send = (m) => sent.push(m);
  sent.length = 0;
  assert.equal(store.reportIfGone(), true);
  store.regenerate([0]);
  store.controlRun("run");
  assert.deepEqual([kinds(), problems.length], [[], 3]);
});

test("a host's report that the kernel is gone may be wrong", () => {
  start(1);
  store.onKernelEnded();
  assert.match(store.connectionProblem, /run the cell again/);
  start(1);
  assert.equal(store.connectionProblem, "");
});

test("removing the last view is sent", () => {
  start(3);
  store.setVisible("a", [0]);
  store.removeView("a");
  assert.ok(kinds().includes("bye"));
});

test("sheets are decoded no larger than their cells", () => {
  const full = { frames: 24, width: 160, height: 96, count: 24, fps: 8 };
  assert.deepEqual(reducedSheet(full, 72), { ...full, width: 80, height: 48 });
  assert.deepEqual(reducedSheet(full, 90), full);
  assert.deepEqual(reducedSheet({ ...full, width: 48, height: 31 }, 10), { ...full, width: 12, height: 8 });
});

test("larger cells get a sharper image", async () => {
  const sizes = [];
  store.images.decode = async (data, size) => { sizes.push(size); return image(); };
  start(1);
  state([[0, "done", 4, 4, "", 1]]);
  store.setVisible("a", [0], 3);
  sheet(0);
  await soon(10);
  store.setVisible("a", [0], 3);
  store.setVisible("a", [0], 8);
  await soon(10);
  assert.deepEqual(sizes, [[16, 4], undefined], "decoded no larger than it is shown");
});

test("a small sheet is requested again when its cell grows", async () => {
  start(1);
  state([[0, "done", 4, 4, "", 1]]);
  store.setVisible("a", [0], 8);
  await soon();
  store.onMessage({ kind: "sheets", id: 1, to: store.client, items: [{ i: 0, fps: 8, frames: 17,
    stars: 0, rejected: false, sheet: { frames: 4, width: 8, height: 8, buffer: 0, full: 32 } }] }, [bytes(1)]);
  await soon();
  assert.equal(sent.filter((m) => m.kind === "viewport" && m.requested.length).length, 1);
  store.setVisible("a", [0], 20);
  await soon();
  const last = sent.filter((m) => m.kind === "viewport" && m.requested.length).at(-1);
  assert.deepEqual([last.requested, last.pixels], [[0], 20]);
  assert.ok(store.imageOf(0), "the small one stays until then");
});

test("a cell that changed out of view is shown as it is when it comes into view", () => {
  start(3);
  store.setVisible("a", [0]);
  state([[1, "failed", 0, 4, "boom", null], [2, "done", 4, 4, "", 1]]);
  const seen = [];
  store.addEventListener("cell", (event) => seen.push(event.detail), page);
  store.setVisible("a", []);
  assert.deepEqual(seen, []);
  store.setVisible("a", [0, 1]);
  assert.deepEqual(seen, [1]);
  store.setVisible("a", [0, 1]);
  assert.deepEqual(seen, [1], "once");
});
