"""Messages about invalid queries: the kit's are those of the search box, held by shared cases."""

import json
from pathlib import Path

import pytest

from beecam import errors
from beecam.errors import CheckError
from beecam.storage.query import parse

CASES = json.loads((Path(__file__).parents[1] / "js" / "query_cases.json").read_text("utf-8"))


def first_problem(text, names):
    with pytest.raises(CheckError) as error:
        parse(text, names)
    return error.value.problems[0].message


@pytest.mark.parametrize(("text", "message"), CASES["problems"])
def test_messages(text, message):
    assert first_problem(text, CASES["names"]) == message


def test_every_invalid_case_has_its_message():
    invalid = {text for text, expected in CASES["cases"] if expected is None}
    assert invalid <= {text for text, _ in CASES["problems"]}


def test_aliases_are_those_of_the_kit():
    assert CASES["aliases"] == errors._ALIASES
    names = sorted(set(CASES["aliases"].values()))
    for alias, name in CASES["aliases"].items():
        assert f" Did you mean {name}?" in first_problem(f"{alias}:1", names)
