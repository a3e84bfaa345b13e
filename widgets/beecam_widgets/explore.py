"""`explore`: the panel of a notebook cell."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from beecam._util import checks
from beecam.clips.library import Library, library_problems, open_library
from beecam.models.model import Model
from beecam.sweeps.deck_files.deck import Deck
from beecam_widgets._notebook.outputs import current_cell_id
from beecam_widgets.panel import Panel

# The same call in the same cell returns the same panel, as long as that is open. A panel has the
# model of its key, so that the id stays unique.
_panels: weakref.WeakValueDictionary[tuple[Any, ...], Panel] = weakref.WeakValueDictionary()


def explore(
    model: Model | Sequence[Model] | Mapping[str, Model] | None = None,
    template: str | None = None,
    *,
    deck: Deck | str | os.PathLike[str] | None = None,
    wildcards: str | os.PathLike[str] | None = None,
    library: Library | None = None,
) -> Panel:
    """Return a panel to explore a model; the last line of a notebook cell displays it.

    The same call in the same cell returns the same panel, with all edits made in it.

    >>> bw.explore()                                   # pollen
    >>> bw.explore(model, "a {view} of a bee")
    >>> panel = bw.explore(model, deck="first-person flight")

    Args:
        model: From `bc.load()` or `bc.wrap(pipe)`, or several models; None for pollen.
        template: The prompt template to start with if there is no deck; None for an example of
            eight clips.
        deck: The deck to start with: a deck, its name, or a YAML file.
        wildcards: The folder of text files whose lines `__name__` in the template stands for.
        library: Where clips are stored; by default `bc.library()`.

    Raises:
        CheckError: An argument has the wrong type.
        DeckError: The deck doesn't exist, or its file is invalid.
    """
    checks.raise_problems(library_problems(library))
    library = open_library() if library is None else library
    texts = (str(deck), str(template), str(wildcards), str(library.folder))
    key = (current_cell_id(), id(model), *texts)
    panel = _panels.get(key)
    if panel is None or panel.closed or panel.library.closed:
        panel = Panel(model, deck=deck, template=template, wildcards=wildcards, library=library)
        panel.requested_model = model
        if key[0]:
            _panels[key] = panel
    return panel
