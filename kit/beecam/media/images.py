"""Read images and animations with Pillow: named formats, measured first, every mode, upright.

The one place where Pillow opens what a user or a shared folder provides. `Image.open`
without names hands a file to each of Pillow's 43 plug-ins by its first bytes, one of which runs
Ghostscript; so no other module calls it without `formats=`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from beecam.errors import MediaError, first_line
from beecam.media.selection import ALL, Rhythm, Selection, check_size, resize, rhythm_of
from beecam.media.types import Media

if TYPE_CHECKING:
    from PIL.Image import Image

    from beecam.media.types import Frames

# JPEG includes the MPO of phones. Each of them decodes pixels and nothing else.
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "PPM", "JPEG2000")
# Plug-ins read whole files, or large parts of them, while they open one. No image that may be read
# has more bytes: these formats can be uncompressed, with 16 bits per channel.
_MAX_BYTES = dict.fromkeys(("PNG", "TIFF", "BMP", "PPM"), 400_000_000)
_MAX_BYTES_OF_OTHERS = 100_000_000
_ANIMATIONS = ("PNG", "WEBP", "AVIF", "GIF")
# What browsers show frames for that are to be shown for 0.01 seconds or less.
_SHORTEST, _USUAL = 0.011, 0.1
_START = 16  # bytes, by which Pillow finds the format, too
_WHITE = (255, 255, 255, 255)
_8_BITS, _16_BITS = 255, 65535


def read_image_file(path: Path, selection: Selection = ALL) -> Media | None:
    """Read an image or an animation; None for a file of another format.

    Raises:
        MediaError: The file is damaged or too large.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with path.open("rb") as file, open_image(file) as image:
            if selection.max_side and image.format == "JPEG":
                # It is decoded at a half, a quarter or an eighth of its size.
                image.draft("RGB", (selection.max_side, selection.max_side))
            return read_pil(image, selection)
    except UnidentifiedImageError:
        return None
    except Image.DecompressionBombError as error:
        raise MediaError(f"it is too large ({first_line(error)}). Scale it down first.") from error


def open_image(file: BinaryIO, formats: tuple[str, ...] = FORMATS) -> Image:
    """Open an image of a named format; its pixels aren't decoded yet.

    Args:
        file: The file, or its bytes.
        formats: Pillow's names of the formats that it may have.

    Raises:
        MediaError: The file has more bytes than any image that is read.
    """
    from PIL import Image

    Image.preinit()  # loads the common plug-ins
    if any(name not in Image.OPEN for name in formats):
        Image.init()
    # An unknown name, such as AVIF in an older Pillow, would be a KeyError.
    known = [name for name in formats if name in Image.OPEN]
    _check_bytes(file, known)
    return Image.open(file, formats=known)


def _check_bytes(file: BinaryIO, formats: list[str]) -> None:
    """Raise a MediaError for a file that is too large for the format that it begins like."""
    from PIL import Image

    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(_START)
    file.seek(0)
    for name in formats:
        most = _MAX_BYTES.get(name, _MAX_BYTES_OF_OTHERS)
        accept = Image.OPEN[name][1]
        # A text is the reason why a plug-in that would be needed is missing.
        if size > most and accept is not None and accept(start) not in (None, False):
            raise MediaError(
                f"it is a {name} file of {size / 1e6:,.0f} MB; at most {most / 1e6:,.0f} are read. "
                "Scale it down first."
            )


def read_pil(image: Image, selection: Selection = ALL) -> Media:
    """Return the pixels of an image that Pillow has opened or made, upright, as RGB.

    Transparent pixels are put on white, whatever colours they hide. 16 bits are scaled to 8;
    floats must be from 0 to 1.

    Args:
        image: The image; of an animation all frames are read.
        selection: The part to read.

    Raises:
        MediaError: The file behind it is damaged, or it is too large.
    """
    try:
        return _read(image, selection)
    except MediaError:
        raise
    # What a decoder raises for damage is not documented: OSError, SyntaxError, ValueError,
    # struct.error, EOFError, IndexError and more have been seen.
    except Exception as error:
        raise MediaError(f"the image can't be read ({first_line(error)}).") from error


def _read(image: Image, selection: Selection) -> Media:
    count = _frame_count(image)
    size = selection.scaled(*image.size)
    check_size(*size, decoded=image.size)
    if count == 1:
        return Media(_scaled(to_rgb(image), selection)[None])
    check_size(*size, min(count, selection.num_frames or count))
    before = image.tell()
    with _uncovered(image):
        try:
            rhythm, first = _rhythm(image, count)
            indices = [first + i for i in rhythm.indices(selection)]
            check_size(*size, len(indices))
            frames = _frames(image, indices, selection)
        finally:
            image.seek(before)
    return Media(frames, rhythm.selected_rate(selection) if len(frames) > 1 else None)


@contextlib.contextmanager
def _uncovered(image: Any) -> Iterator[None]:
    """Keep transparent what no frame of an animated WebP covers.

    Such a file says that it has no transparency if no frame has, though its frames may be smaller
    than the image. Pillow then drops what its decoder knows, and the rest would be black.
    """
    if image.format != "WEBP" or getattr(image, "rawmode", None) != "RGBX":
        yield
        return
    _decode_as(image, "RGBA", "RGBA")
    try:
        yield
    finally:
        _decode_as(image, "RGBX", "RGB")


def _decode_as(image: Any, rawmode: str, mode: str) -> None:
    """Let a WebP be decoded again from its first frame, in another mode."""
    vars(image).update(rawmode=rawmode, _mode=mode, _im=None)
    image._reset()  # noqa: SLF001


def _frames(image: Image, indices: list[int], selection: Selection) -> Frames:
    found: Frames | None = None
    for i, index in enumerate(indices):
        if found is not None and index == indices[i - 1]:
            found[i] = found[i - 1]
            continue
        size = image.size
        image.seek(index)
        if i and image.size != size:
            raise MediaError("its pages have different sizes; save the one that is needed.")
        frame = _scaled(to_rgb(image), selection)
        if found is None:
            found = np.empty((len(indices), *frame.shape), np.uint8)
        found[i] = frame
    assert found is not None  # a selection has a frame or more
    return found


def _frame_count(image: Image) -> int:
    # The further images of an MPO are views of the same scene, or a gain map.
    if image.format not in (*_ANIMATIONS, "TIFF"):
        return 1
    return int(getattr(image, "n_frames", 1))


def _rhythm(image: Image, count: int) -> tuple[Rhythm, int]:
    """Return when the frames are shown, and the index of the first one."""
    if image.format == "TIFF":
        return Rhythm(count, None), 0
    # An APNG may have an image for programs without animations, which is none of its frames.
    first = 1 if image.format == "PNG" and getattr(image, "default_image", False) else 0
    starts, at = [], 0.0
    for index in range(first, count):
        image.seek(index)
        if image.format in ("WEBP", "AVIF"):
            image.load()  # sets the duration
        seconds = float(image.info.get("duration") or 0) / 1000
        starts.append(at)
        at += seconds if seconds >= _SHORTEST else _USUAL
    return rhythm_of(starts, at), first


def to_rgb(image: Image) -> Frames:
    """Return an image's pixels of shape `(height, width, 3)`, upright as its EXIF data say.

    >>> to_rgb(Image.new("RGBA", (2, 1), (255, 0, 0, 0)))[0, 0]
    array([255, 255, 255], dtype=uint8)

    Raises:
        MediaError: It has floats that aren't from 0 to 1, or integers of more than 16 bits.
    """
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode == "F" or image.mode.startswith("I"):
        return _from_numbers(image)
    if image.mode == "LAB":
        return np.asarray(_from_lab(image))
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"))
    if image.mode == "La":
        image = image.convert("LA")
    rgba = image.convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, _WHITE), rgba))[..., :3]


def _from_numbers(image: Image) -> Frames:
    """Return an image of floats, or of 16 or 32 bits, as gray."""
    values = np.asarray(image)
    if image.mode == "F":
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise MediaError("an image of floats: pixels must be from 0 to 1.")
        gray = np.round(values * _8_BITS)
    else:
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > _16_BITS:
            raise MediaError(f"an image of integers from {low} to {high}: 16 bits at most.")
        # Pillow holds 8 and 16 bits in mode I; 16 bits that small would be black.
        bits_8 = image.mode == "I" and high <= _8_BITS
        gray = values if bits_8 else np.round(values / (_16_BITS / _8_BITS))
    invisible = image.info.get("transparency")
    if isinstance(invisible, int):
        gray = np.where(values == invisible, _8_BITS, gray)
    return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)


def _from_lab(image: Image) -> Any:
    from PIL import ImageCms

    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB")


def _scaled(frame: Frames, selection: Selection) -> Frames:
    height, width = frame.shape[:2]
    return resize(frame, selection.scaled(width, height))
