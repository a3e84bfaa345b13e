"""Exceptions: the documented hierarchy, suggestions, and messages of several problems."""

import inspect
import re

import pytest

from beecam import errors
from beecam.errors import BeecamError, CheckError, Problem, did_you_mean, nearest_match


def documented_bases():
    """Return the base of each exception in the tree of the module's docstring."""
    bases, above = {"BeecamError": "Exception"}, {0: "BeecamError"}
    for indent, name in re.findall(r"^( *)\+ (\w+)", errors.__doc__, re.MULTILINE):
        depth = len(indent) // 2
        bases[name] = above[depth - 1]
        above[depth] = name
    return bases


def test_the_tree_in_the_docstring_is_the_hierarchy():
    classes = [
        one
        for _, one in inspect.getmembers(errors, inspect.isclass)
        if issubclass(one, Exception)
        and not issubclass(one, Warning)
        and one.__module__ == errors.__name__
    ]
    assert documented_bases() == {one.__name__: one.__bases__[0].__name__ for one in classes}
    assert issubclass(CheckError, ValueError)
    assert all(issubclass(one, BeecamError) for one in classes)


@pytest.mark.parametrize(
    ("word", "choices", "match"),
    [
        ("guidence_scale", ["guidance_scale", "width"], "guidance_scale"),
        ("num_steps", ["num_frames", "num_inference_steps"], "num_inference_steps"),
        ("Steps", ["num_frames", "num_inference_steps"], "num_inference_steps"),
        ("cfg", ["guidance_scale"], "guidance_scale"),
        ("steps", ["width", "height"], None),
        ("qqq", ["width", "height"], None),
        (3, ["width"], None),
    ],
)
def test_the_choice_that_is_meant(word, choices, match):
    assert nearest_match(word, choices) == match
    assert nearest_match(word, iter(choices)) == match
    assert did_you_mean(word, choices, "{}=") == (f" Did you mean {match}=?" if match else "")


def test_a_message_lists_ten_problems_of_each_argument():
    problems = [Problem("seed", f"seed {i}.") for i in range(12)] + [Problem("width", "width.")]
    lines = str(CheckError(problems)).splitlines()
    assert lines[0] == "13 problems:"
    assert lines[-3:] == ["  - seed 9.", "  - and 2 more of seed.", "  - width."]
    assert str(CheckError(problems[:1])) == "seed 0."
