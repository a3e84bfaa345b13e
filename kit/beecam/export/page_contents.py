"""The content of an offline page: cells as the grid expects them, and the media that fit."""

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

# The share of the media's size that videos may take.
_VIDEO_SHARE = 0.4
# Base64 has four characters for three bytes.
_CHARACTERS_PER_BYTE = 4 / 3
_NO_DETAIL: Mapping[str, Any] = {
    "prompt": "",
    "code": "",
    "fps": 8,
    "arguments": [["seed", ""]],
    "facts": [],
}
_LOST = "The library no longer had this clip when the page was written."
_NO_IMAGE = "This clip's image was missing when the page was written."
_NO_VIDEO = "This clip's video was missing or damaged when the page was written."
_NO_ROOM = "This clip was left out: the page would have become too large."


@dataclass
class Cell:
    """One clip on the page.

    Attributes:
        clip: The clip, or None if the library no longer has it.
        item: The data that the grid shows; see `view_data.clip_data`.
        detail: The data that the viewer shows; see `view_data.clip_details`.
        caption: Its labels, or its prompt and seed.
        sheet: Its sheet as a JPEG, or empty.
        video: Its mp4, or empty.
    """

    clip: ShownClip | None
    item: dict[str, Any]
    detail: dict[str, Any]
    caption: str
    sheet: bytes = b""
    video: bytes = b""


def cells_of(clips: ShownClips) -> list[Cell]:
    """Return a cell for each clip, without media."""
    return [_cell(clips, i) for i in range(len(clips))]


def _cell(clips: ShownClips, index: int) -> Cell:
    clip = clips[index]
    coords = clips.coords(index)
    labels = view_data.joined(a.labels[coords[a.name]] for a in clips.axes if a.name in coords)
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
        "coords": [at.get(axis.name, 0) for at in coords for axis in clips.axes],
        "columns": {
            "kind": "columns",
            "usual": list(COMMON_NAMES),
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
    shown = sum(bool(cell.sheet) for cell in cells)
    notes = []
    if videos < shown:
        which = f"This page has the videos of {videos:,} of {shown:,} clips"
        notes.append(f"{which if videos else 'This page has no videos'}; the others play frames.")
    if reduced:
        notes.append(f"The images of {reduced:,} clips were reduced.")
    if missing := len(cells) - shown:
        notes.append(f"{missing:,} of {len(cells):,} clips have no image here.")
    return notes


def _add_videos(cells: Sequence[Cell], max_bytes: int) -> None:
    sizes = {id(cell): _file_size(cell) for cell in cells}
    for cell in cells:
        if not sizes[id(cell)]:
            cell.detail["problem"] = _NO_VIDEO
    wanted = [cell for cell in cells if sizes[id(cell)]]
    if sum(sizes.values()) > max_bytes:
        wanted = [cell for cell in wanted if cell.item["stars"]]
    share = size_budget.fair_share([sizes[id(cell)] for cell in wanted], max_bytes)
    for cell in wanted:
        assert cell.clip is not None
        try:
            cell.video = _fit_video(cell.clip, share) or b""
        except MediaError:
            cell.detail["problem"] = _NO_VIDEO


def _fit_video(clip: ShownClip, max_bytes: int) -> bytes | None:
    return size_budget.fit_video(clip.mp4_bytes(), clip.frames, clip.shot.fps or 8, max_bytes)


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
            cell.item["problem"] = _NO_ROOM
            continue
        cell.sheet, small = sheet
        cell.item["sheet"] = {**small, "full": small["width"]}
        reduced += len(cell.sheet) < len(data)
    return reduced
