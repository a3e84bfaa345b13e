"""Syntax of other tools that templates don't have: named, so that it is never sent as plain text.

A new form that users bring from elsewhere is a row of `_HABITS`, with what to write here instead.
What fits is parsed in `parse.py`.
"""

from __future__ import annotations

import re

from beecam.shots.templates.template import COMMANDS

# Without a limit of digits, matching would take the square of their number.
NUMBER = r"[-+]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,3})?"
MIX = '[("a bee over dunes", 0.7), ("a moth in snow", 0.3)]'
_INSIDE = r"(?:\\.|[^()\\])*"

# The form as a regular expression, what it is, and what to write instead. The first that matches
# counts.
_HABITS = tuple(
    (re.compile(pattern, re.DOTALL | re.MULTILINE), what, instead)
    for pattern, what, instead in (
        (
            rf"\({_INSIDE}:\s*{NUMBER}\s*\)|\({_INSIDE}(?:\({_INSIDE}\)){_INSIDE}:\s*{NUMBER}\s*\)",
            "a weight of words",
            f"single words have no weights here; leave it out, or mix whole prompts: prompt={MIX}",
        ),
        (
            r"\(\(|\[\[",
            "emphasis by brackets",
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
            r"(?<!\S)#[^\n]*",
            "a comment",
            "leave it out, or write it as a comment of Python outside of the string",
        ),
        (
            r"(?<!\S)--[A-Za-z][\w-]*",
            "an option of a command line",
            "options are arguments here, as in seed=7 or num_inference_steps=20",
        ),
        (
            r"^Negative prompt:|^Steps: (?=\d)",
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
    r"[\\{}\[(<|#$]|__|--|^!|^Negative prompt:|^Steps: |\bembedding:"
    rf"|:(?=\s*{NUMBER}\s*\])|{_COMMANDS.pattern}",
    re.MULTILINE,
)


def habit_at(source: str, at: int, end: int) -> tuple[str, str] | None:
    """Return the form of another tool that starts at a character, with what to write instead.

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
        return command.group(), _COMMAND
    for pattern, what, instead in _HABITS:
        found = pattern.match(source, at, end)
        if found:
            return found.group(), f"{what}; {instead}"
    return None


def option_habit(text: str, *, weighted: bool) -> str:
    """Return what to write in place of another tool's form within an option, or "".

    >>> option_habit("~bee", weighted=False)[:33]
    "how options are drawn isn't writt"

    Args:
        text: The option as written, without its weight.
        weighted: Whether it has a weight.
    """
    if not weighted and re.match(r"[^\s:]*::", text):
        return (
            "before :: is an option's weight, a number, as in {3::a|1::b}; write \\:: for the text."
        )
    if text[:1] in tuple("@~!"):
        return (
            "how options are drawn isn't written here: {a|b} has all of them, bc.sample(n) draws "
            f"some, {{3::a|1::b}} with weights. Write \\{text[:1]} for the text itself."
        )
    if "$$" in re.sub(r"\\.", "", text, flags=re.DOTALL):
        return (
            "how many options to choose is written first, as in {2$$a|b|c} or {1-2$$ and $$a|b|c}; "
            "write \\$ for the text."
        )
    return ""
