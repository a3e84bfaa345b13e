"""beecam: sweep a video model, watch the grid fill, follow the clip nobody asked for.

>>> import beecam as bc
>>> model = bc.load()
>>> sweep = bc.sweep("a {insect} over {place}", insect=["bee", "ladybug"], place=["a meadow"])
>>> run = bc.run(sweep, model)
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Name -> module and name there. Loaded on first use: importing beecam must not import torch.
_PUBLIC = {
    "Axis": ("beecam.axes", "Axis"),
    "BeecamError": ("beecam.errors", "BeecamError"),
    "CheckError": ("beecam.errors", "CheckError"),
    "Clip": ("beecam.clip", "Clip"),
    "ClipSet": ("beecam.clip", "ClipSet"),
    "Deck": ("beecam.decks.deck", "Deck"),
    "DeckError": ("beecam.errors", "DeckError"),
    "Library": ("beecam.library", "Library"),
    "LibraryError": ("beecam.errors", "LibraryError"),
    "MediaError": ("beecam.errors", "MediaError"),
    "ModelError": ("beecam.errors", "ModelError"),
    "Run": ("beecam.run", "Run"),
    "Shot": ("beecam.shot", "Shot"),
    "Sweep": ("beecam.sweep", "Sweep"),
    "deck": ("beecam.decks.shelf", "deck"),
    "decks": ("beecam.decks.shelf", "decks"),
    "doctor": ("beecam.doctor", "doctor"),
    "intent": ("beecam.decks.intents", "intent"),
    "library": ("beecam.library", "open_library"),
    "load": ("beecam.models.load", "load"),
    "lora": ("beecam.loras", "lora"),
    "read": ("beecam.inputs", "read"),
    "run": ("beecam.run", "run"),
    "sample": ("beecam.axes", "sample"),
    "shot": ("beecam.sweep", "shot"),
    "sweep": ("beecam.sweep", "sweep"),
    "vary": ("beecam.follow.vary", "vary"),
    "wrap": ("beecam.models.load", "wrap"),
    "zip": ("beecam.axes", "zip"),
}

if TYPE_CHECKING:
    from beecam.axes import Axis as Axis
    from beecam.axes import sample as sample
    from beecam.axes import zip as zip  # noqa: A004
    from beecam.clip import Clip as Clip
    from beecam.clip import ClipSet as ClipSet
    from beecam.decks.deck import Deck as Deck
    from beecam.decks.intents import intent as intent
    from beecam.decks.shelf import deck as deck
    from beecam.decks.shelf import decks as decks
    from beecam.doctor import doctor as doctor
    from beecam.errors import BeecamError as BeecamError
    from beecam.errors import CheckError as CheckError
    from beecam.errors import DeckError as DeckError
    from beecam.errors import LibraryError as LibraryError
    from beecam.errors import MediaError as MediaError
    from beecam.errors import ModelError as ModelError
    from beecam.follow.vary import vary as vary
    from beecam.inputs import read as read
    from beecam.library import Library as Library
    from beecam.library import open_library as library  # noqa: F401
    from beecam.loras import lora as lora
    from beecam.models.load import load as load
    from beecam.models.load import wrap as wrap
    from beecam.run import Run as Run
    from beecam.run import run as run
    from beecam.shot import Shot as Shot
    from beecam.sweep import Sweep as Sweep
    from beecam.sweep import shot as shot
    from beecam.sweep import sweep as sweep

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


class _Package(ModuleType):
    """Keeps `bc.run` a function: importing the module beecam.run would put itself in its place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
