"""Sweeps that were run, found again by name: a small file for each in the library's folder.

Clips are kept by what made them, whatever sweep they came from; this is what puts them back into
their places. Files are written under a temporary name and renamed, so that two kernels may write
at once; one that is damaged is passed over.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from beecam._util.files import sync_folder, tidy, whole
from beecam.errors import BeecamError, LibraryError, did_you_mean, shorten
from beecam.shots import prompts
from beecam.shots.conditions import Condition, Input
from beecam.shots.loras import Adapter, Loras
from beecam.shots.shot import Shot
from beecam.sweeps.axes import Axis, Sample, Zip
from beecam.sweeps.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd

    from beecam.clips.clip import ClipSet
    from beecam.clips.library import Library

VERSION = 1
MAX_NAME = 120
# A record of 100,000 cells has some 4 MB; what is larger was not written by us.
_MAX_BYTES = 64_000_000
_SHOWN = 20
_DAMAGED = (OSError, ValueError, KeyError, TypeError, RecursionError)


@dataclass(frozen=True)
class SweepRecord:
    """A sweep that was run.

    Attributes:
        name: What it is called; others may be called so, too.
        key: Of its cells and their places: the same whatever it is called.
        created: When it was run last (seconds since 1970).
        template: The prompt template.
        model: Name of the model that it was run on.
        draft: The share of each clip's steps that was done, or None for all.
        clip_keys: The keys of its clips, in the order of its cells.
        library: Where it was found.
    """

    name: str
    key: str
    created: float
    template: str
    model: str
    draft: float | None
    clip_keys: tuple[str, ...] = field(repr=False)
    library: Library = field(repr=False, compare=False)
    _data: Mapping[str, Any] = field(repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.clip_keys)

    def __repr__(self) -> str:
        return f"SweepRecord {self.name!r}: {self.made} of {len(self)} clips, {self.when}"

    @property
    def when(self) -> str:
        """When it was run last, in this machine's time."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.created))

    @property
    def made(self) -> int:
        """How many of its clips the library has."""
        return self.library.count(self.clip_keys)

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """Its axes; pictures and films are read when they are needed.

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
            return _unpacked_sweep(self._data, self.library)
        except (KeyError, TypeError, ValueError, AttributeError, BeecamError) as error:
            raise LibraryError(
                f"the record of the sweep {self.name!r} can't be read: {error}; its clips are "
                "still in the library."
            ) from error

    @property
    def clips(self) -> ClipSet:
        """Those of its clips that the library has, at their places on the axes."""
        from beecam.clips.clip import ClipSet

        have = self.library.known(self.clip_keys)
        cells = self.sweep.cells
        if len(cells) != len(self.clip_keys):
            raise LibraryError(f"the record of the sweep {self.name!r} doesn't fit its own clips.")
        there = [i for i, key in enumerate(self.clip_keys) if key in have]
        return ClipSet(
            self.library,
            [self.clip_keys[i] for i in there],
            axes=self.sweep.axes,
            coords=[cells[i].coords for i in there],
            title=self.template,
        )


@dataclass(frozen=True)
class SweepRecords(Sequence[SweepRecord]):
    """Sweeps that were run, the newest first.

    Attributes:
        found: The records.
        problems: Sentences on files that could not be read.
    """

    found: tuple[SweepRecord, ...]
    problems: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.found)

    @overload
    def __getitem__(self, index: int) -> SweepRecord: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[SweepRecord, ...]: ...
    def __getitem__(self, index: int | slice) -> SweepRecord | tuple[SweepRecord, ...]:
        """Return a record, or some of them."""
        return self.found[index]

    def __iter__(self) -> Iterator[SweepRecord]:
        return iter(self.found)

    def __repr__(self) -> str:
        lines = [f"{one.when}  {one.made:>5} of {len(one):<5}  {one.name}" for one in self[:_SHOWN]]
        if len(self) > _SHOWN:
            lines.append(f"and {len(self) - _SHOWN:,} more")
        return "\n".join([*lines, *self.problems]) or "no sweeps were run here yet"

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame: a row a sweep, with name, time, template, axes and counts."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "name": one.name,
                    "when": pd.Timestamp(one.created, unit="s"),
                    "template": one.template,
                    "model": one.model,
                    "cells": len(one),
                    "made": one.made,
                    "key": one.key,
                }
                for one in self
            ]
        )


class History:
    """The records of one library."""

    def __init__(self, folder: Path) -> None:
        """Look into a folder, which is made when the first sweep is kept."""
        self._folder = folder
        tidy(folder)

    def keep(
        self,
        library: Library,
        sweep: Sweep,
        shots: Sequence[Shot],
        *,
        name: str | None,
        model: str,
        draft: float | None,
    ) -> str:
        """Write down a sweep that is run; once more if it was before.

        Args:
            library: Where its inputs are kept, too.
            sweep: What is run.
            shots: Its cells', resolved.
            name: What it is called from now on; None for what it was called before, or else for
                its template.
            model: The model's name.
            draft: The share of each clip's steps that is done, or None for all.

        Returns:
            What it is called.

        Raises:
            OSError: It can't be written; nothing was left behind.
        """
        clips = [shot.key for shot in shots]
        text = "\n".join([sweep.outline, *clips])
        path = self._folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
        if name is None:
            name = self._name_of(path, library) or usual_name(sweep)
        inputs: dict[str, Condition] = {}
        for shot in shots if any(shot.conditions for shot in shots) else ():
            inputs.update({one.input.digest: one for one in shot.conditions})
        library.inputs.keep(inputs.values())
        data = {
            "version": VERSION,
            "name": name,
            "created": time.time(),
            "model": model,
            "draft": draft,
            "clips": clips,
            **_packed_sweep(sweep),
        }
        self._folder.mkdir(exist_ok=True)
        with whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            json.dump(data, file, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self._folder)
        return name

    def _name_of(self, path: Path, library: Library) -> str | None:
        with contextlib.suppress(*_DAMAGED):
            return _record(path, library).name
        return None

    def find(self, library: Library) -> SweepRecords:
        """Return all records, the newest first."""
        found, problems = [], []
        for path in self._folder.glob("*.json") if self._folder.exists() else ():
            try:
                found.append(_record(path, library))
            except _DAMAGED as error:
                why = error.strerror if isinstance(error, OSError) else "it is damaged"
                problems.append(f"{path.name}: a sweep's record was left out: {why}.")
        found.sort(key=lambda one: (-one.created, one.key))
        return SweepRecords(tuple(found), tuple(sorted(problems)))

    def named(self, name: str, library: Library) -> SweepRecord:
        """Return the newest record of a name, or the one whose key begins so.

        Raises:
            LibraryError: There is none.
        """
        if not isinstance(name, str) or not name:
            raise LibraryError(
                f"sweep({shorten(name)}): a sweep's name is needed; library.sweeps() lists them."
            )
        there = self.find(library)
        wanted = " ".join(name.casefold().split())
        for one in there:
            if " ".join(one.name.casefold().split()) == wanted:
                return one
        by_key = [one for one in there if one.key.startswith(name)]
        if len(by_key) == 1:
            return by_key[0]
        names = list(dict.fromkeys(one.name for one in there))
        some = ", ".join(map(repr, names[:8])) or "none yet"
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""  # noqa: PLR2004
        raise LibraryError(
            f"sweep({name!r}): no sweep of that name was run here."
            f"{did_you_mean(name, names, '{!r}')} There are {some}{more}."
        )


def usual_name(sweep: Sweep) -> str:
    """Return what a sweep is called that was given no name: its template, shortened."""
    text = " ".join(sweep.template.split()) or "sweep"
    return text if len(text) <= MAX_NAME else text[: MAX_NAME - 1].rstrip() + "…"


# --- sweeps as JSON ------------------------------------------------------------------------------


def _record(path: Path, library: Library) -> SweepRecord:
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(path)
    data = json.loads(path.read_text("utf-8"))
    texts = [data[part] for part in ("name", "template", "model")]
    clips, created, draft = data["clips"], data["created"], data["draft"]
    if not (
        all(isinstance(one, str) for one in (*texts, *clips))
        and isinstance(clips, list)
        and isinstance(created, (int, float))
        and math.isfinite(created)
        and isinstance(draft, (int, float, type(None)))
        and data["version"] <= VERSION
    ):
        raise ValueError(path)
    name, template, model = texts
    return SweepRecord(
        name=name,
        key=path.stem,
        created=float(created),
        template=template,
        model=model,
        draft=draft,
        clip_keys=tuple(clips),
        library=library,
        _data=data,
    )


def _packed_sweep(sweep: Sweep) -> dict[str, Any]:
    _, places = sweep.places
    return {
        "template": sweep.template,
        "templates": [t.source for t in sweep.templates],
        "groups": [[_packed_axis(axis) for axis in group.axes] for group in sweep.groups],
        "constants": {name: _packed(value) for name, value in sweep.constants.items()},
        "samples": [[one.n, one.seed] for one in sweep.samples],
        "kept": None if sweep.kept is None else list(places),
        "shots": None if sweep.shots is None else [shot.to_dict() for shot in sweep.shots],
        "parents": list(sweep.parents),
    }


def _unpacked_sweep(data: Mapping[str, Any], library: Library) -> Sweep:
    kept, shots = data["kept"], data["shots"]
    made = None if shots is None else tuple(Shot.from_dict(one) for one in shots)
    for shot in made or ():
        library.inputs.attach(shot.conditions)
    sources = [str(source) for source in data["templates"]]
    return Sweep(
        # The prompts of shots that are made already are no templates, whatever is in them.
        templates=tuple(
            prompts.parse(s) if made is None else prompts.Template(s, (s,)) for s in sources
        ),
        groups=tuple(
            Zip(tuple(_unpacked_axis(axis, library) for axis in group)) for group in data["groups"]
        ),
        constants={str(n): _unpacked(v, library) for n, v in data["constants"].items()},
        samples=tuple(Sample(n, seed) for n, seed in data["samples"]),
        kept=None if kept is None else tuple(map(int, kept)),
        shots=made,
        parents=tuple(map(str, data["parents"])),
    )


def _packed_axis(axis: Axis) -> dict[str, Any]:
    return {
        "name": axis.name,
        "values": [_packed(value) for value in axis.values],
        "labels": list(axis.labels),
        "notes": list(axis.notes),
    }


def _unpacked_axis(data: Mapping[str, Any], library: Library) -> Axis:
    values = tuple(_unpacked(value, library) for value in data["values"])
    return Axis(str(data["name"]), values, tuple(data["labels"]), tuple(data["notes"]))


def _packed(value: Any) -> Any:
    """Return a value of an axis as JSON data; what JSON has no form for says what it is."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Input):
        return {"input": [value.digest, value.count, value.name]}
    if isinstance(value, Loras):
        return {"loras": [[one.digest, one.weight] for one in value]}
    if isinstance(value, Mapping):
        return {"map": [[_packed(k), _packed(v)] for k, v in value.items()]}
    if isinstance(value, (tuple, list)):
        return {"tuple": [_packed(one) for one in value]}
    # Nothing else passes the checks of a sweep; a label is better than no record.
    return str(value)


def _unpacked(value: Any, library: Library) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    if kind == "input":
        if not str(inside[0]).isalnum():
            raise ValueError(kind)  # it names a file
        made = Input(str(inside[0]), int(inside[1]), str(inside[2]))
        library.inputs.attach([Condition("image", made)])
        return made
    if kind == "loras":
        return Loras(Adapter(str(d), float(w)) for d, w in inside)
    if kind == "map":
        return {_unpacked(k, library): _unpacked(v, library) for k, v in inside}
    if kind == "tuple":
        return tuple(_unpacked(one, library) for one in inside)
    raise ValueError(kind)
