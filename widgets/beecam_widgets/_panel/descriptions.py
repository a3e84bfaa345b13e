"""What the front end of a panel displays: decks, controls, earlier sweeps and the estimate."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from beecam.clips.sweep_records import SweepRecord
from beecam.errors import CheckError, shorten
from beecam.models.capabilities import known_words, supports_vocabulary
from beecam.models.diffusers.arguments import Control
from beecam.models.model import Note
from beecam.runs.estimate import estimate_current
from beecam.sweeps.deck_files.find import Decks
from beecam_widgets._panel.form_state import FormState

_MAX_PROBLEMS, _MAX_RECORDS = 30, 60
_MAX_NOTES, _MAX_NOTED_WORDS, _MAX_KNOWN_WORDS = 20, 200, 2_000
_MAX_MESSAGE = 600  # characters


def describe_choices(state: FormState, sheet_class: str) -> dict[str, Any]:
    """Return the decks, the controls and the known words of a panel as JSON data.

    Args:
        state: The form and its model.
        sheet_class: CSS class of the static output of the panel's grid.
    """
    return {
        "model": state.model.name,
        "sheet": sheet_class,
        "problems": list(state.decks.problems)[:_MAX_PROBLEMS],
        "decks": _describe_decks(state.decks),
        "controls": [_describe_control(control) for control in state.controls.values()],
        "notes": supports_vocabulary(state.model),
        "words": sorted(known_words(state.model))[:_MAX_KNOWN_WORDS],
    }


def describe_records(records: Iterable[SweepRecord]) -> list[dict[str, Any]]:
    """Return the newest earlier sweeps as JSON data."""
    return [
        {"key": one.key, "name": one.name, "when": one.when, "cells": len(one)}
        for one in islice(records, _MAX_RECORDS)
    ]


def describe_sweep(state: FormState) -> dict[str, Any]:
    """Return notes, shape, code and estimate of the current sweep, or its problems, as JSON data.

    A library that was closed or a model that fails is reported as a problem, too.
    """
    summary: dict[str, Any] = {"problems": [], "notes": _describe_notes(state), "code": ""}
    try:
        sweep = state.sweep
        summary["shape"] = [
            [" + ".join(axis.name for axis in group.axes), size]
            for group, size in zip(sweep.groups, sweep.shape, strict=True)
        ]
        summary["code"] = state.code
        # Without reading the weights at each change of the form.
        found = estimate_current(sweep, state.model, state.library)
        summary |= {
            "cells": found.cells,
            "cached": found.cached,
            "seconds": found.seconds,
        }
    except CheckError as error:
        summary["problems"] = [
            {"argument": one.argument, "message": one.message[:_MAX_MESSAGE]}
            for one in error.problems[:_MAX_PROBLEMS]
        ]
    except Exception as error:  # noqa: BLE001  (any error of a model is shown)
        summary["problems"] = [{"argument": "", "message": shorten(str(error), _MAX_MESSAGE)}]
    return summary


def _describe_notes(state: FormState) -> list[dict[str, Any]]:
    """Return the notes, each with those of its single words that are unknown."""
    try:
        notes, unknown = state.notes, state.unknown_words
    except Exception as error:  # noqa: BLE001  (such a model can still generate)
        text = f"{state.model.name} can't report unknown words: {shorten(error, _MAX_MESSAGE)}"
        return [{"argument": "", "message": text, "words": []}]
    return [_describe_note(note, unknown) for note in notes[:_MAX_NOTES]]


def _describe_note(note: Note, unknown: frozenset[str]) -> dict[str, Any]:
    words = dict.fromkeys(word for phrase in note.words for word in phrase.split())
    return {
        "argument": note.argument,
        "message": note.message[:_MAX_MESSAGE],
        "words": [word for word in words if word in unknown][:_MAX_NOTED_WORDS],
    }


def _describe_decks(decks: Decks) -> list[dict[str, Any]]:
    return [
        {
            "name": deck.name,
            "title": deck.title,
            "note": deck.note,
            "arguments": dict(deck.argument_notes),
        }
        for deck in decks
    ]


def _describe_control(control: Control) -> dict[str, Any]:
    return {
        "name": control.name,
        "kind": control.kind,
        "help": control.help,
        "choices": list(control.choices),
        "low": control.low,
        "high": control.high,
        "step": control.step,
        "base": control.base,
        "only_with": list(control.only_with),
        "default": _format_default(control.default),
    }


def _format_default(default: Any) -> str:
    if default is None:
        return ""
    return f"{default:g}" if isinstance(default, float) else str(default)
