// The modules of widgets/js import in one direction, without a circle.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../widgets/js", import.meta.url));

/**
 * Folders by level, lowest first. A module may import from its own folder and from lower levels;
 * the folders of one level don't import each other. "" is the entries.
 */
const LEVELS = [["suggest.js"], ["query.js"], ["core"], ["data"], ["captions"], ["surface", "panel/text"], ["grid", "table", "panel", "live"], [""]];
const ENTRIES = ["clips.js", "live.js", "offline.js", "panel.js"];

/** Import specifiers of a module: those of the code, and those that only name a type. */
const IMPORT = /^(?:import|export)\s[^"]*?from "(\.[^"]+)"|^import "(\.[^"]+)"/gm;
const TYPE_IMPORT = /import\("(\.[^"]+)"\)/g;

const modules = readdirSync(ROOT, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".js")).sort();

function importsOf(module, pattern) {
  const source = readFileSync(join(ROOT, module), "utf8");
  return [...source.matchAll(pattern)].map((match) =>
    relative(ROOT, join(ROOT, dirname(module), match[1] ?? match[2])));
}

const graph = new Map(modules.map((module) => [module, importsOf(module, IMPORT)]));

function levelOf(module) {
  const folder = dirname(module) === "." ? (ENTRIES.includes(module) ? "" : module) : dirname(module);
  const level = LEVELS.findIndex((folders) => folders.includes(folder));
  assert.ok(level >= 0, `${module} is in no folder of LEVELS`);
  return { level, folder };
}

/** Return the circles found by a depth-first walk, each as a list of modules. */
function findCircles() {
  const circles = [];
  const finished = new Set();
  const visit = (module, path) => {
    if (path.includes(module)) circles.push([...path.slice(path.indexOf(module)), module]);
    else if (!finished.has(module)) {
      for (const imported of graph.get(module) ?? []) visit(imported, [...path, module]);
      finished.add(module);
    }
  };
  for (const module of modules) visit(module, []);
  return circles;
}

test("every import names a module that exists", () => {
  assert.ok(modules.length > 40, String(modules.length));
  assert.ok([...graph.values()].flat().length > 100);
  for (const [module, imports] of graph) {
    for (const imported of imports) assert.ok(graph.has(imported), `${module} imports ${imported}`);
  }
});

test("no module imports itself through others", () => {
  assert.deepEqual(findCircles().map((circle) => circle.join(" → ")), []);
});

test("folders import downwards only, types included", () => {
  for (const module of modules) {
    const own = levelOf(module);
    for (const imported of [...importsOf(module, IMPORT), ...importsOf(module, TYPE_IMPORT)]) {
      const other = levelOf(imported);
      const allowed = other.level < own.level || other.folder === own.folder;
      assert.ok(allowed, `${module} must not import ${imported}`);
    }
  }
});

test("every module starts with a sentence that says what it is for", () => {
  for (const module of modules) {
    const [first] = readFileSync(join(ROOT, module), "utf8").split("\n\n");
    assert.match(first, /^\/\/ [A-Z][^]*\.$/, module);
  }
});
