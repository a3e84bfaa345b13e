"""Sheets and films of clips made small enough for a page that must not grow."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from beecam.errors import MediaError
from beecam.media import mp4, sheets

if TYPE_CHECKING:
    from beecam.media.types import Frames

# Most frames of a sheet, their width and the JPEG's quality: each is smaller than the one before,
# and of the last one can still tell what it shows.
_SHEETS = ((24, 160, 70), (12, 160, 70), (24, 80, 80), (12, 80, 70), (12, 40, 70), (6, 40, 60))
_TRIED = 8
# The longer side in pixels, and the rate factor of H.264.
_FILMS = ((480, 20), (320, 24), (192, 28))


Sheet = tuple[bytes, Mapping[str, int]]


def fit_sheets(sheets: Sequence[Sheet], room: int) -> list[Sheet | None]:
    """Return sheets that take at most `room` bytes together, all reduced alike.

    Returns:
        For each its JPEG and its layout, damaged ones as they are; None for the last ones where
        not even the smallest fit.
    """
    found: list[Sheet | None] = list(sheets)
    if _taken(found) <= room:
        return found
    some = sheets[:: max(1, len(sheets) // _TRIED)]
    for level in _SHEETS:
        # What a few take says which levels need not be tried on all.
        if _taken([_reduced(sheet, level) for sheet in some]) / len(some) * len(sheets) > 2 * room:
            continue
        found = [_reduced(sheet, level) for sheet in sheets]
        if _taken(found) <= room:
            return found
    found = [_reduced(sheet, _SHEETS[-1]) for sheet in sheets]
    for n, sheet in enumerate(found):
        room -= len(sheet[0]) if sheet else 0
        if room < 0:
            return [*found[:n], *[None] * (len(found) - n)]
    return found


def _taken(sheets: Sequence[Sheet | None]) -> int:
    return sum(len(sheet[0]) for sheet in sheets if sheet)


def _reduced(sheet: Sheet, level: tuple[int, int, int]) -> Sheet:
    count, width, quality = level
    try:
        frames = np.stack(sheets.frames_from_sheet(*sheets.reduced_sheet(*sheet, width, 90)))
    except MediaError:
        return sheet  # whoever shows it finds out
    frames = frames[sheets.select_frames(len(frames), count)]
    return sheets.sheet_bytes(frames, quality), sheets.sheet_layout(frames)


def fit_video(data: bytes, frames: Callable[[], Frames], fps: float, limit: int) -> bytes | None:
    """Return an mp4 of at most `limit` bytes: the given one, or a smaller one without sound.

    Args:
        data: The mp4.
        frames: Reads its frames, array of shape `(frames, height, width, 3)`; called if needed.
        fps: Frames per second.
        limit: In bytes.

    Returns:
        None if not even the smallest one fits.

    Raises:
        MediaError: By `frames`.
    """
    if len(data) <= limit:
        return data
    pixels = frames()
    for side, factor in _FILMS:
        if len(data := _film(_at_most(pixels, side), fps, factor)) <= limit:
            return data
    return None


def fair_share(sizes: Sequence[int], room: int) -> int:
    """Return what each of some things may take, so that all of them stay within `room`.

    What is smaller than its share leaves the rest to the others.
    """
    left = sorted(sizes)
    for n, size in enumerate(left):
        each = room // (len(left) - n)
        if size > each:
            return each
        room -= size
    return max(left, default=0)


def _film(frames: Frames, fps: float, factor: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.mp4"
        mp4.write_mp4(path, frames, fps, {}, factor=factor)
        return path.read_bytes()


def _at_most(frames: Frames, side: int) -> Frames:
    from PIL import Image

    height, width = frames.shape[1:3]
    scale = side / max(height, width)
    if scale >= 1:
        return frames
    # Even, as H.264 has it.
    size = (max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2))
    pictures = (Image.fromarray(np.ascontiguousarray(one)) for one in frames)
    return np.stack([np.asarray(one.resize(size, Image.Resampling.BICUBIC)) for one in pictures])
