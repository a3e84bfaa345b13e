"""The contact sheet: a static page part that shows clips where nothing else can."""

from __future__ import annotations

import base64
import html
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from beecam.errors import BeecamError, MediaError
from beecam.export import view_data
from beecam.export.view_data import cut
from beecam.media import sheets, size_budget

if TYPE_CHECKING:
    from beecam.export.shown import ShownClip, ShownClips
    from beecam.sweeps.axes import Axis

_FONT = "font:12px/1.4 system-ui,sans-serif"
_CELL = f"display:inline-block;vertical-align:top;margin:0 12px 12px 0;{_FONT}"
# Lab gives tables stripes and right-aligned cells of its own.
_TABLE = f"border-collapse:collapse;border:0;width:auto;margin:0 0 12px 0;{_FONT}"
_FIELD = "text-align:left;vertical-align:top;padding:2px 8px 6px 0;border:0;font-weight:400"
_HEAD = (
    f"{_FIELD};vertical-align:middle;max-width:180px;white-space:normal;word-break:break-word;"
    "font-weight:600"
)
_FRAMES = 4
_WIDE = 700  # pixels of a page beside the headers of rows
_MOST_COLUMNS = 12
_IN_ONE_ROW = 6
# A kernel that cuts more strips than these lets the page beside them wait.
_MOST_STRIPS = 160
_FRAME = 96  # pixels
_FILM = (128, 240)
# Of the room, films may take so much.
_FILMS = 0.5
_GOOD, _POOR = 12_000, 4_000  # letters for a clip, and how its picture is then
_CAPTION = 160
_UNRATED = {"stars": 0, "rejected": False}
_AROUND = 1_400  # letters of a cell beside its picture
_TEXT = 600


def contact_sheet_html(clips: ShownClips, title: str = "", max_bytes: int = 900_000) -> str:
    """Return a static page part with the clips: no script, no network.

    Starred clips are films that play, the others strips of some frames. Where one or two axes
    vary, they are the headers of a table.

    Args:
        clips: What to show.
        title: A line above.
        max_bytes: The page part stays below this: quality is lowered first, then clips are left
            out, which a last line says.
    """
    head = (
        f'<div style="{_FONT}"><bdi>{html.escape(cut(title, _TEXT))}</bdi></div>' if title else ""
    )
    if not clips:
        return f'<div class="beecam-sheet">{head}<p>No clips yet.</p></div>'
    sides = _sides(clips)
    frames = _frames(clips, sides)
    cells = _cells(clips, frames, max_bytes - 2_000 - _around(clips, sides), bare=sides is not None)
    body = _lines(cells.values()) if sides is None else _table(clips, sides, cells)
    left = len(clips) - len(cells)
    foot = f"<div>and {left:,} more clips in the library.</div>" if left else ""
    return f'<div class="beecam-sheet">{head}{body}{foot}</div>'


def clip_caption(clips: ShownClips, index: int) -> str:
    """Return what a clip is called: its labels, or its prompt and its seed."""
    place = clips.coords(index)
    words = [axis.labels[place[axis.name]] for axis in clips.axes if axis.name in place]
    clip = clips[index]
    return view_data.joined(words or [clip.shot.text, f"seed {clip.shot.seed}"])


# --- rows and columns ----------------------------------------------------------------------------

_Sides = tuple["Axis | None", "Axis"]


def _sides(clips: ShownClips) -> _Sides | None:
    """Return the axes of rows and columns, or None where the clips stand in lines."""
    places = [clips.coords(i) for i in range(len(clips))]
    used = {axis.name: {p[axis.name] for p in places if axis.name in p} for axis in clips.axes}
    varying = [axis for axis in clips.axes if len(used[axis.name]) > 1]
    if len(varying) == 1 and len(used[varying[0].name]) <= _IN_ONE_ROW:
        return None, varying[0]
    if len(varying) != 2 or not all(varying[0].name in p and varying[1].name in p for p in places):  # noqa: PLR2004
        return None
    rows, columns = varying
    if len(used[columns.name]) > _MOST_COLUMNS:
        rows, columns = columns, rows
    return (rows, columns) if len(used[columns.name]) <= _MOST_COLUMNS else None


def _lines(cells: Collection[str]) -> str:
    """Return cells one after the other, what plays in lines of its own."""
    films = "".join(cell for cell in cells if "<video" in cell)
    strips = "".join(cell for cell in cells if "<video" not in cell)
    return f"<div>{films}</div><div>{strips}</div>" if films else strips


def _table(clips: ShownClips, sides: _Sides, cells: Mapping[int, str]) -> str:
    rows, columns = sides
    fields: dict[int, dict[int, str]] = {}
    for index, cell in cells.items():
        place = clips.coords(index)
        row = fields.setdefault(place[rows.name] if rows else 0, {})
        row[place[columns.name]] = row.get(place[columns.name], "") + cell
    across = sorted({place for row in fields.values() for place in row})
    corner = f"{html.escape(cut(columns.name, 40))} →"
    if rows:
        corner = f"{html.escape(cut(rows.name, 40))} ↓<br>{corner}"
    heads = "".join(_head("col", columns.labels[place]) for place in across)
    lines = [f'<tr><td style="{_FIELD}">{corner}</td>{heads}</tr>']
    for down in sorted(fields):
        head = _head("row", rows.labels[down]) if rows else f'<td style="{_FIELD}"></td>'
        line = "".join(f'<td style="{_FIELD}">{fields[down].get(p, "")}</td>' for p in across)
        lines.append(f"<tr>{head}{line}</tr>")
    return f'<div style="overflow-x:auto"><table style="{_TABLE}">{"".join(lines)}</table></div>'


def _head(scope: str, label: str) -> str:
    text = html.escape(cut(label, _CAPTION))
    return f'<th scope="{scope}" style="{_HEAD}"><bdi>{text}</bdi></th>'


def _around(clips: ShownClips, sides: _Sides | None) -> int:
    """Return the letters that a table takes apart from its cells, at most."""
    if sides is None:
        return 0
    heads = sum(len(axis) for axis in sides if axis) * (_CAPTION * 6 + 200)
    return min(heads + len(clips) * 120, 200_000)


# --- cells ---------------------------------------------------------------------------------------


def _frames(clips: ShownClips, sides: _Sides | None) -> int:
    """Return how many frames of a clip are shown, so that a row fits onto a page."""
    if sides is None:
        return _FRAMES
    columns = len({clips.coords(i)[sides[1].name] for i in range(len(clips))})
    wide: int = min(_FRAME, clips[0].facts.get("sheet", {}).get("width", 1))
    return max(1, min(_FRAMES, _WIDE // (columns * (wide + 8))))


def _cells(clips: ShownClips, frames: int, room: int, *, bare: bool) -> dict[int, str]:
    """Return the cells that fit into so many letters, by their clips' places in the set."""
    table = clips.library.table(clips.keys) if clips else {}
    rated = [table.get(key, _UNRATED) for key in clips.keys]
    films = _films(clips, [marks["stars"] for marks in rated], int(room * _FILMS))
    room -= sum(map(_letters, films.values()))
    cells: dict[int, str] = {}
    for index, clip in enumerate(clips):
        strips = len(cells.keys() - films.keys())
        if index not in films and strips == _MOST_STRIPS:
            continue
        marks = "★" * rated[index]["stars"] + ("✕" if rated[index]["rejected"] else "")
        name = cut(clip_caption(clips, index), _CAPTION)
        text = marks if bare else f"{name} {marks}"
        if index in films:
            room += _letters(films[index])
            cell = _film_cell(films[index], text, frames, bare=bare)
        else:
            each = room // min(len(clips) - index, _MOST_STRIPS - strips)
            cell = _strip_cell(clip, text, name, frames, each, bare=bare)
        if len(cell) > room:
            break
        room -= len(cell)
        cells[index] = cell
    return cells


def _films(clips: ShownClips, rated: Sequence[int], letters: int) -> dict[int, bytes]:
    """Return the films of starred clips, as many as fit; the best ones first."""
    stars = {i: count for i, count in enumerate(rated) if count}
    found: dict[int, bytes] = {}
    for n, index in enumerate(sorted(stars, key=lambda i: -stars[i])):
        # In base64 three bytes are four letters.
        each = letters // (len(stars) - n) * 3 // 4 - _AROUND
        try:
            data = _video(clips[index], each) if each > 0 else None
        except BeecamError:
            continue  # its strip, or a sentence, is there
        if data:
            found[index] = data
            letters -= _letters(data)
    return found


def _video(clip: ShownClip, limit: int) -> bytes | None:
    return size_budget.fit_video(clip.mp4_bytes(), clip.frames, clip.shot.fps or 8, limit)


def _letters(film: bytes) -> int:
    return -(-len(film) // 3) * 4 + _AROUND


def _film_cell(film: bytes, text: str, frames: int, *, bare: bool) -> str:
    width = max(_FILM[0], min(_FILM[1], frames * _FRAME))
    source = base64.b64encode(film).decode()
    style = _FONT if bare else f"{_CELL};max-width:{width}px"
    return (
        f'<div style="{style}"><video src="data:video/mp4;base64,{source}" width="{width}" '
        "autoplay loop muted playsinline controls></video>"
        f"<div><bdi>{html.escape(text)}</bdi></div></div>"
    )


def _strip_cell(
    clip: ShownClip, text: str, name: str, frames: int, letters: int, *, bare: bool
) -> str:
    style = _FONT if bare else _CELL
    words = f"<bdi>{html.escape(text)}</bdi>"
    try:
        layout = clip.facts["sheet"]
        places = _places(layout["frames"], frames if letters > _POOR else 1)
        small = sheets.subsheet(clip.sheet_bytes(), layout, places, 80 if letters > _GOOD else 55)
    except (MediaError, KeyError) as error:
        return f'<div style="{style};max-width:240px">{words}<br>{html.escape(str(error))}</div>'
    width = min(_FRAME, layout["width"]) * len(places)
    source = base64.b64encode(small).decode()
    return (
        f'<div style="{style};max-width:{width}px"><img src="data:image/jpeg;base64,{source}" '
        f'width="{width}" alt="{html.escape(name)}"><div>{words}</div></div>'
    )


def _places(count: int, frames: int) -> Sequence[int]:
    # One frame is that from the middle, which shows most.
    return sheets.select_frames(count, frames) if frames > 1 else [count // 2]
