"""What an offline page holds: its cells as the grid is told of them, and media that fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beecam.errors import BeecamError, MediaError
from beecam.export import view_data
from beecam.media import size_budget
from beecam.storage.query_rows import COMMON_NAMES, rows_of

if TYPE_CHECKING:
    from beecam.export.shown import ShownClip, ShownClips

# Of the room for media, films may take so much.
_FILMS = 0.4
# In base64 three bytes are four letters.
_LETTERS = 4 / 3
_NO_DETAIL: Mapping[str, Any] = {
    "prompt": "",
    "code": "",
    "fps": 8,
    "arguments": [["seed", ""]],
    "facts": [],
}
_LOST = "The library no longer had this clip when the page was written."
_MISSING = "This clip's picture was missing when the page was written."
_NO_FILM = "This clip's film was missing or damaged when the page was written."
_NO_ROOM = "This clip was left out: the page would have become too large."


@dataclass
class Cell:
    """One clip as the page has it.

    Attributes:
        clip: The clip, or None if the library has it no more.
        item: What the grid shows of it.
        detail: All about it.
        caption: Its values in words.
        sheet: Its JPEG, or empty.
        film: Its mp4, or empty.
    """

    clip: ShownClip | None
    item: dict[str, Any]
    detail: dict[str, Any]
    caption: str
    sheet: bytes = b""
    film: bytes = b""


def cells_of(clips: ShownClips) -> list[Cell]:
    """Return a cell for each clip, without media."""
    return [_cell(clips, i) for i in range(len(clips))]


def _cell(clips: ShownClips, index: int) -> Cell:
    clip = clips[index]
    place = clips.coords(index)
    labels = view_data.joined(a.labels[place[a.name]] for a in clips.axes if a.name in place)
    try:
        row = clip.library.row(clip.key)
    except BeecamError:
        return Cell(None, {"problem": _LOST}, {**_NO_DETAIL}, labels or clip.key[:8])
    shot = row["shot"]
    return Cell(
        clip,
        view_data.clip_data(row),
        view_data.clip_details(shot, row["facts"]),
        labels or view_data.joined([shot.text, f"seed {shot.seed}"]),
    )


def facts_of(clips: ShownClips, cells: Sequence[Cell]) -> dict[str, Any]:
    """Return what the grid asks for beside media: head, coordinates, columns, items, details."""
    rows = rows_of(clips.library, clips.keys)
    there = [(i, row) for i, row in enumerate(rows) if row is not None]
    known = [row for _, row in there]
    first = next((cell.clip for cell in cells if cell.clip), None)
    places = [clips.coords(i) for i in range(len(clips))]
    return {
        "head": {
            "kind": "cells",
            "version": 1,
            "token": "page",
            "keeps": "",
            "total": len(cells),
            "title": "",
            "live": False,
            "drafts": False,
            "fills": False,
            "model": "",
            "aspect": view_data.aspect_ratio(first.shot) if first else 1.0,
            "axes": view_data.axes_data(clips.axes),
        },
        "coords": [place.get(axis.name, 0) for place in places for axis in clips.axes],
        "columns": {
            "kind": "columns",
            "usual": list(COMMON_NAMES),
            "columns": view_data.columns_data(known),
            "cells": [i for i, _ in there],
            "states": [view_data.state_bits(row) for row in known],
            "tags": [[i, list(row.tags)] for i, row in there if row.tags],
        },
        "items": [cell.item for cell in cells],
        "details": [cell.detail for cell in cells],
    }


def take_media(cells: Sequence[Cell], letters: int) -> list[str]:
    """Give the cells as much of their media as fits.

    Films of all clips where they are small, else of the starred ones; then sheets, smaller ones
    where need be.

    Args:
        cells: Those of the page.
        letters: How much the media may take in base64.

    Returns:
        A sentence for each thing that isn't there as it is in the library.
    """
    room = int(max(0, letters) / _LETTERS)
    there = [cell for cell in cells if cell.clip]
    _take_films(there, int(room * _FILMS))
    reduced = _take_sheets(there, room - sum(len(cell.film) for cell in cells))
    films = sum(bool(cell.film) for cell in cells)
    shown = sum(bool(cell.sheet) for cell in cells)
    said = []
    if films < shown:
        which = f"{films:,} of {shown:,} clips are here as films" if films else "No film is here"
        said.append(f"{which}; the others play the frames of their sheets.")
    if reduced:
        said.append(f"The pictures of {reduced:,} clips were made smaller.")
    if lacking := len(cells) - shown:
        said.append(f"{lacking:,} of {len(cells):,} clips are here without a picture.")
    return said


def _take_films(cells: Sequence[Cell], room: int) -> None:
    sizes = {id(cell): _size(cell) for cell in cells}
    for cell in cells:
        if not sizes[id(cell)]:
            cell.detail["problem"] = _NO_FILM
    wanted = [cell for cell in cells if sizes[id(cell)]]
    if sum(sizes.values()) > room:
        wanted = [cell for cell in wanted if cell.item["stars"]]
    each = size_budget.fair_share([sizes[id(cell)] for cell in wanted], room)
    for cell in wanted:
        assert cell.clip is not None
        try:
            cell.film = _video(cell.clip, each) or b""
        except MediaError:
            cell.detail["problem"] = _NO_FILM


def _video(clip: ShownClip, limit: int) -> bytes | None:
    return size_budget.fit_video(clip.mp4_bytes(), clip.frames, clip.shot.fps or 8, limit)


def _size(cell: Cell) -> int:
    """Return the bytes of a clip's file, 0 where there is none."""
    assert cell.clip is not None
    try:
        return cell.clip.path.stat().st_size
    except OSError:
        return 0


def _take_sheets(cells: Sequence[Cell], room: int) -> int:
    """Return how many sheets were made smaller."""
    found: list[tuple[Cell, bytes, Mapping[str, int]]] = []
    for cell in cells:
        assert cell.clip is not None
        try:
            found.append((cell, cell.clip.sheet_bytes(), cell.clip.facts["sheet"]))
        except (MediaError, KeyError):
            cell.item["problem"] = _MISSING
    fitted = size_budget.fit_sheets([(data, layout) for _, data, layout in found], room)
    reduced = 0
    for (cell, data, _), sheet in zip(found, fitted, strict=True):
        if sheet is None:
            cell.item["problem"] = _NO_ROOM
            continue
        cell.sheet, small = sheet
        cell.item["sheet"] = {**small, "full": small["width"]}
        reduced += len(cell.sheet) < len(data)
    return reduced
