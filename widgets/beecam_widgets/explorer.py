"""What can be asked of a model, as values that are checked when they are set; knows no page."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import beecam as bc
from beecam._util import checks as kinds
from beecam.clips.library import Library, open_library
from beecam.errors import BeecamError, Problem, did_you_mean, shorten
from beecam.models.capabilities import arguments_of
from beecam.models.diffusers.arguments import Control, controls_of
from beecam.models.model import Model
from beecam.runs.estimate import Estimate, estimate
from beecam.shots.shot import SHOT_ARGUMENTS
from beecam.sweeps.axes import Axis, is_scalar, make_axis
from beecam.sweeps.deck_files.deck import Deck
from beecam.sweeps.deck_files.find import Decks, own_folder
from beecam.sweeps.deck_files.match import DeckMatch, match_intent
from beecam.sweeps.sweep import Sweep
from beecam_widgets.asking import Asking

_LAYOUTS = ("product", "zip")


class Explorer:
    """What is asked of a model; every part is a value that code can read and set.

    Attributes:
        model: What makes the clips.
        library: Where they go.
        controls: The model's arguments that have a field, by name.
    """

    def __init__(self, model: Model, library: Library, template: str, *, loaded: bool) -> None:
        """Begin with a template.

        Args:
            model: What makes the clips.
            library: Where they go.
            template: To begin with.
            loaded: Whether `bc.load()` gives the same model.
        """
        self.model, self.library = model, library
        self.controls: dict[str, Control] = {one.name: one for one in controls_of(model)}
        self._loaded = loaded
        self._decks = bc.decks(own_folder(library.folder))
        self._intent: DeckMatch | None = None
        self._asking = Asking(template=template)
        self._before: Asking | None = None
        self._begun: Asking | None = None

    @property
    def template(self) -> str:
        """The prompt template."""
        return self._asking.template

    @template.setter
    def template(self, value: str) -> None:
        kinds.raise_problems(kinds.string("template", value))
        self._put(replace(self._asking, template=value))

    @property
    def axes(self) -> dict[str, Axis]:
        """The axis of each slot of the template; set it to lists, `{label: value}` or axes."""
        return self._asking.active

    @axes.setter
    def axes(self, value: Mapping[str, Any]) -> None:
        slots = self._asking.slots
        problems = [
            Problem(
                str(name),
                (
                    f"axes: no slot {{{name}}} in the "
                    f"template.{did_you_mean(name, slots, '{{{}}}')}"
                    + (
                        f" It is an argument: panel.arguments |= {{{name!r}: ...}}."
                        if name in self._allowed
                        else ""
                    )
                ),
            )
            for name in value
            if name not in slots
        ]
        kinds.raise_problems(problems)
        made = {name: make_axis(name, [v] if is_scalar(v) else v) for name, v in value.items()}
        emptied = {slot: Axis(slot, ()) for slot in slots if slot not in made}
        self._put(replace(self._asking, axes={**self._asking.axes, **emptied, **made}))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds; set it to one, or to several."""
        return self._asking.seeds

    @seeds.setter
    def seeds(self, value: int | Iterable[int]) -> None:
        many = (value,) if isinstance(value, int) else tuple(value)
        problems = [p for seed in many for p in kinds.integer("seeds", seed, 0)]
        if not many:
            problems.append(Problem("seeds", "seeds=(): at least one seed is needed."))
        kinds.raise_problems(problems)
        self._put(replace(self._asking, seeds=many))

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the model: a value each, or an axis; set it to values or lists."""
        return dict(self._asking.arguments)

    @arguments.setter
    def arguments(self, value: Mapping[str, Any]) -> None:
        kinds.raise_problems(
            Problem(
                str(n), (f"{n}: no argument of {self.model.name}.{did_you_mean(n, self._allowed)}")
            )
            for n in value
            if n not in self._allowed
        )
        self._put(
            replace(
                self._asking,
                arguments={
                    n: one if is_scalar(one) else make_axis(n, one) for n, one in value.items()
                },
            )
        )

    @property
    def layout(self) -> str:
        """Either "product", all combinations, or "zip", which pairs all axes but the seeds."""
        return self._asking.layout

    @layout.setter
    def layout(self, value: str) -> None:
        kinds.raise_problems(kinds.choice("layout", value, _LAYOUTS))
        self._put(replace(self._asking, layout=value))

    @property
    def sample(self) -> int | None:
        """How many cells are drawn, or None for all."""
        return self._asking.sample

    @sample.setter
    def sample(self, value: int | None) -> None:
        kinds.raise_problems(kinds.integer("sample", value, 1, or_none=True))
        self._put(replace(self._asking, sample=value))

    @property
    def name(self) -> str:
        """How the next sweep is found again; empty to be called like its template."""
        return self._asking.name

    @name.setter
    def name(self, value: str) -> None:
        kinds.raise_problems(kinds.string("name", value))
        self._put(replace(self._asking, name=value))

    @property
    def deck(self) -> Deck | None:
        """The deck that it began with; set it to one, its name or a file to begin anew."""
        return next((d for d in self.decks if d.name == self._asking.deck), None)

    @deck.setter
    def deck(self, value: Deck | str | os.PathLike[str] | None) -> None:
        if value is None:
            self._put(replace(self._asking, deck=""))
            return
        folder = own_folder(self.library.folder)
        deck = value if isinstance(value, Deck) else bc.deck(value, folder)
        others = tuple(one for one in self._decks if one.name != deck.name)
        if deck not in self._decks.found:
            self._decks = Decks((*others, deck), self._decks.problems)
        self._begin(self._asking.with_deck(deck, deck.arguments_for(self.model)))

    @property
    def decks(self) -> Decks:
        """The decks to choose from."""
        return self._decks

    @property
    def intent(self) -> DeckMatch | None:
        """What was wanted, in words, and the deck that was taken for it; set it to a text."""
        return self._intent

    @intent.setter
    def intent(self, text: str) -> None:
        found = match_intent(text, self._decks)
        self._intent = found
        if found.deck is not None:
            self.deck = found.deck

    @property
    def asking(self) -> Asking:
        """All that is asked for, as one value that can be set again."""
        return self._asking

    @asking.setter
    def asking(self, value: Asking) -> None:
        if not isinstance(value, Asking):
            raise BeecamError(f"asking={shorten(value)}: what `panel.asking` gave is needed.")
        self._put(value)

    # --- what comes of it ----------------------------------------------------------------------

    @property
    def sweep(self) -> Sweep:
        """The sweep that is asked for, whether or not it can be run."""
        return self._asking.sweep()

    @property
    def estimate(self) -> Estimate:
        """How many cells there are, how many the library has, and how long the others take.

        Raises:
            CheckError: With all that is wrong.
        """
        return estimate(self.sweep, self.model, self.library)

    @property
    def code(self) -> str:
        """The Python lines that make and run the same sweep."""
        usual = self.library is open_library()
        before = ["import beecam as bc", ""]
        if self._loaded:
            before.append("model = bc.load()")
        else:
            before.append(f"# model is {self.model.name}, as the panel was given it")
        if not usual or "library.inputs[" in self._asking.code():
            folder = "" if usual else f'"{self.library.folder.as_posix()}"'
            before.append(f"library = bc.library({folder})")
        return self._asking.code(before=before, library="" if usual else "library")

    def undo(self) -> None:
        """Take back the deck, or the earlier sweep, that it began with last."""
        if self._before is not None:
            before, self._before = self._before, None
            self._put(before)

    # --- inside --------------------------------------------------------------------------------

    @property
    def _allowed(self) -> list[str]:
        return [n for n in (*SHOT_ARGUMENTS, *arguments_of(self.model)) if n != "seed"]

    def _begin(self, asking: Asking) -> None:
        """Begin anew; `undo` brings back what was asked for by hand."""
        # Going through decks one after the other is no work that anybody misses.
        if self._asking is not self._begun:
            self._before = self._asking
        self._begun = asking
        self._put(asking)

    def _put(self, asking: Asking) -> None:
        """Ask for something else from now on."""
        self._asking = asking
