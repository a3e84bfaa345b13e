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
from beecam.media.image_files import open_image

if TYPE_CHECKING:
    from PIL import Image

    from beecam.media.types import Frames, FrameSequence


SHEET_FRAMES = 24


SHEET_WIDTH = 160
# Of a sheet's file, which is read whole: more than that of the highest frames.
MAX_BYTES = 50_000_000


def sheet_layout(frames: FrameSequence, max_width: int = SHEET_WIDTH) -> dict[str, int]:
    """Return the layout of a sheet: the number of frames, and width and height of each in pixels.

    >>> sheet_layout(np.zeros((17, 96, 96, 3), np.uint8))
    {'frames': 17, 'width': 96, 'height': 96}

    Args:
        frames: Array of shape `(frames, height, width, 3)`.
        max_width: Wider frames are scaled down.
    """
    count, height, width = frames.shape[:3]
    scale = min(1.0, max_width / width)
    # JPEG encodes blocks of 16 pixels: full blocks keep a frame's colours out of its neighbour.
    scaled_width = max(16, round(width * scale / 16) * 16)
    return {
        "frames": min(count, SHEET_FRAMES),
        "width": scaled_width,
        "height": max(1, round(height * scaled_width / width)),
    }


_FORMAT = ("JPEG",)
# JPEGs can be decoded at up to an eighth of their size; frames under a quarter show nothing.
_MAX_REDUCTION = 4


def sheet_bytes(frames: FrameSequence, quality: int = 85, max_width: int = SHEET_WIDTH) -> bytes:
    """Return one JPEG with up to 24 evenly spaced frames of a clip side by side.

    Args:
        frames: Array of shape `(frames, height, width, 3)`, or a video, whose frames are taken in
            order.
        quality: The JPEG quality.
        max_width: Wider frames are scaled down.
    """
    from PIL import Image

    layout = sheet_layout(frames, max_width)
    size = (layout["width"], layout["height"])
    sheet = Image.new("RGB", (size[0] * layout["frames"], size[1]))
    for position, index in enumerate(select_frames(len(frames))):
        sheet.paste(_resized(frames[index], size), (position * size[0], 0))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _resized(frame: Frames, size: tuple[int, int]) -> Image.Image:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(frame))
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def write_sheet(path: Path, frames: FrameSequence) -> None:
    """Write a clip's sheet, synced to the disk."""
    with path.open("wb") as file:
        file.write(sheet_bytes(frames))
        file.flush()
        os.fsync(file.fileno())


def select_frames(count: int, limit: int = SHEET_FRAMES) -> list[int]:
    """Return the indices of up to `limit` of `count` frames: first, last and evenly between.

    A single frame is that from the middle, which shows most.

    >>> select_frames(9, 3)
    [0, 4, 8]
    """
    if count <= limit:
        return list(range(count))
    if limit == 1:
        return [count // 2]
    return [math.floor(i * (count - 1) / (limit - 1) + 0.5) for i in range(limit)]


def frames_from_sheet(data: bytes, layout: Mapping[str, int]) -> list[Frames]:
    """Return the frames of a sheet, each of shape `(height, width, 3)`.

    Raises:
        MediaError: The sheet is damaged or has another layout.
    """
    from PIL import Image

    width = layout["width"]
    try:
        opened = open_image(io.BytesIO(data), _FORMAT)
        # Before it is decoded: it may come from another's folder.
        fits = opened.size == (width * layout["frames"], layout["height"])
        sheet = np.asarray(opened.convert("RGB")) if fits else None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MediaError(f"a sheet can't be read: it is damaged ({error}).") from error
    if sheet is None:
        raise MediaError("a sheet can't be read: it doesn't have the size of its layout.")
    return [sheet[:, i * width : (i + 1) * width] for i in range(layout["frames"])]


def strip(frames: Sequence[Frames]) -> Frames:
    """Return frames side by side, with transparent gaps between them.

    >>> strip([frame, frame]).shape
    (96, 196, 4)

    Args:
        frames: Arrays of shape `(height, width, 3)`.
    """
    height, width = frames[0].shape[:2]
    gap = _gap(width)
    result = np.zeros((height, strip_width(width, len(frames)), 4), np.uint8)
    for position, frame in enumerate(frames):
        left = position * (width + gap)
        result[:, left : left + width, :3] = frame
        result[:, left : left + width, 3] = 255
    return result


def strip_width(width: int, count: int) -> int:
    """Return the width of a strip in pixels.

    >>> strip_width(96, 4)
    396

    Args:
        width: The width of a frame.
        count: The number of frames.
    """
    return count * width + (count - 1) * _gap(width)


def _gap(width: int) -> int:
    return max(2, width // 24)


def strip_bytes(frames: Sequence[Frames], quality: int = 80) -> bytes:
    """Return a strip as WebP, which can be transparent and is half as large as a JPEG.

    Args:
        frames: Arrays of shape `(height, width, 3)`; wider ones than those of a sheet are scaled.
        quality: The quality of the frames.
    """
    from PIL import Image

    layout = sheet_layout(np.stack(frames))
    size = (layout["width"], layout["height"])
    frames = [np.asarray(_resized(frame, size)) for frame in frames]
    buffer = io.BytesIO()
    Image.fromarray(strip(frames)).save(buffer, "WEBP", quality=quality, method=2)
    return buffer.getvalue()


def reduced_sheet(
    data: bytes, layout: Mapping[str, int], width: int, quality: int = 85
) -> tuple[bytes, dict[str, int]]:
    """Return a sheet at a half or a quarter of its size, and its layout.

    It is halved as long as its frames stay at least `width` pixels wide. A JPEG can be decoded at
    a half or a quarter of its size directly, which takes under 1 ms for 24 frames of 160 x 96.

    Args:
        data: The sheet's JPEG.
        layout: The sheet's layout; see `sheet_layout`.
        width: The minimum width of a frame in pixels.
        quality: The JPEG quality.
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
        opened = open_image(io.BytesIO(data), _FORMAT)
        if opened.size != (layout["frames"] * layout["width"], layout["height"]):
            return data, dict(layout)
        opened.draft("RGB", size)
        sheet: Image.Image = opened if opened.width == size[0] else opened.resize(size)
    except (OSError, SyntaxError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        # The browser shows it, or reports the damage.
        return data, dict(layout)
    buffer = io.BytesIO()
    try:
        sheet.save(buffer, "JPEG", quality=quality)
    except OSError:  # a truncated file is only noticed while decoding
        return data, dict(layout)
    small = {**layout, "width": layout["width"] // factor, "height": sheet.height}
    return buffer.getvalue(), small
