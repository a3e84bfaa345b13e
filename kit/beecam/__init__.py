"""beecam: sweep a video model, watch the grid fill, follow the clip nobody asked for.

>>> import beecam as bc
>>> model = bc.load()
>>> sweep = bc.sweep("a {insect} over {place}", insect=["bee", "ladybug"], place=["a meadow"])
>>> run = bc.run(sweep, model)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Name -> module and name there. Loaded on first use: importing beecam must not import torch.
_PUBLIC = {
    "Axis": ("beecam.sweeps.axes", "Axis"),
    "BeecamError": ("beecam.errors", "BeecamError"),
    "CheckError": ("beecam.errors", "CheckError"),
    "Clip": ("beecam.clips.clip", "Clip"),
    "ClipSet": ("beecam.clips.clip", "ClipSet"),
    "Deck": ("beecam.sweeps.deck_files.deck", "Deck"),
    "DeckError": ("beecam.errors", "DeckError"),
    "Library": ("beecam.clips.library", "Library"),
    "LibraryError": ("beecam.errors", "LibraryError"),
    "MediaError": ("beecam.errors", "MediaError"),
    "ModelError": ("beecam.errors", "ModelError"),
    "Run": ("beecam.runs.run", "Run"),
    "Shot": ("beecam.shots.shot", "Shot"),
    "Sweep": ("beecam.sweeps.sweep", "Sweep"),
    "deck": ("beecam.sweeps.deck_files.find", "deck"),
    "decks": ("beecam.sweeps.deck_files.find", "decks"),
    "doctor": ("beecam.diagnostics.report", "doctor"),
    "intent": ("beecam.sweeps.deck_files.match", "intent"),
    "library": ("beecam.clips.library", "open_library"),
    "load": ("beecam.models.loading.load", "load"),
    "lora": ("beecam.shots.loras", "lora"),
    "read": ("beecam.shots.conditions", "read"),
    "run": ("beecam.runs.run", "run"),
    "sample": ("beecam.sweeps.axes", "sample"),
    "shot": ("beecam.sweeps.sweep", "shot"),
    "sweep": ("beecam.sweeps.sweep", "sweep"),
    "vary": ("beecam.follow.vary", "vary"),
    "wrap": ("beecam.models.loading.load", "wrap"),
    "zip": ("beecam.sweeps.axes", "zip"),
}

if TYPE_CHECKING:
    from beecam.clips.clip import Clip as Clip
    from beecam.clips.clip import ClipSet as ClipSet
    from beecam.clips.library import Library as Library
    from beecam.clips.library import open_library as library  # noqa: F401
    from beecam.diagnostics.report import doctor as doctor
    from beecam.errors import BeecamError as BeecamError
    from beecam.errors import CheckError as CheckError
    from beecam.errors import DeckError as DeckError
    from beecam.errors import LibraryError as LibraryError
    from beecam.errors import MediaError as MediaError
    from beecam.errors import ModelError as ModelError
    from beecam.follow.vary import vary as vary
    from beecam.models.loading.load import load as load
    from beecam.models.loading.load import wrap as wrap
    from beecam.runs.run import Run as Run
    from beecam.runs.run import run as run
    from beecam.shots.conditions import read as read
    from beecam.shots.loras import lora as lora
    from beecam.shots.shot import Shot as Shot
    from beecam.sweeps.axes import Axis as Axis
    from beecam.sweeps.axes import sample as sample
    from beecam.sweeps.axes import zip as zip  # noqa: A004
    from beecam.sweeps.deck_files.deck import Deck as Deck
    from beecam.sweeps.deck_files.find import deck as deck
    from beecam.sweeps.deck_files.find import decks as decks
    from beecam.sweeps.deck_files.match import intent as intent
    from beecam.sweeps.sweep import Sweep as Sweep
    from beecam.sweeps.sweep import shot as shot
    from beecam.sweeps.sweep import sweep as sweep

__all__ = sorted(_PUBLIC)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'beecam' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
