"""Reads images and videos by one function; writes lossless pixels, animations and images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from beecam._util.files import atomic_write
from beecam._util.plain_files import read_plain
from beecam.errors import MediaError
from beecam.media.image_files import FORMATS, open_image
from beecam.media.images import read_image_file, read_pil
from beecam.media.selection import ALL, Selection
from beecam.media.types import Media
from beecam.media.videos import CONTAINERS, MATROSKA, read_video
from beecam.media.written_file import written_file

if TYPE_CHECKING:
    from PIL.Image import Image

    from beecam.media.types import Frames


def read_any(path: Path, selection: Selection = ALL) -> Media:
    """Read an image, an animation or a video of a named format.

    Images and frames are upright, as EXIF data or a rotation tag says; transparent pixels are on
    white; the padding of a clip of beecam is cut off.

    >>> read_any(Path("bee.png")).frames.shape
    (1, 480, 640, 3)

    Args:
        path: A regular file.
        selection: The part to read; its size is checked before it is decoded.

    Raises:
        MediaError: The file is neither an image nor a video, damaged, or too large.
    """
    try:
        image = read_image_file(path, selection)
        if image is not None:
            return image
        return read_video(path, selection)
    except MediaError:
        raise
    # What a decoder raises for damage is not documented, as for images.
    except Exception as error:
        raise MediaError(
            f"it is neither an image nor a video ({type(error).__name__}): of images "
            f"{', '.join(FORMATS)} are read, of videos {', '.join(CONTAINERS)}."
        ) from error


def write_lossless(path: Path, frames: Frames) -> None:
    """Write frames losslessly, synced to the disk: one as PNG, several as FFV1 in Matroska.

    >>> write_lossless(Path("first.png"), frames[:1])

    Args:
        path: The file.
        frames: Array of shape `(frames, height, width, 3)`, RGB, uint8.

    Raises:
        OSError: The disk is full or broken.
    """
    import av
    from PIL import Image

    with written_file(path) as file:
        if len(frames) == 1:
            Image.fromarray(np.ascontiguousarray(frames[0])).save(file, "PNG")
        else:
            with av.open(file, "w", format="matroska") as out:
                stream = out.add_stream("ffv1", rate=8)
                stream.height, stream.width = frames.shape[1:3]
                stream.pix_fmt = "bgr0"
                if stream.width == 1:
                    stream.options = {"level": "1"}  # later levels cut frames into slices
                for array in frames:
                    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
                    out.mux(stream.encode(frame.reformat(format="bgr0")))
                out.mux(stream.encode())


def read_lossless(path: Path) -> Frames:
    """Read a file that `write_lossless` wrote.

    Raises:
        MediaError: The file is missing or damaged.
    """
    try:
        if path.suffix == ".png":
            with read_plain(path) as file, open_image(file, ("PNG",)) as image:
                return read_pil(image).frames
        return read_video(path, containers=(MATROSKA,), codecs=("ffv1",)).frames
    except MediaError:
        raise
    except Exception as error:
        raise MediaError(f"it is damaged ({type(error).__name__}).") from error


ANIMATED = (".gif", ".webp")
STILL = (".png", ".jpg", ".jpeg")


def write_animation(path: Path, frames: Frames, fps: float) -> None:
    """Write frames as an animated GIF or WebP that loops, by the path's suffix.

    Args:
        path: The file; an existing one is replaced.
        frames: Array of shape `(frames, height, width, 3)`, RGB, uint8.
        fps: Frames per second; GIF rounds a frame's time to 1/100 s.
    """
    from PIL import Image

    images = [Image.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    more = {"quality": 90, "method": 4} if path.suffix.lower() == ".webp" else {"optimize": True}
    with atomic_write(path) as temporary:
        images[0].save(
            temporary,
            format=path.suffix.lstrip(".").upper(),
            save_all=True,
            append_images=images[1:],
            duration=round(1000 / fps),
            loop=0,
            **more,
        )


def write_image(path: Path, image: Image) -> None:
    """Write a PIL image as PNG or JPEG, by the path's suffix."""
    with atomic_write(path) as temporary:
        image.save(temporary, format="PNG" if path.suffix.lower() == ".png" else "JPEG", quality=95)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically: it is complete or doesn't exist."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)
