"""One function reads images and videos: formats, limits, times, orientation, modes and pixels."""

import io
import json
import os
import struct
import subprocess
import sys
import zlib
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

import beecam as bc
from beecam.errors import CheckError, MediaError
from beecam.media import formats, mp4, selection, sheets
from beecam.media.image_files import FORMATS
from beecam.media.videos import CONTAINERS
from helpers import error_message

RED, GREEN, BLUE = (250, 5, 5), (5, 200, 20), (10, 30, 240)
_MILLISECOND = Fraction(1, 1000)


def picture(width=48, height=32, at=0):
    """Return pixels whose corners differ: red at the top left, blue at the bottom right."""
    frame = np.full((height, width, 3), 128, np.uint8)
    frame[: height // 2, : width // 2] = RED
    frame[height // 2 :, width // 2 :] = BLUE
    frame[:4, -4:] = at % 256
    return frame


def counting(count, width=48, height=32):
    """Return frames that tell their index by the gray of the whole frame."""
    return np.stack([np.full((height, width, 3), 8 * i, np.uint8) for i in range(count)])


def indices_in(frames):
    return [round(float(frame[4:-4, 4:-4].mean()) / 8) for frame in frames]


def write_video(path, frames, fps=30, codec="libx264", pixels="yuv420p", **more):
    """Write a video with any codec and pixel format, with `times` in seconds if given."""
    times, aspect, options = more.get("times"), more.get("aspect"), more.get("options", {})
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        stream.options = {"qp": "0", **options} if codec == "libx264" else options
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if times:
            stream.codec_context.time_base = stream.time_base = _MILLISECOND
        for number, array in enumerate(frames):
            kind = "rgba" if array.shape[-1] == 4 else "rgb24"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format=kind)
            frame = frame.reformat(format=pixels)
            if times:
                frame.pts, frame.time_base = round(times[number] * 1000), _MILLISECOND
            else:
                frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


# --- formats: nothing foreign is run, nothing else is opened ------------------------------------


def test_no_file_reaches_a_plug_in_that_runs_a_program(tmp_path, monkeypatch):
    # As a stranger would: PostScript under any name, with a Ghostscript that says when it ran.
    ran = tmp_path / "ran"
    program = tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    code = (
        "import sys, beecam as bc\n"
        "from beecam.media import sheets\n"
        "for name in sys.argv[1:]:\n"
        "    for read in (bc.read_media, lambda n: sheets.frames_from_sheet(open(n, 'rb').read(),"
        " {'frames': 1, 'width': 9, 'height': 9})):\n"
        "        try:\n            read(name)\n        except bc.BeecamError:\n            pass\n"
        "        else:\n            raise SystemExit(f'{name} was read')\n"
    )
    names = [tmp_path / f"bee.{suffix}" for suffix in ("png", "jpg", "eps", "mp4", "gif")]
    for name in names:
        name.write_bytes(script)
    subprocess.run([sys.executable, "-c", code, *map(str, names)], check=True)
    assert not ran.exists()


@pytest.mark.parametrize(
    "suffix", ["eps", "fits", "ico", "psd", "sgi", "tga", "pcx", "im", "qoi", "dds", "icns"]
)
def test_other_formats_of_pillow_are_refused_by_name(tmp_path, suffix):
    path = tmp_path / f"bee.{suffix}"
    if suffix in ("fits", "psd"):
        path.write_bytes({"fits": b"SIMPLE  = T", "psd": b"8BPS\0\1"}[suffix].ljust(4000))
    else:
        Image.fromarray(picture()).save(path)
    with pytest.raises(CheckError, match=rf"neither an image nor a video.*{', '.join(FORMATS)}"):
        bc.read_media(path)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "txt", "m3u8"])
@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile secret.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\nsecret.mp4\n#EXT-X-ENDLIST\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=bee\nm=video 5000 RTP/AVP 96\n",
    ],
)
def test_a_list_of_files_opens_none_of_them(tmp_path, text, suffix):
    write_video(tmp_path / "secret.mp4", counting(3))
    path = tmp_path / f"list.{suffix}"
    path.write_text(text)
    with pytest.raises(CheckError, match=f"of videos {', '.join(CONTAINERS)}"):
        bc.read_media(path)
    for read in (mp4.read_mp4, mp4.read_settings, mp4.read_sound):
        with pytest.raises(MediaError):
            read(path)


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "bee.png")
    with pytest.raises(CheckError, match="a device or a pipe"):
        bc.read_media(tmp_path / "bee.png")


@given(st.binary(max_size=200), st.sampled_from(["PNG", "GIF", "JPEG", "WEBP", "TIFF", "mp4"]))
@settings(max_examples=60)
def test_any_damage_is_reported_in_a_sentence(tmp_path_factory, noise, kind):
    path = tmp_path_factory.mktemp("m") / "bee"
    if kind == "mp4":
        mp4.write_mp4(path, counting(3), 8, {})
    else:
        Image.fromarray(picture()).save(path, kind)
    data = bytearray(path.read_bytes())
    at = sum(noise) % len(data)
    data[at : at + len(noise)] = noise
    path.write_bytes(data)
    try:
        media = bc.read_media(path)
    except CheckError as error:
        assert str(error).startswith(repr(str(path)))  # noqa: PT017
    else:
        assert media.frames.ndim == 4


# --- limits: measured before memory is taken ----------------------------------------------------


def png_of(width, height):
    """Return the start of a PNG that claims a size."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 99))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(13_300, 13_300), (9_000, 9_000), (30_000, 30_000), (2**30, 9)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_that_is_too_large_is_refused_by_its_header(tmp_path, size):
    path = tmp_path / "bee.png"
    path.write_bytes(png_of(*size))
    with pytest.raises(CheckError, match="Scale it down first"):
        bc.read_media(path)


def test_the_size_times_the_number_of_frames_is_checked_before_decoding(tmp_path, monkeypatch):
    path = write_video(tmp_path / "bee.mp4", counting(12))
    still = tmp_path / "bee.gif"
    gif = [Image.fromarray(frame) for frame in counting(12)]
    gif[0].save(still, save_all=True, append_images=gif[1:], duration=100)
    frames = counting(12)
    monkeypatch.setattr(selection, "MAX_TOTAL", 10 * 48 * 32 / selection.MEGAPIXEL)
    monkeypatch.setattr("beecam.media.videos.decoded_frames", None)
    for source in (path, still, frames, [Image.fromarray(one) for one in frames]):
        with pytest.raises(CheckError, match=r"12 frames of 48x32 .* num_frames=10 or max_side=43"):
            bc.read_media(source)
    monkeypatch.undo()
    monkeypatch.setattr(selection, "MAX_TOTAL", 10 * 48 * 32 / selection.MEGAPIXEL)
    for source in (path, still, frames):
        assert bc.read_media(source, num_frames=10).count == 10
        assert bc.read_media(source, max_side=43).frames.shape == (12, 29, 43, 3)


def test_only_selected_frames_are_held(tmp_path):
    path = write_video(tmp_path / "long.mp4", list(counting(30)) * 30)
    part = bc.read_media(path, start=2, num_frames=5, fps=15, max_side=24)
    assert part.frames.shape == (5, 16, 24, 3)
    assert indices_in(part.frames) == [0, 2, 4, 6, 8]
    assert part.fps == 15


def test_a_file_that_lies_about_its_size_does_not_fill_the_memory(tmp_path):
    path = tmp_path / "bee.mp4"
    mp4.write_mp4(path, counting(3), 8, {})
    data = path.read_bytes()
    at = data.index(b"avc1") + 28  # width and height of the sample entry
    path.write_bytes(data[:at] + struct.pack(">HH", 16, 16) + data[at + 4 :])
    assert bc.read_media(path).frames.shape[1:3] in ((16, 16), (32, 48))


def test_invalid_selections_are_reported_at_once():
    with pytest.raises(CheckError) as error:
        bc.read_media(picture(), start=-1, num_frames=0, fps=0, max_side=1.5)
    for argument in ("start=-1", "num_frames=0", "fps=0", "max_side=1.5"):
        assert argument in str(error.value)
    with pytest.raises(CheckError, match=r"start=9: it ends after 0.25 seconds"):
        bc.read_media(counting(2), fps=8, start=9)
    with pytest.raises(CheckError, match=r"start=1: it has no frames per second; set fps="):
        bc.read_media(counting(2), start=1)


# --- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "mov", "ts"])
@pytest.mark.parametrize("fps", [8, 16, 24, 30, Fraction(30000, 1001), 60])
def test_a_video_keeps_its_rate_and_all_its_frames(tmp_path, suffix, fps):
    path = write_video(tmp_path / f"bee.{suffix}", counting(13), fps)
    media = bc.read_media(path)
    assert media.fps == pytest.approx(float(fps), rel=1e-3)
    assert indices_in(media.frames) == list(range(13))


@given(count=st.integers(1, 30), rate=st.sampled_from([8, 10, 24, 30, 60]), fps=st.floats(1, 120))
@settings(max_examples=60)
def test_a_video_plays_at_its_own_speed_at_any_rate(count, rate, fps):
    frames = counting(count, 16, 16)
    found = bc.read_media(frames, fps=rate).at_rate(fps) if count > 1 else None
    if found is None:
        return
    shown = [int(frame.mean()) // 8 for frame in found.frames]
    assert shown[0] == 0
    for i, index in enumerate(shown):
        assert abs(index / rate - i / fps) <= 0.5 / rate + 1e-2 / fps * i
    assert abs((len(shown) - 1) / fps - (count - 1) / rate) <= 1 / fps + 1 / rate


def test_a_video_of_another_rate_is_resampled_for_the_model(tmp_path, cog):
    path = write_video(tmp_path / "bee.mp4", counting(30), 24)
    fps = cog.resolve(bc.shot("a bee")).fps
    resolved = cog.resolve(bc.shot("a bee", video=path, width=32, height=32))
    (condition,) = resolved.conditions
    assert condition.input.fps is None, "what the model gets is part of the key"
    expected = [round(i * 24 / fps) for i in range(condition.input.count)]
    assert np.abs(np.subtract(indices_in(condition.input.frames), expected)).max() <= 1
    assert resolved.key == cog.resolve(resolved).key
    own = cog.resolve(bc.shot("a bee", video=path, width=32, height=32, fps=24))
    assert own.conditions[0].input.count == 30
    with pytest.raises(
        CheckError, match=r"frames at the 8 fps of the clip \(its own are 24\), but"
    ):
        bc.sweep("a bee", video=path, num_frames=29, width=32, height=32, fps=8).check(cog)


def test_a_mask_of_the_videos_frames_is_resampled_with_it(tmp_path, wan):
    from beecam.models.diffusers.conditions import with_rate_of_clip

    path = write_video(tmp_path / "bee.mp4", counting(30), 30)
    shot = with_rate_of_clip(bc.shot("a bee", video=path, mask=counting(30)), 15)
    video, mask = (one.input for one in shot.conditions)
    assert video.count == mask.count == 15
    assert indices_in(video.frames) == indices_in(mask.frames)


def test_a_record_of_a_sweep_keeps_the_rate(tmp_path, library, cog):
    path = write_video(tmp_path / "bee.mp4", counting(30), 24)
    shot = bc.shot("a bee", video=path)
    assert type(shot).from_dict(json.loads(json.dumps(shot.to_dict()))) == shot
    data = shot.to_dict()
    data["conditions"][0]["fps"] = float("nan")
    with pytest.raises(bc.BeecamError, match="fps=nan: a positive number"):
        type(shot).from_dict(data)
    library.inputs.store(shot.conditions)
    code = shot.code()
    again = eval(code, {"bc": bc, "library": library})
    assert again.conditions == shot.conditions


def test_frames_of_different_durations_are_shown_as_long(tmp_path):
    durations = [100, 300, 100, 200]
    images = [Image.fromarray(frame) for frame in counting(4)]
    expected = [0, 1, 1, 1, 2, 3, 3]
    for suffix, more in (("gif", {}), ("webp", {"lossless": True}), ("png", {})):
        path = tmp_path / f"bee.{suffix}"
        images[0].save(path, save_all=True, append_images=images[1:], duration=durations, **more)
        media = bc.read_media(path)
        assert (suffix, indices_in(media.frames)) == (suffix, expected)
        assert media.fps == pytest.approx(10)
        assert indices_in(bc.read_media(path, fps=5).frames) in ([0, 1, 2, 3], [0, 1, 3, 3])
    times = [0, 0.1, 0.4, 0.5]
    path = write_video(tmp_path / "bee.mkv", counting(4), 10, times=times)
    assert indices_in(bc.read_media(path).frames)[:6] == expected[:6]


# --- orientation and size -------------------------------------------------------------------------

TRANSFORMS = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_upright_once_on_every_route(tmp_path, orientation):
    image = Image.fromarray(picture())
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(_with(image, exif)))
    for suffix in ("png", "jpg", "webp", "tiff"):
        path = tmp_path / f"bee.{suffix}"
        more = (
            {"lossless": True} if suffix == "webp" else {"quality": 100} if suffix == "jpg" else {}
        )
        image.save(path, exif=exif, **more)
        routes = {
            "path": bc.read_media(path).frames[0],
            "object": bc.read_media(Image.open(path)).frames[0],
            "list": bc.read_media([Image.open(path)] * 2).frames[1],
            "turned before": bc.read_media(ImageOps.exif_transpose(Image.open(path))).frames[0],
            "shot": bc.shot("a bee", image=path).conditions[0].input.frames[0],
            "keyframe": bc.shot("a", keyframes={0: Image.open(path)}).conditions[0].input.frames[0],
        }
        for name, found in routes.items():
            assert found.shape == expected.shape, (suffix, name)
            assert np.abs(found.astype(int) - expected).mean() < 6, (suffix, name)
    small = bc.read_media(tmp_path / "bee.jpg", max_side=24).frames[0]
    assert max(small.shape[:2]) == 24
    assert (small.shape[0] > small.shape[1]) == (expected.shape[0] > expected.shape[1])


def _with(image, exif):
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    return Image.open(buffer)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_video_is_turned_as_its_tag_says(tmp_path, orientation):
    frames = np.stack([picture()] * 3)
    path = write_video(tmp_path / "bee.mp4", frames, pixels="yuv444p")
    data = path.read_bytes()
    at = data.index(b"tkhd") + 4 + 4 + 20 + 16
    a, b, c, d = (value * 65536 for value in TRANSFORMS[orientation])
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data[:at] + matrix + data[at + 36 :])
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(_with(Image.fromarray(frames[0]), exif)))
    found = bc.read_media(path).frames[1]
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 6


def test_pixels_that_are_not_square_are_shown_as_wide(tmp_path):
    path = write_video(tmp_path / "bee.mp4", counting(3), aspect=Fraction(4, 3))
    assert bc.read_media(path).frames.shape == (3, 32, 64, 3)


@pytest.mark.slow
@given(width=st.integers(1, 40), height=st.integers(1, 40), count=st.integers(1, 3))
@settings(max_examples=40)
def test_our_own_files_come_back_with_the_size_they_were_written_with(
    tmp_path_factory, width, height, count
):
    folder = tmp_path_factory.mktemp("m")
    frames = np.full((count, height, width, 3), 90, np.uint8)
    mp4.write_mp4(folder / "a.mp4", frames, 8, {})
    mp4.copy_mp4(folder / "a.mp4", folder / "b.mp4", {"shot": 1})
    for name in ("a.mp4", "b.mp4"):
        assert bc.read_media(folder / name).frames.shape == frames.shape
        assert mp4.read_mp4(folder / name).shape == frames.shape
    stored = folder / ("a.png" if count == 1 else "a.mkv")
    formats.write_lossless(stored, frames)
    assert np.array_equal(formats.read_lossless(stored), frames)
    assert np.array_equal(bc.read_media(stored).frames, frames)


def test_a_clip_has_the_same_pixels_by_every_route(tmp_path, moving):
    for size in ((48, 64), (47, 63)):
        frames = moving[:, : size[0], : size[1]]
        mp4.write_mp4(tmp_path / "a.mp4", frames, 8, {})
        assert np.array_equal(
            bc.read_media(tmp_path / "a.mp4").frames, mp4.read_mp4(tmp_path / "a.mp4")
        )


# --- modes and pixel formats ---------------------------------------------------------------------


def cut_out(mode):
    """Return an image of a mode with transparency: opaque red on invisible green."""
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[...] = (*GREEN, 0)
    rgba[:, :4] = (*RED, 255)
    image = Image.fromarray(rgba)
    if mode == "P":
        image = Image.new("P", (8, 8), 0)
        image.putpalette([*GREEN, *RED])
        image.paste(1, (0, 0, 4, 8))
        image.info["transparency"] = 0
    elif mode == "RGB":
        image = image.convert("RGB")
        image.info["transparency"] = GREEN
    elif mode in ("L", "1", "I;16"):
        image = Image.new(mode, (8, 8), 1 if mode == "1" else 0)
        image.paste(0 if mode == "1" else 60, (0, 0, 4, 8))
        image.info["transparency"] = 255 if mode == "1" else 0
    elif mode in ("RGBa", "LA", "PA"):
        image = image.convert(mode)
    elif mode == "La":
        image = image.convert("LA").convert("La")
    return image


@pytest.mark.parametrize("mode", ["RGBA", "RGBa", "LA", "La", "P", "PA", "RGB", "L", "1", "I;16"])
def test_invisible_colours_never_become_the_background(tmp_path, mode):
    image = cut_out(mode)
    assert image.mode == mode
    sources = [image]
    for suffix in ("png", "webp", "tiff"):
        can = {
            "png": ("RGBA", "LA", "P", "RGB", "L", "1", "I;16"),
            "webp": ("RGBA",),
            "tiff": ("RGBA",),
        }
        if mode in can[suffix]:
            image.save(tmp_path / f"bee.{suffix}", lossless=True)
            sources.append(tmp_path / f"bee.{suffix}")
    for source in sources:
        frame = bc.read_media(source).frames[0]
        assert (frame[:, 4:] == 255).all(), source
        assert not (frame[:, :4] == 255).all(), source


def test_half_transparent_pixels_are_mixed_with_white():
    image = Image.new("RGBA", (4, 4), (0, 100, 200, 128))
    assert np.abs(bc.read_media(image).frames[0, 0, 0].astype(int) - (127, 177, 227)).max() <= 1


GRAY = 100


def in_mode(mode):
    """Return an image of a mode whose pixels are gray, 100 of 255."""
    gray = Image.new("L", (6, 4), GRAY)
    through = {"La": "LA", "RGBa": "RGBA", "HSV": "RGB", "PA": "P"}
    if mode in ("F", "I"):
        value, kind = (GRAY / 255, np.float32) if mode == "F" else (GRAY * 257, np.int32)
        image = Image.fromarray(np.full((4, 6), value, kind))
    elif mode.startswith("I;16"):
        order = ">u2" if mode.endswith("B") else "<u2"
        image = Image.frombytes(mode, (6, 4), np.full((4, 6), GRAY * 257, order).tobytes())
    elif mode == "LAB":
        profiles = [ImageCms.createProfile(space) for space in ("sRGB", "LAB")]
        image = ImageCms.profileToProfile(gray.convert("RGB"), *profiles, outputMode="LAB")
    else:
        image = gray.convert(through.get(mode, mode)).convert(mode)
    return image


MODES = [
    "L",
    "P",
    "RGB",
    "RGBA",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I",
    "F",
    "LA",
    "La",
    "PA",
    "RGBX",
    "RGBa",
    "I;16",
    "I;16L",
    "I;16B",
    "I;16N",
]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_pillow_gives_its_colours(mode):
    image = in_mode(mode)
    assert image.mode == mode
    frame = bc.read_media(image).frames
    assert frame.shape == (1, 4, 6, 3)
    assert np.abs(frame.astype(int) - GRAY).max() <= 2


@pytest.mark.parametrize(
    ("suffix", "modes"),
    [
        ("png", ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        ("tiff", ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F")),
        ("jpg", ("L", "RGB", "CMYK")),
        ("webp", ("RGB", "RGBA")),
        ("bmp", ("1", "L", "P", "RGB", "RGBA")),
        ("ppm", ("L", "RGB", "I;16")),
        ("gif", ("L", "P", "RGB")),
        ("jp2", ("L", "LA", "RGB", "RGBA", "I;16")),
        ("avif", ("RGB", "RGBA")),
    ],
)
def test_every_mode_survives_its_files(tmp_path, suffix, modes):
    for mode in modes:
        path = tmp_path / f"bee.{suffix}"
        image = Image.new("1", (6, 4), 1) if mode == "1" else in_mode(mode)
        image.save(path)
        frame = bc.read_media(path).frames
        assert frame.shape == (1, 4, 6, 3), mode
        assert np.abs(frame.astype(int) - (255 if mode == "1" else GRAY)).max() <= 4, mode


@pytest.mark.parametrize("source", ["", " "])
def test_an_empty_path_is_not_the_current_folder(source):
    for call in (lambda: bc.read_media(source), lambda: bc.sweep("a bee", image=source).cells):
        message = error_message(call)
        assert repr(source) in message
        assert "a file's path" in message


def test_numbers_outside_a_range_are_refused():
    for image, message in (
        (Image.fromarray(np.full((4, 4), 9.0, np.float32)), "from 0 to 1"),
        (Image.fromarray(np.full((4, 4), np.nan, np.float32)), "from 0 to 1"),
        (Image.fromarray(np.full((4, 4), 70_000, np.int32)), "16 bits at most"),
        (Image.fromarray(np.full((4, 4), -1, np.int32)), "16 bits at most"),
    ):
        with pytest.raises(CheckError, match=message):
            bc.read_media(image)


@pytest.mark.parametrize(
    "kind", ["uint8", "int64", "float16", "float32", "float64", "bool", "torch"]
)
def test_every_type_of_array_gives_its_colours(kind):
    if kind == "torch":
        array = torch.ones(4, 6, 3, dtype=torch.bfloat16)
    else:
        array = np.full((4, 6, 3), 255 if "int" in kind else 1, kind)
    assert (bc.read_media(array).frames == 255).all()


@pytest.mark.parametrize("kind", ["complex64", "object", "datetime64[s]"])
def test_other_types_of_arrays_are_refused(kind):
    with pytest.raises(CheckError, match="integers or floats are needed"):
        bc.read_media(np.zeros((4, 6, 3), kind))


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "avif"])
def test_animations_are_videos(tmp_path, suffix):
    images = [Image.fromarray(frame) for frame in counting(6)]
    path = tmp_path / f"bee.{suffix}"
    more = {"lossless": True} if suffix == "webp" else {}
    images[0].save(path, save_all=True, append_images=images[1:], duration=125, **more)
    for source in (path, Image.open(path)):
        media = bc.read_media(source)
        assert indices_in(media.frames) == list(range(6)), source
        assert media.fps == pytest.approx(8, rel=0.05)
    with pytest.raises(CheckError, match="it has 6 frames; one image is needed") as error:
        bc.shot("a bee", image=path)
    assert f"bee.{suffix}'" in str(error.value), "the path as it was written"
    assert "video= takes a video" in str(error.value)


def test_the_still_image_of_an_animated_png_is_none_of_its_frames(tmp_path):
    images = [Image.fromarray(frame) for frame in counting(4)]
    images[3].save(
        tmp_path / "bee.png", save_all=True, append_images=images[:3], default_image=True
    )
    assert indices_in(bc.read_media(tmp_path / "bee.png").frames) == [0, 1, 2]


def test_a_transparent_animation_is_on_white(tmp_path):
    images = [cut_out("RGBA"), cut_out("RGBA").transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    for suffix in ("gif", "webp", "png"):
        path = tmp_path / f"bee.{suffix}"
        more = (
            {"lossless": True} if suffix == "webp" else {"disposal": 2} if suffix == "gif" else {}
        )
        images[0].save(path, save_all=True, append_images=images[1:], duration=100, **more)
        frames = bc.read_media(path).frames
        assert len(frames) == 2
        assert (frames[0, :, 4:] == 255).all(), suffix
        assert (frames[1, :, :4] == 255).all(), suffix


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("hidden", [0, 200])
def test_what_no_frame_of_an_animation_covers_is_white(tmp_path, lossless, hidden):
    # The encoder crops each frame to what it changes, which has no transparency here.
    frames = np.full((3, 32, 48, 4), hidden, np.uint8)
    frames[..., 3] = 0
    for i, frame in enumerate(frames):
        frame[8:24, 16 * i : 16 * i + 16] = [255, 0, 0, 255]
    images = [Image.fromarray(frame) for frame in frames]
    path = tmp_path / "bee.webp"
    images[0].save(path, save_all=True, append_images=images[1:], duration=100, lossless=lossless)
    with Image.open(path) as opened:
        mode, first = opened.mode, np.asarray(opened)
        found = [bc.read_media(path).frames, bc.read_media(opened).frames]
        assert opened.mode == mode
        assert np.array_equal(np.asarray(opened), first)
    for read in found:
        assert (read[:, :4] >= 250).all()
        for i in range(3):
            assert (
                np.abs(read[i, 12:20, 16 * i + 4 : 16 * i + 12].astype(int) - [255, 0, 0]).max() < 9
            )


def test_an_mpo_of_a_phone_is_one_image(tmp_path):
    images = [Image.fromarray(picture()), Image.fromarray(picture(at=200))]
    images[0].save(tmp_path / "bee.mpo", format="MPO", save_all=True, append_images=images[1:])
    (tmp_path / "bee.mpo").rename(tmp_path / "bee.jpg")
    assert bc.read_media(tmp_path / "bee.jpg").count == 1


PIXELS = [
    (
        "libx264",
        "mp4",
        "yuv420p yuvj420p yuv422p yuv444p nv12 yuv420p10le yuv444p10le gray gray10le",
    ),
    (
        "ffv1",
        "mkv",
        "yuv420p yuva420p yuv444p yuva444p bgr0 bgra yuv420p10le yuv422p16le gray gray16le",
    ),
    ("ffv1", "mkv", "gbrp10le gbrap16le rgb48le rgba64le ya8 yuva444p10le yuva420p16le"),
    ("png", "mov", "rgb24 rgba rgb48be rgba64be gray ya8 gray16be"),
    ("qtrle", "mov", "rgb24 argb"),
    ("rawvideo", "avi", "bgr24 yuv420p"),
    ("mjpeg", "avi", "yuvj420p yuvj444p"),
    ("prores_ks", "mov", "yuv422p10le yuva444p10le"),
    ("libvpx-vp9", "webm", "yuv420p yuva420p"),
]


@pytest.mark.parametrize(
    ("codec", "suffix", "pixels"),
    [(codec, suffix, one) for codec, suffix, names in PIXELS for one in names.split()],
)
def test_every_pixel_format_gives_its_colours(tmp_path, codec, suffix, pixels):
    has_alpha = pixels not in ("gray", "gray10le", "gray16le", "gray16be") and (
        "a" in pixels.replace("gray", "").split("p")[0] or pixels in ("argb", "ya8")
    )
    frame = np.zeros((64, 64, 4), np.uint8)
    frame[...] = (*GREEN, 0 if has_alpha else 255)  # invisible, if that can be
    frame[:, :32] = (100, 100, 100, 255)
    path = write_video(tmp_path / f"bee.{suffix}", [frame] * 3, 8, codec, pixels)
    found = bc.read_media(path).frames
    assert found.shape == (3, 64, 64, 3)
    assert np.abs(found[1, 4:-4, 4:28].astype(int) - 100).max() <= 6
    right = found[1, 4:-4, 36:-4].astype(int)
    if has_alpha:
        assert right.min() >= 250
    elif "gray" in pixels:
        assert np.ptp(right) <= 4
    else:
        assert np.abs(right - GREEN).max() <= 16


def test_a_sheet_of_another_size_is_refused_before_it_is_decoded():
    buffer = io.BytesIO()
    Image.new("RGB", (64, 16)).save(buffer, "JPEG")
    with pytest.raises(MediaError, match="size of its layout"):
        sheets.frames_from_sheet(buffer.getvalue(), {"frames": 1, "width": 16, "height": 16})
