"""Captions tell clips apart, however little room they have."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beecam.clips.clip_set import ClipSet
from beecam.export.captions import Column, captioner, captions, distinguish, truncate
from beecam.export.contact_sheet import contact_sheet_html
from beecam.sweeps.axes import Axis
from helpers import fill

CASES = json.loads((Path(__file__).parents[1] / "js" / "caption_cases.json").read_text("utf-8"))
WORDS = ["a", "bee", "moth", "over", "1", "12", "0.30000000000000004", "蜜蜂", "🐝", "…", "x" * 40]
SENTENCES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=14).map(" ".join)
ANY = SENTENCES | st.text(max_size=80)


def width(text):
    return next(n for n in range(999) if truncate(text, n) == text) if text else 0


def test_captions_are_the_same_as_those_of_the_grid():
    for case in CASES["distinguish"]:
        assert distinguish(case["labels"], case["limit"]) == case["short"]
    for case in CASES["captions"]:
        columns = [Column(c["name"], c["labels"]) for c in case["columns"]]
        assert captioner(columns, case["limit"])(case["values"]) == case["caption"]


@given(
    start=SENTENCES,
    labels=st.lists(ANY, min_size=2, max_size=12, unique=True),
    end=ANY,
    limit=st.integers(8, 60),
)
def test_labels_that_differ_are_shown_differently_whatever_they_share(start, labels, end, limit):
    full = [f"{start} {label} {end}" for label in labels]
    short = distinguish(full, limit)
    assert len(set(short)) == len(full)
    assert all(width(text) <= limit for text in short)
    tight = distinguish(full, 0)
    assert len(set(tight)) == len(full)


@pytest.mark.slow
@given(
    st.lists(st.lists(SENTENCES, min_size=1, max_size=4, unique=True), min_size=1, max_size=3),
    st.integers(0, 80),
)
def test_clips_that_differ_on_an_axis_have_captions_that_differ(labels, spare):
    import itertools

    columns = [Column(f"axis {n}", some) for n, some in enumerate(labels)]
    limit = 11 * len(columns) + spare
    caption = captioner(columns, limit)
    found = [caption(values) for values in itertools.product(*labels)]
    assert len(set(found)) == len(found)
    assert all(width(text) <= limit for text in found)


def sheet_captions(page):
    import re

    return [alt.strip() for alt in re.findall(r'alt="(.*?)"', page)]


LONG = (
    "{} over a meadow in the very early morning light, seen from far away by a camera on a drone "
    * 3
)


def test_static_sheets_pages_and_figures_name_what_differs(library, tmp_path):
    prompts = [LONG.format(*["a bee"] * 3) + "at noon", LONG.format(*["a bee"] * 3) + "at dusk"]
    clips = fill(library, prompts, seeds=2)
    flat = ClipSet(library, clips.keys)
    assert sheet_captions(contact_sheet_html(flat))[-1].endswith("dusk · seed 1")
    assert len(set(sheet_captions(contact_sheet_html(clips)))) == 4
    titles = [axes.get_title() for axes in flat.contact_sheet(columns=2, frames=2).axes]
    assert titles == ["noon · seed 0", "noon · seed 1", "dusk · seed 0", "dusk · seed 1"]
    page = flat.export_html(tmp_path / "page.html").read_text("utf-8")
    assert "<bdi>at dusk · seed 1</bdi>" in page or "dusk · seed 1</bdi>" in page


def test_headers_of_a_sheet_are_shortened_to_what_differs(library):
    clips = fill(library, ["a bee", "a moth"], seeds=2)
    labels = [LONG + "at noon", LONG + "at dusk"]
    named = ClipSet(
        library,
        clips.keys,
        coords=[clips.coords(i) for i in range(4)],
        axes=[Axis("prompt", (0, 1), labels=labels), Axis("seed", (0, 1))],
    )
    page = contact_sheet_html(named)
    assert "noon</bdi>" in page
    assert "dusk</bdi>" in page


def test_what_all_clips_share_is_left_out_unless_there_is_nothing_else(library):
    clips = fill(library, ["a bee", "a moth"], seeds=3)
    assert list(captions(clips.where(prompt="a bee"), 40).values()) == [
        "seed 0",
        "seed 1",
        "seed 2",
    ]
    assert captions(clips[:1], 40) == {0: "a bee · seed 0"}
    assert captions(clips, 40, [5]) == {5: "a moth · seed 2"}
    assert captions(ClipSet(library, clips.keys), 40)[4] == "a moth · seed 1"
    assert captions(clips[:0], 40) == {}


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_no_room_is_no_error(limit):
    columns = [Column("a", ["x" * 9, "y" * 9]), Column("b", ["1", "2"]), Column("c", ["", "z"])]
    assert captioner(columns, limit)(["x" * 9, "1", ""])
