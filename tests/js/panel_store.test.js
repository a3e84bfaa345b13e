import assert from "node:assert/strict";
import { test } from "node:test";
import { KERNEL_GONE, KERNEL_SILENT } from "../../widgets/js/core/host.js";
import { PanelStore } from "../../widgets/js/panel/panel_store.js";

globalThis.window = globalThis;

const page = { signal: new AbortController().signal };

test("why Python does not answer is kept for views that are opened later", () => {
  const model = { get: () => ({}), on: () => {}, off: () => {}, send: () => { throw new Error("closed"); } };
  const store = new PanelStore(model);
  const reports = [];
  store.addEventListener("connection", () => reports.push(store.connection), page);
  assert.equal(store.connection, "");
  store.send({});
  store.send({});
  assert.equal(store.connection, KERNEL_GONE);
  store.onAnswer();
  assert.equal(store.connection, "");
  assert.deepEqual(reports, [KERNEL_GONE, ""], "each is reported once");
  store.close();
});

test("a kernel that is gone does not become one that is silent", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const model = { get: () => ({}), on: () => {}, off: () => {}, send: () => {} };
  const store = new PanelStore(model);
  store.send({});
  context.mock.timers.tick(20_000);
  assert.equal(store.connection, KERNEL_SILENT);
  model.send = () => { throw new Error("closed"); };
  store.send({});
  context.mock.timers.tick(20_000);
  assert.equal(store.connection, KERNEL_GONE);
  store.close();
});
