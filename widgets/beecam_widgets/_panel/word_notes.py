"""Notes of a model on the words of a form that don't reach it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from beecam.errors import CheckError
from beecam.models.capabilities import supports_vocabulary
from beecam.models.model import Model, Note
from beecam.shots.templates.parse import parse
from beecam.shots.templates.template import Choice, flatten
from beecam.sweeps.axes import Axis
from beecam_widgets._panel.form import SweepForm

_MAX_TEXTS = 2_000
# The slot of texts that are checked by themselves; no model has an argument of this name.
_SLOT = "text_of_the_panel"


class WordNotes:
    """The notes of one model on forms; those of the latest form are stored."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._latest: tuple[SweepForm, tuple[Note, ...], frozenset[str]] | None = None

    def notes(self, form: SweepForm) -> tuple[Note, ...]:
        """Return the distinct notes on the texts of a form, also while the form has problems."""
        return self._read(form)[1]

    def unknown(self, form: SweepForm) -> frozenset[str]:
        """Return the single words of the notes that the model ignores wherever they occur.

        The words at the cut-off end of a text aren't among them.
        """
        return self._read(form)[2]

    def _read(self, form: SweepForm) -> tuple[SweepForm, tuple[Note, ...], frozenset[str]]:
        # Names don't change the words, and seeds do only where the template has them.
        seeds = form.seeds if "seed" in parse(form.template).slots else form.seeds[:1]
        form = replace(form, seeds=seeds, name="", deck="")
        latest = self._latest  # read once: another thread may replace it
        if latest is None or latest[0] != form:
            notes = self._check([form, *_forms_of_texts(form, _texts_of(form))])
            latest = self._latest = (form, notes, self._find_unknown(form, notes))
        return latest

    def _find_unknown(self, form: SweepForm, notes: Sequence[Note]) -> frozenset[str]:
        phrases = list(dict.fromkeys(phrase for note in notes for phrase in note.words))
        # A word that is unknown is noted by itself, too; one that is cut off is not.
        alone = self._check(_forms_of_texts(form, phrases)) if phrases else ()
        found = (p for note in alone if note.argument == "prompt" for p in note.words)
        return frozenset(word for phrase in found for word in phrase.split())

    def _check(self, forms: Sequence[SweepForm]) -> tuple[Note, ...]:
        """Return the notes of the first form that has no problems, or none."""
        for one in forms if supports_vocabulary(self._model) else ():
            try:
                notes = one.sweep().check(self._model)
                return tuple(dict.fromkeys(note for note in notes if note.argument != _SLOT))
            except CheckError:
                continue
        return ()


def _texts_of(form: SweepForm) -> Iterator[str]:
    """Yield the texts of the template, of its choices and of all values."""
    parsed = parse(form.template)
    yield " ".join(part for part in flatten(parsed.parts) if isinstance(part, str))
    for choice in parsed.choices:
        yield from _texts_within(choice)
    names = {choice.name for choice in parsed.choices}
    written = (axis for axis in form.sweep().axes if axis.name in names)
    for axis in (*written, *form.active_axes.values()):
        yield from (value for value in axis.values if isinstance(value, str))


def _texts_within(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    for option in part.options if isinstance(part, Choice) else ():
        for inside in option.parts:
            yield from _texts_within(inside)


def _forms_of_texts(form: SweepForm, texts: Iterator[str] | Sequence[str]) -> list[SweepForm]:
    """Return forms whose prompts are single texts, with the arguments of a form and without."""
    distinct = tuple(islice(dict.fromkeys(text for text in texts if text.strip()), _MAX_TEXTS))
    if not distinct:
        return []
    arguments = {
        n: v.values[0] for n, v in form.arguments.items() if isinstance(v, Axis) and len(v)
    }
    single: Mapping[str, Any] = {**form.arguments, **arguments}
    plain = SweepForm(f"{{{_SLOT}}}", {_SLOT: Axis(_SLOT, distinct)}, form.seeds[:1])
    return [replace(plain, arguments=single), plain]
