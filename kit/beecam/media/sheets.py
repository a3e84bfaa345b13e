"""Sheets: one JPEG with a clip's frames side by side, for grids and static pages."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from beecam.errors import MediaError

if TYPE_CHECKING:
    from beecam.media.types import Frames


SHEET_FRAMES = 24


SHEET_WIDTH = 160


def sheet_layout(frames: Frames, most: int = SHEET_WIDTH) -> dict[str, int]:
    """Say how a sheet lays these frames out: frames, width and height of each, in pixels.

    Args:
        frames: frames x height x width x 3.
        most: Wider ones are made smaller.
    """
    count, height, width = frames.shape[:3]
    scale = min(1.0, most / width)
    # JPEG codes blocks of 16 pixels: whole blocks keep a frame's colours out of its neighbour.
    wide = max(16, round(width * scale / 16) * 16)
    return {
        "frames": min(count, SHEET_FRAMES),
        "width": wide,
        "height": max(1, round(height * wide / width)),
    }


# JPEGs can be decoded at an eighth at least; smaller than a quarter nobody can see anything.
_MAX_REDUCTION = 4


def sheet_bytes(frames: Frames, quality: int = 85, most: int = SHEET_WIDTH) -> bytes:
    """Return one JPEG with the clip's frames side by side, evenly chosen, at most 24.

    Args:
        frames: frames x height x width x 3.
        quality: JPEG's.
        most: Frames wider than this are made smaller.
    """
    from PIL import Image

    layout = sheet_layout(frames, most)
    size = (layout["width"], layout["height"])
    sheet = Image.new("RGB", (size[0] * layout["frames"], size[1]))
    for place, index in enumerate(select_frames(len(frames))):
        frame = Image.fromarray(np.ascontiguousarray(frames[index]))
        if frame.size != size:
            frame = frame.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
        sheet.paste(frame, (place * size[0], 0))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def write_sheet(path: Path, frames: Frames) -> None:
    """Write the clip's sheet, synced to the disk."""
    with path.open("wb") as file:
        file.write(sheet_bytes(frames))
        file.flush()
        os.fsync(file.fileno())


def select_frames(count: int, limit: int = SHEET_FRAMES) -> list[int]:
    """Return which frames of `count` a sheet shows: the first, the last, evenly between."""
    if count <= limit:
        return list(range(count))
    return [math.floor(i * (count - 1) / (limit - 1) + 0.5) for i in range(limit)]


def frames_from_sheet(data: bytes, layout: Mapping[str, int]) -> list[Frames]:
    """Cut a sheet into its frames, each height x width x 3.

    Raises:
        MediaError: The sheet is damaged.
    """
    from PIL import Image

    try:
        sheet = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise MediaError(f"a sheet can't be read: it is damaged ({error}).") from error
    width = layout["width"]
    if sheet.shape != (layout["height"], width * layout["frames"], 3):
        raise MediaError("a sheet can't be read: it doesn't have the size of its layout.")
    return [sheet[:, i * width : (i + 1) * width] for i in range(layout["frames"])]


def subsheet(data: bytes, layout: Mapping[str, int], places: Sequence[int], quality: int) -> bytes:
    """Return a smaller sheet with some of the frames, for pages that must stay small."""
    frames = frames_from_sheet(data, layout)
    return sheet_bytes(np.stack([frames[i] for i in places]), quality)


def reduced_sheet(
    data: bytes, layout: Mapping[str, int], width: int, quality: int = 85
) -> tuple[bytes, dict[str, int]]:
    """Return a sheet halved as long as its frames stay as wide as wanted, and its layout.

    A JPEG is decoded at a half or a quarter of its size without decoding all of it, which makes
    this quick (under a millisecond for 24 frames of 160 x 96).

    Args:
        data: The sheet's JPEG.
        layout: frames, width and height of it.
        width: In pixels, of a frame.
        quality: Of the JPEG.
    """
    from PIL import Image, UnidentifiedImageError

    factor = 1
    while (
        factor < _MAX_REDUCTION
        and layout["width"] % (2 * factor) == 0
        and (layout["width"] // (2 * factor) >= width)
    ):
        factor *= 2
    size = (layout["frames"] * layout["width"] // factor, max(1, layout["height"] // factor))
    if factor == 1:
        return data, dict(layout)
    try:
        opened = Image.open(io.BytesIO(data))
        opened.draft("RGB", size)
        sheet: Image.Image = opened if opened.width == size[0] else opened.resize(size)
    except (OSError, UnidentifiedImageError, ValueError):
        # It is shown, or found to be damaged, as it is.
        return data, dict(layout)
    buffer = io.BytesIO()
    try:
        sheet.save(buffer, "JPEG", quality=quality)
    except OSError:  # what is cut off is found to be so when it is decoded
        return data, dict(layout)
    small = {**layout, "width": layout["width"] // factor, "height": sheet.height}
    return buffer.getvalue(), small
