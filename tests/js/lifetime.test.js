// What a view subscribes to ends with the view.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Store } from "../../widgets/js/data/store.js";
import { LiveStore } from "../../widgets/js/live/live_store.js";
import { PanelStore } from "../../widgets/js/panel/panel_store.js";

const ROOT = fileURLToPath(new URL("../../widgets/js", import.meta.url));
// Entries whose view is the page itself.
const PAGES = ["offline.js"];
const PAGE_LISTENER = /\bon\((?=window\b|document\b)|\b(?:window|document)\.addEventListener\(/g;

const model = { get: () => ({}), on: () => {}, off: () => {}, send: () => {} };

/** Return the call whose arguments begin at an index. */
function callAt(source, start) {
  let depth = 1;
  let end = start;
  while (depth) depth += { "(": 1, ")": -1 }[source[end++]] ?? 0;
  return source.slice(start, end);
}

for (const [name, create] of Object.entries({
  Store: () => new Store({ send: () => {} }), LiveStore: () => new LiveStore({ send: () => {} }),
  PanelStore: () => new PanelStore(model),
})) {
  test(`${name} refuses a listener that would outlive its view`, () => {
    const store = create();
    assert.throws(() => store.addEventListener("cells", () => {}), /signal/);
    assert.throws(() => store.addEventListener("cells", () => {}, { once: true }), /signal/);
    const view = new AbortController();
    let heard = 0;
    store.addEventListener("cells", () => { heard++; }, { signal: view.signal });
    store.dispatchEvent(new Event("cells"));
    view.abort();
    store.dispatchEvent(new Event("cells"));
    assert.equal(heard, 1);
    store.close();
  });
}

test("what listens to the page names the signal that ends it", () => {
  const modules = readdirSync(ROOT, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"));
  const found = modules.filter((name) => !PAGES.includes(name)).flatMap((name) => {
    const source = readFileSync(join(ROOT, name), "utf8");
    return [...source.matchAll(PAGE_LISTENER)].map((match) => `${name}: ${callAt(source, match.index + match[0].length)}`);
  });
  assert.ok(found.length > 3);
  assert.deepEqual(found.filter((text) => !/\bsignal\b/.test(text)), []);
});
