"""The query language of `ClipSet.query` and of the grid's search box.

`bee stars>=4 -is:rejected insect:bee,moth seconds<2` matches clips whose text contains "bee", with
four stars or more, not rejected, of one of two insects, that took less than two seconds. The
widgets parse the same language (`js/query.js`); one list of cases tests both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from beecam.errors import CheckError, Problem, did_you_mean, shorten

# The allowed values of `is:`.
STATES = ("starred", "rejected", "broken", "draft", "failed", "generated", "missing")
_TERM = re.compile(
    r"""(?P<minus>-)?
    (?:
        (?P<name>"[^"]*"|[^\s"<>=!:]+)
        (?P<sign>[<>=!:]+|\s+[!]?[<>=]+[<>=!:]*)
        (?:\s+(?![^\s"<>=!:]*[<>=!:]))?  # the word after it is the value, unless it is a term
        (?P<values>(?:"[^"]*"|[^\s"])*)
        | (?P<text>"[^"]*"|[^\s"]+)
    )""",
    re.VERBOSE,
)
_VALUE = re.compile(r'"([^"]*)"|([^,"]+)')
_SIGNS = (":", "=", "!=", "<", "<=", ">", ">=")
# What Python, pandas and search engines write between terms.
_AND = "all terms have to match, as in insect:bee seed:0"
_OR = "a comma separates values of which one has to match, as in insect:bee,moth"
_NOT = "a leading - negates a term, as in -bee"
_OPERATORS = {"and": _AND, "&": _AND, "&&": _AND, "or": _OR, "|": _OR, "||": _OR, "not": _NOT}
# As in js/query.js, unlike float(): no "nan", no "1_0".
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@dataclass(frozen=True, slots=True)
class Row:
    """The searchable values of one cell.

    Attributes:
        text: The text that words are searched in: prompt, labels and tags.
        values: Numbers, strings or None by name: labels of axes, annotations and facts.
        tags: The clip's tags.
        states: Those of STATES that the cell is in.
    """

    text: str
    values: Mapping[str, Any]
    tags: Sequence[str] = ()
    states: Collection[str] = ()


@dataclass(frozen=True)
class Term:
    """One condition of a query.

    Attributes:
        name: The name of the value to compare, or "" for the text.
        sign: The comparison: ":", "=", "!=", "<", "<=", ">" or ">=".
        values: The values to compare with, in lower case; one of them has to match.
        negated: Whether none of them may match.
    """

    name: str
    sign: str
    values: tuple[str, ...]
    negated: bool

    def matches(self, row: Row) -> bool:
        """Return whether a cell matches the term."""
        return self._compare(row) != self.negated

    def _compare(self, row: Row) -> bool:
        if not self.name:
            return self.values[0] in row.text.lower()
        if self.name == "is":
            return any(value in row.states for value in self.values)
        if self.name == "tag":
            own = {tag.lower() for tag in row.tags}
            return any(value in own for value in self.values) != (self.sign == "!=")
        found = row.values.get(self.name)
        if self.sign == "!=":
            return not any(_matches(found, value, "=") for value in self.values)
        return any(_matches(found, value, self.sign) for value in self.values)


@dataclass(frozen=True)
class Query:
    """A parsed query, which matches where all of its terms do."""

    terms: tuple[Term, ...]

    def matches(self, row: Row) -> bool:
        """Return whether a cell matches all terms."""
        return all(term.matches(row) for term in self.terms)


def parse(text: str, names: Collection[str]) -> Query:
    """Parse a query.

    Words and "several words" are searched in prompt, labels and tags. `name:value` matches a
    string that contains the value, or a number that equals it; `=` and `!=` compare the whole
    value; `<`, `<=`, `>` and `>=` compare numbers; `a,b` matches either value. `tag:` matches a
    tag, `is:` a state (one of STATES). A leading "-" negates a term. Case is ignored.

    `==` is `=`, and spaces may surround a comparison. What would only look as if it was understood
    (`and`, `or`, `not`, single quotes, other signs) is reported; `"or"` searches for the word.

    Args:
        text: The query.
        names: The names that can be queried, apart from tag and is.

    Raises:
        CheckError: A term can't be parsed; the message has the term and the allowed names.
    """
    if not isinstance(text, str):
        raise CheckError([Problem("query", f"query={shorten(text)}: a string is needed.")])
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
            problems.append(Problem("query", f"query: {text[at:]!r} has an unmatched quote."))
            break
        at = found.end()
        problem, term = _term(found, folded)
        problems += problem
        terms += term
    if problems:
        raise CheckError(problems)
    return Query(tuple(terms))


def sort_rows(rows: Sequence[Row | None], by: str) -> list[int]:
    """Return the indices of rows in the order of one of their values.

    Numbers come before strings. Rows without a value come last in both directions; rows with equal
    values keep their order.

    Args:
        rows: The rows; None where there is no clip.
        by: A name, with a leading "-" for descending; "" keeps the order.
    """
    indices = list(range(len(rows)))
    if not by:
        return indices
    name, descending = by.removeprefix("-"), by.startswith("-")
    found = [None if row is None else row.values.get(name) for row in rows]
    numbers = {i: n for i in indices if (n := _number(found[i])) is not None}
    texts = {i: str(found[i]).lower() for i in indices if i not in numbers and found[i] is not None}
    missing = [i for i in indices if i not in numbers and i not in texts]
    groups = [
        sorted(group, key=group.__getitem__, reverse=descending) for group in (numbers, texts)
    ]
    return [*(groups[1] + groups[0] if descending else groups[0] + groups[1]), *missing]


def sort_rows_by(
    rows: Sequence[Row | None], names: Sequence[str], *, reverse: bool = False
) -> list[int]:
    """Return the indices of rows in the order of several of their values; see `sort_rows`.

    Args:
        rows: The rows; None where there is no clip.
        names: Names as for `sort_rows`, the one that decides first at the start.
        reverse: Whether to reverse the order of each.
    """
    order = list(range(len(rows)))
    for name in reversed(names):  # sorting is stable, so the first name comes last
        if reverse:
            name = name.removeprefix("-") if name.startswith("-") else f"-{name}"  # noqa: PLW2901
        order = [order[i] for i in sort_rows([rows[i] for i in order], name)]
    return order


def _term(found: re.Match[str], names: Mapping[str, str]) -> tuple[list[Problem], list[Term]]:
    negated = bool(found["minus"])
    if found["text"] is not None:
        text = found["text"]
        if reason := "" if negated else _why_no_word(text):
            return [Problem("query", f"{text}: {reason}.")], []
        word = text.strip('"').lower()
        return [], [Term("", ":", (word,), negated)] if word else []
    name, sign = found["name"].strip('"').lower(), found["sign"].strip()
    sign = "=" if sign == "==" else sign
    values = tuple(
        (a or b).strip().lower() for a, b in _VALUE.findall(found["values"]) if (a or b).strip()
    )
    problems = list(_find_problems(found[0].strip(), name, sign, values, names))
    if not problems and (bare := _single_quoted(found["values"])):
        right = f'{found["name"]}{sign}"{bare}"'
        message = f"{found[0]}: quotes around a value are double, as in {right}."
        problems = [Problem(name, message)]
    return problems, [] if problems else [Term(names.get(name, name), sign, values, negated)]


def _why_no_word(text: str) -> str:
    """Return why a bare text can't be a word to search for; "" if it can."""
    if how := _OPERATORS.get(text.lower()):
        return f'{how}; "{text}" in quotes searches for it'
    if not text.strip("<>=!:"):
        return "a name is missing before it, as in stars>=3"
    return ""


def _single_quoted(values: str) -> str:
    """Return the text of the first value that begins with a single quote, or ""."""
    bare = next((b for _, b in _VALUE.findall(values) if b.strip().startswith("'")), "")
    return bare.strip().strip("'") or bare


def _find_problems(
    term: str, name: str, sign: str, values: Sequence[str], names: Mapping[str, str]
) -> Iterator[Problem]:
    known = (*names, "tag", "is")
    if name not in known:
        allowed = ", ".join(sorted({*names.values(), "tag", "is"}))
        yield Problem(
            name,
            f"{term}: no {name!r} here.{did_you_mean(name, known)} The names are {allowed}.",
        )
    elif sign not in _SIGNS:
        yield Problem(name, f"{term}: no {sign!r} here; a comparison is one of {' '.join(_SIGNS)}.")
    elif not values:
        yield Problem(name, f"{term}: a value is missing after {sign!r}.")
    elif sign in _ORDER and (name in ("tag", "is") or any(_number(v) is None for v in values)):
        yield Problem(name, f"{term}: {sign!r} is for numbers, as in stars>=3.")
    elif name == "is":
        for value in values:
            if value not in STATES:
                hint = did_you_mean(value, STATES)
                yield Problem("is", f"{term}: is: takes one of {', '.join(STATES)}.{hint}")


def _matches(found: Any, value: str, sign: str) -> bool:
    """Return whether a cell's value matches a value of a term."""
    if found is None:
        return False
    own, number = _number(found), _number(value)
    if sign in _ORDER:
        return own is not None and number is not None and _ORDER[sign](own, number)
    if own is not None and number is not None:
        return own == number
    text = str(found).lower()
    return value in text if sign == ":" else value == text


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value.strip()):
            return None
        value = float(value)
    if not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None
