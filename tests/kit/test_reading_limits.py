"""What reading a file may take: memory for what is asked for, and no decoder that isn't needed."""

import io
import os
import struct
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

import beecam as bc
from beecam.clips.library import Library
from beecam.errors import CheckError, MediaError
from beecam.media import mp4, sheets
from beecam.media.embedded import comment_of
from beecam.media.videos import MATROSKA, read_video
from beecam.shots.inputs import digest_of
from beecam.storage.inputs import InputStore
from helpers import fill, memory_of

# How a file of each format begins, with a part that claims to be large where the format has one.
BEGINNINGS = {
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10\x08\2\0\0\0\x90\x91\x68\x36"
    b"\x7f\xff\xff\xffiCCP",
    "JPEG": b"\xff\xd8\xff\xe1\xff\xff",
    "WEBP": b"RIFF\xff\xff\xff\x7fWEBPVP8 \xff\xff\xff\x7f",
    "AVIF": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf",
    "GIF": b"GIF89a\x10\0\x10\0\0\0\0",
    "TIFF": b"II*\0" + struct.pack("<IHHHIIHHIII", 8, 2, 256, 3, 1, 16, 270, 2, 3 * 10**9, 64, 0),
    "BMP": b"BM" + bytes(8) + struct.pack("<IIiiHHI", 54, 40, 16, 16, 1, 24, 0),
    "PPM": b"P6\n#",
    "JPEG2000": b"\0\0\0\x0cjP  \r\n\x87\n",
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_an_image_file_that_is_too_large_is_refused_unread(tmp_path, name):
    path = tmp_path / "image"
    path.write_bytes(BEGINNINGS[name])
    os.truncate(path, 2**40)  # takes no room on the disk
    with pytest.raises(CheckError, match=rf"a {name} file of 1,099,512 MB; at most \d+ are read"):
        bc.read_media(path)


def write_video(path, codec, pixels, container, *, size=64, count=5, comment=""):
    """Write a video of black frames."""
    with av.open(
        str(path), "w", format=container, options={"movflags": "use_metadata_tags"}
    ) as out:
        out.metadata["comment"] = comment
        stream = out.add_stream(codec, rate=8)
        stream.width = stream.height = size
        stream.pix_fmt = pixels
        black = av.VideoFrame.from_ndarray(np.zeros((size, size, 3), np.uint8), format="rgb24")
        for _ in range(count):
            out.mux(stream.encode(black.reformat(format=pixels)))
        out.mux(stream.encode())


OTHERS = [("mjpeg", "yuvj420p"), ("mpeg4", "yuv420p"), ("png", "rgb24"), ("libvpx-vp9", "yuv420p")]


@pytest.mark.parametrize(("codec", "pixels"), OTHERS)
def test_no_decoder_but_ours_is_tried_on_a_clip_of_a_library(tmp_path, codec, pixels):
    path = tmp_path / "clip.mp4"
    write_video(path, codec, pixels, "mp4")
    before = av.logging.get_level()
    av.logging.set_level(av.logging.DEBUG)
    try:
        with av.logging.Capture(local=False) as log:
            with pytest.raises(MediaError, match=r"not H\.264 and AAC"):
                mp4.read_mp4(path)
            with pytest.raises(MediaError, match=r"not H\.264 and AAC"):
                mp4.read_settings(path)
    finally:
        av.logging.set_level(before)
    assert sum("not on whitelist" in text for _, _, text in log) >= 2


@pytest.mark.parametrize(("codec", "pixels"), [*OTHERS[:2], ("libx264", "yuv420p")])
def test_no_decoder_but_ours_is_tried_on_an_input_of_a_library(tmp_path, codec, pixels):
    path = tmp_path / "input.mkv"
    write_video(path, codec, pixels, "matroska")
    digest = digest_of(read_video(path, containers=(MATROSKA,)).frames)
    path.rename(tmp_path / f"{digest}.mkv")
    with pytest.raises(MediaError, match="not FFV1"):
        InputStore(tmp_path)[digest]


def test_frames_that_are_taken_one_by_one_are_those_of_the_clip(library):
    clip = fill(library)[3]
    with mp4.stream_mp4(clip.path) as frames:
        assert frames.shape == clip.frames().shape
        assert len(frames) == len(clip.frames())
        for i in (0, 2, 2, 8):
            assert (frames[i] == clip.frames()[i]).all()
    with mp4.stream_mp4(clip.path) as frames:
        assert sheets.sheet_bytes(frames) == sheets.sheet_bytes(clip.frames())


@pytest.mark.parametrize("seconds", [5_000, 1_000_000, 4_000_000])
@pytest.mark.parametrize("codec", ["ffv1", "libx264"])
def test_frames_that_are_days_apart_are_refused_before_they_are_listed(tmp_path, codec, seconds):
    path = tmp_path / "slow.mkv"
    ticks = Fraction(1, 1_000)
    with av.open(str(path), "w", format="matroska") as out:
        stream = out.add_stream(codec, rate=60)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = ticks
        for at in (0, 16, seconds * 1_000):
            frame = av.VideoFrame(16, 16, "yuv420p")
            frame.pts, frame.time_base = at, ticks
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    with pytest.raises(CheckError, match=r"frames: at most 200,000 are read"):
        bc.read_media(path)
    assert bc.read_media(path, num_frames=2).count == 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
def test_a_long_video_is_not_held_in_memory(tmp_path):
    write_video(tmp_path / "long.avi", "rawvideo", "bgr24", "avi", size=600, count=400)
    assert (tmp_path / "long.avi").stat().st_size > 400_000_000
    grown = memory_of(tmp_path, "bc.read_media('long.avi', num_frames=4, max_side=64)")
    assert grown < 150


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
def test_a_clip_of_many_pixels_is_not_held_in_memory(tmp_path):
    with Library(tmp_path / "bees") as bees:
        path = fill(bees)[0].path
    comment = comment_of({**mp4.read_settings(path), "facts": {}}, None)
    write_video(path, "libx264", "yuv420p", "mp4", size=1200, count=150, comment=comment)
    assert path.stat().st_size < 500_000
    path.with_suffix(".jpg").unlink()
    (tmp_path / "bees" / "library.sqlite").unlink()
    assert memory_of(tmp_path, "library = Library('bees'); assert len(library) == 6") < 250
    assert memory_of(tmp_path, f"Library('moths').take({str(path)!r})") < 250


def pad(path, count):
    """Make a file longer, as a box of an mp4 that means nothing; it takes no room on the disk."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size)
        file.write(count.to_bytes(4, "big") + b"free")
        file.truncate(size + count)


def test_files_with_more_bytes_than_any_clip_are_not_read(tmp_path):
    with Library(tmp_path / "bees") as bees:
        one, other = (clip.key for clip in fill(bees)[:2])
        pad(bees.mp4_path(one), 2 * 10**9)
        pad(bees.sheet_path(other), 2 * 10**9)
    (tmp_path / "bees" / "library.sqlite").unlink()
    with Library(tmp_path / "bees") as bees:
        assert len(bees) == 5
        assert any("more than 1,000,000,000 bytes" in sentence for sentence in bees.healed)
        assert bees.known([one, other]) == set()
        with pytest.raises(MediaError, match="more than 50,000,000 bytes"):
            bees[other].sheet_bytes()


def test_a_file_of_a_million_boxes_is_not_walked_through(library):
    clip = fill(library)[0]
    with clip.path.open("ab") as file:
        file.write((8).to_bytes(4, "big") + b"free" + (8).to_bytes(4, "big") + b"free")
    assert library.known([clip.key])
    with clip.path.open("ab") as file:
        file.write(((8).to_bytes(4, "big") + b"free") * 200)
    assert not library.known([clip.key])


def test_a_clip_of_many_bytes_is_shown_smaller(library, monkeypatch):
    monkeypatch.setattr("beecam.export.notebook._MAX_SHOWN", 20_000)
    clip = fill(library)[0]
    pad(clip.path, 10**6)
    assert len(clip._repr_html_()) < 40_000
    assert "<video" in clip._repr_html_()


def encoded(size, count):
    """Return the packets of black frames, each with its own headers."""
    with av.open(io.BytesIO(), "w", format="h264") as out:
        stream = out.add_stream("libx264", rate=8)
        stream.width = stream.height = size
        stream.options = {"x264-params": "repeat-headers=1:bframes=0:scenecut=0", "threads": "1"}
        frame = av.VideoFrame(size, size, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        found = []
        for at in range(count):
            frame.pts = at
            found += [bytes(packet) for packet in stream.encode(frame)]
        return found + [bytes(packet) for packet in stream.encode()]


@pytest.mark.parametrize(("later", "read"), [(48, True), (256, True), (1_024, False)])
def test_frames_do_not_grow_beyond_what_was_measured(tmp_path, later, read):
    path = tmp_path / "grows.mp4"
    with path.open("wb") as file, av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=8)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        stream.codec_context.open()
        for at, data in enumerate([*encoded(32, 3), *encoded(later, 3)]):
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, 8)
            packet.pts = packet.dts = at
            packet.is_keyframe = at in (0, 3)
            out.mux(packet)
    if read:
        assert bc.read_media(path).frames.shape == (6, 32, 32, 3)
        assert mp4.read_mp4(path).shape == (6, 32, 32, 3)
        return
    with pytest.raises(CheckError):
        bc.read_media(path)
    with pytest.raises(MediaError):
        mp4.read_mp4(path)
