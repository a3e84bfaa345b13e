"""Read images and animations with Pillow: measured first, every mode, upright.

Files are opened by `image_files.py`, which has the limits. What is converted is converted a band of
rows at a time: an image of 64 megapixels takes 256 MB in Pillow and 192 MB as an array, and copies
of all of it would take gigabytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from beecam._util.plain_files import read_named
from beecam.errors import MediaError, first_line
from beecam.media.image_files import check_frame, count_frames, open_image
from beecam.media.selection import ALL, Rhythm, Selection, check_size, resize, rhythm_of
from beecam.media.types import Media

if TYPE_CHECKING:
    from PIL.Image import Image

    from beecam.media.types import Frames

# What browsers show frames for that are to be shown for 0.01 seconds or less.
_SHORTEST, _USUAL = 0.011, 0.1
_WHITE = (255, 255, 255, 255)
_8_BITS, _16_BITS = 255, 65535
_BAND = 4_000_000  # pixels that are converted at once


def read_image_file(path: Path, selection: Selection = ALL) -> Media | None:
    """Read an image or an animation; None for a file of another format.

    Raises:
        MediaError: The file is damaged or too large.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with read_named(path) as file, open_image(file) as image:
            if selection.max_side and image.format == "JPEG":
                # It is decoded at a half, a quarter or an eighth of its size.
                image.draft("RGB", (selection.max_side, selection.max_side))
            return read_pil(image, selection)
    except UnidentifiedImageError:
        return None
    except Image.DecompressionBombError as error:
        raise MediaError(f"it is too large ({first_line(error)}). Scale it down first.") from error


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
    check_frame(image)
    count = count_frames(image)
    if count == 1:
        return Media(_scaled(to_rgb(image), selection)[None])
    check_size(*selection.scaled(*image.size), min(count, selection.num_frames or count))
    before = image.tell()
    with _uncovered(image):
        try:
            rhythm, first = _rhythm(image, count)
            indices = [first + i for i in rhythm.indices(selection)]
            # Frames of a GIF may be larger than what it gives as its size.
            check_size(*selection.scaled(*image.size), len(indices))
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
    size = image.size
    for i, index in enumerate(indices):
        if found is not None and index == indices[i - 1]:
            found[i] = found[i - 1]
            continue
        image.seek(index)
        check_frame(image)
        if image.size != size:
            raise MediaError("its pages have different sizes; save the one that is needed.")
        frame = _scaled(to_rgb(image), selection)
        if found is None:
            found = np.empty((len(indices), *frame.shape), np.uint8)
        found[i] = frame
    assert found is not None  # a selection has a frame or more
    return found


def _rhythm(image: Image, count: int) -> tuple[Rhythm, int]:
    """Return when the frames are shown, and the index of the first one."""
    if image.format == "TIFF":
        return Rhythm(count, None), 0
    # An APNG may have an image for programs without animations, which is none of its frames.
    first = 1 if image.format == "PNG" and getattr(image, "default_image", False) else 0
    starts, at = [], 0.0
    for index in range(first, count):
        image.seek(index)
        check_frame(image)
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
    from PIL import ExifTags, ImageOps

    image.load()
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # else it would be copied
        image = ImageOps.exif_transpose(image)
    convert = _converter(image)
    found = np.empty((image.height, image.width, 3), np.uint8)
    for rows, band in _bands(image):
        found[rows] = convert(band)
    return found


def _bands(image: Image) -> Iterator[tuple[slice, Image]]:
    """Yield an image in bands, each with its rows."""
    height = max(1, _BAND // image.width)
    for top in range(0, image.height, height):
        bottom = min(image.height, top + height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))


def _converter(image: Image) -> Callable[[Image], Frames]:
    """Return the function that makes the bands of an image RGB."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _number_converter(image)
    if image.mode == "LAB":
        return _from_lab
    if image.has_transparency_data:
        return _on_white
    return lambda band: np.asarray(band.convert("RGB"))


def _on_white(image: Image) -> Frames:
    from PIL import Image

    rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, _WHITE), rgba))[..., :3]


def _number_converter(image: Image) -> Callable[[Image], Frames]:
    """Return the function that makes bands of floats, or of 16 or 32 bits, gray."""
    ranges = [
        (values.min(), values.max())
        for _, band in _bands(image)
        if (values := np.asarray(band)).size
    ]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    if image.mode == "F":
        # A NaN is the minimum and the maximum of its band.
        if not all(0 <= one <= other <= 1 for one, other in ranges):
            raise MediaError("an image of floats: pixels must be from 0 to 1.")
        scale = float(_8_BITS)
    else:
        if low < 0 or high > _16_BITS:
            raise MediaError(f"an image of integers from {low} to {high}: 16 bits at most.")
        # Pillow holds 8 and 16 bits in mode I; 16 bits that small would be black.
        scale = 1.0 if image.mode == "I" and high <= _8_BITS else _8_BITS / _16_BITS
    invisible = image.info.get("transparency")

    def convert(band: Image) -> Frames:
        values = np.asarray(band)
        gray = np.round(values * scale)
        if isinstance(invisible, int):
            gray = np.where(values == invisible, _8_BITS, gray)
        return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)

    return convert


def _from_lab(image: Image) -> Frames:
    from PIL import ImageCms

    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB"))


def _scaled(frame: Frames, selection: Selection) -> Frames:
    height, width = frame.shape[:2]
    return resize(frame, selection.scaled(width, height))
