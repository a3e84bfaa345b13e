"""The arguments of a run: `RunRequest`, and checks of those of `bc.run`."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from beecam._util import checks
from beecam.clips.library import Library, library_problems
from beecam.errors import Problem, shorten
from beecam.models.capabilities import batch_keys_of, steps_of
from beecam.models.model import Model
from beecam.models.model_checks import loaded_model
from beecam.models.model_set import model_of
from beecam.models.resolving import check_shot
from beecam.shots.shot import Shot
from beecam.shots.shot_list import ShotList
from beecam.storage.sweep_files import MAX_NAME
from beecam.sweeps.build import sweep_of_shots
from beecam.sweeps.sweep import Sweep


@dataclass(frozen=True)
class RunRequest:
    """The arguments of a run.

    Attributes:
        sweep: The sweep to generate.
        model: The model that generates it.
        library: The library for the clips.
        exact: Whether every batch is padded to one size.
        draft: The share of each clip's steps that is done, or None for all.
        drafts: For shots that finish drafts: the key of the draft, by the key of the shot.
        name: The name for `library.sweep(name)`; None for the default.
        recorded: Whether the sweep is recorded in the library.
    """

    sweep: Sweep
    model: Model
    library: Library
    exact: bool = False
    draft: float | None = None
    drafts: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    recorded: bool = True

    def resolve(self) -> ShotList:
        """Return the shot of each cell, resolved by a model that was just refreshed.

        Raises:
            CheckError: With all problems of the cells.
        """
        checks.raise_problems(library_problems(self.library))
        model = self.model
        shots = self.sweep.resolved_shots(model)
        checks.raise_problems(_find_changed(self.sweep, model, shots, self.drafts))
        if self.draft is not None:
            share = self.draft
            shots = shots.map(lambda shot: _as_draft(shot, steps_of(model, shot), share))
            # One shot for each batch key: the others differ in prompt and seed only.
            samples = dict(zip(batch_keys_of(model, shots.distinct), shots.distinct, strict=True))
            checks.raise_problems(p for shot in samples.values() for p in check_shot(model, shot))
        return shots

    def key_of(self, shots: ShotList) -> str:
        """Return a digest of the request and its resolved shots: 16 hexadecimal digits."""
        parts = [self.sweep.outline, str(self.exact), str(self.library.folder)]
        text = "\n".join([*parts, *shots.keys])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def check_arguments(
    sweep: object, model: object, library: object, *, exact: object, draft: object, name: object
) -> None:
    """Check the types and ranges of the arguments of `bc.run`.

    Raises:
        CheckError: With all problems.
    """
    problems = [
        *find_sweep_problems(sweep),
        *loaded_model(model),
        *library_problems(library),
        *checks.boolean("exact", exact),
    ]
    if draft is not None and not (isinstance(draft, (int, float)) and 0 < draft < 1):
        problems.append(
            Problem(
                "draft",
                f"draft={shorten(draft)}: a share of the steps between 0 and 1 is needed; "
                "draft=0.3 does the first 30 %.",
            )
        )
    checks.raise_problems([*problems, *_find_name_problems(name)])


def as_sweep(sweep: Any) -> Any:
    """Return a shot as a sweep of one cell; anything else unchanged."""
    return sweep_of_shots([sweep]) if isinstance(sweep, Shot) else sweep


def find_sweep_problems(sweep: object) -> Iterator[Problem]:
    """Yield a problem unless the argument is a sweep."""
    if not isinstance(sweep, Sweep):
        yield Problem(
            "sweep",
            f"sweep={shorten(sweep)}: a sweep or a shot is needed, as in "
            'bc.run(bc.sweep("a bee", seed=range(4)), model).',
        )


def check_sweep(sweep: object) -> None:
    """Check that the argument is a sweep.

    Raises:
        CheckError: It isn't.
    """
    checks.raise_problems(find_sweep_problems(sweep))


def _find_changed(
    sweep: Sweep, model: Model, shots: ShotList, drafts: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield a problem for cells whose shots are of other weights than the model has now."""
    # Without drafts, whose keys depend on all of a shot, the first cell of each model is looked at.
    first: dict[Hashable, int] = {}
    for base, cells in zip(shots.bases, shots.cells_of_bases, strict=True):
        first.setdefault((base.model, base.revision, base.speed), cells[0])
    for index in range(len(shots)) if drafts else first.values():
        was, shot = sweep.shot_list[index], shots[index]
        used = model_of(model, shot)
        if drafts and was.resolved and was.key in drafts and shot.key != was.key:
            yield Problem(
                "model",
                f"model={shorten(used)}: cell {index} finishes a draft of {was.model} "
                f"{was.revision}; this is {used.name} {used.revision}, which can't resume it. "
                "Pass the model that generated the drafts, or run their sweep again.",
            )
            return
        if shot.revision != used.revision:
            yield Problem(
                "model",
                f"model={shorten(used)}: cell {index} is a shot of {shot.model} "
                f"{shot.revision}; this is {used.name} {used.revision}, which would generate "
                "another clip. Use shot.replace(model=None, revision=None).",
            )
            return


def _as_draft(shot: Shot, steps: int, share: float) -> Shot:
    """Return the draft of a shot: with a share of its steps, at least one and never all."""
    return shot.replace(draft_steps=min(max(1, round(share * steps)), max(1, steps - 1)))


def _find_name_problems(name: object) -> Iterator[Problem]:
    yield from checks.string("name", name, or_none=True)
    if isinstance(name, str) and not (
        name.strip() and len(name) <= MAX_NAME and name.isprintable()
    ):
        yield Problem(
            "name",
            f"name={shorten(name)}: one line of 1 to {MAX_NAME} characters is needed, as in "
            'name="bees at dusk".',
        )
