"""Syntax of other tools that templates don't have: named, so that it is never sent as plain text.

A new form that users bring from elsewhere is a row of `_HABITS`, with what to write here instead.
What fits is parsed in `parse.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from beecam.errors import shorten
from beecam.shots.templates.template import COMMANDS, escape

# Without a limit of digits, matching would take the square of their number.
NUMBER = r"[-+]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,3})?"
MIX = '[("a bee over dunes", 0.7), ("a moth in snow", 0.3)]'
_MAX_DEPTH = 8
_MAX_EXCERPT = 40  # characters in a message
_INSIDE = r"(?:\\.|[^()\\])*"
# A number, or a choice of numbers.
_WEIGHT = rf"(?:{NUMBER}|\{{[-+0-9.eE:|\s]{{1,200}}\}})"
_WEIGHTED = re.compile(rf"\({_INSIDE}:\s*{_WEIGHT}\s*\)", re.DOTALL)
BRACKETS = re.compile(r"\[((?:\\.|[^\[\]\\])*)\]", re.DOTALL)
TURNS = (
    "words that take turns at each step; they can't here. Write {a|b} for a clip of each, or mix "
    "two prompts: prompt=[('a', 0.5), ('b', 0.5)]"
)

# The form as a regular expression, what it is, and what to write instead. The first that matches
# counts.
_HABITS = tuple(
    (re.compile(pattern, re.DOTALL | re.MULTILINE), what, instead)
    for pattern, what, instead in (
        (
            rf"{_WEIGHTED.pattern}|\({_INSIDE}(?:\({_INSIDE}\)){_INSIDE}:\s*{_WEIGHT}\s*\)",
            "a weight of words",
            f"single words have no weights here; leave it out, or mix whole prompts: prompt={MIX}",
        ),
        (
            r"\(\(|\[\[",
            "emphasis by brackets",
            f"single words have no weights here; leave it out, or mix whole prompts: prompt={MIX}",
        ),
        (
            r"\)(?:\++|--+|\d+\.\d+)(?!\w)|\)\.(?:swap|blend|and)\(",
            "a weight of the words before it",
            f"single words have no weights here; leave it out, or mix whole prompts: prompt={MIX}",
        ),
        (
            rf":\s*{NUMBER}\s*\]",
            "the end of a switch within a switch",
            "a clip has one switch, as in [dawn:night:0.5]",
        ),
        (
            r"\$\{[^{}=:]*[^{}]*(?:\{[^{}]*\}[^{}]*)*\}?",
            "a variable",
            "it is a slot here: write {season} and give season=['summer', 'winter']",
        ),
        (
            r"^!\s*\{[^\n]*",
            "a line of macros",
            "values of slots are arguments here, as in insect=['bee', 'moth']",
        ),
        (
            r"(?<!\S)#[^\n]*|(?<![:\w/])//[^\n]*|/\*.*?\*/",
            "a comment",
            "leave it out, or write it as a comment of Python outside of the string",
        ),
        (
            r"(?<!\S)--[A-Za-z][\w-]*",
            "an option of a command line",
            "options are arguments here, as in seed=7 or num_inference_steps=20",
        ),
        (
            r"\bNegative prompt:|^Steps: (?=\d)|\bSteps: (?=\d+, )",
            "the settings of another tool",
            "settings are arguments here: negative_prompt=, num_inference_steps=, seed=",
        ),
        (
            r"<\w+:[^<>\n]*>",
            "a tag",
            "the only tag here is <lora:name:weight>, for lora=",
        ),
        (
            r"\bembedding:[\w./-]+",
            "a textual inversion",
            "embeddings aren't loaded here; describe what is wanted in words",
        ),
        (
            r"\|",
            "a bar outside of braces",
            "options stand in braces, as in {a|b}",
        ),
    )
)
_COMMANDS = re.compile(rf"(?<![\w\\])(?:{'|'.join(COMMANDS)})(?!\w)")
_COMMAND = f"a command; write it in small letters, or mix whole prompts: prompt={MIX}"

# Where a form of other tools, or of templates, may start.
STARTS = re.compile(
    r"[\\{}\[(<|#$]|__|--|//|/\*|\)(?=[-+.\d])|^!|\bNegative prompt:|\bSteps: |\bembedding:"
    rf"|:(?=\s*{NUMBER}\s*\])|{_COMMANDS.pattern}",
    re.MULTILINE,
)


def habit_at(source: str, at: int, end: int) -> tuple[str, str] | None:
    """Return the form of another tool that starts at a character, with what is wrong with it.

    >>> habit_at("a (bee:1.4)", 2, 11)[0]
    '(bee:1.4)'

    Args:
        source: The template.
        at: The character.
        end: Where the text ends.
    """
    command = _COMMANDS.match(source, at, end)
    # In a text without small letters they are words.
    if command and source.upper() != source:
        return command.group(), _message(command.group(), at, _COMMAND)
    for pattern, what, instead in _HABITS:
        found = pattern.match(source, at, end)
        if found:
            return found.group(), _message(found.group(), at, f"{what}; {instead}")
    return None


def _message(text: str, at: int, what: str) -> str:
    return (
        f"{shorten(text)} at character {at} is {what}. Write {as_escaped(text)} for the text "
        "itself, or give plain=True if nothing in the texts is syntax."
    )


def divided_habits(source: str, bars: Sequence[int]) -> Iterator[str]:
    """Yield what is wrong with forms of other tools that the bars of a choice divide.

    >>> [message[:22] for message in divided_habits("{[a|b]|c}", [0, 3, 6, 8])]
    ["'[a|b]' at character 1"]

    Args:
        source: The template.
        bars: The positions of a choice's brace, of its bars, and of the brace that closes it.
    """
    weights = "a weight of words; single words have no weights here"
    for pattern, what in ((BRACKETS, TURNS), (_WEIGHTED, weights)):
        for found in pattern.finditer(source, bars[0] + 1, bars[-1]):
            if any(found.start() < bar < found.end() for bar in bars[1:-1]):
                text = found.group()
                yield (
                    f"{shorten(text)} at character {found.start()}, which a bar of the braces "
                    f"divides, is {what}. Write {as_escaped(text)} for the text itself."
                )


def as_escaped(text: str) -> str:
    r"""Return how a text is written in a template, as it is typed: without quotes, cut if long.

    >>> print(as_escaped("[a|b]"))
    \[a\|b\]
    """
    written = " ".join(escape(text).split())
    return written if len(written) <= _MAX_EXCERPT else f"{escape(text[:1])}..."


def option_habit(text: str, *, weighted: bool) -> str:
    """Return what to write in place of another tool's form within an option, or "".

    >>> option_habit("~bee", weighted=False)[:33]
    "how options are drawn isn't writt"

    Args:
        text: The option as written, without its weight.
        weighted: Whether it has a weight.
    """
    own = re.sub(r"\\.", "\\\\", text, flags=re.DOTALL)
    for _ in range(_MAX_DEPTH):  # a choice within has a weight and a count of its own
        own = re.sub(r"\{[^{}]*\}", " ", own)
    if not weighted and re.match(r"[^\s:]*::", own):
        return (
            "before :: is an option's weight, a number, as in {3::a|1::b}; write \\:: for the text."
        )
    if text[:1] in tuple("@~!"):
        return (
            "how options are drawn isn't written here: {a|b} has all of them, bc.sample(n) draws "
            f"some, {{3::a|1::b}} with weights. Write \\{text[:1]} for the text itself."
        )
    if "$$" in own:
        return (
            "how many options to choose is written first, as in {2$$a|b|c} or {1-2$$ and $$a|b|c}, "
            "and a bar of the separator as \\|; write \\$ for the text."
        )
    return ""
