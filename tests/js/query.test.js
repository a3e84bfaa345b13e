import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { sortCells, matches, parse } from "../../widgets/js/query.js";

const { names, rows, cases, orders, problems, aliases } = JSON.parse(
  readFileSync(new URL("./query_cases.json", import.meta.url), "utf8"),
);
const items = rows.map((row) => ({
  text: row.text, value: (name) => row.values[name], tags: row.tags, states: new Set(row.states),
}));

for (const [text, expected] of cases) {
  test(`query ${JSON.stringify(text)}`, () => {
    const { terms, problem } = parse(text, names);
    if (expected === null) {
      assert.notEqual(problem, "");
      return;
    }
    assert.equal(problem, "");
    assert.deepEqual(items.flatMap((row, i) => (matches(terms, row) ? [i] : [])), expected);
  });
}

for (const [by, expected] of orders) {
  test(`order ${JSON.stringify(by)}`, () => {
    const value = (cell, name) => rows[cell].values[name];
    assert.deepEqual(sortCells([0, 1, 2, 3], by, value), expected);
  });
}

for (const [text, message] of problems) {
  test(`problem of ${JSON.stringify(text)}`, () => assert.equal(parse(text, names).problem, message));
}

test("names of other tools are suggested as in the kit", () => {
  const targets = [...new Set(Object.values(aliases))];
  for (const [alias, name] of Object.entries(aliases)) {
    assert.match(parse(`${alias}:1`, targets).problem, new RegExp(` Did you mean ${name}\\?`));
  }
});
