"""What an image file says about itself does not limit what reading it costs."""

import io
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

import beecam as bc
from beecam.errors import CheckError
from beecam.media import image_files
from helpers import memory_of

WIDTH, LENGTH, BITS, COMPRESSION, COLOURS, SAMPLES = 256, 257, 258, 259, 262, 277
TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
STRIP_OFFSETS, ROWS_PER_STRIP, STRIP_BYTES = 273, 278, 279


def page(entries, at, following=0):
    """Return a directory of a TIFF that is at some byte of it."""
    data = struct.pack("<H", len(entries))
    for tag, value in sorted(entries.items()):
        data += struct.pack("<HHII", tag, 4, 1, value)
    return data + struct.pack("<I", at + len(data) + 4 if following else 0)


def gray(width, height, compression):
    return {
        WIDTH: width,
        LENGTH: height,
        BITS: 8,
        COMPRESSION: compression,
        COLOURS: 1,
        SAMPLES: 1,
    }


def tiled(sides, compression=8, *, first=()):
    """Return a TIFF of 64x64 pixels in one tile, after plain pages."""
    data, at = b"II*\0" + struct.pack("<I", 8), 8
    plain = gray(64, 64, 1) | {STRIP_OFFSETS: 8, ROWS_PER_STRIP: 64, STRIP_BYTES: 4096}
    for _ in first:
        data += page(plain, at, following=1)
        at = len(data)
    entries = gray(64, 64, compression) | {
        TILE_WIDTH: sides[0],
        TILE_LENGTH: sides[1],
        TILE_OFFSETS: 8,
        TILE_BYTES: 100,
    }
    return data + page(entries, at) + bytes(5_000)


@pytest.mark.parametrize("pages_before", [0, 1])
@pytest.mark.parametrize("compression", [5, 7, 8, 32773])
@pytest.mark.parametrize("sides", [(40_000, 40_000), (60_000_000, 16), (16, 2**31)])
def test_tiles_are_not_larger_than_their_image(tmp_path, sides, compression, pages_before):
    path = tmp_path / "bee.tif"
    path.write_bytes(tiled(sides, compression, first=range(pages_before)))
    with pytest.raises(CheckError, match=r"64x64, and its tiles are \d+x\d+"):
        bc.read_media(path)


def test_tiles_that_reach_beyond_a_small_image_are_read(tmp_path):
    pixels = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    Image.fromarray(pixels).save(tmp_path / "bee.tif", tile=(1024, 1024))
    Image.fromarray(pixels).save(tmp_path / "moth.tif")
    one, other = (bc.read_media(tmp_path / name) for name in ("bee.tif", "moth.tif"))
    assert (one.frames == other.frames).all()


def gif_of(*sizes):
    """Return an animation of 16x16 pixels with frames of other sizes."""
    data = b"GIF89a" + struct.pack("<HHBBB", 16, 16, 0x80, 0, 0) + bytes([0, 0, 0, 255, 255, 255])
    for width, height in sizes:
        data += b"\x21\xf9\x04\x00\x0a\0\0\0" + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0)
        data += b"\x02\x02\x44\x01\x00"
    return data + b";"


@pytest.mark.parametrize("more", [{}, {"num_frames": 1}, {"max_side": 16}])
def test_a_frame_is_not_larger_than_an_image_may_be(tmp_path, more):
    (tmp_path / "bee.gif").write_bytes(gif_of((1, 1), (9_400, 9_400), (1, 1)))
    with pytest.raises(CheckError, match="9400x9400 are 88 megapixels; at most 64"):
        bc.read_media(tmp_path / "bee.gif", **more)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(*chunks, frames=1):
    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    control = struct.pack(">IIIIIHHBB", 0, 1, 1, 0, 0, 1, 10, 0, 0)
    animation = [chunk(b"acTL", struct.pack(">II", frames, 0)), chunk(b"fcTL", control)]
    parts = [
        chunk(b"IHDR", head),
        *(animation if frames > 1 else []),
        *chunks,
        chunk(b"IDAT", zlib.compress(bytes(4))),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def webp_of(count):
    buffer = io.BytesIO()
    images = [Image.new("RGB", (1, 1), (i, 0, 0)) for i in (0, 99)]
    images[0].save(buffer, "WEBP", save_all=True, append_images=images[1:], lossless=True)
    data = buffer.getvalue()
    start = data.index(b"ANMF")
    (length,) = struct.unpack("<I", data[start + 4 : start + 8])
    body = data[8:start] + data[start : start + 8 + length + length % 2] * count
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff_of(count):
    plain = gray(1, 1, 1) | {STRIP_OFFSETS: 8, ROWS_PER_STRIP: 1, STRIP_BYTES: 1}
    data = [b"II*\0" + struct.pack("<I", 8)]
    length = len(page(plain, 0))
    data += [page(plain, 8 + i * length, following=i + 1 < count) for i in range(count)]
    return b"".join(data)


ANIMATIONS = {
    "PNG": lambda count: png_of(frames=count),
    "GIF": lambda count: gif_of(*[(1, 1)] * count),
    "WEBP": webp_of,
    "TIFF": tiff_of,
}


@pytest.mark.parametrize("name", ANIMATIONS)
def test_frames_are_counted_up_to_a_limit(tmp_path, name, monkeypatch):
    monkeypatch.setattr(image_files, "MAX_FRAMES", 1_000)
    parts = {"WEBP": ((b"ANMF", 1_000, "frames"),)}
    monkeypatch.setattr(image_files, "_MAX_PARTS", parts)
    path = tmp_path / "many"
    for count in (1_001, 5_000):
        path.write_bytes(ANIMATIONS[name](count))
        for more in ({}, {"num_frames": 2}):
            with pytest.raises(CheckError, match=r"1,000 (pages|are read)"):
                bc.read_media(path, **more)


def test_frames_that_are_gone_through_have_a_limit(tmp_path):
    path = tmp_path / "bee.gif"
    path.write_bytes(gif_of((7_000, 7_000), *[(1, 1)] * 60))
    with pytest.raises(CheckError, match="2,989 megapixels; of an animation at most 2,048"):
        bc.read_media(path, num_frames=1)


def jpeg_of(before=b"", scans=1):
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:2] + before + data[2:-2] + last * (scans - 1) + data[-2:]


EXIF = b"\xff\xe1" + struct.pack(">H", 18) + b"Exif\0\0" + bytes(10)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (jpeg_of(scans=101), "scans; at most 100"),
        (jpeg_of(EXIF * 101), "101 EXIF segments; at most 100"),
        (b"\xff\xd8" + b"\xff" * (1 << 20) + jpeg_of(EXIF * 101)[2:], "101 EXIF segments"),
    ],
)
def test_what_a_decoder_repeats_is_counted(tmp_path, data, named):
    path = tmp_path / "bee.jpg"
    path.write_bytes(data)
    with pytest.raises(CheckError, match=named):
        bc.read_media(path)


def test_parts_are_counted_across_blocks(monkeypatch):
    monkeypatch.setattr(image_files, "_BLOCK", 7)
    data = b"".join(b"." * i + b"ANMF" for i in range(40))
    assert image_files._count(io.BytesIO(data), b"ANMF") == 40


PARTS = {
    "chunks of a PNG": png_of(*[chunk(b"prVt", b"")] * 2_000),
    "texts of a PNG": png_of(*[chunk(b"tEXt", b"a\0b")] * 2_000),
    "comments of a GIF": gif_of((1, 1))[:-1] + b"\x21\xfe\x01x\0" * 2_000 + gif_of((1, 1))[-24:],
    "segments of a JPEG": jpeg_of(b"\xff\xe5\0\x02" * 2_000),
    "filling of a JPEG": jpeg_of(b"\xff" * 4_000),
    "a comment of a PPM": b"P6\n#" + b"x" * 4_000 + b"\n1 1\n255\nabc",
    "steps of a BMP": b"BM"
    + struct.pack("<IHHI", 54, 0, 0, 54 + 1024)
    + struct.pack("<IiiHHIIiiII", 40, 16, 16, 1, 8, 1, 0, 0, 0, 256, 0)
    + bytes(1024)
    + b"\0\2\0\0" * 4_000,
    "directories of a TIFF": tiff_of(200),
}


@pytest.mark.parametrize("name", PARTS)
def test_blocks_that_are_read_one_by_one_have_a_limit(tmp_path, name, monkeypatch):
    monkeypatch.setattr(image_files, "_MAX_READS", 2_000)
    path = tmp_path / "many"
    path.write_bytes(PARTS[name])
    with pytest.raises(CheckError, match="more than 2,000 parts"):
        bc.read_media(path)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "F", "I;16"])
def test_the_largest_image_takes_its_pixels_and_no_copies(tmp_path, mode):
    name = "bee.tif" if mode == "F" else "bee.png"
    side = 6_000 if mode == "F" else 8_000
    options = {"compression": "tiff_adobe_deflate"} if mode == "F" else {"compress_level": 1}
    Image.new(mode, (side, side)).save(tmp_path / name, **options)
    # 256 MB in Pillow, 192 MB as an array.
    assert memory_of(tmp_path, f"bc.read_media({name!r})") < 650
