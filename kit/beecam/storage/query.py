"""Queries: which clips are meant, in a line that a person types.

`bee stars>=4 -is:rejected insect:bee,moth seconds<2` keeps clips whose text has the word bee, with
four stars or more, not rejected, of one of two insects, that took less than two seconds. The
widgets understand the same line (`js/query.js`); both are held to one list of cases by a test.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from beecam.errors import CheckError, Problem, did_you_mean, shorten

# What `is:` may be followed by.
STATES = ("starred", "rejected", "broken", "draft", "failed", "made", "missing")
_TERM = re.compile(
    r"""(?P<minus>-)?
    (?:
        (?P<name>"[^"]*"|[^\s"<>=!:]+)(?P<sign><=|>=|!=|<|>|=|:)(?P<values>(?:"[^"]*"|[^\s"])*)
        | (?P<text>"[^"]*"|[^\s"]+)
    )""",
    re.VERBOSE,
)
_VALUE = re.compile(r'"([^"]*)"|([^,"]+)')
# As in js/query.js, not as float(): no "nan", no "1_0".
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@dataclass(frozen=True)
class Row:
    """What a query can ask of one cell.

    Attributes:
        text: Where words are looked for: prompt, labels and tags.
        values: Numbers, texts or None by name: axes by their labels, marks and facts.
        tags: Its tags.
        states: Which of STATES it is in.
    """

    text: str
    values: Mapping[str, Any]
    tags: Sequence[str] = ()
    states: Collection[str] = ()


@dataclass(frozen=True)
class Term:
    """One condition of a query.

    Attributes:
        name: What is asked, or "" for the text.
        sign: How it is compared: ":", "=", "!=", "<", "<=", ">" or ">=".
        values: One of these must suit; in lower case.
        negated: Whether none may.
    """

    name: str
    sign: str
    values: tuple[str, ...]
    negated: bool

    def matches(self, row: Row) -> bool:
        """Return whether a cell suits."""
        return self._suits(row) != self.negated

    def _suits(self, row: Row) -> bool:
        if not self.name:
            return self.values[0] in row.text.lower()
        if self.name == "is":
            return any(value in row.states for value in self.values)
        if self.name == "tag":
            own = {tag.lower() for tag in row.tags}
            return any(value in own for value in self.values) != (self.sign == "!=")
        found = row.values.get(self.name)
        if self.sign == "!=":
            return not any(_like(found, value, "=") for value in self.values)
        return any(_like(found, value, self.sign) for value in self.values)


@dataclass(frozen=True)
class Query:
    """A parsed query: all of its terms must suit."""

    terms: tuple[Term, ...]

    def matches(self, row: Row) -> bool:
        """Return whether a cell suits."""
        return all(term.matches(row) for term in self.terms)


def parse(text: str, names: Collection[str]) -> Query:
    """Read a query.

    Words and "several words" are looked for in prompt, labels and tags. `name:value` asks for a
    text that contains the value, or for a number that equals it; `=` and `!=` for the very value,
    `<`, `<=`, `>`, `>=` for numbers; `a,b` for one of two. `tag:` names a tag, `is:` a state (one
    of STATES). A leading "-" turns a term round. Upper and lower case are alike.

    Args:
        text: What was typed.
        names: What can be asked for, apart from tag and is.

    Raises:
        CheckError: A term makes no sense; the message names it and what there is.
    """
    if not isinstance(text, str):
        raise CheckError([Problem("query", f"query={shorten(text)}: a text is needed.")])
    folded = {name.lower(): name for name in names}
    terms: list[Term] = []
    problems: list[Problem] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found = _TERM.match(text, at)
        if found is None:
            problems.append(
                Problem("query", f"query: {text[at:]!r} has a quote without its other.")
            )
            break
        at = found.end()
        problem, term = _term(found, folded)
        problems += problem
        terms += term
    if problems:
        raise CheckError(problems)
    return Query(tuple(terms))


def sort_rows(rows: Sequence[Row | None], by: str) -> list[int]:
    """Return the places of rows ordered by one of their values.

    Numbers come before texts, and what has no value comes last, whichever way it goes; equal ones
    stay in their order.

    Args:
        rows: None where there is no clip.
        by: A name, with a leading "-" for descending; "" for the order as it is.
    """
    places = list(range(len(rows)))
    if not by:
        return places
    name, falling = by.removeprefix("-"), by.startswith("-")
    found = [None if row is None else row.values.get(name) for row in rows]
    numbers = {i: n for i in places if (n := _number(found[i])) is not None}
    texts = {i: str(found[i]).lower() for i in places if i not in numbers and found[i] is not None}
    none = [i for i in places if i not in numbers and i not in texts]
    groups = [sorted(group, key=group.__getitem__, reverse=falling) for group in (numbers, texts)]
    return [*(groups[1] + groups[0] if falling else groups[0] + groups[1]), *none]


def _term(found: re.Match[str], names: Mapping[str, str]) -> tuple[list[Problem], list[Term]]:
    negated = bool(found["minus"])
    if found["text"] is not None:
        word = found["text"].strip('"').lower()
        return [], [Term("", ":", (word,), negated)] if word else []
    name, sign = found["name"].strip('"').lower(), found["sign"]
    values = tuple(
        (a or b).strip().lower() for a, b in _VALUE.findall(found["values"]) if (a or b).strip()
    )
    wrong = list(_invalid(found[0], name, sign, values, names))
    return wrong, [] if wrong else [Term(names.get(name, name), sign, values, negated)]


def _invalid(
    term: str, name: str, sign: str, values: Sequence[str], names: Mapping[str, str]
) -> Iterator[Problem]:
    known = (*names, "tag", "is")
    if name not in known:
        there = ", ".join(sorted({*names.values(), "tag", "is"}))
        yield Problem(
            name, f"{term}: no {name!r} here.{did_you_mean(name, known)} There are {there}."
        )
    elif not values:
        yield Problem(name, f"{term}: a value is missing after {sign!r}.")
    elif sign in _ORDER and (name in ("tag", "is") or any(_number(v) is None for v in values)):
        yield Problem(name, f"{term}: {sign!r} is for numbers, as in stars>=3.")
    elif name == "is":
        for value in values:
            if value not in STATES:
                hint = did_you_mean(value, STATES)
                yield Problem("is", f"{term}: is: goes with {', '.join(STATES)}.{hint}")


def _like(found: Any, value: str, sign: str) -> bool:
    """Return whether a cell's value suits one of a term's."""
    if found is None:
        return False
    own, wanted = _number(found), _number(value)
    if sign in _ORDER:
        return own is not None and wanted is not None and _ORDER[sign](own, wanted)
    if own is not None and wanted is not None:
        return own == wanted
    text = str(found).lower()
    return value in text if sign == ":" else value == text


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        # As JavaScript's regular expression in js/query.js, not as float(): no "nan", no "1_0".
        if not re.fullmatch(
            r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", value.strip(), re.IGNORECASE
        ):
            return None
        value = float(value)
    if not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None
