"""Frames to and from files: H.264 mp4 with the shot inside, and JPEG sheets for grids.

Nothing outside this module knows a codec.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from beecam.errors import MediaError

if TYPE_CHECKING:
    from beecam.models.base import Frames, Sound

SHEET_FRAMES = 24
SHEET_WIDTH = 160
_SIGNATURE = "beecam"
# 12 is visually lossless; clips are small and the mp4 is what is kept of the pixels.
_FACTOR = 12
_BT709 = 1
_PYAV_WITH_THREADS = 17
_SOUND_BITS = 192_000  # a second


@contextlib.contextmanager
def _as_the_system_says() -> Iterator[None]:
    """Raise what the system raised, where PyAV says in its place that a callback failed.

    On a full disk a write fails, and then the closing of the file does: PyAV tells of the second,
    in an error of its own.
    """
    import av

    try:
        yield
    except av.FFmpegError as error:
        behind: BaseException | None = error
        while behind is not None and not isinstance(behind, OSError):
            behind = behind.__cause__ or behind.__context__
        if behind is None or behind is error:
            raise
        raise OSError(behind.errno, behind.strerror) from error


def warm_up() -> None:
    """Load the codec, which takes a quarter of a second, before the first clip waits for it."""
    import av  # noqa: F401


def write_mp4(
    path: Path,
    frames: Frames,
    fps: float,
    settings: Mapping[str, Any],
    sound: Sound | None = None,
    *,
    factor: int = _FACTOR,
) -> None:
    """Write a clip as H.264 yuv420p, which every browser plays, with `settings` inside.

    Args:
        path: Where to; the file is synced to the disk before this returns.
        frames: frames x height x width x 3, RGB, uint8. Odd sizes are padded by one pixel.
        fps: Frames a second.
        settings: JSON data, kept as the file's comment; `read_settings` gives it back.
        sound: What is heard; cut where the pictures end.
        factor: The rate factor of H.264: more is smaller and worse.
    """
    import av

    even = _even(frames)
    with _as_the_system_says(), path.open("wb") as file:
        with av.open(
            file, "w", format="mp4", options={"movflags": "faststart+use_metadata_tags"}
        ) as out:
            comment = json.dumps({_SIGNATURE: settings}, ensure_ascii=True)
            out.metadata["comment"] = comment
            stream = out.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
            stream.height, stream.width = even.shape[1:3]
            stream.pix_fmt = "yuv420p"
            # Without cpu-independent the same pictures gave files that differ, in one process even.
            stream.options = {
                "crf": str(factor),
                "preset": "veryfast",
                "threads": "1",
                "x264-params": "cpu-independent=1",
            }
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            heard = _sound_stream(out, sound) if sound else None
            reformat = _reformatter()
            for array in even:
                frame = av.VideoFrame.from_ndarray(array, format="rgb24")
                out.mux(stream.encode(reformat(frame, format="yuv420p", dst_colorspace=_BT709)))
            out.mux(stream.encode())
            if sound and heard:
                _encode(out, heard, sound, round(len(frames) / fps * sound.rate))
        file.flush()
        os.fsync(file.fileno())


def _reformatter() -> Callable[..., Any]:
    """Return what changes the format of frames, for all frames of a clip, in a single thread.

    From version 17 on PyAV has a thread a core for it, started again for every frame: where a
    model keeps the cores busy, a frame waited 6 ms for them, and does 0.1 ms of work.
    """
    import av
    from av.video.reformatter import VideoReformatter

    one = VideoReformatter().reformat
    has_threads = int(av.__version__.split(".")[0]) >= _PYAV_WITH_THREADS
    return functools.partial(one, threads=1) if has_threads else one


def _sound_stream(out: Any, sound: Sound) -> Any:
    layout = "mono" if len(sound.samples) == 1 else "stereo"
    return out.add_stream("aac", rate=sound.rate, layout=layout, bit_rate=_SOUND_BITS)


def _encode(out: Any, stream: Any, sound: Sound, most: int) -> None:
    import av

    samples = np.ascontiguousarray(sound.samples[:2, :most], dtype=np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=stream.layout.name)
    frame.sample_rate = sound.rate
    out.mux(stream.encode(frame))
    out.mux(stream.encode())


def read_sound(path: Path) -> Sound | None:
    """Read what is heard with a clip, or None for a silent one.

    Raises:
        MediaError: The file is missing or damaged.
    """
    import av

    from beecam.models.base import Sound

    try:
        with av.open(str(path)) as file:
            if not file.streams.audio:
                return None
            parts = [frame.to_ndarray() for frame in file.decode(audio=0)]
            return Sound(np.concatenate(parts, 1), int(file.streams.audio[0].rate or 0))
    except (OSError, av.FFmpegError, ValueError) as error:
        raise MediaError(_unreadable(path, error)) from error


def read_mp4(path: Path) -> Frames:
    """Read a clip's frames: frames x height x width x 3, RGB, uint8.

    Raises:
        MediaError: The file is missing or damaged.
    """
    import av

    try:
        with av.open(str(path)) as file:
            reformat = _reformatter()
            decoded = [
                reformat(frame, format="rgb24", src_colorspace=_BT709).to_ndarray()
                for frame in file.decode(video=0)
            ]
            settings = _settings(file.metadata)
    except (OSError, av.FFmpegError, IndexError) as error:
        raise MediaError(_unreadable(path, error)) from error
    if not decoded:
        raise MediaError(f"{path} holds no frames: it is damaged.")
    frames = np.stack(decoded)
    facts = (settings or {}).get("facts", {})
    height, width = facts.get("height", frames.shape[1]), facts.get("width", frames.shape[2])
    return frames[:, :height, :width]


def read_any(path: Path) -> Frames:
    """Read somebody's picture or film: frames x height x width x 3, RGB, uint8.

    A picture is turned as its camera says, and has one frame.

    Raises:
        MediaError: It is neither, or damaged.
    """
    import av
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            if getattr(picture, "n_frames", 1) == 1:
                return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))[None]
    except UnidentifiedImageError:
        pass
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(f"the picture can't be read ({error}).") from error
    try:
        with av.open(str(path)) as file:
            frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    except (OSError, av.FFmpegError, IndexError) as error:
        raise MediaError(f"it is no picture and no film ({type(error).__name__}).") from error
    if not frames:
        raise MediaError("it holds no frames.")
    return np.stack(frames)


def write_exact(path: Path, frames: Frames) -> None:
    """Write pixels without loss, synced to the disk: one frame as PNG, more as FFV1 in mkv."""
    import av
    from PIL import Image

    with _as_the_system_says(), path.open("wb") as file:
        if len(frames) == 1:
            Image.fromarray(np.ascontiguousarray(frames[0])).save(file, "PNG")
        else:
            with av.open(file, "w", format="matroska") as out:
                stream = out.add_stream("ffv1", rate=8)
                stream.height, stream.width = frames.shape[1:3]
                stream.pix_fmt = "bgr0"
                for array in frames:
                    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
                    out.mux(stream.encode(frame.reformat(format="bgr0")))
                out.mux(stream.encode())
        file.flush()
        os.fsync(file.fileno())


def read_exact(path: Path) -> Frames:
    """Read back what `write_exact` wrote.

    Raises:
        MediaError: The file is missing or damaged.
    """
    return read_any(path)


def is_whole(path: Path) -> bool:
    """Return whether a file that beecam wrote is there to its end: mp4 or JPEG.

    Looks at the outside only; what a bad disk changed within is found when it is read.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if path.suffix != ".mp4":
                file.seek(max(0, size - 2))
                return file.read() == b"\xff\xd9"
            return _boxes(file, size)
    except OSError:
        return False


def _boxes(file: BinaryIO, size: int) -> bool:
    """Return whether an mp4's boxes fill the file, with the one that says what is in it."""
    at, kinds = 0, set()
    while at < size:
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[:4], "big")
        if len(head) < 8 or length < 8:  # noqa: PLR2004  (a box's own head; none of ours is huge)
            return False
        kinds.add(head[4:])
        at += length
    return at == size and b"moov" in kinds


def read_settings(path: Path) -> dict[str, Any]:
    """Read back what `write_mp4` kept in the file.

    Raises:
        MediaError: The file is missing, damaged, or no clip of beecam.
    """
    import av

    try:
        with av.open(str(path)) as file:
            settings = _settings(file.metadata)
            complete = next(file.decode(video=0), None) is not None
    except (OSError, av.FFmpegError, IndexError) as error:
        raise MediaError(_unreadable(path, error)) from error
    if not complete:
        raise MediaError(f"{path} holds no frames: it is damaged.")
    if settings is None:
        raise MediaError(f"{path} is a video, but carries no shot of beecam.")
    return settings


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
_MOST_REDUCED = 4


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
    for place, index in enumerate(chosen_frames(len(frames))):
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


def chosen_frames(count: int, limit: int = SHEET_FRAMES) -> list[int]:
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
        factor < _MOST_REDUCED
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


def _settings(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    try:
        found = json.loads(metadata.get("comment", ""))[_SIGNATURE]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def _even(frames: Frames) -> Frames:
    height, width = frames.shape[1:3]
    if height % 2 == 0 and width % 2 == 0:
        return frames
    return np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _unreadable(path: Path, error: Exception) -> str:
    if not path.exists():
        return f"{path} is missing."
    return (
        f"{path} can't be read as a video: it is damaged ({type(error).__name__}). Delete it and "
        "run its sweep again, which makes only what is missing."
    )
