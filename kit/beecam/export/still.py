"""The contact sheet as one JPEG, for what shows no HTML: LaTeX, PDF."""

from __future__ import annotations

import importlib.util
import io
import textwrap
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from beecam.errors import BeecamError
from beecam.export.captions import captions
from beecam.export.table_layout import table_layout
from beecam.media import sheets
from beecam.media.types import Frames

if TYPE_CHECKING:
    from PIL.Image import Image

    from beecam.export.shown import ShownClip, ShownClips

# Pixels.
_WIDTH = 1_200
_WIDTHS = (72, 320)  # of a clip
_GAP, _LINE, _FONT = 8, 16, 12
_LETTER = 6.8
_CAPTION_LINES = 2
_MAX_CLIPS = 120
_COLUMNS = 6
_QUALITIES = (85, 70, 50)
_REDUCTIONS = (1, 2, 3)
_GRAY = (128, 128, 128)


def still_bytes(clips: ShownClips, title: str = "", max_bytes: int = 150_000) -> bytes:
    """Return a JPEG with the middle frame of each clip, arranged as in the contact sheet.

    >>> Path("clips.jpg").write_bytes(still_bytes(run.clips, "Bees"))

    Args:
        clips: The clips.
        title: A line above.
        max_bytes: The most that the JPEG may have.

    Returns:
        The JPEG; b"" if there are no clips, or if not even a small one fits.
    """
    if not len(clips):
        return b""
    sheet = _draw(clips, title)
    for factor, quality in product(_REDUCTIONS, _QUALITIES):
        buffer = io.BytesIO()
        sheet.reduce(factor).save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= max_bytes:
            return buffer.getvalue()
    return b""


def frame_bytes(clip: ShownClip) -> bytes:
    """Return a clip's middle frame as a JPEG; b"" if it can't be read."""
    frame = _frame(clip)
    if frame is None:
        return b""
    return sheets.sheet_bytes(frame[np.newaxis])


def _draw(clips: ShownClips, title: str) -> Image:
    from PIL import Image, ImageDraw

    places, columns = _places(clips)
    count = len(places)
    frames = [_frame(clips[i]) for i in range(count)]
    low, high = _WIDTHS
    width = max(low, min(high, _WIDTH // columns - _GAP))
    aspect = max((one.shape[0] / one.shape[1] for one in frames if one is not None), default=1.0)
    height = max(1, round(width * min(aspect, 3.0)))
    letters = int(width / _LETTER)
    names = captions(clips, _CAPTION_LINES * letters, range(count))
    lines = [title] if title else []
    if count < len(clips):
        lines.append(f"The first {count:,} of {len(clips):,} clips.")
    top = _GAP + len(lines) * _LINE
    rows = max(row for row, _ in places) + 1
    step_x, step_y = width + _GAP, height + _CAPTION_LINES * _LINE + _GAP
    image = Image.new("RGB", (columns * step_x + _GAP, top + rows * step_y), "white")
    draw = ImageDraw.Draw(image)
    font = _font()
    for number, line in enumerate(lines):
        shown_line = line[: int(image.width / _LETTER)]
        draw.text((_GAP, _GAP + number * _LINE), shown_line, fill="black", font=font)
    for i, (row, column) in enumerate(places):
        left, upper = _GAP + column * step_x, top + row * step_y
        frame = frames[i]
        if frame is None:
            draw.rectangle((left, upper, left + width, upper + height), outline=_GRAY)
        else:
            shown = Image.fromarray(frame)
            scale = min(width / shown.width, height / shown.height)
            size = (max(1, round(shown.width * scale)), max(1, round(shown.height * scale)))
            image.paste(shown.resize(size), (left, upper))
        for number, line in enumerate(textwrap.wrap(names[i], letters)[:_CAPTION_LINES]):
            below = upper + height + 2 + number * _LINE
            draw.text((left, below), line, fill="black", font=font)
    return image


def _places(clips: ShownClips) -> tuple[list[tuple[int, int]], int]:
    """Return row and column of each clip that is shown, and the number of columns."""
    layout = table_layout(clips, nested=True)
    if layout and len(set(layout.places)) == len(clips) <= _MAX_CLIPS:
        return list(layout.places), len(layout.columns)
    count = min(len(clips), _MAX_CLIPS)
    columns = min(count, _COLUMNS)
    return [divmod(i, columns) for i in range(count)], columns


def _frame(clip: ShownClip) -> Frames | None:
    """Return a clip's middle frame; None if it can't be read."""
    try:
        layout = clip.facts["sheet"]
        frames = sheets.frames_from_sheet(clip.sheet_bytes(), layout)
    except (BeecamError, KeyError):
        return None
    return frames[len(frames) // 2]


@cache
def _font() -> Any:
    """Return matplotlib's font, which has most alphabets; Pillow's own has the Latin one only."""
    from PIL import ImageFont

    found = importlib.util.find_spec("matplotlib")
    if found and found.origin:
        path = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.is_file():
            return ImageFont.truetype(str(path), _FONT)
    return ImageFont.load_default(_FONT)
