"""The requests that the front end of a panel sends, and what each of them calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from beecam.errors import BeecamError
from beecam.runs.run import Run
from beecam.sweeps.deck_files.deck import Deck
from beecam.sweeps.deck_files.find import Decks
from beecam.sweeps.deck_files.match import DeckMatch

_EDIT_LENGTH = 2  # name of the front end, number of the edit


class PanelActions(Protocol):
    """The part of a panel that requests use."""

    @property
    def current_run(self) -> Run | None:
        """The run started last."""

    @property
    def decks(self) -> Decks:
        """The decks to choose from."""

    @property
    def deck(self) -> Deck | None:
        """The deck that the form was filled from."""

    @deck.setter
    def deck(self, value: Deck) -> None: ...

    @property
    def intent(self) -> DeckMatch | None:
        """The description in words, and the deck that matches it."""

    @intent.setter
    def intent(self, text: str) -> None: ...

    def run_now(self) -> Run:
        """Run the sweep of the form."""

    def pause(self) -> None:
        """Pause the run."""

    def resume(self) -> None:
        """Resume the run."""

    def stop(self) -> None:
        """Stop the run."""

    def restore(self, record: str) -> None:
        """Restore an earlier sweep."""

    def undo(self) -> None:
        """Undo the last deck or restored sweep."""

    def apply_edit(self, data: Mapping[str, Any], edit: Sequence[Any]) -> None:
        """Replace the form by the one that a front end sent."""

    def refresh_history(self) -> None:
        """Send the earlier sweeps again."""

    def send_message(self, **content: Any) -> None:
        """Send a message to all front ends."""


def handle_request(panel: PanelActions, content: Mapping[str, Any]) -> None:
    """Do what a message of the front end requests; ignore unknown kinds.

    Raises:
        BeecamError: The request can't be fulfilled.
    """
    handler = _HANDLERS.get(content["kind"])
    if handler is not None:
        handler(panel, content)


def _edit(panel: PanelActions, content: Mapping[str, Any]) -> None:
    edit = content["edit"]
    if not (isinstance(edit, list) and len(edit) == _EDIT_LENGTH):
        raise BeecamError("The panel received an edit without its number.")
    panel.apply_edit(content["state"], edit)


def _run(panel: PanelActions, _: Mapping[str, Any]) -> None:
    run = panel.current_run
    if run is not None and run.status in ("pausing", "paused"):
        panel.resume()
    else:
        panel.run_now()


def _pause(panel: PanelActions, _: Mapping[str, Any]) -> None:
    panel.pause()


def _stop(panel: PanelActions, _: Mapping[str, Any]) -> None:
    panel.stop()


def _deck(panel: PanelActions, content: Mapping[str, Any]) -> None:
    for deck in panel.decks:
        if deck.name == content["name"]:
            panel.deck = deck
            return


def _intent(panel: PanelActions, content: Mapping[str, Any]) -> None:
    panel.intent = content["text"]
    intent = panel.intent
    if intent is not None:
        note = intent.deck.note if intent.deck else ""
        panel.send_message(kind="intent", text=intent.reason, note=note)


def _restore(panel: PanelActions, content: Mapping[str, Any]) -> None:
    panel.restore(str(content["key"]))


def _undo(panel: PanelActions, _: Mapping[str, Any]) -> None:
    panel.undo()


def _hello(panel: PanelActions, _: Mapping[str, Any]) -> None:
    panel.refresh_history()


_HANDLERS: dict[str, Callable[[PanelActions, Mapping[str, Any]], None]] = {
    "edit": _edit,
    "run": _run,
    "pause": _pause,
    "stop": _stop,
    "deck": _deck,
    "intent": _intent,
    "restore": _restore,
    "undo": _undo,
    "hello": _hello,
}
