"""H.264 mp4 files with the shot inside.

Nothing outside this module knows a codec.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from beecam.errors import MediaError

if TYPE_CHECKING:
    from beecam.media.types import Frames, Sound

_SIGNATURE = "beecam"
# 12 is visually lossless; clips are small and the mp4 is what is kept of the pixels.
_FACTOR = 12
_BT709 = 1
_PYAV_WITH_THREADS = 17
_SOUND_BITS = 192_000  # a second


@contextlib.contextmanager
def os_errors() -> Iterator[None]:
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
    with os_errors(), path.open("wb") as file:
        with _open_for_writing(file, settings) as out:
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

    from beecam.media.types import Sound

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
    return _without_padding(np.stack(decoded), (settings or {}).get("facts"))


def _without_padding(frames: Frames, facts: object) -> Frames:
    """Return the frames without the row or column that `write_mp4` adds to odd sizes."""
    height, width = frames.shape[1:3]
    if isinstance(facts, Mapping):
        # Facts are data from outside: nothing else is cut off, whatever they say.
        height -= facts.get("height") == height - 1
        width -= facts.get("width") == width - 1
    return frames[:, :height, :width]


def copy_mp4(source: Path, target: Path, settings: Mapping[str, Any]) -> None:
    """Copy video and audio of an mp4 without encoding them again, with other settings inside.

    Args:
        source: The file to copy.
        target: The new file; it is synced to the disk before this returns.
        settings: JSON data; `read_settings` returns it.

    Raises:
        MediaError: The source is missing or damaged.
        OSError: The disk is full or broken.
    """
    import av

    try:
        with av.open(str(source)) as file:
            streams = [*file.streams.video[:1], *file.streams.audio[:1]]
            with os_errors(), target.open("wb") as out_file:
                with _open_for_writing(out_file, settings) as out:
                    copies = {one.index: out.add_stream_from_template(one) for one in streams}
                    for packet in file.demux(streams):
                        if packet.dts is not None:
                            packet.stream = copies[packet.stream.index]
                            out.mux(packet)
                out_file.flush()
                os.fsync(out_file.fileno())
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise MediaError(_unreadable(source, error)) from error


def _open_for_writing(file: BinaryIO, settings: Mapping[str, Any]) -> Any:
    import av

    out = av.open(file, "w", format="mp4", options={"movflags": "faststart+use_metadata_tags"})
    out.metadata["comment"] = json.dumps({_SIGNATURE: settings}, ensure_ascii=True)
    return out


def is_complete(path: Path) -> bool:
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


def _settings(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    try:
        found = json.loads(metadata.get("comment", ""))[_SIGNATURE]
    except (ValueError, KeyError, TypeError, RecursionError):
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
