"""Prompt templates: parsing, rendering and syntax errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beecam.shots.prompts import Slot, Variants, parse

plain = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]))


@given(plain)
def test_a_template_without_braces_renders_unchanged(text):
    template = parse(text)
    assert template.render({}) == text
    assert not template.problems


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_doubled_braces_render_as_single_ones(text):
    template = parse(text.replace("{", "{{").replace("}", "}}"))
    assert template.render({}) == text
    assert not template.problems


@given(st.text(alphabet="ab{}| 1é", max_size=30))
def test_parsing_never_raises_and_an_odd_brace_is_always_a_problem(text):
    template = parse(text)
    values = dict.fromkeys(template.slots, "x")
    values |= {v.name: v.options[0] for v in template.variants}
    template.render(values)
    if (text.count("{") + text.count("}")) % 2:
        assert template.problems


@given(plain, plain)
def test_a_value_is_text_and_never_parsed_again(before, after):
    template = parse(f"{before}{{insect}}{after}")
    assert template.render({"insect": "{a|b} {{"}) == f"{before}{{a|b}} {{{{{after}"


def test_slots_and_variants_are_found_in_order():
    template = parse("a {insect} over {dunes|a lake} by {insect}")
    assert template.slots == ("insect",)
    assert template.parts[1] == Slot("insect")
    assert template.variants == (Variants(("dunes", "a lake")),)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a {insect over dunes", ["character 2", "never closed", "{{"]),
        ("a insect} over dunes", ["character 8", "closes nothing", "}}"]),
        ("a {in{sect}", ["character 2", "another brace"]),
        ("a {} b", ["character 2", "a slot is a name"]),
        ("a {1st} b", ["{1st}", "a slot is a name"]),
    ],
)
def test_syntax_errors_name_their_position(source, words):
    message = " ".join(str(p) for p in parse(source).problems)
    for word in words:
        assert word in message
