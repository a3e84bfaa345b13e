"""The values of the choices of a template: options, combinations of them, lines of files.

Numbers are computed before values are: a choice of over `MAX_VALUES` values is a problem, not a
full memory.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

from beecam.errors import CheckError, Problem, shorten
from beecam.shots.templates.parse import parse
from beecam.shots.templates.template import Choice, Option, Wildcard
from beecam.shots.templates.wildcards import WildcardFolder

MAX_VALUES = 100_000
_MAX_DEPTH = 8
_LARGE = 18  # math.comb(36, 18) is 9e9
_MAX_WORK = 10 * MAX_VALUES


def values_of(choice: Choice | Wildcard, folder: WildcardFolder) -> list[tuple[str, float]]:
    """Return the values of a choice, each with its weight.

    A value of several options has the product of their weights.

    >>> values_of(parse("{2$$bee|moth|fly}").choices[0], WildcardFolder(None))
    [('bee, moth', 1.0), ('bee, fly', 1.0), ('moth, fly', 1.0)]

    Args:
        choice: The choice.
        folder: The files of wildcards.

    Raises:
        CheckError: A wildcard can't be read, or there are too many values.
    """
    return _Expansion(folder, choice).values(choice, ())


class _Expansion:
    def __init__(self, folder: WildcardFolder, whole: Choice | Wildcard) -> None:
        self._folder = folder
        self._whole = whole
        self._known: dict[str, list[tuple[str, float]]] = {}
        self._made = 0

    def values(self, choice: Choice | Wildcard, within: tuple[str, ...]) -> list[tuple[str, float]]:
        """Return the values of a choice within other wildcards."""
        if isinstance(choice, Wildcard):
            return self._wildcard(choice, within)
        singles: list[tuple[str, float]] = []
        for option in choice.options:
            singles += self._option(option, within, MAX_VALUES - len(singles))
        if (choice.low, choice.high) == (1, 1):
            return singles
        high = len(singles) if choice.high is None else choice.high
        if max(choice.low, high) > len(singles):
            raise self._error(
                f"{max(choice.low, high)} of {len(singles)} options can't be chosen; the nearest "
                f"is {len(singles)}."
            )
        sizes = range(choice.low, high + 1)
        self._check(_count_combinations(len(singles), sizes), MAX_VALUES)
        return [
            (choice.separator.join(t for t, _ in some), _product(w for _, w in some))
            for size in sizes
            for some in itertools.combinations(singles, size)
        ]

    def _option(
        self, option: Option, within: tuple[str, ...], limit: int
    ) -> list[tuple[str, float]]:
        pieces: list[Sequence[tuple[str, float]]] = [
            [(part, 1.0)] if isinstance(part, str) else self.values(part, within)
            for part in option.parts
        ]
        count = math.prod(map(len, pieces))
        self._made += count
        # Files may hold the same values again and again.
        self._check(max(count, self._made - _MAX_WORK), limit)
        total = _product(math.fsum(weight for _, weight in piece) for piece in pieces)
        # An option keeps its weight, however many values it stands for.
        return [
            (
                "".join(text for text, _ in some),
                option.weight * _product(weight for _, weight in some) / total,
            )
            for some in itertools.product(*pieces)
        ]

    def _wildcard(self, wildcard: Wildcard, within: tuple[str, ...]) -> list[tuple[str, float]]:
        if wildcard.pattern in within or len(within) >= _MAX_DEPTH:
            chain = " in ".join(f"__{name}__" for name in (wildcard.pattern, *reversed(within)))
            raise self._error(f"{chain}: wildcards contain each other without an end.")
        if wildcard.pattern in self._known:
            return self._known[wildcard.pattern]
        inside = (*within, wildcard.pattern)
        found: dict[str, float] = {}
        for name, number, text in self._folder.lines(wildcard.pattern):
            option = self._line(name, number, text)
            for value, weight in self._option(option, inside, MAX_VALUES - len(found)):
                found[value] = found.get(value, 0.0) + weight
        self._known[wildcard.pattern] = list(found.items())
        return self._known[wildcard.pattern]

    def _line(self, name: str, number: int, text: str) -> Option:
        """Return a line of a file, which is written as an option of a choice."""
        # The spaces keep a brace at its start and a backslash at its end from its neighbours.
        parsed = parse(f"{{ {text} |}}")
        choice = parsed.parts[0] if len(parsed.parts) == 1 else None
        if parsed.problems:
            why = str(parsed.problems[0]).removeprefix("prompt: ")
            raise self._error(f"{name}.txt, line {number}: {why}")
        if not isinstance(choice, Choice) or len(choice.options) != 2 or choice.high != 1:  # noqa: PLR2004
            raise self._error(f"{name}.txt, line {number}: | and $$ are written within braces.")
        return choice.options[0]

    def _check(self, count: int, limit: int) -> None:
        if count > limit:
            raise self._error(
                f"it has over {MAX_VALUES:,} values; choose fewer options, or give some of them as "
                "an axis."
            )

    def _error(self, message: str) -> CheckError:
        written = shorten(_written(self._whole), 80)
        return CheckError([Problem("prompt", f"prompt: {written}: {message}")])


def _written(choice: Choice | Wildcard) -> str:
    return choice.name if isinstance(choice, Wildcard) else f"{{{choice.name}}}"


def _count_combinations(n: int, sizes: range) -> int:
    """Return the number of combinations of `n` things, or a number over `MAX_VALUES`."""
    count = 0
    for size in sizes:
        # The exact number of large ones would take long.
        large = min(size, n - size) >= _LARGE
        count += MAX_VALUES + 1 if large else math.comb(n, size)
        if count > MAX_VALUES:
            break
    return count


def _product(weights: Iterable[float]) -> float:
    # The product of many weights stays a number that can be divided by.
    return min(max(math.prod(weights), 1e-100), 1e100)
