"""What is said to the front end: one function a message, each below the limit of bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from beecam.errors import BeecamError
from beecam.export import view_data as telling
from beecam.media.sheets import reduced_sheet
from beecam.runs.progress import CellState, RunState
from beecam_widgets.limits import MAX_BYTES, SHEETS_BYTES
from beecam_widgets.source import Source, clip_at, run_facts

Message = tuple[dict[str, Any], list[bytes]]

_STATE = 80


def head_message(source: Source, version: int, keeps: str = "") -> Message:
    """Say what is shown: title, axes, and every cell's coordinates (cells x axes, int32).

    Args:
        source: What is shown.
        version: Of the message's form.
        keeps: The token of a source with whose cells this one begins.
    """
    coords = np.array(
        [[source.coords(i).get(a.name, 0) for a in source.axes] for i in range(len(source))],
        np.int32,
    )
    content = {
        "kind": "cells",
        "version": version,
        "token": source.token,
        "keeps": keeps,
        "total": len(source),
        "title": source.title[: telling.LONGEST],
        "live": source.run is not None,
        "drafts": source.run is not None and source.run.draft is not None,
        "fills": source.run is not None and source.run.sweep.fills,
        "model": source.run.model.name if source.run else "",
        "aspect": _aspect(source),
        "axes": telling.axes_data(source.axes),
    }
    return content, [coords.tobytes()]


def state_messages(
    run: RunState, cells: Sequence[CellState], visible: frozenset[int]
) -> Iterator[Message]:
    """Say how a run and some of its cells stand, with the previews of the visible ones."""
    facts = run_facts(run)
    for part in _parts(cells):
        shown, pictures, room = [], [], _half()
        for cell in part:
            if cell.preview and cell.index in visible and len(cell.preview) < room:
                room -= len(cell.preview)
                shown.append([cell.index, cell.preview_frames])
                pictures.append(cell.preview)
        yield (
            {
                "kind": "state",
                "run": facts,
                "previews": shown,
                "cells": [
                    [c.index, str(c.status), c.step, c.steps, telling.cut(c.error or ""), c.seconds]
                    for c in part
                ],
            },
            pictures,
        )


def _parts(cells: Sequence[CellState]) -> Iterator[list[CellState]]:
    """Cut cells into parts whose states, with the errors, stay below half a message."""
    part: list[CellState] = []
    size = 0
    for cell in cells:
        size += _STATE + min(telling.LONGEST, len(cell.error or ""))
        if size > _half() and part:
            yield part
            part, size = [], _STATE
        part.append(cell)
    yield part


def _half() -> int:
    """Return the room for the states of cells; the other half is for their previews."""
    return MAX_BYTES // 2


def sheets_message(
    source: Source, indices: Iterable[int], pixels: int
) -> tuple[Message, list[int]]:
    """Say what the clips in some cells look like: as many as fit into one message.

    Args:
        source: What is shown.
        indices: The cells.
        pixels: Across a cell on the screen; larger sheets are made smaller.

    Returns:
        The message, and the cells that are in it.
    """
    items: list[dict[str, Any]] = []
    pictures: list[bytes] = []
    room = SHEETS_BYTES
    done: list[int] = []
    for index in indices:
        item, picture = _item(source, index, pixels)
        if picture is not None and len(picture) > room and done:
            break
        done.append(index)
        items.append(item)
        if picture is not None:
            item["sheet"]["at"] = len(pictures)
            pictures.append(picture)
            room -= len(picture)
    return ({"kind": "sheets", "items": items}, pictures), done


def detail_messages(source: Source, index: int) -> Iterator[Message]:
    """Say all about one cell: shot, code and facts, then its mp4 in parts."""
    shot = source.shot(index)
    clip = clip_at(source, index)
    facts: dict[str, Any] = {}
    data, problem = b"", ""
    if source.library.count([clip.key]):
        try:
            shot, facts = clip.shot, clip.facts
            data = clip.mp4_bytes()
        except BeecamError as error:
            problem = f"The video can't be read: {error}"
        if data and not source.library.known([clip.key]):
            problem = "The video is cut off: run its sweep again, which makes only what is missing."
            data = b""
    elif _was_made(source, index):
        problem = "This clip was deleted from the library: run its sweep again to make it anew."
    parts = [data[i : i + MAX_BYTES] for i in range(0, len(data), MAX_BYTES)]
    told = {"kind": "detail", "i": index, "key": clip.key, "parts": len(parts), "problem": problem}
    yield telling.clip_details(shot, facts) | told, []
    for number, part in enumerate(parts):
        yield {"kind": "mp4", "i": index, "part": number, "parts": len(parts)}, [part]


def _was_made(source: Source, index: int) -> bool:
    """Return whether a cell had its clip, wherever that is now."""
    changes = source.changes(0)
    return changes is None or any(c.index == index and c.status == "done" for c in changes.cells)


def _item(source: Source, index: int, pixels: int) -> tuple[dict[str, Any], bytes | None]:
    clip = clip_at(source, index)
    item: dict[str, Any] = {"i": index}
    try:
        row = clip.library.row(clip.key)
        item |= telling.clip_data(row)
        facts = row["facts"]
        picture, small = reduced_sheet(clip.sheet_bytes(), facts["sheet"], pixels)
        item["sheet"] = {**small, "full": facts["sheet"]["width"]}
    except (BeecamError, KeyError) as error:
        item["problem"] = telling.cut(str(error))
        return item, None
    if len(picture) > MAX_BYTES:
        item["problem"] = "This clip's sheet is too large to be shown here; open it to play it."
        del item["sheet"]
        return item, None
    return item, picture


def _aspect(source: Source) -> float:
    """Height over width of the first clip, for the shape of the cells."""
    if not len(source):
        return 1.0
    try:
        shot = source.shot(0)
    except BeecamError:
        return 1.0
    return telling.aspect_ratio(shot)
