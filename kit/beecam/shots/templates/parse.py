r"""Parse prompt templates.

| written | is |
|---|---|
| `{insect}` | a slot, filled by the axis `insect=` |
| `{a|b}`, `{3::a|b}`, `{a|{b|c} d}` | a choice: an axis; with weights for `bc.sample`; nested |
| `{2$$a|b|c}`, `{1-2$$ and $$a|b|c}` | a choice of several options, with a separator |
| `__name__` | a choice of the lines of a file |
| `[a:b:0.5]`, `[b:0.5]`, `[a::0.5]` | a switch, as `switch_at=` and `then_prompt=` |
| `<lora:name:0.8>` | `lora=` |
| `{{`, `}}`, `\{`, `\|` | the character itself; so for any punctuation after a backslash |

The rule: nothing that another tool would read as syntax is plain text here without an escape. It
is parsed, or it is a problem that names our form (`habits.py`). `tests/js/templates.json` has the
cases that the panel's highlighting shares.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from beecam.errors import Problem, shorten
from beecam.shots.templates.habits import (
    BRACKETS,
    NUMBER,
    STARTS,
    TURNS,
    as_escaped,
    divided_habits,
    habit_at,
    option_habit,
)
from beecam.shots.templates.scan import find_braces, marks_within
from beecam.shots.templates.template import (
    COMMANDS,
    Choice,
    Lora,
    Option,
    Part,
    Slot,
    Switched,
    Template,
    WeightedTemplate,
    Wildcard,
)

# Arguments of `bc.sweep` that are templates besides the prompt.
TEXT_ARGUMENTS = ("negative_prompt", "then_prompt", "then_negative_prompt")
# Names that `bc.sweep` takes for itself.
_RESERVED = ("prompt", "plain", "wildcards")
_MAX_DEPTH = 8
_MAX_SOURCE = 100_000  # characters
_PUNCTUATION = r"[!-/:-@\[-`{-~]"
_ESCAPE = re.compile(rf"\\({_PUNCTUATION}|{'|'.join(COMMANDS)})")
_NAME = re.compile(r"[^\W\d]\w*")
_WILDCARD = re.compile(r"__(?!_)([^\n{}|]{1,200}?)(?<!_)__(?!_)")
_FILE_NAME = re.compile(r"[\w*.-][\w*./ -]*")
_LORA = re.compile(rf"<lora:((?:\\.|[^<>:|{{}}\n\\])+)(?::\s*({NUMBER})\s*)?>", re.IGNORECASE)
# Spaces are limited, too: two runs of them side by side would be matched in all divisions.
_COUNT = re.compile(
    r"\s{0,9}(?:([0-9]{1,6})|([0-9]{0,6})\s{0,9}-\s{0,9}([0-9]{0,6}))\s{0,9}\$\$"
    r"(?:((?:\\.|[^|{}$\\])*)\$\$)?"
)
_WEIGHT = re.compile(rf"\s{{0,9}}({NUMBER})\s{{0,9}}::")
_WHEN = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})\s*")
_WEIGHTS = (1e-6, 1e6)


def parse(source: str, argument: str = "prompt", names: dict[str, int] | None = None) -> Template:
    r"""Parse a template. Never raises: see `Template.problems`.

    >>> parse("a {insect} over {{dunes}}").parts
    ('a ', Slot(name='insect'), ' over {dunes}')

    Args:
        source: The template as written.
        argument: The argument that problems name.
        names: The names of choices that are taken, each with the last number given to one of
            that name; those of this template are added.
    """
    if len(source) > _MAX_SOURCE:
        message = (
            f"{argument} has {len(source):,} characters; a template has at most {_MAX_SOURCE:,}. "
            "Give the options as an axis, or from a file: wildcards=."
        )
        return Template(source, (), (Problem(argument, message),))
    parser = _Parser(source, argument, {} if names is None else names)
    parts = parser.template()
    return Template(source, parts, tuple(parser.problems))


def parse_weighted(pairs: Sequence[tuple[str, float]]) -> WeightedTemplate:
    """Parse templates with weights, which together are one prompt.

    >>> [choice.name for choice in parse_weighted([("{a|b}", 0.7), ("{a|b}", 0.3)]).choices]
    ['a|b', 'a|b (2)']
    """
    names: dict[str, int] = {}
    return WeightedTemplate(tuple((parse(text, "prompt", names), weight) for text, weight in pairs))


def is_plain(text: str) -> bool:
    """Return whether a text has no syntax: as a template it is itself.

    >>> is_plain("a bee (striped)"), is_plain("a (bee:1.4)")
    (True, False)
    """
    if not STARTS.search(text):
        return True
    template = parse(text)
    return not template.problems and template.parts == (text,)


class _Parser:
    """Parses one template.

    Attributes:
        problems: What is wrong with it.
    """

    def __init__(self, source: str, argument: str, names: dict[str, int]) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._braced = find_braces(source)
        self._argument = argument
        self._names = names

    def template(self) -> tuple[Part, ...]:
        """Return the parts of the whole template."""
        parts = self._parts(0, len(self._source))
        ends = itertools.takewhile(lambda part: isinstance(part, Lora), reversed(parts))
        tags = len(list(ends))
        last = len(parts) - tags - 1
        if tags and last >= 0 and isinstance(text := parts[last], str):
            # The space before a tag at the end is not the prompt's.
            parts[last] = text.rstrip()
        switches = {p.at for p in parts if isinstance(p, Switched)}
        if len(switches) > 1:
            self._add(
                f"it switches at {' and '.join(map(str, sorted(switches)))}; a clip has one "
                "switch: give all of them the same number."
            )
        return tuple(part for part in parts if part != "")

    def _parts(self, start: int, end: int, depth: int = 0) -> list[Part]:
        """Return the parts of a stretch of text.

        Args:
            start: Its first character.
            end: The character after it.
            depth: The number of braces that are open.
        """
        found: list[Part] = []
        text: list[str] = []
        at = start
        while at < end:
            match = STARTS.search(self._source, at, end)
            upto = match.start() if match else end
            text.append(self._source[at:upto])
            at = upto
            if at == end:
                break
            part, at = self._part(at, end, depth)
            if isinstance(part, str):
                text.append(part)
                continue
            if part is not None:
                found += ["".join(text), part]
                text = []
        found.append("".join(text))
        return [part for part in found if part != ""]

    def _part(self, at: int, end: int, depth: int) -> tuple[Part | None, int]:
        """Return the part that starts at a character, and where it ends."""
        escaped = _ESCAPE.match(self._source, at, end)
        if escaped:
            return escaped.group(1), escaped.end()
        # Two braces are a plain one, but for a choice that begins with another: {{a|b} c|d}.
        two = self._source[at : at + 2]
        if two in ("{{", "}}") and not depth and len(self._braced.get(at, ())) <= 2:  # noqa: PLR2004
            return two[0], at + 2
        for read in (self._braces, self._switch, self._wildcard, self._lora, self._habit):
            found = read(at, end, depth)
            if found:
                return found
        return self._source[at], at + 1

    def _habit(self, at: int, end: int, _: int) -> tuple[None, int] | None:
        """Add a problem if a form of another tool starts at a character."""
        habit = habit_at(self._source, at, end)
        if habit is None:
            return None
        text, message = habit
        self._add(message)
        return None, at + len(text)

    # --- braces --------------------------------------------------------------------------------

    def _braces(self, at: int, end: int, depth: int) -> tuple[Part | None, int] | None:
        """Return the slot or the choice that starts at a brace; None if there is no brace."""
        if self._source[at] == "}":
            self._add_brace(at, "closes nothing; write }} or \\} for a brace")
            return None, at + 1
        if self._source[at] != "{":
            return None
        bars = self._braced.get(at, [at])
        if not at < bars[-1] < end:
            self._add_brace(at, "is never closed; write {{ or \\{ for a brace")
            return None, end
        after = bars[-1] + 1
        body = self._source[at + 1 : bars[-1]]
        name = body.strip()
        if depth >= _MAX_DEPTH:
            self._add_brace(at, f"is within {depth} others; write the options out")
        elif bars[1:-1] or _COUNT.match(body) or _WEIGHT.match(body) or _WILDCARD.fullmatch(name):
            return self._choice(at, bars, depth), after
        elif "{" in body:
            self._add_brace(at, "holds another brace; slots can't be nested")
        elif not _NAME.fullmatch(name):
            self._add(
                f"{{{body}}} at character {at}: a slot is a name as in {{insect}}, options are "
                "written {a|b}, and {{ is a plain brace."
            )
        elif name in _RESERVED:
            why = "is the template itself" if name == "prompt" else "is an argument of bc.sweep"
            self._add(
                f"{{{name}}} at character {at}: a slot can't be called {name}, which {why}; "
                "rename it, for example to {subject}."
            )
        elif depth:
            why = "holds another brace; slots can't be nested in a choice"
            self._add_brace(at, f"{why}. Give the whole texts as values of one slot")
        else:
            return Slot(name), after
        return None, after

    def _choice(self, at: int, bars: list[int], depth: int) -> Choice | None:
        source = self._source
        low, separator, start = 1, ", ", at + 1
        high: int | None = 1
        count = _COUNT.match(source, start, bars[1])
        if count:
            only, least, most, between = count.groups()
            low = int(only or least or 1)
            high = int(only) if only else int(most) if most else None
            start = count.end()
            if between is not None:
                separator = self._separator(*count.span(4), depth)
        for message in divided_habits(source, bars):
            self._add(message)
        options = [
            self._option(first, last, depth)
            for first, last in zip([start, *(bar + 1 for bar in bars[1:-1])], bars[1:], strict=True)
        ]
        limit = len(options)
        written = source[at : bars[-1] + 1]
        if high is not None and low > high:
            self._add(
                f"{shorten(written)} at character {at}: from {low} to {high} options can't be "
                f"chosen; the nearest is {{{high}-{low}$$...}}."
            )
        elif max(low, high or 0) > limit and not _holds_more(options):
            self._add(
                f"{shorten(written)} at character {at}: {max(low, high or 0)} of {limit} options "
                f"can't be chosen; the nearest is {limit}."
            )
        else:
            pieces = [source[a + 1 : b].strip() for a, b in itertools.pairwise(bars)]
            name = self._unique("|".join(pieces)) if not depth else ""
            return Choice(name, tuple(options), low, high, separator)
        return None

    def _separator(self, start: int, end: int, depth: int) -> str:
        """Return what stands between chosen options: a text, whose syntax is a problem."""
        parts = self._parts(start, end, depth + 1)
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) < len(parts):
            self._add(f"{shorten(self._source[start:end])} at character {start}: not a separator.")
        return "".join(texts)

    def _option(self, start: int, end: int, depth: int) -> Option:
        source = self._source
        weight = 1.0
        match = _WEIGHT.match(source, start, end)
        if match:
            weight, start = float(match.group(1)), match.end()
        text = source[start:end].strip()
        if not _WEIGHTS[0] <= weight <= _WEIGHTS[1]:
            self._add(
                f"the weight {weight:g} of {shorten(text)} at character {start}: a number from "
                "0.000001 to 1,000,000 is needed; leave out what is never to be drawn."
            )
        elif why := option_habit(text, weighted=match is not None):
            self._add(f"{shorten(text)} at character {start}: {why}")
        parts = self._parts(start, end, depth + 1)
        allowed = [p for p in parts if isinstance(p, (str, Choice, Wildcard))]
        if allowed and isinstance(allowed[0], str):
            allowed[0] = allowed[0].lstrip()
        if allowed and isinstance(allowed[-1], str):
            allowed[-1] = allowed[-1].rstrip()
        return Option(tuple(p for p in allowed if p != ""), weight)

    def _unique(self, name: str) -> str:
        """Return a name that no other choice of the prompt has: equal choices are two axes."""
        found = name
        while found in self._names:
            self._names[name] = self._names.get(name, 1) + 1
            found = f"{name} ({self._names[name]})"
        self._names[found] = 1
        return found

    # --- wildcards, switches, tags -------------------------------------------------------------

    def _wildcard(self, at: int, end: int, depth: int) -> tuple[Wildcard | None, int] | None:
        match = _WILDCARD.match(self._source, at, end)
        if not match:
            return None
        pattern = match.group(1).strip()
        if ".." in pattern or not _FILE_NAME.fullmatch(pattern):
            self._add(
                f"{match.group()} at character {at}: between the underscores is the "
                "path of a text file in wildcards=, without .txt, as in __insects/flying__; no "
                "path leaves that folder. Write \\__ for the text itself."
            )
            return None, match.end()
        return Wildcard("" if depth else self._unique(match.group()), pattern), match.end()

    def _lora(self, at: int, end: int, depth: int) -> tuple[Lora | None, int] | None:
        match = _LORA.match(self._source, at, end)
        if not match:
            return None
        name, weight = match.groups()
        end = match.end()
        if depth:
            self._add(
                f"{match.group()} at character {at}: LoRAs are an axis of their own; "
                f'give lora=[None, "{name}.safetensors"], or bc.lora(file, weight) for a weight.'
            )
            return None, end
        before = self._source[: match.start()]
        if not before or before[-1].isspace():
            end += len(self._source[end:]) - len(self._source[end:].lstrip())
        name = _ESCAPE.sub(r"\1", name).strip()
        return Lora(name, 1.0 if weight is None else float(weight)), end

    def _switch(self, at: int, end: int, depth: int) -> tuple[Part | None, int] | None:
        """Return the switch that starts at a bracket; None if these brackets are text."""
        match = BRACKETS.match(self._source, at, end)
        if not match:
            return None
        text, after = match.group(), match.end()
        colons, bars = marks_within(self._source, at + 1, after - 1)
        fields = [
            (first + 1, last)
            for first, last in zip([at, *colons], [*colons, after - 1], strict=True)
        ]
        when = _WHEN.fullmatch(self._source, *fields[-1])
        if bars:
            why = TURNS
        elif len(fields) == 1 or (len(fields) == 2 and not when):  # noqa: PLR2004
            return None
        elif len(fields) == 2 and self._source[slice(*fields[0])].strip().isdigit():  # noqa: PLR2004
            why = "a time, or a switch to a number? A switch is written [from:to:when]"
        elif depth:
            why = "a switch within a choice; write it outside of the braces, as in [{a|b}:c:0.5]"
        elif len(fields) > 3 or not when:  # noqa: PLR2004
            why = (
                "not a switch: it is written [from:to:when], where when is a number of steps or a "
                "fraction of them, as in [dawn:night:0.5]"
            )
        else:
            inside = [tuple(self._parts(*field)) for field in fields[:-1]]
            if any(isinstance(p, (Lora, Switched)) for parts in inside for p in parts):
                why = "a switch with a tag in it; a LoRA acts in all steps: write it outside"
            else:
                number = when.group(1)
                step = int(number) if number.isdigit() else float(number)
                return Switched(inside[0] if len(inside) == 2 else (), inside[-1], step), after  # noqa: PLR2004
        self._add(
            f"{shorten(text)} at character {at} is {why}. Write {as_escaped(text)} for the text "
            "itself."
        )
        return None, after

    # --- problems ------------------------------------------------------------------------------

    def _add(self, message: str) -> None:
        self.problems.append(Problem(self._argument, f"{self._argument}: {message}"))

    def _add_brace(self, at: int, why: str) -> None:
        excerpt = shorten(self._source[max(0, at - 12) : at + 20])
        self._add(f"the brace at character {at}, near {excerpt}, {why}.")


def _holds_more(options: Sequence[Option]) -> bool:
    """Return whether options stand for a number of values that is known later."""
    return any(not isinstance(part, str) for option in options for part in option.parts)
