"""A file of a few kilobytes must not describe millions of frames that FFmpeg makes an index of."""

import contextlib
import struct
import threading

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import beecam as bc
from beecam.errors import CheckError, MediaError
from beecam.media import mp4
from beecam.media.mp4_tables import MAX_SAMPLES, check_tables

MANY = 30_000_000


def box(kind, *parts):
    content = b"".join(parts)
    return struct.pack(">I", 8 + len(content)) + kind + content


def numbers(*values):
    return struct.pack(f">{len(values)}I", *values)


def boxes(data):
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at + 8 : at + length]
        at += length


def changed(data, change):
    """Return an mp4 in which `change` has replaced boxes, by their kinds and contents."""
    inner = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
    return b"".join(
        new
        if (new := change(kind, content)) is not None
        else box(kind, changed(content, change) if kind in inner else content)
        for kind, content in boxes(data)
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "bee.mp4"
    mp4.write_mp4(path, np.full((3, 32, 48, 3), 90, np.uint8), 8, {})
    return path.read_bytes()


def samples_of_one_size(data, count):
    tables = {
        b"stsz": box(b"stsz", numbers(0, 1, count)),
        b"stts": box(b"stts", numbers(0, 1, count, 1)),
        b"stsc": box(b"stsc", numbers(0, 1, 1, count, 1)),
        b"ctts": b"",
        b"stss": b"",
    }
    return changed(data, lambda kind, _: tables.get(kind))


def many_tracks(data):
    found = samples_of_one_size(data, MAX_SAMPLES // 4)
    return changed(found, lambda kind, content: box(kind, content) * 5 if kind == b"trak" else None)


def empty_fragment(data, count):
    extends = box(b"mvex", box(b"trex", numbers(0, 1, 1, 1, 1, 0)))
    found = changed(
        data, lambda kind, content: box(kind, content, extends) if kind == b"moov" else None
    )
    fragment = box(
        b"moof",
        box(b"mfhd", numbers(0, 1)),
        box(b"traf", box(b"tfhd", numbers(0x020000, 1)), box(b"trun", numbers(0, count))),
    )
    return found + fragment + box(b"mdat", bytes(8))


def compressed(data):
    return changed(data, lambda kind, _: box(kind, box(b"cmov")) if kind == b"moov" else None)


BOMBS = {
    "samples of one size": lambda data: samples_of_one_size(data, MANY),
    "after a box of another kind": lambda data: (
        box(b"what", bytes(2_000_000)) + samples_of_one_size(data, MANY)
    ),
    "in a free box": lambda data: box(b"free", samples_of_one_size(data, MANY)),
    "many tracks": many_tracks,
    "a fragment": lambda data: empty_fragment(data, MANY),
    "a compressed table of contents": compressed,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_tables_of_millions_of_samples_are_refused_before_ffmpeg(
    bomb, plain, tmp_path, monkeypatch
):
    path = tmp_path / "bee.mp4"
    path.write_bytes(BOMBS[bomb](plain))

    def open_file(*_args, **_options):
        raise AssertionError("FFmpeg has opened it")

    monkeypatch.setattr(av, "open", open_file)
    with pytest.raises(CheckError, match=r"tables describe|table of contents"):
        bc.read_media(path)
    with pytest.raises(MediaError, match=r"tables describe|table of contents"):
        mp4.read_settings(path)


def test_usual_files_pass(plain, tmp_path):
    path = tmp_path / "bee.mp4"
    for data in (plain, box(b"free", bytes(100)) + plain, plain + box(b"free", bytes(100))):
        path.write_bytes(data)
        with path.open("rb") as file:
            check_tables(file)
            assert file.tell() == 0


def test_raw_sound_may_have_as_many_samples_as_the_file_has_bytes(plain, tmp_path):
    path = tmp_path / "bee.mov"
    path.write_bytes(samples_of_one_size(plain, MANY))
    with path.open("r+b") as file:
        file.truncate(MANY + 10_000)
        check_tables(file)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=300),
    start=st.sampled_from([b"", b"\0\0\0\x01ftyp", b"\0\0\0\x08moov"]),
)
def test_no_file_hangs_the_check(tmp_path, content, start):
    path = tmp_path / "odd"
    path.write_bytes(start + content)
    done = []

    def check():
        with path.open("rb") as file, contextlib.suppress(MediaError):
            check_tables(file)
        done.append(True)

    thread = threading.Thread(target=check, daemon=True)
    thread.start()
    thread.join(60)
    assert done
