"""The content of an offline page: what its grid starts with, its cells, the media that fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beecam._util.words import count_of
from beecam.errors import (
    BeecamError,
    CheckError,
    MediaError,
    Problem,
    did_you_mean,
    shorten,
)
from beecam.export import view_data
from beecam.export.captions import captions
from beecam.export.shown import fit_clip
from beecam.media import size_budget
from beecam.storage.query import parse
from beecam.storage.query_rows import COMMON_NAMES, names_in, rows_of

if TYPE_CHECKING:
    from beecam.export.shown import ShownClip, ShownClips
    from beecam.sweeps.axes import Axis

# The share of the media's size that videos may take.
_VIDEO_SHARE = 0.4
# Base64 has four characters for three bytes.
_CHARACTERS_PER_BYTE = 4 / 3
# Three lines below a strip.
_MAX_CAPTION = 110
_NO_DETAIL: Mapping[str, Any] = {
    "prompt": "",
    "code": "",
    "fps": 8,
    "arguments": [["seed", ""]],
    "facts": [],
}
_NOT_IN_LIBRARY = "The library no longer had this clip when the page was written."
_NO_IMAGE = "This clip's image was missing when the page was written."
_NO_VIDEO = "This clip's video was missing or damaged when the page was written."
_TOO_LARGE = "This clip was left out: the page would have become too large."


@dataclass
class Cell:
    """One clip on the page.

    Attributes:
        clip: The clip, or None if the library no longer has it.
        item: The data that the grid shows; see `view_data.clip_data`.
        detail: The data that the viewer shows; see `view_data.clip_details`.
        caption: What it differs in from the others.
        sheet: Its sheet as a JPEG, or empty.
        video: Its mp4, or empty.
    """

    clip: ShownClip | None
    item: dict[str, Any]
    detail: dict[str, Any]
    caption: str
    sheet: bytes = b""
    video: bytes = b""


@dataclass(frozen=True)
class PageLayout:
    """The settings that the grid of a page starts with.

    Attributes:
        rows: The axes of the rows, one name or several; None takes them from `grid`.
        columns: The axes of the columns; None takes them from `grid`.
        grid: The settings of the notebook's grid that shows the clips, if there is one: "rows",
            "columns", "fixed", "filter" and "sort".
    """

    rows: str | Sequence[str] | None = None
    columns: str | Sequence[str] | None = None
    grid: Mapping[str, Any] | None = None

    def problems(self, axes: Sequence[Axis]) -> Iterator[Problem]:
        """Yield a problem for each name in rows and columns that can't be there.

        >>> [str(problem) for problem in PageLayout(rows="insekt").problems(clips.axes)]
        ["rows='insekt': no axis 'insekt'; the axes are insect, seed. Did you mean insect?"]
        """
        known = [axis.name for axis in axes]
        axes_are = f"the axes are {', '.join(known)}" if known else "these clips have no axes"
        for argument, value in (("rows", self.rows), ("columns", self.columns)):
            text = f"{argument}={shorten(value)}"
            names = _names(value)
            if names is None:
                message = f"{text}: the name of an axis, or a list of names, is needed; {axes_are}."
                yield Problem(argument, message)
            for name in dict.fromkeys(names or []):
                if name not in known:
                    near = did_you_mean(name, known)
                    yield Problem(argument, f"{text}: no axis {name!r}; {axes_are}.{near}")
                elif names and names.count(name) > 1:
                    yield Problem(argument, f"{text}: {name!r} is in it twice; {axes_are}.")
        for name in dict.fromkeys(_names(self.rows) or []):
            if name in known and name in (_names(self.columns) or []):
                both = f"rows={shorten(self.rows)} and columns={shorten(self.columns)}"
                message = f"{both}: {name!r} can't be in both; {axes_are}."
                yield Problem("columns", message)

    def view(self, clips: ShownClips) -> dict[str, Any]:
        """Return the settings as JSON data, without those that don't fit the clips.

        The settings of the grid may be those of other clips of the same run: a filter or a fixed
        value that would leave nothing to see is dropped.
        """
        grid = {
            "rows": (),
            "columns": (),
            "fixed": {},
            "filter": "",
            "sort": "",
            **(self.grid or {}),
        }
        requested = {*(_names(self.rows) or []), *(_names(self.columns) or [])}
        free = [axis.name for axis in clips.axes if axis.name not in requested]
        rows, columns = (
            [name for name in grid[side] if name in free] if value is None else _names(value)
            for side, value in (("rows", self.rows), ("columns", self.columns))
        )
        fixed = {name: label for name, label in grid["fixed"].items() if name in free}
        fixed, cells = _fix(clips, fixed)
        text, by = _fitting_query(clips, cells, grid["filter"], grid["sort"])
        return {"rows": rows, "columns": columns, "fixed": fixed, "filter": text, "sort": by}


def _names(value: Any) -> list[str] | None:
    """Return one name or several as a list; None if the value is neither."""
    names = [value] if isinstance(value, str) else [] if value is None else value
    if isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names):
        return list(names)
    return None


def _fix(clips: ShownClips, fixed: Mapping[str, str]) -> tuple[dict[str, str], list[int]]:
    """Return the fixed values that some clips have together, and the indices of these clips."""
    labels = {axis["name"]: axis["labels"] for axis in view_data.axes_data(clips.axes)}
    applicable: dict[str, str] = {}
    cells = list(range(len(clips)))
    for axis in clips.axes:
        if fixed.get(axis.name) not in axis.labels:
            continue
        # The page compares labels as it has them: very long ones are shortened.
        label = labels[axis.name][axis.labels.index(fixed[axis.name])]
        position = labels[axis.name].index(label)
        found = [i for i in cells if clips.coords(i).get(axis.name, 0) == position]
        if found:
            applicable[axis.name], cells = label, found
    return applicable, cells


def _fitting_query(clips: ShownClips, cells: Sequence[int], text: str, by: str) -> tuple[str, str]:
    """Return a filter if it matches some of the cells, and an order if the clips have its name."""
    if not (text.strip() or by):
        return "", ""
    coords = [clips.coords(i) for i in range(len(clips))]
    rows = rows_of(clips.library, clips.keys, clips.axes, coords)
    names = [*(axis.name for axis in clips.axes), *COMMON_NAMES, *names_in(rows)]
    by = by if by.removeprefix("-") in names else ""
    try:
        query = parse(text, names)
    except CheckError:
        return "", by
    found = any((row := rows[i]) is not None and query.matches(row) for i in cells)
    return text if found else "", by


def cells_of(clips: ShownClips) -> list[Cell]:
    """Return a cell for each clip, without media."""
    names = captions(clips, _MAX_CAPTION)
    return [_cell(clip, names[i]) for i, clip in enumerate(clips)]


def _cell(clip: ShownClip, caption: str) -> Cell:
    try:
        row = clip.library.row(clip.key)
    except BeecamError:
        return Cell(None, {"problem": _NOT_IN_LIBRARY}, {**_NO_DETAIL}, caption)
    shot = row["shot"]
    return Cell(
        clip,
        view_data.clip_data(row),
        view_data.clip_details(shot, row["facts"]),
        caption,
    )


def facts_of(clips: ShownClips, cells: Sequence[Cell]) -> dict[str, Any]:
    """Return the data that the grid reads: head, coordinates, columns, items and details."""
    rows = rows_of(clips.library, clips.keys)
    found = [(i, row) for i, row in enumerate(rows) if row is not None]
    known = [row for _, row in found]
    first = next((cell.clip for cell in cells if cell.clip), None)
    coords = [clips.coords(i) for i in range(len(clips))]
    return {
        "head": {
            "kind": "cells",
            "version": 1,
            "token": "page",
            "extends": "",
            "total": len(cells),
            "title": "",
            "live": False,
            "drafts": False,
            "fills": False,
            "model": "",
            "aspect": view_data.aspect_ratio(first.shot) if first else 1.0,
            "axes": view_data.axes_data(clips.axes),
        },
        "coords": [at.get(axis.name, 0) for at in coords for axis in clips.axes],
        "columns": {
            "kind": "columns",
            "common": list(COMMON_NAMES),
            "columns": view_data.columns_data(known),
            "cells": [i for i, _ in found],
            "states": [view_data.state_bits(row) for row in known],
            "tags": [[i, list(row.tags)] for i, row in found if row.tags],
        },
        "items": [cell.item for cell in cells],
        "details": [cell.detail for cell in cells],
    }


def add_media(cells: Sequence[Cell], max_characters: int) -> list[str]:
    """Add as much of the media to the cells as fits.

    The videos of all clips if they are small, or else those of the starred ones; then sheets,
    which are reduced if they don't fit.

    Args:
        cells: The cells of the page.
        max_characters: The maximum number of characters of all media in base64.

    Returns:
        A sentence for each kind of media that is reduced or left out.
    """
    max_bytes = int(max(0, max_characters) / _CHARACTERS_PER_BYTE)
    found = [cell for cell in cells if cell.clip]
    _add_videos(found, int(max_bytes * _VIDEO_SHARE))
    reduced = _add_sheets(found, max_bytes - sum(len(cell.video) for cell in cells))
    videos = sum(bool(cell.video) for cell in cells)
    with_sheet = sum(bool(cell.sheet) for cell in cells)
    notes = []
    if videos < with_sheet:
        which = f"This page has the videos of {videos:,} of {count_of(with_sheet, 'clip')}"
        notes.append(f"{which if videos else 'This page has no videos'}; the others play frames.")
    if reduced:
        notes.append(f"The images of {count_of(reduced, 'clip')} were reduced.")
    if missing := len(cells) - with_sheet:
        have = "has" if missing == 1 else "have"
        notes.append(f"{missing:,} of {count_of(len(cells), 'clip')} {have} no image here.")
    return notes


def _add_videos(cells: Sequence[Cell], max_bytes: int) -> None:
    sizes = {id(cell): _file_size(cell) for cell in cells}
    for cell in cells:
        if not sizes[id(cell)]:
            cell.detail["problem"] = _NO_VIDEO
    with_video = [cell for cell in cells if sizes[id(cell)]]
    if sum(sizes.values()) > max_bytes:
        with_video = [cell for cell in with_video if cell.item["stars"]]
    share = size_budget.fair_share([sizes[id(cell)] for cell in with_video], max_bytes)
    for cell in with_video:
        assert cell.clip is not None
        try:
            cell.video = fit_clip(cell.clip, share) or b""
        except MediaError:
            cell.detail["problem"] = _NO_VIDEO


def _file_size(cell: Cell) -> int:
    """Return the size of a clip's mp4 in bytes; 0 if it is missing."""
    assert cell.clip is not None
    try:
        return cell.clip.path.stat().st_size
    except OSError:
        return 0


def _add_sheets(cells: Sequence[Cell], max_bytes: int) -> int:
    """Add sheets; return how many of them are reduced."""
    found: list[tuple[Cell, bytes, Mapping[str, int]]] = []
    for cell in cells:
        assert cell.clip is not None
        try:
            found.append((cell, cell.clip.sheet_bytes(), cell.clip.facts["sheet"]))
        except (MediaError, KeyError):
            cell.item["problem"] = _NO_IMAGE
    fitted = size_budget.fit_sheets([(data, layout) for _, data, layout in found], max_bytes)
    reduced = 0
    for (cell, data, _), sheet in zip(found, fitted, strict=True):
        if sheet is None:
            cell.item["problem"] = _TOO_LARGE
            continue
        cell.sheet, small = sheet
        cell.item["sheet"] = {**small, "full": small["width"]}
        reduced += len(cell.sheet) < len(data)
    return reduced
