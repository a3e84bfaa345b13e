"""The contact sheet: static HTML that shows clips without widgets, scripts or network."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from beecam.errors import BeecamError, LibraryError, MediaError
from beecam.export.captions import captions
from beecam.export.shown import fit_clip
from beecam.export.table_layout import TableLayout, table_layout
from beecam.export.templates import render
from beecam.export.view_data import cut
from beecam.media import sheets

if TYPE_CHECKING:
    from markupsafe import Markup

    from beecam.export.shown import ShownClip, ShownClips
    from beecam.sweeps.axes import Axis

_FRAMES = 4
_PAGE_WIDTH = 700  # pixels, without the headers of rows
# The page would have to wait for a kernel that cuts more strips.
_MAX_STRIPS = 160
_FRAME_WIDTH, _MIN_FRAME_WIDTH = 96, 48  # pixels
_GAP = 8  # between columns
_VIDEO_WIDTHS = (128, 240)
_FEW, _FEW_WIDTH = 2, 320  # clips that are shown large
# The share of the size that videos may take.
_VIDEO_SHARE = 0.5
# Characters per clip: above the first, strips have a high quality; below the second, one frame.
_HIGH_QUALITY, _ONE_FRAME = 12_000, 4_000
_MAX_CAPTION = 160
_MAX_AXIS_NAME = 40
_MAX_TITLE = 600
_UNRATED = {"stars": 0, "rejected": False, "shot": {}}
# Upper bounds of the characters around media and cells.
_CELL_MARKUP = 1_400
_SHEET_MARKUP = 2_000
_HEADER_MARKUP = _MAX_CAPTION * 6 + 200
_FIELD_MARKUP = 120
_MAX_TABLE_MARKUP = 200_000


def contact_sheet_html(clips: ShownClips, title: str = "", max_bytes: int = 900_000) -> str:
    """Return static HTML that shows clips, without scripts and network.

    Starred clips are playing videos, the others strips of some frames. If the clips differ along
    axes, these are the headers of a table.

    >>> contact_sheet_html(run.clips, "Bees")

    Args:
        clips: The clips.
        title: A line above.
        max_bytes: The HTML stays below this: quality is lowered first, then clips are left out,
            which a last line says.
    """
    layout = table_layout(clips, nested=True)
    frames, width = _fitting(clips, layout)
    room = max_bytes - _SHEET_MARKUP - _table_markup(layout)
    cells, videos = _cells(clips, frames, width, room, in_table=bool(layout))
    left_out = len(clips) - len(cells)
    return render(
        "contact_sheet.html",
        title=cut(title, _MAX_TITLE),
        table=_table(layout, cells) if layout else None,
        videos=[cell for index, cell in cells.items() if index in videos],
        strips=[cell for index, cell in cells.items() if index not in videos],
        left_out=f"{left_out:,}" if left_out else "",
    )


def clip_facts(clip: ShownClip) -> Mapping[str, Any]:
    """Return the facts of a clip; none if it is gone, as the other clips are still shown.

    >>> clip_facts(clips[0])["width"]
    96
    """
    try:
        return clip.facts
    except LibraryError:
        return {}


# --- rows and columns ----------------------------------------------------------------------------


def _table(layout: TableLayout, cells: Mapping[int, Markup]) -> dict[str, Any]:
    """Return what the template shows of a table; rows and columns without cells are left out."""
    from markupsafe import Markup

    fields: dict[int, dict[int, Markup]] = {}
    for index, cell in cells.items():
        row, column = layout.places[index]
        line = fields.setdefault(row, {})
        line[column] = line.get(column, Markup()) + cell
    used = sorted({column for line in fields.values() for column in line})
    heads = _groups([layout.rows[row] for row in sorted(fields)])
    return {
        "row_axis": _name(layout.row_axes),
        "column_axis": _name(layout.column_axes),
        "depth": max(1, len(layout.row_axes)),
        "column_heads": [
            [
                group
                for column in _groups([layout.columns[at] for at in used])
                if (group := column[n])
            ]
            for n in range(len(layout.column_axes))
        ],
        "rows": [
            (list(filter(None, head)), [fields[row].get(column, Markup()) for column in used])
            for head, row in zip(heads, sorted(fields), strict=True)
        ],
    }


def _name(axes: Sequence[Axis]) -> str:
    return cut(" · ".join(axis.name for axis in axes), _MAX_AXIS_NAME)


def _groups(headers: Sequence[tuple[str, ...]]) -> list[list[tuple[str, int] | None]]:
    """Return the labels of each row, each with how many rows it is for; None below its first row.

    >>> _groups([("bee", "sea"), ("bee", "ice")])
    [[('bee', 2), ('sea', 1)], [None, ('ice', 1)]]
    """
    result: list[list[tuple[str, int] | None]] = []
    for at, labels in enumerate(headers):
        line: list[tuple[str, int] | None] = []
        for n, label in enumerate(labels):
            outer = labels[: n + 1]
            if at and headers[at - 1][: n + 1] == outer:
                line.append(None)
                continue
            end = next((i for i in range(at, len(headers)) if headers[i][: n + 1] != outer), None)
            line.append((label, (len(headers) if end is None else end) - at))
        result.append(line)
    return result


def _table_markup(layout: TableLayout | None) -> int:
    """Return an upper bound of the characters of a table without the content of its cells."""
    if layout is None:
        return 0
    rows, columns = len(layout.rows), len(layout.columns)
    headers = rows * len(layout.row_axes) + columns * len(layout.column_axes)
    markup = headers * _HEADER_MARKUP + rows * columns * _FIELD_MARKUP
    return min(markup, _MAX_TABLE_MARKUP)


# --- cells ---------------------------------------------------------------------------------------


def _fitting(clips: ShownClips, layout: TableLayout | None) -> tuple[int, int]:
    """Return how many frames of each clip are shown, and how wide, so that a row fits the page."""
    if layout is None:
        return _FRAMES, _FRAME_WIDTH
    room = _PAGE_WIDTH // len(layout.columns) - _GAP
    width: int = min(_FRAME_WIDTH, clip_facts(clips[0]).get("sheet", {}).get("width", 1))
    return max(1, min(_FRAMES, room // width)), max(_MIN_FRAME_WIDTH, min(width, room))


def _cells(
    clips: ShownClips, frames: int, width: int, room: int, *, in_table: bool
) -> tuple[dict[int, Markup], Collection[int]]:
    """Return the cells that fit into `room` characters by index, and the indices of videos."""
    table = clips.library.table(clips.keys) if clips else {}
    ratings = [table.get(key, _UNRATED) for key in clips.keys]
    videos = _videos(clips, [rating["stars"] for rating in ratings], int(room * _VIDEO_SHARE))
    room -= sum(map(_video_size, videos.values()))
    others = islice((i for i in range(len(clips)) if i not in videos), _MAX_STRIPS)
    names = captions(clips, _MAX_CAPTION, [*videos, *others])
    cells: dict[int, Markup] = {}
    low, high = _VIDEO_WIDTHS
    for index, clip in enumerate(clips):
        strips = len(cells.keys() - videos.keys())
        if index not in videos and strips == _MAX_STRIPS:
            continue
        rating = _marks(ratings[index])
        name = names[index]
        text = rating if in_table else f"{name} {rating}"
        if index in videos:
            room += _video_size(videos[index])
            wide = _FEW_WIDTH if len(clips) <= _FEW else max(low, min(high, frames * width))
            cell = _video_cell(videos[index], text, wide, in_table=in_table)
        else:
            share = room // min(len(clips) - index, _MAX_STRIPS - strips)
            cell = _strip_cell(
                clip, text, name, frames=frames, width=width, room=share, in_table=in_table
            )
        if len(cell) > room:
            break
        room -= len(cell)
        cells[index] = cell
    return cells, videos.keys()


def _marks(row: Mapping[str, Any]) -> str:
    """Return what a sheet shows of a clip besides its values: draft, stars, rejected."""
    draft = row["shot"].get("draft_steps") is not None
    return f"{'draft ' * draft}{'★' * row['stars']}{'✕' * row['rejected']}".rstrip()


def _videos(clips: ShownClips, stars: Sequence[int], room: int) -> dict[int, bytes]:
    """Return the mp4 files of starred clips by index, as many as fit; the best clips first."""
    starred = sorted((i for i, count in enumerate(stars) if count), key=lambda i: -stars[i])
    found: dict[int, bytes] = {}
    for n, index in enumerate(starred):
        # Base64 has four characters for three bytes.
        share = room // (len(starred) - n) * 3 // 4 - _CELL_MARKUP
        try:
            data = fit_clip(clips[index], share) if share > 0 else None
        except BeecamError:
            continue  # the strip or the error is shown instead
        if data:
            found[index] = data
            room -= _video_size(data)
    return found


def _video_size(data: bytes) -> int:
    return -(-len(data) // 3) * 4 + _CELL_MARKUP


def _video_cell(data: bytes, text: str, width: int, *, in_table: bool) -> Markup:
    return render(
        "sheet_cell.html",
        bare=in_table,
        video=base64.b64encode(data).decode(),
        width=width,
        text=text,
    )


def _strip_cell(
    clip: ShownClip, text: str, name: str, *, frames: int, width: int, room: int, in_table: bool
) -> Markup:
    try:
        layout = clip_facts(clip)["sheet"]
        count = frames if room > _ONE_FRAME else 1
        indices = sheets.select_frames(layout["frames"], count)
        quality = 80 if room > _HIGH_QUALITY else 55
        all_frames = sheets.frames_from_sheet(clip.sheet_bytes(), layout)
        data = sheets.strip_bytes([all_frames[i] for i in indices], quality)
    except (MediaError, KeyError) as error:
        problem = str(error) if isinstance(error, MediaError) else "its images are missing."
        return render(
            "sheet_cell.html", bare=in_table, video="", image="", text=text, problem=problem
        )
    return render(
        "sheet_cell.html",
        bare=in_table,
        video="",
        image=base64.b64encode(data).decode(),
        width=sheets.strip_width(min(width, layout["width"]), len(indices)),
        name=name,
        text=text,
    )
