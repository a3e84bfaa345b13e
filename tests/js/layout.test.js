import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CAPTION, chooseAxes, countWhole, fitFlow, fitGap, fitTable, flow, nextCell, neighbour, pivot, rectangle, reveal, visible, wrap,
} from "../../widgets/js/grid/layout.js";

const axis = (name, count) => ({
  name, labels: Array.from({ length: count }, (_, i) => `${name}${i}`), notes: [],
});

/** Coordinates of the full product, the last axis fastest. */
function product(...counts) {
  const total = counts.reduce((a, b) => a * b, 1);
  const coords = new Int32Array(total * counts.length);
  for (let cell = 0; cell < total; cell++) {
    let rest = cell;
    for (let a = counts.length - 1; a >= 0; a--) {
      coords[cell * counts.length + a] = rest % counts[a];
      rest = Math.floor(rest / counts[a]);
    }
  }
  return coords;
}

const upTo = (count) => Array.from({ length: count }, (_, i) => i);

test("the last axis goes across, all others down", () => {
  const axes = [axis("insect", 2), axis("place", 3), axis("steps", 1), axis("seed", 4)];
  const coords = product(2, 3, 1, 4);
  const chosen = chooseAxes(axes, coords, [], []);
  assert.deepEqual(chosen, { flow: false, rows: [0, 1], columns: [3] });
  const table = pivot(axes, coords, upTo(24), chosen);
  assert.equal(table.rows.length, 6);
  assert.equal(table.columns.length, 4);
  assert.deepEqual(table.rows[4].labels, ["insect1", "place1"]);
  assert.equal(table.at(4, 2), 18);
  assert.deepEqual(table.position(18), [4, 2]);
});

test("no axis is ever hidden, whatever is requested", () => {
  const axes = [axis("insect", 2), axis("place", 3), axis("seed", 4)];
  const coords = product(2, 3, 4);
  for (const [rows, columns] of [[["seed"], ["insect"]], [["place"], []], [[], ["place"]], [["seed"], ["seed"]]]) {
    const chosen = chooseAxes(axes, coords, rows, columns);
    const table = pivot(axes, coords, upTo(24), chosen);
    assert.deepEqual([...chosen.rows, ...chosen.columns].sort(), [0, 1, 2], `${rows} by ${columns}`);
    const places = new Set(Array.from({ length: 24 }, (_, cell) => String(table.position(cell))));
    assert.equal(places.size, 24);
  }
});

test("axes that vary together stay on one side", () => {
  const axes = [axis("insect", 3), axis("place", 3), axis("seed", 2)];
  const coords = Int32Array.from([0, 0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 2, 2, 0, 2, 2, 1]);
  const chosen = chooseAxes(axes, coords, [], []);
  assert.deepEqual(chosen, { flow: false, rows: [0, 1], columns: [2] });
  assert.equal(pivot(axes, coords, upTo(6), chosen).rows.length, 3);
});

test("a single axis flows, unless it is requested as rows", () => {
  const axes = [axis("seed", 5)];
  const coords = product(5);
  assert.equal(chooseAxes(axes, coords, [], []).flow, true);
  assert.deepEqual(chooseAxes(axes, coords, ["seed"], []), { flow: false, rows: [0], columns: [] });
  assert.equal(chooseAxes([], new Int32Array(0), [], []).flow, true);
});

test("a sparse sweep has no empty lines, and cells with equal coordinates get rows of their own", () => {
  const axes = [axis("place", 9), axis("seed", 9)];
  const coords = Int32Array.from([7, 1, 2, 8, 7, 1]);
  const table = pivot(axes, coords, upTo(3), { rows: [0], columns: [1] });
  assert.deepEqual(table.rows.map((r) => r.labels[0]), ["place2", "place7", "place7"]);
  assert.deepEqual(table.columns.map((c) => c.labels[0]), ["seed1", "seed8"]);
  assert.equal(table.at(0, 1), 1);
  assert.equal(table.at(0, 0), -1);
  assert.deepEqual([table.at(1, 0), table.at(2, 0)], [0, 2]);
});

test("a flow wraps", () => {
  const table = flow(upTo(7), 3);
  assert.equal(table.rows.length, 3);
  assert.equal(table.at(2, 0), 6);
  assert.equal(table.at(2, 1), -1);
  assert.deepEqual(table.position(5), [1, 2]);
  assert.equal(table.position(7), null);
  assert.equal(flow(upTo(0), 4).rows.length, 0);
});

const geometry = { width: 100, height: 50, columnGap: 10, gap: 10, headWidth: 80, headHeight: 30, rows: 1000, columns: 40 };

test("only rows and columns inside the window are visible", () => {
  const range = visible(geometry, { left: 0, top: 0, width: 520, height: 330 }, 1);
  assert.deepEqual(range, { row0: 0, row1: 6, column0: 0, column1: 5 });
  const later = visible(geometry, { left: 1100, top: 6000, width: 520, height: 330 }, 0);
  assert.deepEqual(later, { row0: 100, row1: 105, column0: 10, column1: 14 });
  const end = visible(geometry, { left: 1e6, top: 1e6, width: 520, height: 330 });
  assert.deepEqual([end.row1, end.column1], [1000, 40]);
});

test("a cell is revealed with as little scrolling as possible", () => {
  const view = { left: 220, top: 600, width: 520, height: 330 };
  assert.deepEqual(reveal(geometry, view, 11, 3), { left: 220, top: 600 });
  assert.deepEqual(reveal(geometry, view, 2, 0), { left: 0, top: 120 });
  assert.deepEqual(reveal(geometry, view, 20, 9), { left: 660, top: 960 });
});

const room = (width, height, more = {}) => ({ width, height, aspect: 1, maximum: 320, ...more });

test("cell widths fit the columns within their limits", () => {
  assert.equal(fitTable(room(1000, 600), 2, 8), 119);
  assert.equal(fitTable(room(1000, 600), 2, 100), 72);
  assert.equal(fitTable(room(1000, 600), 1, 1), 320);
});

test("cells are narrower where more of them are whole then", () => {
  const size = fitTable(room(860, 602), 3, 3);
  assert.equal(countWhole(room(860, 602), 3, 3, size), 9);
  assert.equal(countWhole(room(860, 602), 3, 3, size + 1), 6);
  assert.ok(fitTable(room(860, 602), 30, 3) >= 144, "details are still seen");
});

test("axes are divided where most clips are whole, in any room", () => {
  for (const counts of [[3, 3, 3, 3], [2, 5], [12, 2], [4, 3, 8], [2, 2, 2, 2, 2], [3, 24], [40, 2, 3]]) {
    const axes = counts.map((count, i) => axis(`a${i}`, count));
    const coords = product(...counts);
    for (const [width, height] of [[1000, 640], [560, 640], [1800, 900], [360, 500]]) {
      const space = room(width, height);
      const chosen = chooseAxes(axes, coords, [], [], [], space);
      const inner = room(width - 150, height - 50);
      const seen = ({ rows, columns }) => {
        const [down, across] = [rows, columns].map((side) => side.reduce((n, a) => n * counts[a], 1));
        return countWhole(inner, down, across, fitTable(inner, down, across));
      };
      for (let at = 1; at < counts.length; at++) {
        const other = { rows: upTo(at), columns: upTo(counts.length).slice(at) };
        assert.ok(seen(chosen) >= seen(other), `${counts} in ${width} x ${height}: ${JSON.stringify(chosen)}`);
      }
      assert.deepEqual([...chosen.rows, ...chosen.columns], upTo(counts.length), "in their order");
    }
  }
  const axes = [3, 3, 3, 3].map((count, i) => axis(`a${i}`, count));
  const coords = product(3, 3, 3, 3);
  assert.deepEqual(chooseAxes(axes, coords, [], [], [], room(1000, 640)).columns, [2, 3]);
  assert.deepEqual(chooseAxes(axes, coords, ["a0"], [], [], room(1000, 640)).columns, [3], "what is requested stays");
});

test("arrows lead to every clip of a table with gaps", () => {
  const axes = [axis("place", 3), axis("seed", 3)];
  const coords = Int32Array.from([0, 0, 0, 1, 1, 2, 2, 0]);
  const table = pivot(axes, coords, upTo(4), { rows: [0], columns: [1] });
  const reached = new Set([0]);
  for (const cell of reached) {
    for (const [down, right] of [[0, 1], [0, -1], [1, 0], [-1, 0]]) reached.add(neighbour(table, cell, down, right));
  }
  assert.deepEqual([...reached].sort(), upTo(4));
});

test("steps cross gaps and stop at the edges", () => {
  const table = flow(upTo(7), 3);
  assert.equal(neighbour(table, 0, 0, 1), 1);
  assert.equal(neighbour(table, 2, 0, 1), 2);
  assert.equal(neighbour(table, 4, 1, 0), 6, "the nearest of the last line, which is short");
  assert.equal(neighbour(table, 6, 0, 1e6), 6);
  assert.equal(neighbour(table, 3, 0, 1e6), 5);
  assert.equal(neighbour(table, 0, 9, 0), 6);
  assert.equal(neighbour(table, 1, 9, 0), 6);
  assert.equal(neighbour(table, -1, 0, 1), -1);
  const axes = [axis("place", 3), axis("seed", 3)];
  const sparse = pivot(axes, Int32Array.from([0, 0, 0, 2, 2, 1]), upTo(3), { rows: [0], columns: [1] });
  assert.equal(neighbour(sparse, 0, 0, 1), 1);
  assert.equal(nextCell(sparse, 0, 1), 1);
  assert.equal(nextCell(sparse, 1, 1), 2);
  assert.equal(nextCell(sparse, 2, 1), -1);
  assert.equal(nextCell(sparse, 2, -1), 1);
  assert.deepEqual(rectangle(sparse, 0, 2), [0, 2]);
  assert.deepEqual(rectangle(table, 5, 1), [1, 2, 4, 5]);
});

test("an axis too long for a line wraps, whatever the others are", () => {
  for (const [outer, seeds] of [[2, 40], [9, 25], [1, 40], [3, 200]]) {
    const axes = [axis("insect", 2), axis("place", outer), axis("seed", seeds)];
    const coords = product(2, outer, seeds);
    const room = { width: 900, height: 500, aspect: 0.66, maximum: 320 };
    const chosen = chooseAxes(axes, coords, [], [], [], room);
    assert.equal(chosen.wraps, true, `${outer} x ${seeds}`);
    assert.deepEqual(chosen.columns, [2]);
    const count = 2 * outer * seeds;
    const table = pivot(axes, coords, upTo(count), chosen);
    const size = fitFlow(room, seeds, CAPTION[1], table.rows.length);
    const across = Math.floor(room.width / (size + 6));
    const wrapped = wrap(table, across);
    assert.ok(wrapped.columns.length * (size + 6) <= room.width, "nothing is beyond the right edge");
    const seen = upTo(count).map((cell) => {
      const [row, column] = wrapped.position(cell);
      assert.equal(wrapped.at(row, column), cell);
      assert.deepEqual(wrapped.keys(row, column), table.keys(...table.position(cell)));
      assert.deepEqual(wrapped.rows[row].labels, table.rows[table.position(cell)[0]].labels);
      return `${row},${column}`;
    });
    assert.equal(new Set(seen).size, count, "each clip has a place");
    let reached = 0;
    for (let cell = 0; cell >= 0; cell = nextCell(wrapped, cell, 1)) reached++;
    assert.equal(reached, count, "in reading order, too");
  }
});

test("axes that were requested never wrap", () => {
  const axes = [axis("insect", 2), axis("seed", 40)];
  const room = { width: 900, height: 500, aspect: 0.66, maximum: 320 };
  assert.ok(!chooseAxes(axes, product(2, 40), ["insect"], ["seed"], [], room).wraps);
});

test("cells shrink a little where that wins a row, and never by more than a fifth", () => {
  for (let width = 300; width < 1600; width += 53) {
    for (let height = 200; height < 900; height += 31) {
      const room = { width, height, aspect: 0.66, maximum: 320 };
      const size = fitTable(room, 9, 9);
      const widest = Math.max(72, Math.min(320, Math.floor(width / 9) - 6));
      assert.ok(size >= Math.min(144, 0.8 * widest) || size === 72);
      assert.ok(countWhole(room, 9, 9, size) >= countWhole(room, 9, 9, widest));
      const gap = fitGap(width, 9, size);
      const wide = Math.max(32, Math.floor(size * 0.3));
      assert.ok(gap >= 6 && gap <= wide);
      if (size > 72) assert.ok(9 * (size + gap) <= width && (gap === wide || 9 * (size + gap) > width - 9));
    }
  }
});
