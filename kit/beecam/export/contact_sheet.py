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

_FRAMES = 4
_PAGE_WIDTH = 700  # pixels, without the headers of rows
# The page would have to wait for a kernel that cuts more strips.
_MAX_STRIPS = 160
_FRAME_WIDTH = 96  # pixels
_VIDEO_WIDTHS = (128, 240)
_FEW, _FEW_WIDTH = 2, 320  # clips that are shown large
# The share of the size that videos may take.
_VIDEO_SHARE = 0.5
# Characters per clip: above the first, strips have a high quality; below the second, one frame.
_HIGH_QUALITY, _ONE_FRAME = 12_000, 4_000
_MAX_CAPTION = 160
_MAX_AXIS_NAME = 40
_MAX_TITLE = 600
_UNRATED = {"stars": 0, "rejected": False}
# Upper bounds of the characters around media and cells.
_CELL_MARKUP = 1_400
_SHEET_MARKUP = 2_000
_HEADER_MARKUP = _MAX_CAPTION * 6 + 200
_FIELD_MARKUP = 120
_MAX_TABLE_MARKUP = 200_000


def contact_sheet_html(clips: ShownClips, title: str = "", max_bytes: int = 900_000) -> str:
    """Return static HTML that shows clips, without scripts and network.

    Starred clips are playing videos, the others strips of some frames. If the clips differ along
    one or two axes, these are the headers of a table.

    >>> contact_sheet_html(run.clips, "Bees")

    Args:
        clips: The clips.
        title: A line above.
        max_bytes: The HTML stays below this: quality is lowered first, then clips are left out,
            which a last line says.
    """
    layout = table_layout(clips)
    room = max_bytes - _SHEET_MARKUP - _table_markup(layout)
    cells, videos = _cells(clips, _frames_per_clip(clips, layout), room, in_table=bool(layout))
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
    return {
        "row_axis": cut(" · ".join(axis.name for axis in layout.row_axes), _MAX_AXIS_NAME),
        "column_axis": cut(layout.column_axis.name, _MAX_AXIS_NAME),
        "columns": [layout.column_labels[column] for column in used],
        "rows": [
            (layout.row_labels[row], [fields[row].get(column, Markup()) for column in used])
            for row in sorted(fields)
        ],
    }


def _table_markup(layout: TableLayout | None) -> int:
    """Return an upper bound of the characters of a table without the content of its cells."""
    if layout is None:
        return 0
    rows, columns = len(layout.row_labels), len(layout.column_labels)
    markup = (rows + columns) * _HEADER_MARKUP + rows * columns * _FIELD_MARKUP
    return min(markup, _MAX_TABLE_MARKUP)


# --- cells ---------------------------------------------------------------------------------------


def _frames_per_clip(clips: ShownClips, layout: TableLayout | None) -> int:
    """Return how many frames of each clip are shown, so that a row fits the page."""
    if layout is None:
        return _FRAMES
    width: int = min(_FRAME_WIDTH, clip_facts(clips[0]).get("sheet", {}).get("width", 1))
    columns = len(layout.column_labels)
    return max(1, min(_FRAMES, _PAGE_WIDTH // (columns * (width + 8))))


def _cells(
    clips: ShownClips, frames: int, room: int, *, in_table: bool
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
        rating = "★" * ratings[index]["stars"] + ("✕" if ratings[index]["rejected"] else "")
        name = names[index]
        text = rating if in_table else f"{name} {rating}"
        if index in videos:
            room += _video_size(videos[index])
            width = _FEW_WIDTH if len(clips) <= _FEW else max(low, min(high, frames * _FRAME_WIDTH))
            cell = _video_cell(videos[index], text, width, in_table=in_table)
        else:
            share = room // min(len(clips) - index, _MAX_STRIPS - strips)
            cell = _strip_cell(clip, text, name, frames, share, in_table=in_table)
        if len(cell) > room:
            break
        room -= len(cell)
        cells[index] = cell
    return cells, videos.keys()


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
    clip: ShownClip, text: str, name: str, frames: int, room: int, *, in_table: bool
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
        width=sheets.strip_width(min(_FRAME_WIDTH, layout["width"]), len(indices)),
        name=name,
        text=text,
    )
