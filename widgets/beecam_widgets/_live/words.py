"""The words of the prompts of a live view that don't reach its model."""

from __future__ import annotations

from beecam.errors import CheckError
from beecam.export import view_data
from beecam.models.capabilities import notes_of, supports_vocabulary
from beecam.models.model import Model
from beecam.shots.shot import Shot

_MAX_NOTES = 6


class PromptNotes:
    """Notes on two prompts; those of the latest pair are stored, as sliders don't change them.

    >>> PromptNotes(bc.load()).of(bc.shot("a bee"), ("a zebra", ""))
    ["pollen ignores 'zebra', which it doesn't know."]
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._latest: tuple[tuple[str, ...], list[str]] = ((), [])

    @property
    def possible(self) -> bool:
        """Whether the model knows its words."""
        return supports_vocabulary(self._model)

    def of(self, base: Shot, prompts: tuple[str, ...]) -> list[str]:
        """Return a sentence for each note on the prompts, also on one that has no weight now.

        Args:
            base: The shot that everything but the prompt is taken from.
            prompts: The prompts.
        """
        latest = self._latest  # read once: another thread may replace it
        if latest[0] != prompts and self.possible:
            shots = [base.replace(prompt=text) for text in prompts if text.strip()]
            try:
                notes = notes_of(self._model, list(map(self._model.resolve, shots)))
            except CheckError:
                notes = []
            texts = [str(note).removeprefix("prompt: ") for note in notes if note.words]
            latest = self._latest = (prompts, list(map(view_data.cut, texts[:_MAX_NOTES])))
        return latest[1]
