"""Media files: frames and settings survive a round trip, and damage is reported."""

import io
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from beecam.errors import MediaError
from beecam.media import mp4, sheets
from beecam.media.types import Sound
from beecam.models.pollen.world.rendering.render import render_all
from beecam.models.pollen.world.splits import scenes


def psnr(a, b):
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return 10 * np.log10(255**2 / max(error, 1e-9))


def test_frames_survive_an_mp4_visually(tmp_path, moving):
    mp4.write_mp4(tmp_path / "a.mp4", moving, 8, {})
    back = mp4.read_mp4(tmp_path / "a.mp4")
    assert back.shape == moving.shape
    assert psnr(back, moving) > 27  # 4:2:0 halves the colour of this hard pattern


def test_colours_keep_their_hue(tmp_path):
    for colour in ([255, 0, 0], [0, 200, 0], [20, 40, 220], [128, 128, 128]):
        flat = np.tile(np.array(colour, np.uint8), (5, 32, 32, 1))
        mp4.write_mp4(tmp_path / "a.mp4", flat, 8, {})
        assert np.abs(mp4.read_mp4(tmp_path / "a.mp4").astype(int) - flat).max() <= 4


def test_the_file_is_one_that_browsers_play(tmp_path, moving):
    import av

    mp4.write_mp4(tmp_path / "a.mp4", moving, 12.5, {})
    with av.open(str(tmp_path / "a.mp4")) as file:
        stream = file.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == 12.5
        assert stream.frames == len(moving)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # so that it plays while it loads


json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=8), json_data))
@settings(max_examples=25)
def test_any_settings_survive_a_round_trip(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("m") / "a.mp4"
    mp4.write_mp4(path, np.zeros((2, 16, 16, 3), np.uint8), 8, data)
    assert mp4.read_settings(path) == data


def test_odd_sizes_and_one_frame_work(tmp_path):
    odd = np.full((1, 17, 31, 3), 90, np.uint8)
    mp4.write_mp4(tmp_path / "a.mp4", odd, 8, {"facts": {"height": 17, "width": 31}})
    assert mp4.read_mp4(tmp_path / "a.mp4").shape == odd.shape


def test_a_sheet_has_the_frames_side_by_side(tmp_path, moving):
    layout = sheets.sheet_layout(moving)
    image = Image.open(io.BytesIO(sheets.sheet_bytes(moving)))
    assert image.size == (layout["width"] * layout["frames"], layout["height"])
    assert layout["frames"] == 9
    cut = sheets.frames_from_sheet(sheets.sheet_bytes(moving), layout)
    for i in (0, 4, 8):
        assert psnr(np.asarray(cut[i]), moving[i]) > 24


@pytest.mark.parametrize("shape", [(81, 480, 832, 3), (121, 96, 64, 3), (1, 32, 32, 3)])
def test_a_sheet_stays_small_whatever_the_clip(shape):
    frames = np.zeros(shape, np.uint8)
    layout = sheets.sheet_layout(frames)
    assert layout["frames"] <= 24
    assert layout["width"] <= 160
    assert layout["width"] % 16 == 0
    ratio = layout["height"] / layout["width"]
    assert ratio == pytest.approx(shape[1] / shape[2], rel=0.1)


def test_a_damaged_mp4_is_named(tmp_path, moving):
    path = tmp_path / "a.mp4"
    mp4.write_mp4(path, moving, 8, {})
    complete = path.read_bytes()
    for damaged in (b"", b"not a video", complete[:200], complete[: len(complete) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(MediaError, match=r"a\.mp4"):
            mp4.read_mp4(path)
        with pytest.raises(MediaError, match=r"a\.mp4"):
            mp4.read_settings(path)
    with pytest.raises(MediaError, match=r"b\.mp4"):
        mp4.read_mp4(tmp_path / "b.mp4")


def test_a_foreign_video_is_not_a_clip(tmp_path):
    import av

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=8)
        stream.width = stream.height = 32
        out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        out.mux(stream.encode())
    with pytest.raises(MediaError, match="carries no shot"):
        mp4.read_settings(path)


def test_sound_is_stored_with_the_frames_and_cut_to_their_length(tmp_path):
    rate = 24_000
    t = np.arange(rate * 3) / rate
    tones = np.stack([np.sin(2 * np.pi * 440 * t), np.sin(2 * np.pi * 220 * t)]).astype(np.float32)
    frames = np.zeros((17, 32, 32, 3), np.uint8)
    path = tmp_path / "clip.mp4"
    mp4.write_mp4(path, frames, 8, {"a": 1}, Sound(tones * 0.5, rate))
    assert mp4.read_settings(path) == {"a": 1}
    assert mp4.is_complete(path)
    assert len(mp4.read_mp4(path)) == 17
    sound = mp4.read_sound(path)
    assert sound.rate == rate
    assert abs(sound.samples.shape[1] / rate - 17 / 8) < 0.1, "as long as the video"
    middle = sound.samples[:, rate // 2 : rate // 2 + rate]
    loudest = np.abs(np.fft.rfft(middle)).argmax(1)
    assert list(loudest) == [440, 220], "each channel has its own tone"
    mp4.write_mp4(path, frames, 8, {})
    assert mp4.read_sound(path) is None


@pytest.mark.parametrize(
    ("width", "expected"), [(64, 64), (33, 64), (32, 32), (20, 32), (16, 16), (1, 16)]
)
def test_sheets_are_halved_while_they_stay_at_least_as_wide_as_requested(width, expected):
    frames = np.zeros((5, 50, 64, 3), np.uint8)
    frames[2, :, 32:] = 255
    data, layout = sheets.sheet_bytes(frames), sheets.sheet_layout(frames)
    small, found = sheets.reduced_sheet(data, layout, width)
    assert found["width"] == expected
    assert found["frames"] == 5
    cut = sheets.frames_from_sheet(small, found)
    assert cut[0].shape[1] == expected
    assert cut[2][:, -expected // 4 :].mean() > 200
    assert cut[2][:, : expected // 4].mean() < 60
    assert (small == data) == (expected == 64)


def test_a_damaged_sheet_is_returned_unchanged():
    frames = np.full((5, 50, 64, 3), 99, np.uint8)
    data, layout = sheets.sheet_bytes(frames), sheets.sheet_layout(frames)
    for bad in (b"", b"not an image", data[: len(data) // 2]):
        assert sheets.reduced_sheet(bad, layout, 16) == (bad, layout)


@pytest.mark.slow
def test_equal_frames_give_equal_files(tmp_path):
    clips = render_all(list(itertools.islice(scenes(3), 3))).numpy()
    for clip in clips:
        files = set()
        for _ in range(20):
            mp4.write_mp4(tmp_path / "clip.path", clip, 8, {})
            files.add((tmp_path / "clip.path").read_bytes())
        assert len(files) == 1
