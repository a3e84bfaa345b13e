"""Summaries of sweeps: one line of text, and HTML for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from beecam._util.html import render_template
from beecam._util.words import count_of
from beecam.errors import shorten
from beecam.sweeps.axes import Axis, labels_at
from beecam.sweeps.layout import Cell, Layout

_MAX_ROWS = 5
_MAX_LABELS = 8
_MAX_TEXT = 200  # characters of the template
_MAX_COLUMN = 80  # characters of a table's cell


def describe_cells(layout: Layout) -> str:
    """Return the number of cells of a sweep, and the values that they have on each axis.

    >>> sweep = bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(4))
    >>> describe_cells(sweep)
    '8 cells, insect(2) x seed(4)'
    >>> describe_cells(sweep[:5])
    '5 cells of insect(2) x seed(4)'
    >>> describe_cells(sweep.where(insect="bee"))
    "4 cells, seed(4), insect='bee'"
    """
    total = len(layout.places[1])
    varying, fixed, product = [], [], 1
    for group in layout.groups:
        used = layout.used_positions[group.axes[0].name] if group.axes else ()
        if len(used) > 1:
            varying.append(f"{'+'.join(axis.name for axis in group.axes)}({len(used)})")
            product *= len(used)
        else:
            fixed += [_describe_value(axis, at) for axis in group.axes for at in used]
    # A slice or a sample may leave places of the grid empty.
    separator = ", " if product == total else " of "
    cells = count_of(total, "cell")
    grid = f"{separator}{' x '.join(varying)}" if varying else ""
    return ", ".join([cells + grid, *fixed])


def sweep_html(layout: Layout, cells: Sequence[Cell]) -> str:
    """Return a sweep's summary for a notebook: its axes with their counts, and its first cells.

    All text is escaped.

    >>> sweep = bc.sweep("a {insect}", insect=["bee", "moth"])
    >>> "<table" in sweep_html(sweep, sweep.cells)
    True

    Args:
        layout: The sweep.
        cells: Its cells.
    """
    template = layout.template
    if len(template) > _MAX_TEXT:
        template = template[: _MAX_TEXT - 1] + "…"
    rest = len(cells) - _MAX_ROWS
    tables = (_axes(layout), _cells(layout, cells[:_MAX_ROWS]))
    values = {
        "template": template,
        "description": describe_cells(layout),
        "tables": [table for table in tables if table],
        "more": count_of(rest, "more cell") if rest > 0 else "",
    }
    return str(render_template("beecam.sweeps", "", "summary.html", values))


def _axes(layout: Layout) -> list[dict[str, Any]]:
    rows = []
    for axis in layout.axes:
        used = layout.used_positions[axis.name]
        labels = ", ".join(axis.labels[at] for at in used[:_MAX_LABELS])
        more = ", …" if len(used) > _MAX_LABELS else ""
        rows.append({"axis": axis.name, "count": len(used), "values": _cut(labels + more)})
    return rows


def _cells(layout: Layout, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    rows = []
    for cell in cells:
        labels = labels_at(layout.axes, cell.coords)
        own = {"prompt": cell.shot.text, "seed": cell.shot.seed}
        rows.append({n: _cut(str(v)) for n, v in ({"cell": cell.index} | labels | own).items()})
    return rows


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_COLUMN else text[: _MAX_COLUMN - 1] + "…"


def _describe_value(axis: Axis, position: int) -> str:
    value = axis.values[position]
    plain = isinstance(value, (str, int, float))
    return f"{axis.name}={shorten(value, 30) if plain else axis.labels[position]}"
