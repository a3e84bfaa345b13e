"""Reports on a model or this machine, with its limits and advice: `bc.doctor()`."""

from __future__ import annotations

import contextlib
import textwrap
from dataclasses import dataclass
from typing import Any

from beecam._util.attributes import NearestAttributes
from beecam._util.checks import raise_problems
from beecam.clips.library import Library, library_problems
from beecam.diagnostics import machine
from beecam.errors import ModelError, shorten
from beecam.models.batching.batch_size import batching_of
from beecam.models.capabilities import (
    SECONDS,
    Description,
    description_of,
    license_of,
    refresh,
    source_of,
    supports_drafts,
)
from beecam.models.model import Model
from beecam.models.model_checks import loaded_model
from beecam.shots.shot import Shot

_COLUMNS = 100


@dataclass(frozen=True)
class Report(NearestAttributes):
    """The result of `bc.doctor()`; its repr is a table.

    >>> bc.doctor(model)["batch size"]
    '8 clips a batch (measured here)'

    Attributes:
        title: The title.
        rows: Names and values, in the order of the table.
        advice: Sentences on what to change; empty if nothing has to be.
    """

    title: str
    rows: tuple[tuple[str, str], ...]
    advice: tuple[str, ...]

    def __getitem__(self, name: str) -> str:
        """Return the value of a row.

        >>> bc.doctor()["torch"]
        '2.7.0'

        Raises:
            KeyError: There is no such row.
        """
        return dict(self.rows)[name]

    def __repr__(self) -> str:
        width = max(len(name) for name, _ in self.rows) + 2
        lines = [self.title]
        lines += [_wrap(f"{name:<{width}}", value) for name, value in self.rows]
        lines += ["", "What to change:" if self.advice else "Nothing to change."]
        lines += [_wrap("- ", one) for one in self.advice]
        return "\n".join(lines)


def doctor(model: Any = None, *, library: Library | None = None) -> Report:
    """Report what a model can do on this machine, or without a model, what is installed.

    >>> bc.doctor()
    >>> bc.doctor(model)["batch size"]
    '8 clips a batch (measured here)'

    Args:
        model: A model from `bc.load()` or `bc.wrap(pipe)`, or of your own; None for machine and
            installation.
        library: The library with measured timings; by default `bc.library()`, if it exists.

    Returns:
        A report, whose repr is a table.

    Raises:
        ModelError: The argument is not a loaded model.
        CheckError: The library is not an open library.
    """
    if model is None:
        rows, advice = machine.machine_rows()
        return Report("This machine and what is installed", tuple(rows), tuple(advice))
    if problems := list(loaded_model(model)):
        raise ModelError(
            f"doctor({shorten(model)}): {problems[0]} bc.doctor() without a model reports what is "
            "installed."
        )
    raise_problems(library_problems(library))
    return _report_on(model, machine.default_library() if library is None else library)


def _report_on(model: Model, library: Library | None) -> Report:
    # The weights may have changed since the last refresh.
    refresh(model)
    found = description_of(model) or _describe(model)
    rows = dict(found.rows)
    seconds = _seconds(model, library)
    if seconds is not None or SECONDS not in rows:
        rows[SECONDS] = seconds or "not measured yet"
    advice = (*found.advice, *machine.missing_packages())
    return Report(f"{model.name} on this machine", tuple(rows.items()), advice)


def _describe(model: Model) -> Description:
    """Describe a model by the members that every model has."""
    rows = [
        ("model", f"{model.name}, {type(model).__name__}"),
        ("revision", str(model.revision)),
        ("source", source_of(model) or "a model of your own"),
        ("license", license_of(model) or "unknown: the class has no attribute `license`"),
    ]
    drafts = "yes" if supports_drafts(model) else "no: see docs/own_model.md"
    try:
        shot = model.resolve(Shot(prompt=""))
        size = batching_of(model).size(shot)
    except Exception as error:  # noqa: BLE001  (a class of the user's may raise anything)
        return Description(
            (*rows, ("drafts", drafts)),
            (f"resolve(bc.shot('')) or its batch size failed: {type(error).__name__}: {error}",),
        )
    rows += [
        ("sizes", f"{shot.width}x{shot.height} by default"),
        ("frames", f"{shot.num_frames} at {shot.fps:g} fps by default"),
        ("steps", f"{shot.num_inference_steps} by default"),
        ("batch size", f"{size} clip{'s' if size > 1 else ''} a batch"),
        ("drafts", drafts),
    ]
    return Description(tuple(rows), ())


def _seconds(model: Model, library: Library | None) -> str | None:
    """Return the time that a clip of the model's defaults took, if the library knows it."""
    if library is None:
        return None
    seconds = None
    with contextlib.suppress(Exception):  # a class of the user's may raise anything
        seconds = library.seconds_for(model.resolve(Shot(prompt="")))
    return None if seconds is None else f"about {seconds:.2g}, measured on clips in the library"


def _wrap(head: str, text: str) -> str:
    return textwrap.fill(
        text,
        _COLUMNS,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_on_hyphens=False,
    )
