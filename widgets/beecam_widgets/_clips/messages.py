"""Messages to the front ends of a surface: one function each, each below the byte limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from beecam._util.words import count_of
from beecam.errors import BeecamError
from beecam.export import view_data
from beecam.media.sheets import reduced_sheet
from beecam.runs.progress import CellState, RunState
from beecam_widgets._clips.cell_source import CellSource, clip_at, run_facts
from beecam_widgets._notebook.flow_control import MAX_BYTES, Message

# Batches of sheets are smaller than messages may be, so that the first ones are visible early.
SHEETS_BYTES = 800_000
_CELL_STATE_BYTES = 80
_MAX_PROBLEM = 1_000  # characters
_MAX_NOTES = 20


def cells_message(source: CellSource, version: int, extends: str = "") -> Message:
    """Return the message with title, axes, and coordinates (int32, `(cells, axes)`).

    Args:
        source: What is shown.
        version: Version of the message format.
        extends: Token of the source whose cells are the first cells of this one, if any.
    """
    coords = np.array(
        [[source.coords(i).get(a.name, 0) for a in source.axes] for i in range(len(source))],
        np.int32,
    )
    content = {
        "kind": "cells",
        "version": version,
        "token": source.token,
        "extends": extends,
        "total": len(source),
        "title": source.title[: view_data.LONGEST],
        "live": source.run is not None,
        "drafts": source.run is not None and source.run.draft is not None,
        "fills": source.run is not None and source.run.sweep.fills,
        "notes": notes_of(source),
        "model": "" if source.run is None else source.run.model.name,
        "aspect": _aspect_ratio(source),
        "axes": view_data.axes_data(source.axes),
    }
    return content, [coords.tobytes()]


def notes_of(source: CellSource) -> list[str]:
    """Return what of a run's sweep does not reach the model, as sentences."""
    notes = [] if source.run is None else source.run.notes
    more = len(notes) - _MAX_NOTES
    texts = [view_data.cut(str(note)) for note in notes[:_MAX_NOTES]]
    return [*texts, f"run.notes has {count_of(more, 'more note')}."] if more > 0 else texts


def state_messages(
    run: RunState, cells: Sequence[CellState], visible: frozenset[int]
) -> Iterator[Message]:
    """Yield messages with the state of a run and of some cells.

    Args:
        run: The run's state.
        cells: The states of its cells.
        visible: The cells whose previews are included, as far as they fit.
    """
    facts = run_facts(run)
    for part in _split_states(cells):
        previews, images, room = [], [], _half_message()
        for cell in part:
            if cell.preview and cell.index in visible and len(cell.preview) < room:
                room -= len(cell.preview)
                previews.append([cell.index, cell.preview_frames])
                images.append(cell.preview)
        yield (
            {
                "kind": "state",
                "run": facts,
                "previews": previews,
                "cells": [
                    [
                        c.index,
                        str(c.status),
                        c.step,
                        c.steps,
                        view_data.cut(c.error or ""),
                        c.seconds,
                    ]
                    for c in part
                ],
            },
            images,
        )


def _split_states(cells: Sequence[CellState]) -> Iterator[list[CellState]]:
    """Split cells into parts whose states, with their errors, stay below half a message."""
    part: list[CellState] = []
    size = 0
    for cell in cells:
        size += _CELL_STATE_BYTES + min(view_data.LONGEST, len(cell.error or ""))
        if size > _half_message() and part:
            yield part
            part, size = [], _CELL_STATE_BYTES
        part.append(cell)
    yield part


def _half_message() -> int:
    """Return the bytes for cell states; the other half of a message is for their previews."""
    return MAX_BYTES // 2


def sheets_message(
    source: CellSource, cells: Iterable[int], pixels: int
) -> tuple[Message, list[int]]:
    """Return a message with the sheets of as many cells as fit, and these cells.

    Args:
        source: What is shown.
        cells: The cells, the most urgent one first.
        pixels: Width of a cell on the screen; larger sheets are scaled down.
    """
    items: list[dict[str, Any]] = []
    images: list[bytes] = []
    room = SHEETS_BYTES
    included: list[int] = []
    for index in cells:
        item, image = _sheet_item(source, index, pixels)
        if image is not None and len(image) > room and included:
            break
        included.append(index)
        items.append(item)
        if image is not None:
            item["sheet"]["buffer"] = len(images)
            images.append(image)
            room -= len(image)
    return ({"kind": "sheets", "items": items}, images), included


def _sheet_item(source: CellSource, index: int, pixels: int) -> tuple[dict[str, Any], bytes | None]:
    clip = clip_at(source, index)
    item: dict[str, Any] = {"i": index}
    try:
        row = clip.library.row(clip.key)
        item |= view_data.clip_data(row)
        layout = row["facts"]["sheet"]
        image, reduced = reduced_sheet(clip.sheet_bytes(), layout, pixels)
        item["sheet"] = {**reduced, "full": layout["width"]}
    except (BeecamError, KeyError) as error:
        item["problem"] = view_data.cut(str(error))
        return item, None
    if len(image) > MAX_BYTES:
        item["problem"] = "This clip's sheet is too large for the grid; open the clip to play it."
        del item["sheet"]
        return item, None
    return item, image


def detail_messages(source: CellSource, index: int) -> Iterator[Message]:
    """Yield the details of a cell (shot, code, facts), then its mp4 in parts."""
    shot = source.shot(index)
    clip = clip_at(source, index)
    facts: Mapping[str, Any] = {}
    data, problem = b"", ""
    if source.library.count([clip.key]):
        try:
            shot, facts = clip.shot, clip.facts
            data = clip.mp4_bytes()
        except BeecamError as error:
            problem = f"The video can't be read: {error}"
        if data and not source.library.known([clip.key]):
            problem = (
                "The video file is cut off: run its sweep again, which generates only what is "
                "missing."
            )
            data = b""
    elif _was_generated(source, index):
        problem = "This clip was deleted from the library: run its sweep again to regenerate it."
    parts = [data[i : i + MAX_BYTES] for i in range(0, len(data), MAX_BYTES)]
    yield (
        {
            **view_data.clip_details(shot, facts),
            "kind": "detail",
            "i": index,
            "key": clip.key,
            "parts": len(parts),
            "problem": problem,
        },
        [],
    )
    for number, part in enumerate(parts):
        yield {"kind": "mp4", "i": index, "part": number, "parts": len(parts)}, [part]


def _was_generated(source: CellSource, index: int) -> bool:
    """Return whether a cell had a clip, even if that was deleted since."""
    changes = source.changes(0)
    return changes is None or any(c.index == index and c.status == "done" for c in changes.cells)


def annotations_message(
    source: CellSource, cells: Sequence[int], turns: Mapping[str, int]
) -> tuple[Message, bool]:
    """Return the message with the annotations of some cells, and whether any has a clip.

    Args:
        source: What is shown.
        cells: The cells.
        turns: The last annotation message of each front end that these annotations include.
    """
    table = source.library.table({source.key(i) for i in cells})
    rows = [table.get(source.key(i)) for i in cells]
    # A deleted clip has no annotations: front ends revert what they showed in advance.
    annotations = [
        [i, row["stars"], row["rejected"], list(row["tags"])] if row else [i, 0, False, []]
        for i, row in zip(cells, rows, strict=True)
    ]
    content = {"kind": "annotations", "cells": annotations, "turns": dict(turns)}
    return (content, []), any(rows)


def problem_message(text: str) -> Message:
    """Return the message that shows a problem to the user."""
    return {"kind": "problem", "text": view_data.cut(text, _MAX_PROBLEM)}, []


def _aspect_ratio(source: CellSource) -> float:
    """Return the aspect ratio of the first cell (height / width); 1.0 if it isn't known."""
    if not len(source):
        return 1.0
    try:
        shot = source.shot(0)
    except BeecamError:
        return 1.0
    return view_data.aspect_ratio(shot)
