"""Queries: the same results as the widgets' queries, tested by one list of cases."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import beecam as bc
from beecam.errors import CheckError
from beecam.storage.query import Row, parse, sort_rows

CASES = json.loads((Path(__file__).parents[1] / "js" / "query_cases.json").read_text("utf-8"))
ROWS = [Row(**row) for row in CASES["rows"]]


@pytest.mark.parametrize(("text", "expected"), CASES["cases"])
def test_cases(text, expected):
    if expected is None:
        with pytest.raises(CheckError):
            parse(text, CASES["names"])
        return
    query = parse(text, CASES["names"])
    assert [i for i, row in enumerate(ROWS) if query.matches(row)] == expected


@pytest.mark.parametrize(("by", "expected"), CASES["orders"])
def test_orders(by, expected):
    assert sort_rows(ROWS, by) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour:red", "colour:red: no 'colour' here. The names are insect, is, model,"),
        ("sed:3", "Did you mean seed?"),
        ("stars>=", "stars>=: a value is missing after '>='."),
        ("stars>many", "stars>many: '>' is for numbers, as in stars>=3."),
        ("is:stared", "Did you mean starred?"),
        ('bee "open', "'\"open' has an unmatched quote."),
        (3, "query=3: a string is needed."),
    ],
)
def test_a_term_that_cannot_be_parsed_is_named(text, message):
    with pytest.raises(CheckError) as error:
        parse(text, CASES["names"])
    assert message in str(error.value)


def test_all_problems_at_once():
    with pytest.raises(CheckError) as error:
        parse("colour:red is:nice bee", CASES["names"])
    assert len(error.value.problems) == 2


@given(st.text(st.sampled_from('ab -"=:<>!,3 '), max_size=12))
def test_any_text_is_parsed_or_refused(text):
    with contextlib.suppress(CheckError):
        parse(text, ["a", "b"]).matches(ROWS[0])


@pytest.mark.slow
def test_clips_are_queried(filled):
    library, run = filled
    clips = run.clips
    clips[0].stars = 4
    clips[1].rejected = True
    clips[2].tags = ["The One"]
    assert [c.key for c in clips.query("stars>=4")] == [clips[0].key]
    assert [c.key for c in clips.query('tag:"the one"')] == [clips[2].key]
    assert len(clips.query("-is:rejected")) == len(clips) - 1
    assert [c.shot.seed for c in clips.query("insect=moth seed:1")] == [1]
    assert len(clips.query("num_inference_steps:3 model:pollen")) == len(clips)
    assert not len(clips.query("seconds>1000"))
    assert clips.query("moth").axes == clips.axes
    assert len(library.clips().query("moth")) == 2, "a library's own list has no axes"
    with pytest.raises(CheckError, match="no 'insect' here"):
        library.clips().query("insect:moth")


@pytest.mark.slow
def test_clips_of_weighted_prompts_are_queried_beside_others(filled):
    library, run = filled
    mixed = bc.shot([("a bee", 0.7), ("a moth", 0.3)], num_inference_steps=3)
    (clip,) = bc.run(mixed, bc.load(), library=library).wait()
    clips = run.clips + library.clips("0.7 a bee")
    assert [one.key for one in clips.query('"0.3 a moth"')] == [clip.key]
    assert clips.sort("prompt")[0].key == clip.key
    assert clips.to_frame()["prompt"].iloc[-1] == "0.7 a bee + 0.3 a moth"
    clip.stars = 2
    assert [one.key for one in clips.starred if one.stars == 2] == [clip.key]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    library = bc.library(tmp_path_factory.mktemp("query"))
    sweep = bc.sweep(
        "a {insect} over dunes", insect=["bee", "moth"], seed=range(2), num_inference_steps=3
    )
    yield library, bc.run(sweep, bc.load(), library=library).wait()
    library.close()
