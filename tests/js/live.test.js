import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { figure, percent, roll } from "../../widgets/js/live/controls.js";
import { badge } from "../../widgets/js/live/scene.js";
import { LiveStore } from "../../widgets/js/live/live_store.js";

let said, store, decoding, told;
const bytes = new DataView(Uint8Array.from([1]).buffer);
const image = (name) => ({ name, closed: 0, close() { this.closed++; } });
const asks = () => said.filter((one) => one.kind === "ask");
const tick = async (ms) => {
  mock.timers.tick(ms);
  await null;
};

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  said = [];
  told = [];
  decoding = [];
  store = new LiveStore({
    send: (content) => said.push(content), now: () => Date.now(),
    decode: () => new Promise((done) => decoding.push(done)),
  });
  for (const name of ["picture", "step", "state", "problem", "kept"]) {
    store.addEventListener(name, (event) => told.push([name, event.detail]));
  }
});
afterEach(() => {
  store.close();
  mock.timers.reset();
});

const answer = (n, more = {}) => store.hear({
  kind: "sight", what: "draft", client: store.client, n, step: 4, steps: 4, sheet: {}, ...more,
}, [bytes]);
const heard = (n) => store.hear({ kind: "heard", by: { [store.client]: n } });

test("the latest dials go out, at most every 30 ms", async () => {
  for (let i = 0; i < 100; i++) {
    store.turn({ blend: i });
    await tick(5);
    heard(store.n);
  }
  await tick(40);
  const sent = asks();
  assert.ok(sent.length >= 14 && sent.length <= 18, String(sent.length));
  assert.deepEqual(sent.at(-1).dials, { blend: 99 });
  assert.equal(sent.at(-1).n, 100);
});

test("nothing queues at a kernel that is busy, and the latest goes out when it is back", async () => {
  for (let i = 0; i < 60; i++) {
    store.turn({ blend: i });
    await tick(33);
  }
  assert.equal(asks().length, 6);
  assert.equal(store.state, "busy");
  heard(asks().at(-1).n);
  assert.equal(store.state, "");
  await tick(40);
  assert.equal(asks().length, 7);
  assert.deepEqual(asks().at(-1).dials, { blend: 59 });
});

test("an answer that was lost holds nothing up for good", async () => {
  for (let i = 0; i < 10; i++) {
    store.turn({ blend: i });
    await tick(33);
  }
  assert.equal(asks().length, 6);
  await tick(250);
  for (let i = 0; i < 14; i++) await tick(250);
  assert.equal(asks().length, 7);
});

test("a hand that moves on doesn't make its own answers late", async () => {
  for (let i = 0; i < 300; i++) {
    store.turn({ blend: i });
    await tick(8);
    if (i % 25 === 24) answer(asks().at(-1).n);
  }
  assert.ok(asks().length > 60, String(asks().length));
});

test("a kernel that is gone is said, and one that comes back, too", async () => {
  store.hello();
  for (let i = 0; i < 60; i++) await tick(250);
  assert.equal(store.state, "gone");
  assert.deepEqual(told.map(([name]) => name), ["state", "state"]);
  heard(0);
  assert.equal(store.state, "");
});

test("a model that can't be reached is gone at once", () => {
  store.send = () => { throw new Error("closed"); };
  store.turn({});
  assert.equal(store.state, "ended");
});

test("an older picture never takes the place of a newer one", async () => {
  answer(1, { code: "old" });
  answer(2, { code: "new" });
  const [old, fresh] = [image("old"), image("new")];
  decoding[1](fresh);
  await null; await null;
  decoding[0](old);
  await null; await null;
  assert.equal(store.picture.image, fresh);
  assert.equal(old.closed, 1);
  assert.equal(store.code, "new");
  answer(3);
  decoding[2](image("next"));
  await null; await null;
  assert.equal(fresh.closed, 1);
});

test("pictures that another page asked for are shown, and are no answer", async () => {
  store.turn({});
  answer(9, { client: "another" });
  decoding[0](image("theirs"));
  await null; await null;
  assert.equal(store.picture.mine, false);
  assert.deepEqual(store.open, [1]);
});

test("steps, problems and what was kept are told", () => {
  store.hear({ kind: "sight", what: "step", client: store.client, n: 1, step: 2, steps: 9 });
  store.hear({ kind: "problem", client: "", n: 0, text: "no" });
  store.hear({ kind: "kept", count: 2 });
  assert.deepEqual(told.map(([name]) => name), ["step", "problem", "kept"]);
});

test("figures and words", () => {
  assert.equal(figure(3, 0.1), "3.0");
  assert.equal(figure(0.5, 0.02), "0.50");
  assert.equal(figure(12, 1), "12");
  assert.equal(percent(0.305), "31 %");
  assert.match(roll(), /^\d{1,6}$/);
  assert.equal(badge({ what: "draft", step: 6, steps: 6 }), "draft · 6 steps");
  assert.equal(badge({ what: "clip", step: 1, steps: 1 }), "1 step");
  assert.equal(badge({ what: "preview", step: 1, steps: 6 }), "step 1 of 6");
});
