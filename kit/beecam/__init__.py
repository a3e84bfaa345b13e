"""beecam: sweep a video model, watch the grid fill, follow the clip that no prompt asked for.

>>> import beecam as bc
>>> model = bc.load()
>>> sweep = bc.sweep("a {insect} over {place}", insect=["bee", "ladybug"], place=["a meadow"])
>>> run = bc.run(sweep, model)
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from beecam._util.collector import collection_paused
from beecam._version import __version__

# Name -> module and name there. Loaded on first use: importing beecam must not import torch.
_PUBLIC = {
    "Axis": ("beecam.sweeps.axes", "Axis"),
    "BatchPolicy": ("beecam.models.batching.batch_size", "BatchPolicy"),
    "BeecamError": ("beecam.errors", "BeecamError"),
    "BeecamWarning": ("beecam.errors", "BeecamWarning"),
    "Cell": ("beecam.sweeps.layout", "Cell"),
    "CheckError": ("beecam.errors", "CheckError"),
    "Checkpoint": ("beecam.models.model", "Checkpoint"),
    "Clip": ("beecam.clips.clip", "Clip"),
    "ClipSet": ("beecam.clips.clip_set", "ClipSet"),
    "Deck": ("beecam.sweeps.deck_files.deck", "Deck"),
    "DeckError": ("beecam.errors", "DeckError"),
    "Estimate": ("beecam.runs.estimate", "Estimate"),
    "Frames": ("beecam.media.types", "Frames"),
    "Generated": ("beecam.models.model", "Generated"),
    "Library": ("beecam.clips.library", "Library"),
    "LibraryError": ("beecam.errors", "LibraryError"),
    "MediaError": ("beecam.errors", "MediaError"),
    "Model": ("beecam.models.model", "Model"),
    "ModelError": ("beecam.errors", "ModelError"),
    "Note": ("beecam.models.model", "Note"),
    "OutOfMemoryError": ("beecam.errors", "OutOfMemoryError"),
    "Problem": ("beecam.errors", "Problem"),
    "Report": ("beecam.diagnostics.report", "Report"),
    "Run": ("beecam.runs.run", "Run"),
    "Shot": ("beecam.shots.shot", "Shot"),
    "Sound": ("beecam.media.types", "Sound"),
    "Step": ("beecam.models.model", "Step"),
    "Stopped": ("beecam.errors", "Stopped"),
    "SupportsDrafts": ("beecam.models.capabilities", "SupportsDrafts"),
    "SupportsPreparation": ("beecam.models.capabilities", "SupportsPreparation"),
    "SupportsSpeed": ("beecam.models.capabilities", "SupportsSpeed"),
    "SupportsVocabulary": ("beecam.models.capabilities", "SupportsVocabulary"),
    "Sweep": ("beecam.sweeps.sweep", "Sweep"),
    "SweepRecord": ("beecam.clips.sweep_records", "SweepRecord"),
    "deck": ("beecam.sweeps.deck_files.find", "deck"),
    "decks": ("beecam.sweeps.deck_files.find", "decks"),
    "doctor": ("beecam.diagnostics.report", "doctor"),
    "estimate": ("beecam.runs.estimate", "estimate"),
    "find_deck": ("beecam.sweeps.deck_files.match", "find_deck"),
    "library": ("beecam.clips.library", "open_library"),
    "load": ("beecam.models.loading.load", "load"),
    "lora": ("beecam.shots.loras", "lora"),
    "promote": ("beecam.runs.drafts", "promote"),
    "read_media": ("beecam.shots.inputs", "read_media"),
    "run": ("beecam.runs.run", "run"),
    "sample": ("beecam.sweeps.axes", "sample"),
    "shot": ("beecam.sweeps.build", "shot"),
    "sweep": ("beecam.sweeps.build", "sweep"),
    "vary": ("beecam.follow.vary", "vary"),
    "wrap": ("beecam.models.loading.load", "wrap"),
    "zip": ("beecam.sweeps.axes", "zip"),
}

if TYPE_CHECKING:
    from beecam.clips.clip import Clip as Clip
    from beecam.clips.clip_set import ClipSet as ClipSet
    from beecam.clips.library import Library as Library
    from beecam.clips.library import open_library as library  # noqa: F401
    from beecam.clips.sweep_records import SweepRecord as SweepRecord
    from beecam.diagnostics.report import Report as Report
    from beecam.diagnostics.report import doctor as doctor
    from beecam.errors import BeecamError as BeecamError
    from beecam.errors import BeecamWarning as BeecamWarning
    from beecam.errors import CheckError as CheckError
    from beecam.errors import DeckError as DeckError
    from beecam.errors import LibraryError as LibraryError
    from beecam.errors import MediaError as MediaError
    from beecam.errors import ModelError as ModelError
    from beecam.errors import OutOfMemoryError as OutOfMemoryError
    from beecam.errors import Problem as Problem
    from beecam.errors import Stopped as Stopped
    from beecam.follow.vary import vary as vary
    from beecam.media.types import Frames as Frames
    from beecam.media.types import Sound as Sound
    from beecam.models.batching.batch_size import BatchPolicy as BatchPolicy
    from beecam.models.capabilities import SupportsDrafts as SupportsDrafts
    from beecam.models.capabilities import SupportsPreparation as SupportsPreparation
    from beecam.models.capabilities import SupportsSpeed as SupportsSpeed
    from beecam.models.capabilities import SupportsVocabulary as SupportsVocabulary
    from beecam.models.loading.load import load as load
    from beecam.models.loading.load import wrap as wrap
    from beecam.models.model import Checkpoint as Checkpoint
    from beecam.models.model import Generated as Generated
    from beecam.models.model import Model as Model
    from beecam.models.model import Note as Note
    from beecam.models.model import Step as Step
    from beecam.runs.drafts import promote as promote
    from beecam.runs.estimate import Estimate as Estimate
    from beecam.runs.estimate import estimate as estimate
    from beecam.runs.run import Run as Run
    from beecam.runs.run import run as run
    from beecam.shots.inputs import read_media as read_media
    from beecam.shots.loras import lora as lora
    from beecam.shots.shot import Shot as Shot
    from beecam.sweeps.axes import Axis as Axis
    from beecam.sweeps.axes import sample as sample
    from beecam.sweeps.axes import zip as zip  # noqa: A004
    from beecam.sweeps.build import shot as shot
    from beecam.sweeps.build import sweep as sweep
    from beecam.sweeps.deck_files.deck import Deck as Deck
    from beecam.sweeps.deck_files.find import deck as deck
    from beecam.sweeps.deck_files.find import decks as decks
    from beecam.sweeps.deck_files.match import find_deck as find_deck
    from beecam.sweeps.layout import Cell as Cell
    from beecam.sweeps.sweep import Sweep as Sweep

__all__ = ["__version__", *sorted(_PUBLIC)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        from beecam.errors import did_you_mean

        hint = did_you_mean(name, _PUBLIC, "bc.{}")
        raise AttributeError(f"module 'beecam' has no attribute {name!r}.{hint}")
    module, attribute = _PUBLIC[name]
    with collection_paused():
        value = getattr(importlib.import_module(module), attribute)
    if inspect.isfunction(value):
        value = importlib.import_module("beecam._util.keywords").explain_keywords(value)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
