"""The contact sheet, which needs no kernel: videos, strips, headers and its size."""

import base64
import io
import itertools
import re

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from beecam.clips.clip_set import ClipSet
from beecam.export import contact_sheet
from beecam.export.contact_sheet import contact_sheet_html
from beecam.export.notebook import clip_html
from beecam.export.table_layout import table_layout
from beecam.sweeps.axes import Axis
from helpers import fill, noisy

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(1)> \" ' & \u202eحلة"


@pytest.fixture
def clips(library):
    return fill(library)


def videos(page):
    return [base64.b64decode(data) for data in re.findall(r'video/mp4;base64,(.*?)"', page)]


def test_starred_clips_are_playing_videos_and_the_others_strips(clips):
    clips[4].stars, clips[1].stars, clips[0].rejected = 5, 1, True
    page = contact_sheet_html(clips, title="Bees")
    assert videos(page) == [clips[1].mp4_bytes(), clips[4].mp4_bytes()]
    assert page.count("<img") == 4
    for part in re.findall("<video(.*?)>", page):
        assert {"autoplay", "loop", "muted", "playsinline", "controls"} <= set(part.split())
    assert "★★★★★" in page
    assert page.count("✕") == 1
    assert "<script" not in page


@pytest.mark.parametrize(("count", "width"), [(1, 320), (2, 320), (3, 240)])
def test_videos_of_one_or_two_clips_are_large(clips, count, width):
    shown = ClipSet(clips.library, clips.keys[:count])
    shown[0].stars = 5
    assert re.findall(r'<video[^>]* width="(\d+)"', contact_sheet_html(shown)) == [str(width)]


def test_two_axes_are_headers_of_a_table(clips):
    page = contact_sheet_html(clips)
    assert re.findall(r'<th scope="col".*?<bdi>(.*?)</bdi>', page) == ["0", "1", "2"]
    assert re.findall(r'<th scope="row".*?<bdi>(.*?)</bdi>', page) == ["a bee", "a moth"]
    assert "prompt ↓<br>seed →" in page
    rows = re.findall("<tr.*?>(.*?)</tr>", page)[1:]
    assert [row.count("<img") for row in rows] == [3, 3]


def test_one_short_axis_is_a_row_and_other_clips_form_no_table(clips, library):
    one = contact_sheet_html(clips.where(prompt="a bee"))
    assert re.findall(r"<th.*?<bdi>(.*?)</bdi>", one) == ["0", "1", "2"]
    assert one.count("<tr") == 2
    none = ClipSet(library, clips.keys)
    assert "<table" not in contact_sheet_html(none)
    assert "a moth · seed 2" in contact_sheet_html(none)
    long = ClipSet(
        library,
        clips.keys * 3,
        axes=[Axis("take", tuple(range(18)))],
        coords=[{"take": i} for i in range(18)],
    )
    assert "<table" not in contact_sheet_html(long)
    three = ClipSet(
        library,
        clips.keys[:4],
        axes=[Axis(name, (1, 2)) for name in "abc"],
        coords=[{"a": i % 2, "b": i // 2, "c": (i + 1) // 2 % 2} for i in range(4)],
    )
    assert "<table" not in contact_sheet_html(three)
    wide = ClipSet(
        library,
        clips.keys[:4],
        coords=[{"x": i, "y": i % 2} for i in (0, 13, 26, 39)],
        axes=[Axis("y", (1, 2)), Axis("x", tuple(range(40)))],
    )
    assert contact_sheet_html(wide).count('scope="col"') == 4, "only columns with clips"


@pytest.fixture
def nested(library):
    """Clips on three axes."""
    return ClipSet(
        library,
        fill(library, seeds=4).keys,
        axes=[Axis("a", ("x", "y")), Axis("b", (1, 2)), Axis("c", ("red", "blue"))],
        coords=[{"a": i // 4, "b": i // 2 % 2, "c": i % 2} for i in range(8)],
    )


def test_rows_of_several_axes_name_each_of_them(nested):
    page = contact_sheet_html(nested)
    assert re.findall(r'<th scope="col".*?<bdi>(.*?)</bdi>', page) == ["red", "blue"]
    rows = re.findall(r'<th scope="row".*?<bdi>(.*?)</bdi>', page)
    assert rows == ["x", "1", "2", "y", "1", "2"]
    assert re.findall(r'rowspan="(.)"', page) == ["1", "2", "1", "1", "2", "1", "1"]
    assert "a · b ↓<br>c →" in page


def sheet_table(page):
    """What each image of a sheet is below and beside, by the headers that span its place."""
    fields, taken = [], {}
    for y, row in enumerate(re.findall("<tr.*?>(.*?)</tr>", page, re.DOTALL)):
        x = 0
        for kind, attributes, inner in re.findall("<(t[hd])(.*?)>(.*?)</t[hd]>", row, re.DOTALL):
            while (y, x) in taken:
                x += 1
            spans = dict(re.findall(r'(colspan|rowspan)="(\d+)"', attributes))
            label = re.findall("<bdi>(.*?)</bdi>", inner)[0] if kind == "th" else None
            for i in range(int(spans.get("rowspan", 1))):
                for j in range(int(spans.get("colspan", 1))):
                    taken[y + i, x + j] = label
            if kind == "td" and "<img" in inner:
                fields.append((y, x, re.findall('alt="(.*?)"', inner)))
    return [
        ({taken[y, i] for i in range(x)} | {taken[j, x] for j in range(y)}) - {None}
        for y, x, _ in fields
    ]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_a_sheet_of_any_axes_is_compact_and_says_the_values_of_each_clip(clips, sizes):
    names = [f"{letter}{{}}" for letter in "abcde"]
    axes = [
        Axis(n[0], tuple(n.format(i) for i in range(size)))
        for n, size in zip(names, sizes, strict=False)
    ]
    coords = [dict(zip("abcde", at, strict=False)) for at in itertools.product(*map(range, sizes))]
    layout = table_layout(
        ClipSet(clips.library, clips.keys[:1] * len(coords), axes=axes, coords=coords), nested=True
    )
    varying = [axis for axis in axes if len(axis) > 1]
    if layout is None:
        assert not varying
        return
    assert len(layout.columns) <= 12
    for at, (row, column) in zip(coords, layout.places, strict=True):
        said = {*layout.rows[row], *layout.columns[column]}
        assert said == {axis.labels[at[axis.name]] for axis in varying}
    if len(coords) > 36 or not clips:
        return
    shown = ClipSet(clips.library, clips.keys[:1] * len(coords), axes=axes, coords=coords)
    page = contact_sheet_html(shown)
    wanted = [{axis.labels[at[axis.name]] for axis in varying} for at in coords]
    assert sorted(map(sorted, sheet_table(page))) == sorted(map(sorted, wanted))


def test_a_sheet_of_four_axes_is_a_square_that_fits_a_page(clips):
    axes = [Axis(name, ("x", "y", "z")) for name in "abcd"]
    coords = [dict(zip("abcd", at, strict=True)) for at in itertools.product(range(3), repeat=4)]
    page = contact_sheet_html(ClipSet(clips.library, clips.keys[:1] * 81, axes=axes, coords=coords))
    assert page.count("<tr") == 11
    widths = [int(width) for width in re.findall(r'<img[^>]* width="(\d+)"', page)]
    assert len(widths) == 81
    assert max(widths) * 9 <= 700


def test_drafts_are_marked(clips):
    first = clips[0]
    row = clips.library.row(first.key)
    draft = clips.library.add(row["shot"].replace(draft_steps=2), first.frames(), row["facts"])
    draft.stars = 1
    marked = contact_sheet_html(ClipSet(clips.library, [first.key, draft.key]))
    assert marked.count("draft") == 1
    assert "draft ★" in marked
    assert "draft" in clip_html(draft)
    assert "draft" not in clip_html(first)


def test_a_figure_has_the_rows_and_columns_of_the_axes(nested, clips):
    def texts(figure):
        return [[axes.get_title(), *(t.get_text() for t in axes.texts)] for axes in figure.axes]

    nested.contact_sheet().savefig(io.BytesIO())
    assert texts(clips.contact_sheet()) == [
        ["0", "a bee"],
        ["1"],
        ["2"],
        ["", "a moth"],
        [""],
        [""],
    ]
    assert [one[1:] for one in texts(nested.contact_sheet())[::2]] == [
        ["x · b 1"],
        ["x · b 2"],
        ["y · b 1"],
        ["y · b 2"],
    ]
    flat = texts(clips.contact_sheet(columns=3))
    assert flat[4] == ["a moth · seed 1"], "as many columns as asked for"
    takes = ClipSet(
        clips.library,
        clips.keys[:2] * 2,
        axes=[Axis("seed", (0, 1))],
        coords=[{"seed": i % 2} for i in range(4)],
    )
    assert len(takes.contact_sheet().axes) == 4, "takes that share a place are all drawn"
    drawn = clips.contact_sheet().axes[0].images[0].get_array()
    assert np.count_nonzero(drawn[..., 3].min(axis=0) == 0) == 3 * 2, "gaps between frames"


def test_texts_from_outside_stay_text_in_headers_and_captions(library):
    prompts = fill(library, [HOSTILE, "a bee"], seeds=2)
    named = ClipSet(
        library,
        prompts.keys,
        coords=[{HOSTILE: i // 2, "seed": i % 2} for i in range(4)],
        axes=[Axis(HOSTILE, (0, 1), labels=(HOSTILE, "b" * 900)), Axis("seed", (0, 1))],
    )
    for page in (contact_sheet_html(named, HOSTILE), contact_sheet_html(prompts[:1], HOSTILE)):
        assert "<script" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;" in page


@pytest.mark.slow
def test_large_videos_are_reduced_and_the_sheet_stays_below_its_size(library):
    clips = noisy(library, 8, width=640, height=384, frames=9, stars=range(4))
    assert sum(len(clip.mp4_bytes()) for clip in clips[:4]) > 700_000
    page = contact_sheet_html(clips, max_bytes=700_000)
    assert len(page) <= 700_000
    assert page.count("<video") == 4
    assert page.count("<img") == 4
    with av.open(io.BytesIO(videos(page)[0])) as video:
        assert video.streams.video[0].codec_context.width <= 480
        assert len(list(video.decode(video=0))) == 9
    tight = contact_sheet_html(clips, max_bytes=40_000)
    assert len(tight) <= 40_000
    assert "more clips in the library" in tight or tight.count("<img") == 8


def test_missing_media_are_reported_in_a_sentence(clips):
    clips[2].stars = 3
    clips.library.mp4_path(clips.keys[2]).unlink()
    clips.library.sheet_path(clips.keys[3]).unlink()
    page = contact_sheet_html(clips)
    assert page.count("<video") == 0
    assert page.count("<img") == 5, "without its video its strip is shown"
    assert "is missing" in page
    data = re.search(r'image/webp;base64,(.*?)"', page).group(1)
    assert Image.open(io.BytesIO(base64.b64decode(data))).height == 32


def test_of_very_many_clips_some_strips_and_all_videos_are_shown(clips, monkeypatch):
    monkeypatch.setattr(contact_sheet, "_MAX_STRIPS", 2)
    clips[5].stars = 1
    page = contact_sheet_html(clips)
    assert page.count("<img") == 2
    assert page.count("<video") == 1, "starred clips are shown wherever they are"
    assert f"and {len(clips) - 3} more clips in the library" in page
