"""The shots of many cells, held as few: those that differ in the noise only as one.

The rule: what is the same for many cells is computed once, and a cell's own objects are made when
they are asked for. Of 100,000 cells that are two prompts with 50,000 seeds, two shots are laid out,
resolved, checked and planned.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cached_property
from typing import Any, Self, overload

from beecam.shots.noise import Noise
from beecam.shots.shot import Shot


class ShotList(Sequence[Shot]):
    """A list of shots, each made when it is asked for; immutable.

    >>> shots = ShotList.of([bc.shot("a bee", seed=1), bc.shot("a bee", seed=2)])
    >>> shots[1], len(shots.bases)
    (bc.shot('a bee', seed=2), 1)

    Attributes:
        bases: Shots whose noise doesn't count.
        numbers: For each item the index of its base.
        noises: For each item its noise.
    """

    def __init__(
        self, bases: Sequence[Shot], numbers: Sequence[int], noises: Sequence[Noise]
    ) -> None:
        self.bases = tuple(bases)
        self.numbers = numbers
        self.noises = noises

    @classmethod
    def of(cls, shots: Iterable[Shot]) -> ShotList:
        """Return a list of existing shots.

        >>> len(ShotList.of([bc.shot("a bee"), bc.shot("a moth")]).bases)
        2
        """
        if isinstance(shots, ShotList):
            return shots
        items = list(shots)
        settings = [shot.without_noise() for shot in items]
        try:
            known = dict.fromkeys(settings)
        except TypeError:  # an invalid value that can't be hashed
            return cls(items, range(len(items)), [shot.noise for shot in items])
        at = {one: number for number, one in enumerate(known)}
        numbers = [at[one] for one in settings]
        bases = dict(zip(numbers, items, strict=True))
        return cls([bases[i] for i in at.values()], numbers, [shot.noise for shot in items])

    def __len__(self) -> int:
        return len(self.noises)

    @overload
    def __getitem__(self, index: int) -> Shot: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: Any) -> Shot | Self:
        """Return one shot, or a list of those of a slice.

        >>> shots[0], len(shots[:2])
        """
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        base: Shot = self.bases[self.numbers[index]]
        return base.with_noise(self.noises[index])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (ShotList, tuple, list)):
            return NotImplemented
        return len(self) == len(other) and all(
            one == two for one, two in zip(self, other, strict=True)
        )

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"ShotList of {len(self):,}, {len(self.distinct):,} without their noise"

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys of the shots, which are resolved; faster than one by one.

        >>> ShotList.of([clip.shot]).keys[0] == clip.key
        True
        """
        found = [""] * len(self)
        for base, cells in zip(self.bases, self.cells_of_bases, strict=True):
            keys = base.keys_with([self.noises[i] for i in cells])
            for i, key in zip(cells, keys, strict=True):
                found[i] = key
        return tuple(found)

    @cached_property
    def cells_of_bases(self) -> tuple[Sequence[int], ...]:
        """The indices of the items of each base, in ascending order."""
        cells: list[list[int]] = [[] for _ in self.bases]
        for i, number in enumerate(self.numbers):
            cells[number].append(i)
        return tuple(cells)

    @cached_property
    def distinct(self) -> tuple[Shot, ...]:
        """The first of the shots that differ in the noise only: all that matters without it.

        >>> ShotList.of([bc.shot("a bee", seed=1), bc.shot("a bee", seed=2)]).distinct
        (bc.shot('a bee', seed=1),)
        """
        first: dict[Hashable, int] = {}
        for base, cells in zip(self.bases, self.cells_of_bases, strict=True):
            if cells:  # and bases that a model has resolved alike count once
                first.setdefault(base.without_noise(), cells[0])
        return tuple(self[index] for index in first.values())

    def take(self, indices: Sequence[int]) -> Self:
        """Return a list of some of the shots.

        >>> shots.take([3, 1])
        """
        numbers, noises = self.numbers, self.noises
        return type(self)(self.bases, [numbers[i] for i in indices], [noises[i] for i in indices])

    def select(self, keep: Callable[[Shot], bool]) -> Self:
        """Return a list of those for which `keep` is true; it is called once per base.

        >>> shots.select(lambda shot: shot.width == 96)
        """
        kept = {number for number, base in enumerate(self.bases) if keep(base)}
        return self.take([i for i, number in enumerate(self.numbers) if number in kept])

    def map(self, change: Callable[[Shot], Shot]) -> Self:
        """Return a list of changed shots; `change` is called once per base, and keeps the noise.

        >>> shots.map(lambda shot: shot.replace(width=96))
        """
        return type(self)(list(map(change, self.bases)), self.numbers, self.noises)


def distinct_shots(shots: Iterable[Shot]) -> tuple[Shot, ...]:
    """Return one of the shots that differ in the noise only, of each kind.

    >>> distinct_shots([bc.shot("a bee", seed=1), bc.shot("a bee", seed=2)])
    (bc.shot('a bee', seed=1),)
    """
    # A list may have bases that differ in the noise only, such as those of mixed seeds.
    return ShotList.of(list(ShotList.of(shots).distinct)).distinct
