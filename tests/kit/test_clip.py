"""Clip sets as collections, as frames of pandas, and as pages without widgets."""

import base64
import io
import re

import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

import beecam as bc
from beecam.clips.clip_set import ClipSet
from beecam.errors import BeecamError, CheckError
from beecam.export import notebook as display
from beecam.sweeps.axes import Axis
from helpers import fill

HOSTILE = "<img src=x onerror=alert(1)> </script><script>alert(2)</script> a 🐝 \u202enحلة"


@pytest.fixture
def clips(library):
    return fill(library)


def test_filter_sort_where_and_slices_keep_coordinates(clips):
    assert len(clips) == 6
    assert [c.shot.seed for c in clips.where(prompt="a moth")] == [0, 1, 2]
    odd = clips.filter(lambda clip: clip.shot.seed % 2)
    assert [odd.values(i) for i in range(2)] == [
        {"prompt": "a bee", "seed": 1},
        {"prompt": "a moth", "seed": 1},
    ]
    turned = clips.sort(lambda clip: clip.shot.seed, reverse=True)
    assert [c.shot.seed for c in turned] == [2, 2, 1, 1, 0, 0]
    assert turned.values(0) == {"prompt": "a bee", "seed": 2}
    assert [c.shot.seed for c in clips[1:3]] == [1, 2]
    assert clips[1:3].values(1) == {"prompt": "a bee", "seed": 2}
    clips[4].stars = 2
    assert list(clips.starred) == [clips[4]]


def test_an_axis_or_a_clip_that_is_not_there_is_named(clips):
    for call in (lambda: clips.where(promt="bee"), lambda: clips.pivot("promt", "seed")):
        with pytest.raises(CheckError, match=r"no axis 'promt': .*Did you mean prompt\?"):
            call()
    with pytest.raises(IndexError, match=rf"clip 99: there are {len(clips)}, counted from 0"):
        clips[99]


def test_to_frame_has_a_row_a_clip(clips):
    clips[1].stars, clips[1].tags = 3, ["keep"]
    frame = clips.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame["prompt"]) == ["a bee"] * 3 + ["a moth"] * 3
    assert list(frame["stars"]) == [0, 3, 0, 0, 0, 0]
    assert frame.loc[1, "tags"] == ("keep",)
    assert frame["seconds"].iloc[2] == pytest.approx(0.2)
    assert len(clips[:0].to_frame()) == 0
    named = ClipSet(
        clips.library, clips.keys[:1], axes=[Axis("width", ("wide",))], coords=[{"width": 0}]
    )
    assert named.to_frame().loc[0, "width"] == "wide", "an axis wins over a fact of its name"


def test_pivot_has_axes_as_rows_and_columns(clips):
    table = clips.filter(lambda c: c.shot.seed < 2).pivot("prompt", "seed")
    assert list(table.index) == ["a bee", "a moth"]
    assert list(table.columns) == ["0", "1", "2"]
    assert table.loc["a moth", "1"] == clips[4]
    assert table.loc["a moth", "2"] is None
    with pytest.raises(CheckError, match="no axis 'place': the axes are prompt, seed"):
        clips.pivot("place", "seed")


def test_the_contact_sheet_is_small_static_and_shows_frames(clips):
    page = display.contact_sheet_html(clips, title="<b>")
    assert page.count("<img") == 6
    assert "&lt;b&gt;" in page
    assert "<script" not in page
    data = re.findall(r'base64,([^"]+)"', page)
    image = Image.open(io.BytesIO(base64.b64decode(data[0])))
    assert image.width == 4 * 48
    assert "No clips yet" in display.contact_sheet_html(clips[:0])


def test_the_contact_sheet_stays_below_its_size_and_says_what_is_left_out(clips):
    many = ClipSet(clips.library, clips.keys * 40)
    page = display.contact_sheet_html(many, max_bytes=60_000)
    assert len(page) <= 60_000
    left = int(re.search(r"and (\d+) more clips", page).group(1))
    assert left == len(many) - page.count("<img") > 0


def test_prompts_are_text_wherever_they_are_shown(library):
    clips = fill(library, [HOSTILE], seeds=1)
    for shown in (display.contact_sheet_html(clips, HOSTILE), clips[0]._repr_html_()):
        assert "<img src=x" not in shown
        assert "<script>alert" not in shown


def test_clips_are_shown_through_mediapy_and_matplotlib(clips, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    clips.library.mp4_path(clips.keys[2]).unlink()
    clips.show(columns=2)
    page = shown[0].data
    assert page.count("<video") == 5
    assert page.count("<tr>") == 3
    assert "is missing; run its sweep again" in page
    figure = clips.contact_sheet(columns=3, frames=3)
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 6
    figure.savefig(io.BytesIO())
    with pytest.raises(BeecamError, match="no clips to draw"):
        clips[:0].contact_sheet()


def test_without_widgets_a_run_and_its_clips_show_a_contact_sheet(ltx, library, monkeypatch):
    monkeypatch.setattr(display, "_registered", {})
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    run = bc.run(bc.sweep("a <b> bee", seed=range(2)), ltx, library=library).wait(60)
    run._ipython_display_()
    run.clips._ipython_display_()
    assert "2 done" in shown[0].data
    assert [page.data.count("<img") for page in shown] == [2, 2]
    display.register(run=lambda run: shown.append("a grid"))
    run._ipython_display_()
    assert shown[-1] == "a grid"


def test_a_clip_is_a_playing_video(clips):
    page = clips[0]._repr_html_()
    assert "<video" in page
    assert "a bee · seed 0" in page
    assert repr(clips[0]).startswith("Clip ")
    assert repr(clips) == "ClipSet: 6 clips, prompt(2) x seed(3)"
    assert clips[0] == clips.library[clips.keys[0]]
    assert len({clips[0], clips.library[clips.keys[0]]}) == 1
