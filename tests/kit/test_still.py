"""The contact sheet as one JPEG, which LaTeX and PDF show."""

import base64
import io

import pytest
from PIL import Image

from beecam.clips.clip_set import ClipSet
from beecam.export import notebook
from beecam.export.still import _MAX_CLIPS, frame_bytes, still_bytes
from beecam.sweeps.axes import Axis
from helpers import fill, noisy


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    assert image.format == "JPEG"
    return image


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize(("width", "height"), [(96, 64), (64, 160), (320, 16)])
def test_every_clip_is_in_it(library, count, width, height):
    image = opened(still_bytes(noisy(library, count, width=width, height=height), "Bees"))
    assert 72 <= image.width <= 2_400
    # Noise isn't white: about as much of it as the clips take.
    colored = sum(image.convert("L").point(lambda v: 255 * (v < 250)).histogram()[255:])
    shown = min(320, max(72, 1_200 // min(count, 6) - 8))
    area = shown * round(shown * min(height / width, 3))
    assert colored > 0.7 * count * area


def test_axes_are_rows_and_columns(library):
    clips = fill(library)
    image = opened(still_bytes(clips))
    rows = opened(still_bytes(ClipSet(library, clips.keys)))
    assert image.width > image.height, "two rows of three"
    assert 0.4 < image.width / rows.width < 0.9, "without axes, one row of six"


@pytest.mark.parametrize("most", [0, 2_000, 20_000, 150_000])
def test_it_is_never_larger_than_allowed(library, most):
    data = still_bytes(noisy(library, 30, width=160, height=96), max_bytes=most)
    assert len(data) <= most
    assert data or most < 150_000


def test_very_many_clips_are_cut_off(library):
    clips = noisy(library, 1)
    many = ClipSet(library, clips.keys * (_MAX_CLIPS + 5))
    most = ClipSet(library, clips.keys * _MAX_CLIPS)
    height = opened(still_bytes(many)).height
    assert height < 6_000
    # One more line, which counts the rest, and no more rows.
    assert height < opened(still_bytes(most)).height + 16
    assert still_bytes(ClipSet(library, [])) == b""


def test_odd_labels_and_lost_clips_leave_an_image(library):
    names = ["نحلة فوق مرج", "\x00\n\u202e", "蜂" * 400, "$x^2$ <b>"]
    clips = noisy(library, 4)
    clips[1].path.with_suffix(".jpg").unlink(missing_ok=True)
    for path in library.folder.rglob(f"{clips[2].key}*"):
        path.unlink()
    axis = Axis("word", names)
    shown = ClipSet(
        library, clips.keys, axes=[axis], coords=[{"word": i} for i in range(4)], title="t"
    )
    assert opened(still_bytes(shown, "\ud800".encode("utf-8", "replace").decode() + "蜂" * 900))
    assert frame_bytes(clips[2]) == b""


def test_readers_choose_among_html_an_image_and_a_line(library):
    clips = fill(library)
    bundle = notebook.mime_bundle("<p>6</p>", "6 clips", still_bytes(clips))
    assert list(bundle) == ["text/html", "text/plain", "image/jpeg"]
    assert opened(base64.b64decode(bundle["image/jpeg"]))
    assert opened(clips[0]._repr_jpeg_()).size[0] >= 16
