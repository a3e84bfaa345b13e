import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { formatNumber, percent, randomSeed } from "../../widgets/js/live/controls.js";
import { badgeText } from "../../widgets/js/live/scene.js";
import { LiveStore } from "../../widgets/js/live/live_store.js";

let sent, store, decoding, events;
const page = { signal: new AbortController().signal };
const bytes = new DataView(Uint8Array.from([1]).buffer);
const image = (name) => ({ name, closed: 0, close() { this.closed++; } });
const updates = () => sent.filter((one) => one.kind === "update");
const tick = async (ms) => {
  mock.timers.tick(ms);
  await null;
};

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  sent = [];
  events = [];
  decoding = [];
  store = new LiveStore({
    send: (content) => sent.push(content), now: () => Date.now(),
    decode: () => new Promise((done) => decoding.push(done)),
  });
  for (const name of ["image", "step", "state", "problem", "saved"]) {
    store.addEventListener(name, (event) => events.push([name, event.detail]), page);
  }
});
afterEach(() => {
  store.close();
  mock.timers.reset();
});

const answer = (n, more = {}) => store.onMessage({
  kind: "result", phase: "draft", client: store.client, edit: n, step: 4, steps: 4, sheet: {}, ...more,
}, [bytes]);
const acknowledge = (n) => store.onMessage({ kind: "ack", edits: { [store.client]: n } });

test("the latest values are sent, at most every 30 ms", async () => {
  for (let i = 0; i < 100; i++) {
    store.setValues({ blend: i });
    await tick(5);
  acknowledge(store.edit);
  }
  await tick(40);
  const requests = updates();
  assert.ok(requests.length >= 14 && requests.length <= 18, String(requests.length));
  assert.deepEqual(requests.at(-1).controls, { blend: 99 });
  assert.equal(requests.at(-1).edit, 100);
});

test("nothing queues in a busy kernel, and the latest values are sent once it answers", async () => {
  for (let i = 0; i < 60; i++) {
    store.setValues({ blend: i });
    await tick(33);
  }
  assert.equal(updates().length, 6);
  assert.equal(store.state, "busy");
  acknowledge(updates().at(-1).edit);
  assert.equal(store.state, "");
  await tick(40);
  assert.equal(updates().length, 7);
  assert.deepEqual(updates().at(-1).controls, { blend: 59 });
});

test("a lost answer does not block later requests", async () => {
  for (let i = 0; i < 10; i++) {
    store.setValues({ blend: i });
    await tick(33);
  }
  assert.equal(updates().length, 6);
  await tick(250);
  for (let i = 0; i < 14; i++) await tick(250);
  assert.equal(updates().length, 7);
});

test("continuous changes do not delay their own answers", async () => {
  for (let i = 0; i < 300; i++) {
    store.setValues({ blend: i });
    await tick(8);
    if (i % 25 === 24) answer(updates().at(-1).edit);
  }
  assert.ok(updates().length > 60, String(updates().length));
});

test("a kernel that is gone is reported, and so is its return", async () => {
  store.hello();
  for (let i = 0; i < 60; i++) await tick(250);
  assert.equal(store.state, "gone");
  assert.deepEqual(events.map(([name]) => name), ["state", "state"]);
  acknowledge(0);
  assert.equal(store.state, "");
});

test("a model that cannot be reached is reported at once", () => {
  store.transport = () => { throw new Error("closed"); };
  store.setValues({});
  assert.equal(store.state, "ended");
});

test("an older image never replaces a newer one", async () => {
  answer(1, { code: "old" });
  answer(2, { code: "new" });
  const [old, fresh] = [image("old"), image("new")];
  decoding[1](fresh);
  await null; await null;
  decoding[0](old);
  await null; await null;
  assert.equal(store.image.bitmap, fresh);
  assert.equal(old.closed, 1);
  assert.equal(store.code, "new");
  answer(3);
  decoding[2](image("next"));
  await null; await null;
  assert.equal(fresh.closed, 1);
});

test("images requested by another front end are shown, but do not count as an answer", async () => {
  store.setValues({});
  answer(9, { client: "another" });
  decoding[0](image("theirs"));
  await null; await null;
  assert.equal(store.image.own, false);
  assert.deepEqual(store.unanswered, [1]);
});

test("an image that is decoded after the store was closed is dropped", async () => {
  answer(1);
  store.close();
  const late = image("late");
  decoding[0](late);
  await null; await null;
  assert.deepEqual([late.closed, store.image], [1, null]);
});

test("an older image that cannot be decoded is not reported", async () => {
  const failing = [];
  store.decode = () => new Promise((done, fail) => failing.push({ done, fail }));
  answer(1);
  answer(2);
  failing[1].done(image("new"));
  await null; await null;
  failing[0].fail(new Error("no JPEG"));
  await null; await null;
  assert.deepEqual(events.map(([name]) => name), ["image"]);
  answer(3);
  failing[2].fail(new Error("no JPEG"));
  await null; await null;
  assert.deepEqual(events.map(([name]) => name), ["image", "problem"]);
});

test("any message acknowledges the edits that it names", () => {
  for (const message of [
    { kind: "kept", start: 0, clips: [] }, { kind: "saved", count: 1 },
    { kind: "result", phase: "step", client: "another", edit: 3 }, { kind: "problem", client: "", edit: 0, text: "no" },
  ]) {
    store.unanswered = [1, 2];
    store.onMessage({ ...message, edits: { [store.client]: 2, another: 3 } });
    assert.deepEqual(store.unanswered, [], message.kind);
  }
});

test("a view that is opened later starts with the latest values", () => {
  const python = { blend: 0, client: "" };
  const latest = (values) => store.latestValues(values).blend;
  assert.equal(latest(python), 0);
  store.setValues({ blend: 1 }, null, python);
  assert.equal(latest(python), 1, "Python has not answered yet");
  store.setValues({ blend: 2 }, null, python);
  assert.equal(latest({ blend: 1, client: store.client }), 2, "it has answered an earlier edit");
  const others = { blend: 9, client: "another" };
  assert.equal(latest(others), 9, "another page has changed them since");
  store.setValues({ blend: 3 }, null, others);
  assert.equal(latest(others), 3);
});

test("steps, problems and saved clips are emitted", () => {
  store.onMessage({ kind: "result", phase: "step", client: store.client, edit: 1, step: 2, steps: 9 });
  store.onMessage({ kind: "problem", client: "", edit: 0, text: "no" });
  store.onMessage({ kind: "saved", count: 2 });
  assert.deepEqual(events.map(([name]) => name), ["step", "problem", "saved"]);
});

test("numbers and labels", () => {
  assert.equal(formatNumber(3, 0.1), "3.0");
  assert.equal(formatNumber(0.5, 0.02), "0.50");
  assert.equal(formatNumber(12, 1), "12");
  assert.equal(percent(0.305), "31 %");
  assert.match(randomSeed(), /^\d{1,6}$/);
  assert.equal(badgeText({ phase: "draft", step: 6, steps: 6 }), "draft · 6 steps");
  assert.equal(badgeText({ phase: "clip", step: 1, steps: 1 }), "1 step");
  assert.equal(badgeText({ phase: "preview", step: 1, steps: 6 }), "step 1 of 6");
});

const keptClips = (start, ...keys) => store.onMessage(
  { kind: "kept", start, clips: keys.map((key) => ({ key, label: key, code: key, sheet: {} })) }, keys.map(() => bytes),
);

test("kept clips have their places, in whatever order and how often they arrive", () => {
  keptClips(3, "d");
  keptClips(0, "a", "b");
  keptClips(0, "a", "b", "c", "d");
  assert.deepEqual(store.kept.map(({ key }) => key), ["a", "b", "c", "d"]);
  assert.ok(store.kept.every(({ url }) => url.startsWith("blob:")));
});

test("values that were not sent yet do not replace the settings of a kept clip", async () => {
  store.setValues({ blend: 0 });
  store.setValues({ blend: 1 });
  store.restore("a");
  await tick(500);
  assert.deepEqual(sent.map(({ kind }) => kind), ["update", "restore"]);
});
