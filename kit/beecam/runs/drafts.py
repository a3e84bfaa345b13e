"""Drafts that are finished: `bc.promote`."""

from __future__ import annotations

from typing import NoReturn

from beecam._util.checks import boolean, raise_problems
from beecam.clips.clip_set import ClipSet
from beecam.clips.library import Library
from beecam.errors import CheckError, Problem, shorten
from beecam.models.model import Model
from beecam.models.model_checks import loaded_model
from beecam.models.model_set import as_model
from beecam.runs.argument_checks import RunRequest
from beecam.runs.run import Run, launch
from beecam.shots.shot import Shot
from beecam.sweeps.axes import Axis
from beecam.sweeps.build import sweep_at, sweep_of_shots


def promote(clips: ClipSet | Run, model: Model | None = None, *, exact: bool = False) -> Run:
    """Finish drafts: each resumes from its checkpoint, with the same bits as a full generation.

    The finished clips get the stars and tags of the drafts. Of several drafts of one clip the
    first counts. The run has the axes of the clips, and is recorded for `library.sweep(name)` under
    their template.

    >>> drafts = bc.run(sweep, model, draft=0.3).wait()
    >>> bc.promote(drafts.clips.starred)

    Args:
        clips: Drafts; finished clips among them are not generated again.
        model: The model that generated them; by default that of the run they come from.
        exact: As in `bc.run`, and as it was for the drafts.

    Raises:
        CheckError: There are no clips, or the model is missing, another one, or has changed.
    """
    if isinstance(clips, Run):
        clips = clips.clips
    if not isinstance(clips, ClipSet):
        _refuse(
            "clips",
            f"promote({shorten(clips)}): a set of drafts is needed, as in "
            "bc.promote(run.clips.starred).",
        )
    library = clips.library
    if not isinstance(library, Library):
        _refuse(
            "clips",
            f"promote: the clips are in {library!r}, which isn't an open library; take them from "
            "bc.library(folder).",
        )
    used: Model | None = clips.model if model is None else as_model(model)
    if used is None:
        _refuse(
            "model",
            "promote: the model of these clips isn't known; pass it: bc.promote(clips, model).",
        )
    raise_problems([*loaded_model(used), *boolean("exact", exact)])
    if not len(clips):
        _refuse(
            "clips",
            "promote: there are no clips. Star the drafts to finish, or promote run.clips itself.",
        )
    # The position of the first draft of each shot.
    first: dict[Shot, int] = {}
    for i, clip in enumerate(clips):
        first.setdefault(clip.shot.replace(draft_steps=None), i)
    # With the shots of the drafts: resolved again, they would be those of changed weights.
    coords = [clips.coords(i) for i in first.values()]
    sweep = sweep_at(list(first), clips.axes, coords, clips.title)
    if sweep is None:
        labels = tuple(clips.label(i) for i in first.values())
        sweep = sweep_of_shots(list(first), Axis("draft", tuple(range(len(first))), labels))
    drafts = {shot.key: clips.keys[i] for shot, i in first.items()}
    return launch(RunRequest(sweep, used, library, exact=exact, drafts=drafts))


def _refuse(argument: str, message: str) -> NoReturn:
    raise CheckError([Problem(argument, message)])
