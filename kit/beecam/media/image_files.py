"""Open image files that strangers may have made: named formats, and limits before a decoder runs.

`Image.open` without names hands a file to each of Pillow's 43 plug-ins by its first bytes, one of
which runs Ghostscript; so no other module calls it, and not without `formats=`.

What a file says of its size doesn't limit what reading it costs: plug-ins walk through millions
of blocks in Python, join them again and again, and decode tiles, scans and frames that are larger
or more than the image is. Each such number has a limit here, which its message names.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from beecam.errors import MediaError
from beecam.media.selection import MAX_FRAME, MEGAPIXEL, check_size

if TYPE_CHECKING:
    from PIL.Image import Image

# JPEG includes the MPO of phones. Each of them decodes pixels and nothing else.
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "PPM", "JPEG2000")
# An animation of more frames is a video.
MAX_FRAMES = 10_000
# Of all frames of an animation, which are decoded to learn how long each is shown.
_MAX_DECODED = 2_048  # megapixels
# Plug-ins read whole files, or large parts of them, while they open one. No image that may be read
# has more bytes: these formats can be uncompressed.
_MAX_BYTES = dict.fromkeys(("PNG", "TIFF", "BMP", "PPM"), 200_000_000)
_MAX_BYTES_OF_OTHERS = 100_000_000
# Decoders that need several times the memory of the pixels.
_MAX_FRAME = {"WEBP": 32, "AVIF": 32, "JPEG2000": 16}  # megapixels
# Plug-ins read each block, comment or segment on its own, some each byte: a million takes seconds.
_MAX_READS = 3_000_000
# What a decoder goes through again for each of them, by the bytes with which one begins. A photo
# has up to 20 scans.
_MAX_PARTS = {
    "JPEG": ((b"\xff\xda", 100, "scans"), (b"Exif\0\0", 100, "EXIF segments")),
    "WEBP": ((b"ANMF", MAX_FRAMES, "frames"),),
}
_TILE_WIDTH, _TILE_LENGTH = 322, 323  # tags of TIFF
_USUAL_TILE = 2048  # pixels; tiles reach beyond images that are smaller
_START = 16  # bytes, by which Pillow finds the format, too
_BLOCK = 1 << 20  # bytes


class _Metered:
    """A file that can be read so many times only, whatever walks through it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._left = file, _MAX_READS

    def read(self, size: int = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise MediaError(
                f"it has more than {_MAX_READS:,} parts (blocks, comments, frames), which no image "
                "needs. Save it again with another program."
            )
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def open_image(file: BinaryIO, formats: tuple[str, ...] = FORMATS) -> Image:
    """Open an image of a named format; its pixels aren't decoded yet.

    Args:
        file: The file, or its bytes.
        formats: Pillow's names of the formats that it may have.

    Raises:
        MediaError: The file has more bytes, or more parts, than any image that is read.
    """
    from PIL import Image

    Image.preinit()  # loads the common plug-ins
    if any(name not in Image.OPEN for name in formats):
        Image.init()
    # An unknown name, such as AVIF in an older Pillow, would be a KeyError.
    known = [name for name in formats if name in Image.OPEN]
    _check_file(file, known)
    return Image.open(cast("BinaryIO", _Metered(file)), formats=known)


def _check_file(file: BinaryIO, formats: list[str]) -> None:
    """Raise a MediaError for a file that is too large for the format that it begins like."""
    from PIL import Image

    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(_START)
    for name in formats:
        accept = Image.OPEN[name][1]
        # A text is the reason why a plug-in that would be needed is missing.
        if accept is None or accept(start) in (None, False):
            continue
        most = _MAX_BYTES.get(name, _MAX_BYTES_OF_OTHERS)
        if size > most:
            raise MediaError(
                f"it is a {name} file of {size / 1e6:,.0f} MB; at most {most / 1e6:,.0f} are read. "
                "Scale it down first."
            )
        for beginning, limit, parts in _MAX_PARTS.get(name, ()):
            if (count := _count(file, beginning)) > limit:
                raise MediaError(
                    f"it is a {name} file of {count:,} {parts}; at most {limit:,} are read."
                )
    file.seek(0)


def _count(file: BinaryIO, wanted: bytes) -> int:
    """Return how often some bytes are in a file."""
    file.seek(0)
    count, end = 0, b""
    while block := file.read(_BLOCK):
        count += (end + block).count(wanted)
        end = block[-(len(wanted) - 1) :]
    return count


def check_frame(image: Image) -> None:
    """Raise a MediaError if the frame or page that an image is at may not be decoded.

    Of a TIFF each page has a size and tiles of its own, and a frame of a GIF may be larger than
    the first one: this is called after each `seek`.
    """
    size = width, height = image.size
    check_size(*size, max_frame=_MAX_FRAME.get(image.format or "", MAX_FRAME))
    tags = getattr(image, "tag_v2", {})
    tile = tags.get(_TILE_WIDTH, 1), tags.get(_TILE_LENGTH, 1)
    if not all(isinstance(side, int) for side in tile):
        raise MediaError("the size of its tiles isn't a number: it is damaged.")
    if tile[0] * tile[1] > max(width * height, _USUAL_TILE**2):
        raise MediaError(
            f"it is {width}x{height}, and its tiles are {tile[0]}x{tile[1]}: a tile may not have "
            "more pixels than the image. Save it again with another program."
        )


def count_frames(image: Image) -> int:
    """Return how many frames an image has; 1 for formats of which only the first one is read.

    Raises:
        MediaError: There are more than `MAX_FRAMES`, or they are too large to go through.
    """
    # The further images of an MPO are views of the same scene, or a gain map.
    if image.format not in ("PNG", "WEBP", "AVIF", "GIF", "TIFF"):
        return 1
    if image.format == "TIFF":
        return _count_pages(image)
    count = int(getattr(image, "n_frames", 1))
    if count > MAX_FRAMES:
        raise MediaError(
            f"it has {count:,} frames; at most {MAX_FRAMES:,} are read. Save it as a video."
        )
    decoded = count * image.width * image.height / MEGAPIXEL
    if count > 1 and decoded > _MAX_DECODED:
        raise MediaError(
            f"its {count:,} frames of {image.width}x{image.height} are {decoded:,.0f} megapixels; "
            f"of an animation at most {_MAX_DECODED:,} are gone through. Save it as a video."
        )
    return count


def _count_pages(image: Image) -> int:
    """Return the number of pages of a TIFF, by seeking, for which none is decoded.

    Pillow has no limit when it counts them, and each page takes longer than the one before.
    """
    before, count = image.tell(), 1
    try:
        while count <= MAX_FRAMES:
            image.seek(count)
            count += 1
    except EOFError:
        return count
    finally:
        image.seek(before)
    raise MediaError(f"it has more than {MAX_FRAMES:,} pages; save those that are needed.")
