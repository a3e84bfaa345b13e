"""How many samples the tables of an mp4 describe, before FFmpeg makes an index of them.

FFmpeg keeps 24 bytes and more for each sample (a frame or a packet of sound) while it opens a file.
A table of samples of one size takes 20 bytes for any number of them, and so does a fragment whose
samples have no fields: two kilobytes would take gigabytes, or minutes with many tracks. FFmpeg
looks for tables in any box, so that what counts here is their names in all boxes but those of media
data, which it passes over.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import BinaryIO

from beecam.errors import MediaError

# Hours of video have a million packets; the times of more would fill the memory.
MAX_SAMPLES = 10_000_000
_NAMES = (b"stsz", b"trun", b"cmov")
_AFTER = 16  # bytes that are read after the last byte of a name
_BLOCK = 1 << 20  # bytes
_HEAD, _LONG_HEAD = 8, 16
_MAX_BOXES = 1_000_000
# Of all boxes but those of media data, which other containers, such as MPEG, seem not to have.
_MAX_BYTES = 20_000_000_000
_OWN_SIZES = 0xF00  # the flags of a fragment whose samples have fields of their own
# How Matroska, AVI, FLV, Ogg and MPEG-TS begin: as a box, each would be of 400 MB or more.
_OTHERS = (b"\x1aE\xdf\xa3", b"RIFF", b"FLV", b"OggS", b"G")


def check_tables(file: BinaryIO, most: int = MAX_SAMPLES) -> None:
    """Raise a MediaError if an mp4 describes more samples than are read; other containers pass.

    Raw sound has as many samples as there are moments, and a table of them isn't indexed one by
    one: it may have more, if the file has the bytes.

    Args:
        file: The file, which is left at its start.
        most: The maximum number of samples of all tracks and fragments.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if not file.read(_HEAD).startswith(_OTHERS):
        count = stored = 0
        scanned = 0
        for start, end in _boxes(file, size):
            scanned += end - start
            if scanned > _MAX_BYTES:
                raise MediaError(f"its tables have more than {_MAX_BYTES:,} bytes: it is damaged.")
            for samples, length in _tables(file, start, end):
                if length is not None and samples > most and stored + samples * length <= size:
                    stored += samples * length
                else:
                    count += samples
                if count > most:
                    raise MediaError(
                        f"its tables describe {count:,} frames and packets of sound; at most "
                        f"{most:,} are read."
                    )
    file.seek(0)


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """Yield where the boxes of a file begin and end, without those of media data."""
    at = 0
    for _ in itertools.repeat(None, _MAX_BOXES):
        file.seek(at)
        head = file.read(_LONG_HEAD)
        if len(head) < _HEAD:
            return
        length, kind = int.from_bytes(head[:4], "big"), head[4:_HEAD]
        if length == 1:
            length = int.from_bytes(head[_HEAD:], "big")
        if length < _HEAD or at + length > size:
            length = size - at  # the rest of the file
        if kind != b"mdat":
            yield at, at + length
        at += length
    raise MediaError(f"it has more than {_MAX_BOXES:,} boxes: it is damaged.")


def _tables(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int | None]]:
    """Yield for each table in a part of a file its samples, and the bytes of each.

    None stands for samples of a fragment, whose bytes may be anywhere.
    """
    file.seek(start)
    before = b""
    while block := file.read(min(_BLOCK, end - file.tell())):
        data = before + block
        last = file.tell() >= end
        until = len(data) if last else len(data) - _AFTER
        for name, at in _find_names(data, max(0, until)):
            fields = [int.from_bytes(data[i : i + 4], "big") for i in range(at, at + 12, 4)]
            if name == b"cmov":
                raise MediaError("its table of contents is compressed, which is not read.")
            if name == b"stsz" and fields[1]:
                yield fields[2], fields[1]
            elif name == b"trun" and not fields[0] & _OWN_SIZES:
                yield fields[1], None
        before = data[max(0, until - 3) :] if not last else b""


def _find_names(data: bytes, end: int) -> Iterator[tuple[bytes, int]]:
    """Yield the names of tables in some bytes, each with where its fields begin."""
    for name in _NAMES:  # quicker than a pattern
        at = data.find(name, 0, end)
        while at >= 0:
            yield name, at + len(name)
            at = data.find(name, at + len(name), end)
