"""Read videos with PyAV: named containers, measured first, then streamed; upright, in true colours.

The one place that opens videos for decoding. Containers are named, and read from an open file
instead of a path: FFmpeg otherwise follows playlists and lists of files to whatever they name. Of
files that the kit wrote the codecs are named to FFmpeg, too, which otherwise tries the decoder of
whatever a file holds while it opens it. Neither packets nor frames are collected that aren't asked
for.
"""

from __future__ import annotations

import bisect
import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from beecam._util.plain_files import read_named, read_plain
from beecam.errors import MediaError, join_words
from beecam.media.embedded import size_before_padding
from beecam.media.mp4_tables import MAX_SAMPLES, check_tables
from beecam.media.selection import (
    ALL,
    MAX_FRAME,
    MEGAPIXEL,
    Rhythm,
    Selection,
    check_size,
    resize,
    rhythm_of,
)
from beecam.media.types import Frames, FrameSequence, Media

MP4, MATROSKA = "mp4", "matroska"
# FFmpeg's names; MP4 includes mov, Matroska includes WebM. None of them refers to other files.
CONTAINERS = (MP4, MATROSKA, "avi", "mpegts", "mpeg", "flv", "ogg")
# A black frame of 32 megapixels takes 29 bytes, and 50 ms: of a video that is smaller at its start,
# thousands would be decoded.
_MAX_GROWTH, _USUAL_FRAME = 4, 65_536  # pixels
# Of a file that the kit wrote, which no clip comes near.
_MAX_OWN_SAMPLES = 2_000_000
# The codecs of what the kit writes itself, as people call them.
_NAMES = {"h264": "H.264", "aac": "AAC", "ffv1": "FFV1"}
# Still images in a container like that of mp4, of which FFmpeg shows single tiles.
_STILL_BRANDS = ("heic", "heix", "heim", "heis", "mif1", "avif")
# Decoders that keep the transparency of WebM, which FFmpeg's own ones drop.
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_PYAV_WITH_THREADS = 17
# Videos from that height on have the colours of BT.709 if they don't say otherwise.
_HD = 720
_UNSPECIFIED, _BT709 = 2, 1
_ONE = 1 << 16  # in a display matrix


@contextlib.contextmanager
def open_video(
    path: Path, containers: tuple[str, ...] = CONTAINERS, *, codecs: tuple[str, ...] = ()
) -> Iterator[Any]:
    """Open a video of a named container with PyAV.

    Args:
        path: A regular file.
        containers: FFmpeg's names of the containers that it may have.
        codecs: For what the kit writes itself, FFmpeg's names of the decoders that it may need:
            others are further code that a file from someone else would reach. Such a file must be
            a plain one, no link.

    Raises:
        MediaError: The file has another codec.
        OSError: The file can't be read; also PyAV's errors.
    """
    import av

    options = {"format_whitelist": ",".join(containers)}
    if codecs:
        options["codec_whitelist"] = ",".join(codecs)
    with (read_plain if codecs else read_named)(path) as file, contextlib.ExitStack() as closing:
        check_tables(file, _MAX_OWN_SAMPLES if codecs else MAX_SAMPLES)
        container = closing.enter_context(av.open(file, options=options))
        for stream in (*container.streams.video[:1], *container.streams.audio[:1]):
            if codecs and stream.codec_context.name not in codecs:
                needed = join_words([_NAMES[name] for name in codecs])
                raise MediaError(f"it has {stream.codec_context.name}, not {needed}.")
        yield container


def read_video(
    path: Path,
    selection: Selection = ALL,
    *,
    containers: tuple[str, ...] = CONTAINERS,
    limit: Callable[..., None] = check_size,
    codecs: tuple[str, ...] = (),
) -> Media:
    """Read a video: measure it, then decode what is selected, frame by frame.

    Transparent pixels are put on white. Rotation tags and pixels that aren't square are applied.

    Args:
        path: A regular file.
        selection: The part to read.
        containers: FFmpeg's names of the containers that it may have.
        limit: Raises a MediaError for sizes that are too large; takes what `check_size` takes.
        codecs: As in `open_video`.

    Raises:
        MediaError: It isn't such a video, is damaged, or is too large.
        OSError: The file can't be read; also PyAV's errors for damaged files.
    """
    with _measured(path, selection, containers, limit, codecs) as (rhythm, moments, parts):
        found: Frames | None = None
        filled = 0
        for until, rgb in parts:
            if found is None:
                found = np.empty((len(moments), *rgb.shape), np.uint8)
            found[filled:until] = rgb
            filled = until
    assert found is not None  # a selection has a frame or more
    return Media(found, rhythm.selected_rate(selection) if len(found) > 1 else None)


class _FrameStream:
    """The frames of a video, of which one is in memory at a time; see `FrameSequence`."""

    def __init__(self, count: int, parts: Iterator[tuple[int, Frames]]) -> None:
        """Use an iterator of frames, each with the index after the last one that looks like it."""
        self._parts = parts
        self._until, self._frame = next(parts)
        self.shape: tuple[int, ...] = (count, *self._frame.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int, /) -> Frames:
        """Return a frame; the index isn't smaller than that of the last call."""
        while index >= self._until:
            self._until, self._frame = next(self._parts)
        return self._frame


@contextlib.contextmanager
def stream_video(
    path: Path,
    *,
    containers: tuple[str, ...] = CONTAINERS,
    limit: Callable[..., None] = check_size,
    codecs: tuple[str, ...] = (),
) -> Iterator[FrameSequence]:
    """Open a video to take its frames one by one; arguments and errors as of `read_video`."""
    with _measured(path, ALL, containers, limit, codecs) as (_, moments, parts):
        yield _FrameStream(len(moments), parts)


@contextlib.contextmanager
def _measured(
    path: Path,
    selection: Selection,
    containers: tuple[str, ...],
    limit: Callable[..., None],
    codecs: tuple[str, ...],
) -> Iterator[tuple[Rhythm, list[float], Iterator[tuple[int, Frames]]]]:
    """Measure a video, then open it; yield its rhythm, the moments, and the frames at these."""
    with open_video(path, containers, codecs=codecs) as container:
        stream = _stream(container)
        pixels = _Pixels.of(container, stream, selection)
        # Also before the times are known: single frames have a limit, too.
        limit(*pixels.size, decoded=pixels.decoded)
        rhythm = _rhythm(container, stream)
        moments = rhythm.moments(selection)
        limit(*pixels.size, len(moments), decoded=pixels.decoded)
    with open_video(path, containers, codecs=codecs) as container:
        yield rhythm, moments, _decode(_timed_frames(container, rhythm), pixels, rhythm, moments)


@dataclass(frozen=True)
class _Pixels:
    """How the frames of a video become RGB.

    Attributes:
        decoded: Width and height of the frames in the file.
        true: The same without padding.
        size: Width and height to scale them to, before they are turned upright.
    """

    decoded: tuple[int, int]
    true: tuple[int, int]
    size: tuple[int, int]
    _reformat: Callable[..., Any]

    @classmethod
    def of(cls, container: Any, stream: Any, selection: Selection) -> Self:
        codec = stream.codec_context
        true = size_before_padding(container.metadata, codec.width, codec.height)
        ratio = codec.sample_aspect_ratio or stream.sample_aspect_ratio or 1
        shown = (max(1, round(true[0] * ratio)), true[1])
        return cls((codec.width, codec.height), true, selection.scaled(*shown), reformatter())

    def rgb(self, frame: Any, turn: Callable[[Frames], Frames]) -> Frames:
        """Return one frame as RGB, upright."""
        pad = (self.decoded[0] - self.true[0], self.decoded[1] - self.true[1])
        size = self.size if pad == (0, 0) else self.decoded
        found = _to_rgb(self._reformat, frame, size)
        if pad != (0, 0):
            found = resize(found[: self.true[1], : self.true[0]], self.size)
        return turn(found)


def _stream(container: Any) -> Any:
    if container.metadata.get("major_brand", "").strip() in _STILL_BRANDS:
        raise MediaError("it is an HEIF image, which can't be read here; save it as PNG or JPEG.")
    # The cover of a sound file is a stream of one frame.
    streams = [one for one in container.streams.video if not _is_cover(one)]
    if not streams:
        raise MediaError("it has no video.")
    if streams[0].codec_context is None:
        raise MediaError("its video has a codec that can't be read here.")
    return streams[0]


def _is_cover(stream: Any) -> bool:
    disposition = getattr(stream, "disposition", None)
    return disposition is not None and "attached_pic" in str(disposition)


def _rhythm(container: Any, stream: Any) -> Rhythm:
    """Return when the frames are shown, from the packets, without decoding or keeping any."""
    count = 0
    times: list[tuple[int | None, int]] = []
    for packet in container.demux(stream):
        count += bool(packet.size)
        if packet.size and not getattr(packet, "is_discard", False):
            times.append((packet.pts, packet.duration or 0))
        if count > MAX_SAMPLES:
            raise MediaError(f"it has more than {MAX_SAMPLES:,} frames.")
    if stream.frames and count < stream.frames:
        raise MediaError(f"it ends after {count} of {stream.frames} frames: it is damaged.")
    if not times:
        raise MediaError("it holds no frames.")
    rate = float(stream.average_rate or stream.guessed_rate or 0) or None
    shown = sorted((pts, duration) for pts, duration in times if pts is not None)
    if len(shown) < len(times):
        return Rhythm(len(times), rate)
    starts = [float(pts * stream.time_base) for pts, _ in shown]
    mean = (starts[-1] - starts[0]) / (len(starts) - 1) if len(starts) > 1 else 1 / (rate or 1)
    # Many files cut the last one short.
    last = max(mean, float(shown[-1][1] * stream.time_base))
    return rhythm_of(starts, starts[-1] + last, rate)


def _decode(
    frames: Iterator[tuple[Any, float]], pixels: _Pixels, rhythm: Rhythm, moments: Sequence[float]
) -> Iterator[tuple[int, Frames]]:
    """Yield the frames that are shown at some moments, each with the index after its last moment.

    Frames in between aren't converted.
    """
    # In the middle of a frame of the source, so that rounded times don't select its neighbour.
    wanted = [(at + 0.5) / (rhythm.rate or 1.0) for at in moments]
    turn: Callable[[Frames], Frames] | None = None
    filled = 0
    for frame, end in frames:
        turn = turn or _turn(frame)
        until = bisect.bisect_left(wanted, end)
        if until <= filled:
            continue
        yield until, pixels.rgb(frame, turn)
        filled = until
        if filled == len(wanted):
            return
    raise MediaError(f"it ends after {filled} of {len(wanted)} frames: it is damaged.")


def _timed_frames(container: Any, rhythm: Rhythm) -> Iterator[tuple[Any, float]]:
    """Yield the frames, and when each stops being shown, in seconds from the first."""
    rate = rhythm.rate or 1.0
    last_start = rhythm.starts[-1] if rhythm.starts else (rhythm.count - 1) / rate
    zero = start = 0.0
    shown = None
    for number, frame in enumerate(decoded_frames(container)):
        at = number / rate if frame.time is None else frame.time
        zero = at if number == 0 else zero
        start = at - zero
        if shown is not None:
            yield shown, start
        shown = frame
    if shown is not None:
        complete = start >= last_start - 0.6 / rate
        yield shown, math.inf if complete else start + 1 / rate


def decoded_frames(container: Any) -> Iterator[Any]:
    """Decode the frames of a container's video, each of about the size that it declares.

    Raises:
        MediaError: It has no video; also PyAV's errors for damage.
    """
    import av

    stream = _stream(container)
    codec = stream.codec_context
    name = _WITH_ALPHA.get(codec.name) if stream.metadata.get("alpha_mode") == "1" else None
    if name in av.codecs_available:
        codec = av.CodecContext.create(name, "r")
    # The size in the container may be another one than that in the stream, which may change with
    # every frame: limits were compared with the first.
    declared = stream.codec_context.width * stream.codec_context.height
    most = min(MAX_FRAME * MEGAPIXEL, _MAX_GROWTH * declared + _USUAL_FRAME)
    codec.options = {"max_pixels": str(most)}
    for packet in container.demux(stream):
        if packet.size or name is None:
            yield from codec.decode(packet)
    if name is not None:
        yield from codec.decode(None)


def _to_rgb(reformat: Callable[..., Any], frame: Any, size: tuple[int, int]) -> Frames:
    """Convert a frame of any pixel format; transparent pixels are put on white."""
    untagged = frame.colorspace == _UNSPECIFIED and not frame.format.is_rgb
    colours = {"src_colorspace": _BT709} if untagged and frame.height >= _HD else {}
    alpha = frame.format.has_palette or any(part.is_alpha for part in frame.format.components)
    found: Frames = reformat(
        frame, *size, "rgba" if alpha else "rgb24", interpolation="AREA", **colours
    ).to_ndarray()
    if not alpha:
        return found
    opacity = found[..., 3:].astype(np.uint16)
    return ((found[..., :3] * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)


def _turn(frame: Any) -> Callable[[Frames], Frames]:
    """Return a function that turns decoded frames as their display matrix says."""
    data = next((one for one in frame.side_data if one.type.name == "DISPLAYMATRIX"), None)
    if data is None:
        return lambda rgb: rgb
    a, b, _, c, d = (value / _ONE for value in np.frombuffer(bytes(data), np.int32)[:5])
    mirrored = a * d - b * c < 0
    sign = -1 if mirrored else 1
    quarters = round(math.atan2(sign * b, sign * a) / (math.pi / 2))
    return lambda rgb: np.rot90(rgb[:, ::-1] if mirrored else rgb, -quarters)


def reformatter() -> Callable[..., Any]:
    """Return a function that converts the pixel format of frames, in a single thread.

    From version 17 on, PyAV starts a thread per core for every frame. While a model keeps the
    cores busy, a frame waits 6 ms for these threads, which have 0.1 ms of work.
    """
    import av
    from av.video.reformatter import VideoReformatter

    reformat: Callable[..., Any] = VideoReformatter().reformat
    has_threads = int(av.__version__.split(".")[0]) >= _PYAV_WITH_THREADS
    return functools.partial(reformat, threads=1) if has_threads else reformat
