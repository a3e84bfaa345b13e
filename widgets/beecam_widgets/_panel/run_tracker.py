"""The run that a panel controls, and which of its states were sent to the front end."""

from __future__ import annotations

from typing import Any

from beecam.errors import BeecamError
from beecam.runs.run import Run


class RunTracker:
    """Tracks the run started last until its end was reported.

    Attributes:
        run: The run, or None.
        active: Whether changes of the run are still to be reported.
    """

    def __init__(self) -> None:
        self.run: Run | None = None
        self.active = False

    def track(self, run: Run) -> None:
        """Report the states of a run from now on."""
        self.run, self.active = run, True

    def release_finished(self) -> bool:
        """Drop a finished run; return False if the run is unfinished and stays current."""
        if self.run is not None and not self.run.finished:
            return False
        self.run, self.active = None, False
        return True

    def started_run(self) -> Run:
        """Return the run, whose state is about to be changed.

        Raises:
            BeecamError: No run was started.
        """
        if self.run is None:
            raise BeecamError("No run was started yet: panel.run_now() starts one.")
        self.active = True
        return self.run

    def state(self) -> dict[str, Any]:
        """Return the state of the run for the front end, as JSON data."""
        if self.run is None:
            return {"status": ""}
        return {"status": str(self.run.status), "finished": self.run.finished, "shown": True}

    def take_end(self) -> bool:
        """Return whether the run has ended since the last call."""
        if self.run is None or not self.active or not self.run.finished:
            return False
        self.active = False
        return True
