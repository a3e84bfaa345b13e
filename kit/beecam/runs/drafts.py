"""Drafts that are finished: `bc.promote`."""

from __future__ import annotations

from typing import NoReturn

from beecam._util.checks import boolean, raise_problems
from beecam.clips.clip_set import ClipSet
from beecam.clips.library import Library
from beecam.errors import CheckError, Problem, shorten
from beecam.models.capabilities import refresh
from beecam.models.model import Model
from beecam.models.model_checks import loaded_model
from beecam.runs.run import Run, RunRequest, start
from beecam.sweeps.axes import Axis
from beecam.sweeps.build import sweep_of_shots


def promote(clips: ClipSet | Run, model: Model | None = None, *, exact: bool = False) -> Run:
    """Finish drafts: each resumes from its checkpoint, with the same bits as a full generation.

    The finished clips get the stars and tags of the drafts.

    >>> drafts = bc.run(sweep, model, draft=0.3).wait()
    >>> bc.promote(drafts.clips.starred)

    Args:
        clips: Drafts; finished clips among them are not generated again.
        model: The model that generated them; by default that of the run they come from.
        exact: As in `bc.run`, and as it was for the drafts.

    Raises:
        CheckError: There are no clips, or the model is missing or another one.
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
    assert isinstance(library, Library)
    used = clips.model if model is None else model
    if used is None:
        _refuse(
            "model",
            "promote: these clips come from a library and not from a run; name the model: "
            "bc.promote(clips, model).",
        )
    raise_problems([*loaded_model(used), *boolean("exact", exact)])
    refresh(used)
    if not len(clips):
        _refuse(
            "clips",
            "promote: there are no clips. Star the drafts to finish, or promote run.clips itself.",
        )
    shots = [clip.shot.replace(draft_steps=None) for clip in clips]
    labels = tuple(clips.label(i) for i in range(len(clips)))
    sweep = sweep_of_shots(shots, Axis("draft", tuple(range(len(shots))), labels))
    sweep.resolve(used)
    drafts = {shot.key: key for shot, key in zip(shots, clips.keys, strict=True)}
    return start(RunRequest(sweep, used, library, exact=exact, drafts=drafts), shots)


def _refuse(argument: str, message: str) -> NoReturn:
    raise CheckError([Problem(argument, message)])
