"""Whether a model still has the weights that a run's shots were resolved with."""

from __future__ import annotations

import contextlib

from beecam.errors import ModelError
from beecam.models.capabilities import has_changed, refresh
from beecam.models.model import Model


class WeightsCheck:
    """Compares a model's revision with that of a run; used by all threads of its engine.

    A clip's key has the revision: pixels of other weights must not be stored under it.
    """

    def __init__(self, model: Model, revision: str | None = None) -> None:
        """Expect a revision; by default the current one."""
        self._model = model
        self._expected = model.revision if revision is None else revision
        self._outdated = False

    def read_again(self) -> None:
        """Let the next check read the weights: they may have been changed in a pause."""
        self._outdated = True

    def why_not_stored(self) -> Exception | None:
        """Return why the clips of a batch that has just ended can't be stored; None if they can.

        The weights are read only if something may have changed.
        """
        try:
            self._outdated = self._outdated or has_changed(self._model)
            self.check()
        except Exception as error:  # noqa: BLE001  (a model of others; the run continues)
            return error
        return None

    def check(self) -> None:
        """Check the revision.

        Raises:
            ModelError: The model has another one.
        """
        if self._outdated:
            # Weights that are moved to another device can't be read; the next check does it then.
            with contextlib.suppress(RuntimeError):
                refresh(self._model)
                self._outdated = False
        if self._model.revision != self._expected:
            raise ModelError(
                f"{self._model.name} changed from revision {self._expected} to "
                f"{self._model.revision} during the run; run.retry() generates the sweep with the "
                "new one."
            )
