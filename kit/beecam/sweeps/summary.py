"""Summaries of sweeps: one line of text, and HTML for notebooks."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

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
    head = (
        f'<p><b>Sweep</b> <code style="white-space: pre-wrap">{html.escape(template)}</code><br>'
        f"{html.escape(describe_cells(layout))}</p>"
    )
    rest = len(cells) - _MAX_ROWS
    more = f"<p>… and {rest:,} more cell{'' if rest == 1 else 's'}</p>" if rest > 0 else ""
    return f"{head}{_axes_table(layout)}{_cells_table(layout, cells[:_MAX_ROWS])}{more}"


def _axes_table(layout: Layout) -> str:
    rows = []
    for axis in layout.axes:
        used = layout.used_positions[axis.name]
        labels = ", ".join(axis.labels[at] for at in used[:_MAX_LABELS])
        more = ", …" if len(used) > _MAX_LABELS else ""
        rows.append({"axis": axis.name, "count": len(used), "values": labels + more})
    return _table(rows) if rows else ""


def _cells_table(layout: Layout, cells: Sequence[Cell]) -> str:
    rows = []
    for cell in cells:
        labels = labels_at(layout.axes, cell.coords)
        rows.append(
            {"cell": cell.index, **labels, "prompt": cell.shot.text, "seed": cell.shot.seed}
        )
    return _table(rows)


def _table(rows: Sequence[dict[str, Any]]) -> str:
    import pandas as pd

    with pd.option_context("display.max_colwidth", _MAX_COLUMN):
        table: str = pd.DataFrame(rows).to_html(index=False, border=0, justify="left", escape=True)
    return table


def _describe_value(axis: Axis, position: int) -> str:
    value = axis.values[position]
    plain = isinstance(value, (str, int, float))
    return f"{axis.name}={shorten(value, 30) if plain else axis.labels[position]}"
