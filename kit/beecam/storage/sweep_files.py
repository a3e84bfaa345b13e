"""Records of the sweeps that were run: one small JSON file per sweep in the library's folder.

Clips are stored by their shots, independently of their sweeps; a record restores their cells.
Files are written under a temporary name and renamed, so that two kernels may
write at once; a damaged file is skipped.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from beecam._util.digests import is_digest, parse_digest
from beecam._util.files import remove_partial_files
from beecam._util.plain_files import read_bytes
from beecam._util.strict_json import parse_json
from beecam.errors import BeecamError, encodable
from beecam.shots.conditions import Condition
from beecam.shots.inputs import Input, parse_rate
from beecam.shots.loras import Adapter, Loras
from beecam.shots.shot import Shot
from beecam.shots.shot_list import ShotList
from beecam.shots.templates.parse import parse, parse_weighted
from beecam.shots.templates.template import (
    AnyTemplate,
    Template,
    plain_template,
    plain_weighted,
)
from beecam.storage.inputs import InputStore
from beecam.storage.own_files import OwnFiles
from beecam.sweeps.axes import Axis, Zip, sample
from beecam.sweeps.sweep import Sweep

VERSION = 1
MAX_NAME = 120
# A record of 100,000 cells has about 4 MB; beecam doesn't write larger ones.
_MAX_BYTES = 64_000_000
# A digest of the sweep, which is the key of the record.
_NAME = re.compile(r"[0-9a-f]{16}\.json")
_MAX_CREATED = 253_402_300_799  # the end of the year 9999
_DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, BeecamError)


@dataclass(frozen=True)
class SweepFile:
    """What one record holds.

    Attributes:
        name: The sweep's name; not unique.
        key: A digest of the cells and their positions, without the name.
        created: When the sweep was last run, in seconds since 1970.
        template: The prompt template.
        model: Name of the model that it was run on.
        draft: The share of each clip's steps that was done, or None for all.
        clip_keys: The keys of its clips, in the order of its cells.
        data: The whole record as JSON data; see `sweep_from_dict`.
    """

    name: str
    key: str
    created: float
    template: str
    model: str
    draft: float | None
    clip_keys: tuple[str, ...] = field(repr=False)
    data: Mapping[str, Any] = field(repr=False, compare=False)


class SweepFiles:
    """The records of one library."""

    def __init__(self, folder: Path, inputs: InputStore, files: OwnFiles | None = None) -> None:
        """Use a folder, which is created when the first record is written.

        Args:
            folder: Where the records are.
            inputs: Where the sweeps' images and videos are stored.
            files: Writes the records.
        """
        self._folder = folder
        self._inputs = inputs
        self._files = files or OwnFiles()
        remove_partial_files(folder)

    def write(
        self,
        sweep: Sweep,
        shots: ShotList,
        *,
        name: str | None,
        model: str,
        draft: float | None,
    ) -> str:
        """Write the record of a sweep that is run, in place of an older one of the same cells.

        Args:
            sweep: The sweep.
            shots: The resolved shots of its cells.
            name: The sweep's name; None keeps the name of the older record, or else takes the
                template.
            model: The model's name.
            draft: The share of each clip's steps that is done, or None for all.

        Returns:
            The sweep's name.

        Raises:
            OSError: The record can't be written; nothing was left behind.
        """
        clips = list(shots.keys)
        text = "\n".join([sweep.outline, *clips])
        path = self._folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
        if name is None:
            name = self._name_of(path) or default_name(sweep)
        inputs: dict[str, Condition] = {}
        for shot in shots.distinct:
            inputs.update({one.input.digest: one for one in shot.conditions})
        self._inputs.store(inputs.values())
        data = {
            "version": VERSION,
            "name": name,
            "created": time.time(),
            "model": model,
            "draft": draft,
            "clips": clips,
            **sweep_to_dict(sweep),
        }
        # In one piece, which is written in C: 100,000 keys take a tenth of a second.
        content = json.dumps(data, separators=(",", ":"))
        if len(content) > _MAX_BYTES:
            # What is written can be read; the run reports it when it starts.
            raise OSError(
                errno.EFBIG,
                f"its record has {len(content) / 1e6:,.0f} MB, and at most {_MAX_BYTES / 1e6:,.0f} "
                "are read; run it in parts",
            )
        with self._files.write(path) as temporary:
            temporary.write_text(content, "utf-8")
        return name

    def read_all(self) -> tuple[list[SweepFile], list[str]]:
        """Return all records, the newest first, and a sentence for each that can't be read."""
        found: list[SweepFile] = []
        problems: list[str] = []
        try:
            paths = [one for one in self._folder.iterdir() if one.suffix == ".json"]
        except FileNotFoundError:
            return found, problems
        except OSError as error:
            return found, [f"{self._folder.name} can't be read at present: {error.strerror}."]
        for path in paths:
            try:
                found.append(_read(path))
            except _DAMAGED as error:
                why = error.strerror if isinstance(error, OSError) else "it is damaged"
                name = encodable(path.name)
                problems.append(f"{name}: the record of a sweep was left out: {why}.")
        found.sort(key=lambda one: (-one.created, one.key))
        return found, sorted(problems)

    def _name_of(self, path: Path) -> str | None:
        with contextlib.suppress(*_DAMAGED):
            name = _data_of(path)["name"]
            if _is_text(name):
                return str(name)
        return None


def default_name(sweep: Sweep) -> str:
    """Return the name of a sweep without one: its template, shortened."""
    text = " ".join(sweep.template.split()) or "sweep"
    return text if len(text) <= MAX_NAME else text[: MAX_NAME - 1].rstrip() + "…"


def _read(path: Path) -> SweepFile:
    if not _NAME.fullmatch(path.name):
        raise ValueError(path)
    data = _data_of(path)
    texts = [data[part] for part in ("name", "template", "model")]
    clips, created, draft = data["clips"], data["created"], data["draft"]
    if not (
        isinstance(clips, list)
        and all(map(is_digest, clips))
        and all(map(_is_text, texts))
        and isinstance(created, (int, float))
        and 0 <= created <= _MAX_CREATED
        and isinstance(draft, (int, float, type(None)))
        # Of parts of a sweep, records of before 2026-11-30 have the shots of all its cells.
        and (data["shots"] is None or len(data["shots"]) == len(clips))
        and (data["kept"] is None or len(data["kept"]) == len(set(data["kept"])) == len(clips))
        and data["version"] <= VERSION
    ):
        raise ValueError(path)
    name, template, model = texts
    return SweepFile(
        name=name,
        key=path.stem,
        created=float(created),
        template=template,
        model=model,
        draft=draft,
        clip_keys=tuple(clips),
        data=data,
    )


def _data_of(path: Path) -> Any:
    return parse_json(read_bytes(path, _MAX_BYTES), _MAX_BYTES)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and encodable(value) is value


def sweep_to_dict(sweep: Sweep) -> dict[str, Any]:
    """Return a sweep as JSON data."""
    _, places = sweep.places
    shots = sweep.shots
    return {
        "template": sweep.template,
        "templates": [_template_to_json(template) for template in sweep.templates],
        "plain": sweep.plain,
        "groups": [[_axis_to_dict(axis) for axis in group.axes] for group in sweep.groups],
        "constants": {name: _to_json(value) for name, value in sweep.constants.items()},
        "samples": [[one.n, one.seed] for one in sweep.samples],
        "kept": None if sweep.selected is None else list(places),
        "shots": None if shots is None else [shots[place].to_dict() for place in places],
        "parents": list(sweep.parents),
    }


def sweep_from_dict(data: Mapping[str, Any], inputs: InputStore) -> Sweep:
    """Return the sweep of JSON data; images and videos are read from `inputs` when needed."""
    shots = data["shots"]
    selected = None if data["kept"] is None else tuple(map(int, data["kept"]))
    rebuilt = None
    if shots is not None:
        places = range(len(shots)) if selected is None else selected
        rebuilt = {at: Shot.from_dict(one) for at, one in zip(places, shots, strict=True)}
        for shot in rebuilt.values():
            inputs.attach(shot.conditions)
    # The prompts of finished shots aren't templates, even if they contain braces.
    plain = bool(data.get("plain", False))
    is_text = plain or rebuilt is not None
    return Sweep(
        templates=tuple(_template_from_json(one, is_text) for one in data["templates"]),
        groups=tuple(
            Zip(tuple(_axis_from_dict(axis, inputs) for axis in group)) for group in data["groups"]
        ),
        constants={str(n): _from_json(v, inputs) for n, v in data["constants"].items()},
        samples=tuple(sample(n, int(seed)) for n, seed in data["samples"]),
        selected=selected,
        shots=rebuilt,
        parents=tuple(map(str, data["parents"])),
        plain=plain,
    )


def check_count(sweep: Sweep, count: int) -> None:
    """Raise unless a sweep of a record has as many cells as the record has clips.

    Cells are only counted: a record of a kilobyte may describe more than fit into the memory.

    Raises:
        ValueError: It has more or fewer.
    """
    cells = math.prod(sweep.shape)
    if sweep.selected is not None:
        inside = all(0 <= place < cells for place in sweep.selected)
        cells = len(sweep.selected) if inside else -1
    elif sweep.samples:
        cells = sweep.samples[0].n if sweep.samples[0].n <= cells else -1
    if cells != count:
        raise ValueError("it doesn't match its own clips")


def _template_to_json(template: AnyTemplate) -> str | list[list[Any]]:
    if isinstance(template, Template):
        return template.source
    return [[part.source, weight] for part, weight in template.parts]


def _template_from_json(data: Any, plain: bool) -> AnyTemplate:
    if isinstance(data, str):
        return plain_template(data) if plain else parse(data)
    pairs = [(str(text), float(weight)) for text, weight in data]
    return plain_weighted(pairs) if plain else parse_weighted(pairs)


def _axis_to_dict(axis: Axis) -> dict[str, Any]:
    return {
        "name": axis.name,
        "values": [_to_json(value) for value in axis.values],
        "labels": list(axis.labels),
        "notes": list(axis.notes),
    }


def _axis_from_dict(data: Mapping[str, Any], inputs: InputStore) -> Axis:
    values = tuple(_from_json(value, inputs) for value in data["values"])
    return Axis(str(data["name"]), values, tuple(data["labels"]), tuple(data["notes"]))


def _to_json(value: Any) -> Any:
    """Return a value of an axis as JSON data; other types become {type: content}."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Input):
        rate = [] if value.fps is None else [value.fps]
        return {"input": [value.digest, value.count, value.name, *rate]}
    if isinstance(value, Loras):
        return {"loras": [[one.digest, one.weight] for one in value]}
    if isinstance(value, Mapping):
        return {"map": [[_to_json(k), _to_json(v)] for k, v in value.items()]}
    if isinstance(value, (tuple, list)):
        return {"tuple": [_to_json(one) for one in value]}
    # Other types don't pass the checks of a sweep; a label is better than no record.
    return str(value)


def _from_json(value: Any, inputs: InputStore) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    if kind == "input":
        rate = parse_rate(inside[3]) if inside[3:] else None
        found = Input(parse_digest(inside[0]), int(inside[1]), str(inside[2]), rate)
        inputs.attach([Condition("image", found)])
        return found
    if kind == "loras":
        return Loras(Adapter(str(d), float(w)) for d, w in inside)
    if kind == "map":
        return {_from_json(k, inputs): _from_json(v, inputs) for k, v in inside}
    if kind == "tuple":
        return tuple(_from_json(one, inputs) for one in inside)
    raise ValueError(kind)
