"""Sweeps that were run, found again by name."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, overload

from beecam._util.attributes import FixedAttributes
from beecam._util.indexing import item_of
from beecam._util.words import count_of, normalize_name
from beecam.clips.clip_set import ClipSet
from beecam.errors import CheckError, LibraryError, did_you_mean, shorten
from beecam.storage.clip_settings import INVALID
from beecam.storage.store import ClipStore
from beecam.storage.sweep_files import SweepFile, check_count, sweep_from_dict
from beecam.sweeps.axes import Axis
from beecam.sweeps.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 20
_NAMES_IN_MESSAGE = 8


@dataclass(frozen=True)
class SweepRecord(SweepFile, FixedAttributes):
    """A sweep that was run.

    >>> library.sweep("bees at dusk").clips

    Attributes:
        name: The sweep's name; not unique.
        key: A digest of the cells and their positions, without the name.
        created: When the sweep was last run, in seconds since 1970.
        template: The prompt template.
        model: Name of the model that it was run on.
        draft: The share of each clip's steps that was done, or None for all.
        clip_keys: The keys of its clips, in the order of its cells.
        data: The whole record as JSON data.
        library: The library that it is in.
    """

    library: ClipStore = field(repr=False, compare=False)

    @classmethod
    def of(cls, file: SweepFile, library: ClipStore) -> SweepRecord:
        """Return the record in a file of a library."""
        return cls(**vars(file), library=library)

    def __len__(self) -> int:
        return len(self.clip_keys)

    def __repr__(self) -> str:
        clips = f"{self.finished:,} of {count_of(len(self), 'clip')}"
        return f"SweepRecord {self.name!r}: {clips}, {self.when}"

    @property
    def when(self) -> str:
        """When the sweep was last run, in local time."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.created))

    @property
    def finished(self) -> int:
        """The number of its clips that the library has."""
        return self.library.count(self.clip_keys)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Its axes; images and videos are read when they are needed.

        Raises:
            LibraryError: The record is damaged.
        """
        return self.sweep.axes

    @cached_property
    def sweep(self) -> Sweep:
        """The sweep, as it was run.

        Raises:
            LibraryError: The record is damaged.
        """
        try:
            found = sweep_from_dict(self.data, self.library.inputs)
            check_count(found, len(self))
        except INVALID as error:
            raise LibraryError(
                f"the record of the sweep {self.name!r} can't be read: {error}; its clips are "
                "still in the library."
            ) from error
        return found

    @property
    def clips(self) -> ClipSet:
        """Those of its clips that the library has, at their positions on the axes.

        Raises:
            LibraryError: The record is damaged.
        """
        known = self.library.known(self.clip_keys)
        if self.sweep.problems:
            raise LibraryError(
                f"the sweep {self.name!r} has problems, so that its cells can't be laid out: "
                f"{CheckError(self.sweep.problems)}"
            )
        places = self.sweep.places[1]
        indices = [i for i, key in enumerate(self.clip_keys) if key in known]
        return ClipSet(
            self.library,
            [self.clip_keys[i] for i in indices],
            axes=self.sweep.axes,
            coords=[self.sweep.coords_at(places[i]) for i in indices],
            title=self.template,
        )


@dataclass(frozen=True)
class SweepRecords(Sequence[SweepRecord]):
    """Sweeps that were run, the newest first.

    >>> library.sweeps()[0].clips

    Attributes:
        found: The records.
        problems: A sentence for each file that could not be read.
    """

    found: tuple[SweepRecord, ...]
    problems: tuple[str, ...] = ()

    @classmethod
    def of(cls, library: ClipStore) -> SweepRecords:
        """Read the records of a library."""
        files, problems = library.sweep_files.read_all()
        return cls(tuple(SweepRecord.of(one, library) for one in files), tuple(problems))

    def __len__(self) -> int:
        return len(self.found)

    @overload
    def __getitem__(self, index: int) -> SweepRecord: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[SweepRecord, ...]: ...
    def __getitem__(self, index: int | slice) -> SweepRecord | tuple[SweepRecord, ...]:
        """Return one record, or a tuple of records.

        Raises:
            IndexError: There is no such record.
            CheckError: The index is neither an integer nor a slice.
        """
        return item_of(self.found, index, "record")

    def __iter__(self) -> Iterator[SweepRecord]:
        return iter(self.found)

    def __repr__(self) -> str:
        lines = [
            f"{one.when}  {one.finished:>5} of {len(one):<5}  {one.name}" for one in self[:_SHOWN]
        ]
        if len(self) > _SHOWN:
            lines.append(f"and {len(self) - _SHOWN:,} more")
        return "\n".join([*lines, *self.problems]) or "no sweeps were run here yet"

    def named(self, name: str) -> SweepRecord:
        """Return the newest record of a name, or the one whose key starts with it.

        >>> library.sweeps().named("bees at dusk")

        Raises:
            LibraryError: No record has that name.
        """
        if not isinstance(name, str) or not name:
            raise LibraryError(
                f"sweep({shorten(name)}): a sweep's name is needed; library.sweeps() lists them."
            )
        wanted = normalize_name(name)
        for one in self:
            if normalize_name(one.name) == wanted:
                return one
        by_key = [one for one in self if one.key.startswith(name)]
        if len(by_key) == 1:
            return by_key[0]
        names = list(dict.fromkeys(one.name for one in self))
        listed = ", ".join(map(repr, names[:_NAMES_IN_MESSAGE])) or "none yet"
        rest = len(names) - _NAMES_IN_MESSAGE
        more = f" and {rest} more" if rest > 0 else ""
        raise LibraryError(
            f"sweep({name!r}): no sweep of that name was run here."
            f"{did_you_mean(name, names, '{!r}')} There are {listed}{more}."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame: a row per sweep, with name, time, template and counts.

        >>> library.sweeps().to_frame()[["name", "cells", "finished"]]
        """
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "name": one.name,
                    "when": pd.Timestamp(one.created, unit="s"),
                    "template": one.template,
                    "model": one.model,
                    "cells": len(one),
                    "finished": one.finished,
                    "key": one.key,
                }
                for one in self
            ]
        )
