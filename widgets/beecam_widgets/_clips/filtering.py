"""Which cells a surface shows, in which order, and the names that both can refer to."""

from __future__ import annotations

from collections.abc import Sequence

from beecam.errors import BeecamError, did_you_mean
from beecam.storage.query import Row, parse, sort_rows
from beecam.storage.query_rows import COMMON_NAMES, names_in, rows_of
from beecam_widgets._clips.cell_source import CellSource

# The names of facts are collected from so many clips.
_SAMPLED = 200


def known_names(source: CellSource) -> list[str]:
    """Return the names that a filter can use: axes, properties of all clips, and their facts."""
    keys = [source.key(i) for i in range(min(_SAMPLED, len(source)))]
    facts = names_in(rows_of(source.library, keys))
    return list(dict.fromkeys([*(axis.name for axis in source.axes), *COMMON_NAMES, *facts]))


def check_filter(source: CellSource, text: str) -> None:
    """Check a filter.

    Raises:
        CheckError: The filter can't be parsed, or has a name that these cells don't have.
    """
    if text.strip():
        parse(text, known_names(source))


def check_sort(source: CellSource, by: str) -> None:
    """Check a sort key.

    Raises:
        BeecamError: These cells have no such name.
    """
    known = known_names(source)
    name = by.removeprefix("-")
    if by and name not in known:
        raise BeecamError(
            f"sort={by!r}: unknown name.{did_you_mean(name, known)} The names are "
            f"{', '.join(known)}; a leading - sorts in descending order."
        )


def matching_cells(
    source: CellSource, cells: Sequence[int], *, filter_text: str, sort: str
) -> list[int]:
    """Return the cells that match a filter, in the requested order.

    Args:
        source: Where the cells are from.
        cells: The cells to choose from.
        filter_text: A query, as in `ClipSet.query`; "" matches all cells.
        sort: A name, "-" and a name, or "" for the order of the source.
    """
    if not (filter_text.strip() or sort):
        return list(cells)
    rows: list[Row | None] = rows_of(
        source.library,
        [source.key(i) for i in cells],
        source.axes,
        [source.coords(i) for i in cells],
    )
    query = parse(filter_text, [*known_names(source), *names_in(rows)])
    matches = [n for n, row in enumerate(rows) if row is not None and query.matches(row)]
    return [cells[matches[n]] for n in sort_rows([rows[n] for n in matches], sort)]


def axis_names(source: CellSource, argument: str, value: str | Sequence[str]) -> list[str]:
    """Return one or several names of axes as a list.

    Args:
        source: The source that has the axes.
        argument: Name of the argument, for the message.
        value: A name, or several.

    Raises:
        BeecamError: The source has no such axis.
    """
    names = [value] if isinstance(value, str) else list(value)
    known = [axis.name for axis in source.axes]
    for name in names:
        if name not in known:
            axes = f"The axes are {', '.join(known)}." if known else "These clips have no axes."
            raise BeecamError(
                f"{argument}={name!r}: unknown axis.{did_you_mean(name, known)} {axes}"
            )
    return names
