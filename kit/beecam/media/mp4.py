"""Reads and writes H.264 mp4 files with the shot inside.

No other module encodes or decodes H.264; `size_budget` only chooses a size and a rate factor.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from beecam._util.plain_files import read_plain
from beecam.errors import MediaError, first_line
from beecam.media.embedded import comment_of, settings_of, size_before_padding
from beecam.media.selection import MEGAPIXEL
from beecam.media.sheets import MAX_BYTES as MAX_SHEET_BYTES
from beecam.media.videos import (
    MP4,
    decoded_frames,
    open_video,
    read_video,
    reformatter,
    stream_video,
)
from beecam.media.written_file import written_file

if TYPE_CHECKING:
    from beecam.media.types import Frames, FrameSequence, Sound

_VIDEO, _SOUND = "libx264", "aac"
_DECODERS = ("h264", "aac")
# The codecs that it writes, and what each is for.
CODECS = {_VIDEO: "clips", _SOUND: "their sound"}
# 12 is visually lossless. Clips are small, and the mp4 is the only copy of the pixels.
_RATE_FACTOR = 12
# Without cpu-independent, equal frames gave different files, even in one process.
_X264 = {"preset": "veryfast", "threads": "1", "x264-params": "cpu-independent=1"}
_BT709 = 1
_SOUND_BITS = 192_000  # per second
# Silence and still images take hardly any room in a file, and gigabytes in memory.
_MAX_CLIP = 2_000  # megapixels of all frames
# A file is read whole to be shown. Half a byte per pixel is more than such a clip takes.
MAX_BYTES = _MAX_CLIP * MEGAPIXEL // 2
_MAX_BOXES = 100  # ours has four
# The system's errors that say nothing about the file's content.
NOT_DAMAGED = (errno.ELOOP, errno.EINVAL, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)
_MAX_SAMPLES = 100_000_000  # of all channels; 17 minutes of stereo at 48 kHz


def missing_codecs() -> dict[str, str]:
    """Return the codecs that the installed PyAV lacks, and what each is for.

    >>> missing_codecs()
    {}
    """
    import av

    return {name: what for name, what in CODECS.items() if name not in av.codecs_available}


def warm_up() -> None:
    """Load the codec, which takes 0.25 s, before the first clip has to wait for it."""
    import av  # noqa: F401


def write_mp4(
    path: Path,
    frames: Frames,
    fps: float,
    settings: Mapping[str, Any],
    sound: Sound | None = None,
    *,
    factor: int = _RATE_FACTOR,
) -> None:
    """Write a clip as H.264 yuv420p, which every browser plays, with `settings` inside.

    >>> write_mp4(Path("bee.mp4"), frames, 8, {"shot": shot.to_dict()})

    Args:
        path: The file; it is synced to the disk before this returns.
        frames: Array of shape `(frames, height, width, 3)`, RGB, uint8. Odd sizes are padded by one
            pixel.
        fps: Frames per second.
        settings: JSON data, stored as the file's comment; `read_settings` returns it.
        sound: The clip's audio, which is cut to the length of the video.
        factor: The constant rate factor of H.264: larger values give smaller, worse files.

    Raises:
        OSError: The disk is full or broken.
    """
    import av

    even = _even(frames)
    with written_file(path) as file:
        padded = (frames.shape[2], frames.shape[1]) if even is not frames else None
        with _open_for_writing(file, settings, padded) as out:
            stream = out.add_stream(_VIDEO, rate=Fraction(fps).limit_denominator(1001))
            stream.height, stream.width = even.shape[1:3]
            stream.pix_fmt = "yuv420p"
            stream.options = {**_X264, "crf": str(factor)}
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            audio = _sound_stream(out, sound) if sound else None
            reformat = reformatter()
            for array in even:
                frame = av.VideoFrame.from_ndarray(array, format="rgb24")
                out.mux(stream.encode(reformat(frame, format="yuv420p", dst_colorspace=_BT709)))
            out.mux(stream.encode())
            if sound and audio:
                _encode_sound(out, audio, sound, round(len(frames) / fps * sound.rate))


def _sound_stream(out: Any, sound: Sound) -> Any:
    layout = "mono" if len(sound.samples) == 1 else "stereo"
    return out.add_stream(_SOUND, rate=sound.rate, layout=layout, bit_rate=_SOUND_BITS)


def _encode_sound(out: Any, stream: Any, sound: Sound, limit: int) -> None:
    import av

    samples = np.ascontiguousarray(sound.samples[:2, :limit], dtype=np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=stream.layout.name)
    frame.sample_rate = sound.rate
    out.mux(stream.encode(frame))
    out.mux(stream.encode())


def read_sound(path: Path) -> Sound | None:
    """Read the audio of a clip; None for a silent one.

    Raises:
        MediaError: The file is missing or damaged.
    """
    from beecam.media.types import Sound

    try:
        with open_video(path, (MP4,), codecs=_DECODERS) as file:
            if not file.streams.audio:
                return None
            parts = list(_sound_parts(file))
            return Sound(np.concatenate(parts, 1), int(file.streams.audio[0].rate or 0))
    except Exception as error:
        raise MediaError(_unreadable(path, error)) from error


def _sound_parts(file: Any) -> Iterator[Any]:
    samples = 0
    for frame in file.decode(audio=0):
        samples += frame.samples * frame.layout.nb_channels
        if samples > _MAX_SAMPLES:
            raise MediaError("its sound is longer than that of any clip.")
        yield frame.to_ndarray()


def read_mp4(path: Path) -> Frames:
    """Read a clip's frames.

    Returns:
        Array of shape `(frames, height, width, 3)`, RGB, uint8.

    Raises:
        MediaError: The file is missing or damaged.
    """
    try:
        return read_video(path, containers=(MP4,), limit=_check_clip, codecs=_DECODERS).frames
    except Exception as error:
        raise MediaError(_unreadable(path, error)) from error


@contextlib.contextmanager
def stream_mp4(path: Path) -> Iterator[FrameSequence]:
    """Open a clip to take its frames one by one: all of them may fill the memory.

    >>> with stream_mp4(clip.path) as frames:
    ...     frames.shape
    (17, 96, 96, 3)

    Raises:
        MediaError: The file is damaged; also within the block.
        OSError: It is missing, or can't be read.
    """
    import av

    raised_within: BaseException | None = None
    try:
        with stream_video(path, containers=(MP4,), limit=_check_clip, codecs=_DECODERS) as frames:
            try:
                yield frames
            except (av.FFmpegError, MediaError):
                raise
            except BaseException as error:
                raised_within = error  # of the block, such as a full disk where it writes
                raise
    except Exception as error:
        if error is raised_within or (
            isinstance(error, OSError) and not isinstance(error, av.FFmpegError)
        ):
            raise
        raise MediaError(_unreadable(path, error)) from error


def _check_clip(width: int, height: int, count: int = 1, **_decoded: object) -> None:
    """Raise a MediaError for a file that claims to be larger than any clip.

    Conditions have a lower limit; what was once generated must be readable.
    """
    if width * height * count > _MAX_CLIP * MEGAPIXEL:
        raise MediaError(f"{count:,} frames of {width}x{height}: no clip is that large")


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
        with open_video(source, (MP4,), codecs=_DECODERS) as file:
            streams = [*file.streams.video[:1], *file.streams.audio[:1]]
            coded = (streams[0].codec_context.width, streams[0].codec_context.height)
            true = size_before_padding(file.metadata, *coded)
            padded = true if true != coded else None
            with (
                written_file(target) as out_file,
                _open_for_writing(out_file, settings, padded) as out,
            ):
                copies = {one.index: out.add_stream_from_template(one) for one in streams}
                for packet in file.demux(streams):
                    if packet.dts is not None:
                        packet.stream = copies[packet.stream.index]
                        out.mux(packet)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise MediaError(_unreadable(source, error)) from error


def _open_for_writing(
    file: Any, settings: Mapping[str, Any], padded: tuple[int, int] | None
) -> Any:
    import av

    out = av.open(file, "w", format="mp4", options={"movflags": "faststart+use_metadata_tags"})
    out.metadata["comment"] = comment_of(settings, padded)
    return out


def is_complete(path: Path) -> bool:
    """Return whether an mp4 or JPEG file that beecam wrote is complete, not cut off.

    This checks the structure only. Damage inside is found when the file is read.
    """
    try:
        with read_plain(path) as file:
            size = file.seek(0, os.SEEK_END)
            if size > (MAX_BYTES if path.suffix == ".mp4" else MAX_SHEET_BYTES):
                return False
            if path.suffix != ".mp4":
                file.seek(max(0, size - 2))
                return file.read() == b"\xff\xd9"
            return _boxes(file, size)
    except OSError:
        return False


def _boxes(file: BinaryIO, size: int) -> bool:
    """Return whether an mp4's boxes fill the file and include `moov`, its table of contents."""
    at, kinds = 0, set()
    for _ in range(_MAX_BOXES):
        if at >= size:
            break
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[:4], "big")
        if len(head) < 8 or length < 8:  # noqa: PLR2004  (size and type; none of ours has a 64-bit size)
            return False
        kinds.add(head[4:])
        at += length
    return at == size and b"moov" in kinds


def read_settings(path: Path) -> dict[str, Any]:
    """Read the settings that `write_mp4` stored in a file.

    >>> read_settings(clip.path)["shot"]["prompt"]
    'a bee'

    Raises:
        MediaError: The file is missing, damaged or not a clip of beecam.
    """
    import av

    try:
        if path.stat().st_size > MAX_BYTES:
            raise MediaError(f"it has more than {MAX_BYTES:,} bytes, and no clip has")  # noqa: TRY301
        with open_video(path, (MP4,), codecs=_DECODERS) as file:
            settings = settings_of(file.metadata)
            complete = next(decoded_frames(file), None) is not None
    except av.ArgumentError as error:  # a container of another name
        raise MediaError(f"{path} is not an mp4 file, and carries no shot of beecam.") from error
    except Exception as error:
        raise MediaError(_unreadable(path, error)) from error
    if not complete:
        raise MediaError(f"{path} holds no frames: it is damaged.")
    if settings is None:
        raise MediaError(f"{path} is a video, but carries no shot of beecam.")
    return settings


def _even(frames: Frames) -> Frames:
    height, width = frames.shape[1:3]
    if height % 2 == 0 and width % 2 == 0:
        return frames
    return np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _unreadable(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path} is missing."
    if isinstance(error, OSError) and error.errno in NOT_DAMAGED and error.filename:
        return f"{path} can't be read: {error.strerror}."
    if path.suffix.lower() != ".mp4":
        return f"{path} carries no shot of beecam: it can't be read as an mp4."
    reason = first_line(error) if isinstance(error, MediaError) else type(error).__name__
    return f"{path} can't be read as a video: it is damaged ({reason.rstrip('.')})."
