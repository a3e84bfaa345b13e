"""Sheets and videos reduced so that a page stays below a size."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from beecam.errors import MediaError
from beecam.media import mp4, sheets

if TYPE_CHECKING:
    from beecam.media.types import Frames, FrameSequence

# The maximum number of frames of a sheet, their width and the JPEG quality. Each level is smaller
# than the one before, and the last one is still recognizable.
_SHEETS = ((24, 160, 70), (12, 160, 70), (24, 80, 80), (12, 80, 70), (12, 40, 70), (6, 40, 60))
_SAMPLED = 8  # sheets that are reduced to estimate the size of all
# The longer side in pixels, and the rate factor of H.264.
_VIDEOS = ((480, 20), (320, 24), (192, 28))


Sheet = tuple[bytes, Mapping[str, int]]


def fit_sheets(originals: Sequence[Sheet], max_bytes: int) -> list[Sheet | None]:
    """Return sheets that have at most `max_bytes` together, all reduced to the same level.

    Returns:
        The JPEG and the layout of each sheet; damaged sheets are unchanged. The last ones are None
        if even the smallest level is too large.
    """
    found: list[Sheet | None] = list(originals)
    if _total(found) <= max_bytes:
        return found
    sample = originals[:: max(1, len(originals) // _SAMPLED)]
    for level in _SHEETS:
        # A level that is far too large for the sample isn't tried on all sheets.
        mean = _total([_reduced(sheet, level) for sheet in sample]) / len(sample)
        if mean * len(originals) > 2 * max_bytes:
            continue
        found = [_reduced(sheet, level) for sheet in originals]
        if _total(found) <= max_bytes:
            return found
    found = [_reduced(sheet, _SHEETS[-1]) for sheet in originals]
    for n, sheet in enumerate(found):
        max_bytes -= len(sheet[0]) if sheet else 0
        if max_bytes < 0:
            return [*found[:n], *[None] * (len(found) - n)]
    return found


def _total(found: Sequence[Sheet | None]) -> int:
    return sum(len(sheet[0]) for sheet in found if sheet)


def _reduced(sheet: Sheet, level: tuple[int, int, int]) -> Sheet:
    count, width, quality = level
    try:
        frames = np.stack(sheets.frames_from_sheet(*sheets.reduced_sheet(*sheet, width, 90)))
    except MediaError:
        return sheet  # the page reports the damage
    frames = frames[sheets.select_frames(len(frames), count)]
    return sheets.sheet_bytes(frames, quality), sheets.sheet_layout(frames)


def fit_video(data: bytes, path: Path, fps: float, limit: int) -> bytes | None:
    """Return an mp4 of at most `limit` bytes: `data` itself, or a smaller one without sound.

    Args:
        data: The mp4.
        path: Its file, whose frames are read one by one, only if needed.
        fps: Frames per second.
        limit: The maximum number of bytes.

    Returns:
        None if not even the smallest one fits.

    Raises:
        MediaError: The file is damaged.
        OSError: It is missing, or can't be read.
    """
    if len(data) <= limit:
        return data
    with mp4.stream_mp4(path) as frames:
        pixels = _scale_down(frames, _VIDEOS[0][0])
    for side, factor in _VIDEOS:
        if len(data := _encode(_scale_down(pixels, side), fps, factor)) <= limit:
            return data
    return None


def fair_share(sizes: Sequence[int], total: int) -> int:
    """Return the limit per item with which items of these sizes stay within `total`.

    Items below the limit leave the rest of their share to the others.

    >>> fair_share([10, 80, 80], 100)
    45
    """
    ascending = sorted(sizes)
    for n, size in enumerate(ascending):
        each = total // (len(ascending) - n)
        if size > each:
            return each
        total -= size
    return max(ascending, default=0)


def _encode(frames: Frames, fps: float, factor: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.mp4"
        mp4.write_mp4(path, frames, fps, {}, factor=factor)
        return path.read_bytes()


def _scale_down(frames: FrameSequence, side: int) -> Frames:
    from PIL import Image

    height, width = frames.shape[1:3]
    scale = min(1.0, side / max(height, width))
    # H.264 with yuv420p needs even sizes.
    even = (max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2))
    size = even if scale < 1 else (width, height)
    found = np.empty((len(frames), *size[::-1], 3), np.uint8)
    for i in range(len(frames)):
        image = Image.fromarray(np.ascontiguousarray(frames[i]))
        found[i] = np.asarray(
            image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)
        )
    return found
