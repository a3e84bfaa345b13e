"""The current form of a panel, as attributes that are checked on assignment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import beecam as bc
from beecam._util import checks
from beecam.clips.library import Library, open_library
from beecam.errors import BeecamError, Problem, did_you_mean, shorten
from beecam.models.capabilities import arguments_of
from beecam.models.diffusers.arguments import Control, controls_of
from beecam.models.model import Model, Note
from beecam.runs.estimate import Estimate, estimate
from beecam.shots.shot import SHOT_ARGUMENTS
from beecam.sweeps.axes import Axis, is_scalar, make_axis
from beecam.sweeps.deck_files.deck import Deck
from beecam.sweeps.deck_files.find import Decks, own_folder
from beecam.sweeps.deck_files.match import DeckMatch, match_intent
from beecam.sweeps.sweep import Sweep
from beecam_widgets._panel.form import SweepForm
from beecam_widgets._panel.word_notes import WordNotes

_LAYOUTS = ("product", "zip")


class FormState:
    """A sweep form for a model, with its history of one step; has no front end.

    Attributes:
        model: The model that generates the clips.
        library: The library that stores them.
        controls: The arguments of the model that have an input field, by name.
    """

    model: Model
    library: Library
    controls: dict[str, Control]

    def __init__(
        self, model: Model, library: Library, form: SweepForm, *, is_default: bool
    ) -> None:
        """Start with a form.

        Args:
            model: The model that generates the clips.
            library: The library that stores them.
            form: The first inputs.
            is_default: Whether `bc.load()` returns the same model.
        """
        self.model, self.library = model, library
        self.controls = {one.name: one for one in controls_of(model)}
        self._is_default_model = is_default
        self._word_notes = WordNotes(model)
        self._decks = bc.decks(own_folder(library.folder))
        self._intent: DeckMatch | None = None
        self._form = form
        # What `undo` restores, and the form that was filled from a deck or an earlier sweep.
        self._undo_form: SweepForm | None = None
        self._filled_form: SweepForm | None = None

    # --- the inputs ----------------------------------------------------------------------------

    @property
    def template(self) -> str:
        """The prompt template.

        Raises:
            CheckError: On assignment: the value isn't a string.

        >>> panel.template = "a {insect}, {view}"
        """
        return self._form.template

    @template.setter
    def template(self, value: str) -> None:
        checks.raise_problems(checks.string("template", value))
        self._set_form(replace(self._form, template=value))

    @property
    def axes(self) -> dict[str, Axis]:
        """The axis of each slot of the template. Assign lists, `{label: value}` or axes.

        Raises:
            CheckError: On assignment: the template has no such slot.

        >>> panel.axes |= {"view": ["from a drone", "close up"]}
        """
        return self._form.active_axes

    @axes.setter
    def axes(self, value: Mapping[str, Any]) -> None:
        slots = self._form.slots
        checks.raise_problems(self._unknown_slot(str(name)) for name in value if name not in slots)
        axes = {name: make_axis(name, [v] if is_scalar(v) else v) for name, v in value.items()}
        cleared = {slot: Axis(slot, ()) for slot in slots if slot not in axes}
        self._set_form(replace(self._form, axes={**self._form.axes, **cleared, **axes}))

    def _unknown_slot(self, name: str) -> Problem:
        hint = did_you_mean(name, self._form.slots, "{{{}}}")
        if name in self._argument_names:
            hint += f" It is an argument: panel.arguments |= {{{name!r}: ...}}."
        return Problem(name, f"axes: the template has no slot {{{name}}}.{hint}")

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds. Assign one or several.

        Raises:
            CheckError: On assignment: there is no seed, or one isn't an integer of 0 or more.

        >>> panel.seeds = range(8)
        """
        return self._form.seeds

    @seeds.setter
    def seeds(self, value: int | Iterable[int]) -> None:
        seeds = (value,) if isinstance(value, int) else tuple(value)
        problems = [p for seed in seeds for p in checks.integer("seeds", seed, 0)]
        if not seeds:
            problems.append(Problem("seeds", "seeds=(): at least one seed is needed."))
        checks.raise_problems(problems)
        self._set_form(replace(self._form, seeds=seeds))

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the model, a value or an axis each. Assign values or lists.

        Raises:
            CheckError: On assignment: the model has no such argument.

        >>> panel.arguments |= {"guidance_scale": [1, 3], "num_frames": 25}
        """
        return dict(self._form.arguments)

    @arguments.setter
    def arguments(self, value: Mapping[str, Any]) -> None:
        names = self._argument_names
        checks.raise_problems(
            Problem(str(n), f"{n}: not an argument of {self.model.name}.{did_you_mean(n, names)}")
            for n in value
            if n not in names
        )
        arguments = {n: one if is_scalar(one) else make_axis(n, one) for n, one in value.items()}
        self._set_form(replace(self._form, arguments=arguments))

    @property
    def layout(self) -> str:
        """The layout: "product" for all combinations, "zip" pairs all axes but the seeds.

        Raises:
            CheckError: On assignment: the value is neither.

        >>> panel.layout = "zip"
        """
        return self._form.layout

    @layout.setter
    def layout(self, value: str) -> None:
        checks.raise_problems(checks.choice("layout", value, _LAYOUTS))
        self._set_form(replace(self._form, layout=value))

    @property
    def sample(self) -> int | None:
        """The number of cells to sample at random, or None for all.

        Raises:
            CheckError: On assignment: the value isn't an integer of 1 or more.

        >>> panel.sample = 12
        """
        return self._form.sample

    @sample.setter
    def sample(self, value: int | None) -> None:
        checks.raise_problems(checks.integer("sample", value, 1, or_none=True))
        self._set_form(replace(self._form, sample=value))

    @property
    def name(self) -> str:
        """The name of the next sweep in the library; "" uses the template.

        Raises:
            CheckError: On assignment: the value isn't a string.

        >>> panel.name = "bees at dusk"
        """
        return self._form.name

    @name.setter
    def name(self, value: str) -> None:
        checks.raise_problems(checks.string("name", value))
        self._set_form(replace(self._form, name=value))

    @property
    def deck(self) -> Deck | None:
        """The deck that the form was filled from. Assign a deck, its name or a YAML file.

        Raises:
            DeckError: On assignment: the deck doesn't exist, or its file is invalid.

        >>> panel.deck = "first-person flight"
        """
        return next((d for d in self.decks if d.name == self._form.deck), None)

    @deck.setter
    def deck(self, value: Deck | str | os.PathLike[str] | None) -> None:
        if value is None:
            self._set_form(replace(self._form, deck=""))
            return
        folder = own_folder(self.library.folder)
        deck = value if isinstance(value, Deck) else bc.deck(value, folder)
        others = tuple(one for one in self._decks if one.name != deck.name)
        if deck not in self._decks.found:
            self._decks = Decks((*others, deck), self._decks.problems)
        self._fill(self._form.with_deck(deck, deck.arguments_for(self.model)))

    @property
    def decks(self) -> Decks:
        """The decks to choose from.

        >>> [deck.name for deck in panel.decks]
        """
        return self._decks

    @property
    def intent(self) -> DeckMatch | None:
        """A description in words, and the deck that matches it. Assign a string.

        >>> panel.intent = "hand-drawn butterflies"
        >>> panel.intent.deck.name
        '2D animation'
        """
        return self._intent

    @intent.setter
    def intent(self, text: str) -> None:
        intent = match_intent(text, self._decks)
        self._intent = intent
        if intent.deck is not None:
            self.deck = intent.deck

    @property
    def form(self) -> SweepForm:
        """All inputs as one immutable value. Assign one to restore it.

        Raises:
            BeecamError: On assignment: the value isn't a form.

        >>> before = panel.form
        >>> panel.deck = "product shot"
        >>> panel.form = before
        """
        return self._form

    @form.setter
    def form(self, value: SweepForm) -> None:
        if not isinstance(value, SweepForm):
            raise BeecamError(f"form={shorten(value)}: a value of `panel.form` is needed.")
        self._set_form(value)

    # --- the results ---------------------------------------------------------------------------

    @property
    def sweep(self) -> Sweep:
        """The sweep of the form, whether or not it can be run.

        >>> panel.sweep.shape
        """
        return self._form.sweep()

    @property
    def estimate(self) -> Estimate:
        """The number of cells, how many are in the library, and the time for the others.

        Raises:
            CheckError: All problems of the sweep.

        >>> print(panel.estimate)
        """
        return estimate(self.sweep, self.model, self.library)

    @property
    def notes(self) -> tuple[Note, ...]:
        """The notes of the model on words that don't reach it: unknown ones, and a cut-off end.

        `sweep.check(model)` returns the same notes; here they come also while slots have no values.

        >>> panel.template = "a bee over a medow"
        >>> print(panel.notes[0])
        prompt: pollen ignores 'medow'; the nearest that it knows: 'meadow' for 'medow'.
        """
        return self._word_notes.notes(self._form)

    @property
    def unknown_words(self) -> frozenset[str]:
        """The single words of the notes that the model ignores wherever they occur.

        >>> panel.template = "a zebra at a gas station"
        >>> sorted(panel.unknown_words)
        ['gas', 'station', 'zebra']
        """
        return self._word_notes.unknown(self._form)

    @property
    def code(self) -> str:
        """Python code that runs the same sweep.

        >>> print(panel.code)
        """
        is_default_library = self.library is open_library()
        preamble = ["import beecam as bc", ""]
        if self._is_default_model:
            preamble.append("model = bc.load()")
        else:
            preamble.append(f"# model: the one that the panel was created with, {self.model.name}")
        if not is_default_library or "library.inputs[" in self._form.code():
            folder = "" if is_default_library else f'"{self.library.folder.as_posix()}"'
            preamble.append(f"library = bc.library({folder})")
        library = "" if is_default_library else "library"
        return self._form.code(preamble=preamble, library=library)

    def undo(self) -> None:
        """Restore the form as it was before a deck or an earlier sweep filled it.

        >>> panel.undo()
        """
        if self._undo_form is not None:
            form, self._undo_form = self._undo_form, None
            self._set_form(form)

    # --- changes ---------------------------------------------------------------------------------

    @property
    def _argument_names(self) -> list[str]:
        return [n for n in (*SHOT_ARGUMENTS, *arguments_of(self.model)) if n != "seed"]

    def _fill(self, form: SweepForm) -> None:
        """Replace the form by a prepared one; `undo` restores the last form edited by hand."""
        # A form that was filled and not edited since isn't worth restoring.
        if self._form is not self._filled_form:
            self._undo_form = self._form
        self._filled_form = form
        self._set_form(form)

    def _set_form(self, form: SweepForm) -> None:
        """Replace the form."""
        self._form = form
