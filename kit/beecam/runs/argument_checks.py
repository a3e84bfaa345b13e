"""Checks of the arguments of `bc.run`."""

from __future__ import annotations

from collections.abc import Iterator

from beecam._util import checks
from beecam.clips.library import library_problems
from beecam.errors import Problem, shorten
from beecam.models.model_checks import loaded_model
from beecam.shots.shot import Shot
from beecam.storage.sweep_files import MAX_NAME
from beecam.sweeps.sweep import Sweep


def check_arguments(
    sweep: object, model: object, library: object, *, exact: object, draft: object, name: object
) -> None:
    """Check the types and ranges of the arguments of `bc.run`.

    Raises:
        CheckError: With all problems.
    """
    problems = []
    if not isinstance(sweep, Sweep):
        problems.append(
            Problem(
                "sweep",
                f"sweep={shorten(sweep)}: a sweep or a shot is needed, as in "
                'bc.run(bc.sweep("a bee", seed=range(4)), model).',
            )
        )
    problems += [*loaded_model(model), *library_problems(library), *checks.boolean("exact", exact)]
    if draft is not None and not (isinstance(draft, (int, float)) and 0 < draft < 1):
        problems.append(
            Problem(
                "draft",
                f"draft={shorten(draft)}: a share of the steps between 0 and 1 is needed; "
                "draft=0.3 does the first 30 %.",
            )
        )
    checks.raise_problems([*problems, *_find_name_problems(name)])


def as_draft(shot: Shot, steps: int, share: float) -> Shot:
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
