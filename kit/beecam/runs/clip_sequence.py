"""A run as a sequence of its clips: `run[3]`, `run.starred`, `run + other`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

from beecam._util.attributes import NearestAttributes
from beecam.clips.clip import Clip
from beecam.clips.clip_set import ClipSet

_OF_CLIPS = frozenset(name for name in ClipSet._declared if not name.startswith("_"))  # noqa: SLF001


class ClipSequence(NearestAttributes):
    """Stands for its `clips`: has their items, and all their methods that it doesn't have itself.

    >>> run.starred.export_html("bees.html")
    """

    @property
    def clips(self) -> ClipSet:
        """The clips; from the class that inherits this one.

        >>> run.clips.starred
        """
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.clips)

    def __bool__(self) -> bool:
        # A run without clips yet is a run.
        return True

    def __add__(self, other: object) -> ClipSet:
        """Return the clips of both in order, each clip once; see `ClipSet.__add__`.

        >>> bc.run(bees, model).wait() + bc.run(moths, model).wait()
        """
        other = other.clips if isinstance(other, ClipSequence) else other
        return self.clips + other if isinstance(other, ClipSet) else NotImplemented

    def __radd__(self, other: object) -> ClipSet:
        return other + self.clips if isinstance(other, ClipSet) else NotImplemented

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    @overload
    def __getitem__(self, index: int) -> Clip: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | Sequence[bool]) -> ClipSet: ...
    def __getitem__(self, index: Any) -> Clip | ClipSet:
        """Return one of the clips generated so far, or a set for a slice, a list or a mask.

        These are positions among the generated clips: while cells are missing, `run[3]` may be
        the clip of a later cell. Grids, `errors` and `cancel` count cells; so does `clip`.

        >>> run[3], run[:4]
        """
        found: Clip | ClipSet = self.clips[index]
        return found

    def __getattr__(self, name: str) -> Any:
        if name in _OF_CLIPS:
            return getattr(self.clips, name)
        return super().__getattr__(name)  # type: ignore[misc]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_OF_CLIPS})
