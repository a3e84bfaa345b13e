"""The thread that exchanges messages with the front ends of a surface."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from beecam.errors import BeecamError
from beecam.sweeps import expand
from beecam_widgets._clips import messages
from beecam_widgets._clips.annotation_watcher import AnnotationWatcher
from beecam_widgets._clips.cell_source import (
    CellSource,
    RunSource,
    annotate,
    clip_at,
    starts_with,
)
from beecam_widgets._clips.client import Client
from beecam_widgets._clips.column_messages import column_messages
from beecam_widgets._notebook.flow_control import Message, RateLimiter, Send

_TICK = 0.1
_QUIET_TICK = 0.5
# Annotations come in series: the contact sheet waits for this many seconds after the last one.
_SETTLE_SECONDS = 4.0
_MESSAGE_VERSION = 1
# Messages that name cells by their numbers, or act on the run that is shown.
_ABOUT_CELLS = ("viewport", "annotate", "columns", "run", "fill", "regenerate", "detail")


class Publisher:
    """Answers the front ends of one surface, and sends them what changes.

    Messages may arrive on any thread: they are only queued. A single thread reads the queue,
    accesses run and library, and sends. It never waits for an answer, ends when no front end is
    connected and no run is active, and starts again with the next message. No error ends it: what
    can't be sent is dropped.

    A message about cells names the source that the front end shows, by its token. One that was sent
    before the front end knew of another source is dropped: the same numbers are other clips there.

    Attributes:
        source: The source that the thread publishes.
        latest: The source requested last; the thread switches to it.
    """

    def __init__(
        self,
        source: CellSource,
        send: Send,
        on_settled: Callable[[], None],
        on_extended: Callable[[CellSource], None],
    ) -> None:
        """Create the publisher; `start()` or the first message starts its thread.

        Args:
            source: What is shown.
            send: Sends content and buffers to all front ends.
            on_settled: Called on the thread when the source's run has ended, and some seconds
                after the last of several annotations.
            on_extended: Called on the thread with a source that starts with the cells of the
                current one and should replace it.
        """
        self.source = self.latest = source
        self._send = send
        self._on_settled = on_settled
        self._on_extended = on_extended
        self._inbox: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._outbox: deque[Message] = deque()
        self._clients: dict[str, Client] = {}
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._end_reported = source.run is None
        self._version = 0
        self._extends = ""
        # The sources whose cells are the first ones of the current source, and that source.
        self._tokens = {source.token}
        self._annotations = AnnotationWatcher()
        self._annotated_at: float | None = None
        self._limiter = RateLimiter()
        self._batch_ids = itertools.count(1)

    # --- called on any thread ------------------------------------------------------------------

    def receive(self, content: dict[str, Any]) -> None:
        """Queue a message from a front end."""
        self._inbox.put(content)
        self.start()

    def start(self) -> None:
        """Start the thread unless it runs, and wake it."""
        with self._lock:
            if self._closed:
                return
            # One that isn't alive is one whose start failed.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="beecam-grid", daemon=True)
                self._thread.start()
        self._wake.set()

    def show(self, source: CellSource, *, extends: bool = False) -> None:
        """Publish another source from now on.

        Args:
            source: The other source.
            extends: Whether it starts with the cells of the current one.
        """
        self.latest = source
        self._inbox.put({"kind": "show", "source": source, "extends": extends})
        self.start()

    def close(self) -> None:
        """End the thread; send nothing more."""
        with self._lock:
            self._closed = True
        self._wake.set()

    # --- the thread ----------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            self._wake.wait(_QUIET_TICK if self._is_quiet() else _TICK)
            self._wake.clear()
            if self._closed:
                return
            try:
                self._tick()
            except Exception as error:  # noqa: BLE001  (there is no caller to raise to)
                self._send_problem(f"The grid raised an error: {error}")
                # The next tick may raise before it sends; and this fails, too, if sending raised.
                with contextlib.suppress(Exception):
                    self._flush()
            with self._lock:
                if self._is_idle():
                    self._thread = None
                    return
            # Requests come in bursts while scrolling: handling them together needs fewer messages.
            time.sleep(_TICK / 4)

    def _is_quiet(self) -> bool:
        busy = any(c.requested or c.unacknowledged for c in self._clients.values())
        return self._end_reported and not self._outbox and not busy

    def _is_idle(self) -> bool:
        if self._clients or self._outbox or not self._inbox.empty():
            return False
        return self._end_reported and self._annotated_at is None

    def _tick(self) -> None:
        self._handle_all()
        now = time.monotonic()
        for name in [n for n, client in self._clients.items() if client.is_gone(now)]:
            del self._clients[name]
        self._publish_state()
        if self._clients:
            self._send_annotations([*self._annotations.poll(self.source, now)])
        self._report_settled(now)
        self._flush()
        self._send_sheets(now)

    def _handle_all(self) -> None:
        while True:
            try:
                content = self._inbox.get_nowait()
            except Empty:
                return
            try:
                self._handle(content)
            except BeecamError as error:
                self._send_problem(str(error))
            except (KeyError, TypeError, ValueError, IndexError) as error:
                self._send_problem(f"The grid received a message that it can't read: {error!r}")

    def _handle(self, content: dict[str, Any]) -> None:
        """Call the handler of a message: the method `_on_` and the message's kind."""
        kind = content.get("kind")
        name = str(content.get("client", ""))
        client = self._clients.get(name)
        now = time.monotonic()
        if client is not None:
            client.last_seen = now
        elif name and kind != "bye":
            client = self._clients[name] = Client(now)
            if kind != "hello":
                # A page that was suspended until it counted as gone has missed changes.
                self._send_all_state(name)
        handler = getattr(self, f"_on_{kind}", None) if isinstance(kind, str) else None
        if handler is None:
            raise ValueError(kind)
        if kind in _ABOUT_CELLS and content.get("token") not in self._tokens:
            return
        handler(content, client)

    def _on_hello(self, content: dict[str, Any], _: Client | None) -> None:
        self._send_all_state(str(content["client"]))

    def _on_viewport(self, content: dict[str, Any], client: Client | None) -> None:
        if client is None:
            return
        client.awake = bool(content.get("awake", True))
        client.visible = tuple(self._valid(content["visible"]))
        client.pixels = max(1, int(content.get("pixels", client.pixels)))
        client.requested.clear()
        client.request(self._valid(content["requested"]))

    def _on_ack(self, content: dict[str, Any], client: Client | None) -> None:
        if client is not None:
            client.unacknowledged.pop(int(content["id"]), None)

    def _on_ping(self, content: dict[str, Any], client: Client | None) -> None:
        if client is not None:
            client.awake = bool(content.get("awake", True))
            if content.get("token") != self.source.token:
                # The message with these cells was lost, or is on its way.
                self._send_all_state(str(content["client"]))
            # Without an answer the front end reports that the kernel is gone.
            self._outbox.append(({"kind": "pong", "to": content["client"]}, []))

    def _on_bye(self, content: dict[str, Any], _: Client | None) -> None:
        self._clients.pop(str(content.get("client", "")), None)

    def _on_annotate(self, content: dict[str, Any], client: Client | None) -> None:
        changed = self._valid(content["cells"])
        if client is not None:
            client.turn = int(content.get("turn", 0))
        try:
            for index in changed:
                annotate(clip_at(self.source, index), content)
        finally:
            # After an error, too: the front end then reverts what it showed in advance.
            self._send_annotations(changed)

    def _on_columns(self, content: dict[str, Any], client: Client | None) -> None:
        if client is not None:
            client.columns = True
            self._send_columns(range(len(self.source)), str(content["client"]))

    def _on_run(self, content: dict[str, Any], _: Client | None) -> None:
        run, action = self.source.run, content["action"]
        if run is None:
            return
        if action == "pause":
            run.pause()
        elif action == "stop":
            run.cancel()
        elif action == "skip":
            run.cancel(*self._valid([content["cell"]]))
        elif action == "run":
            if run.status in ("cancelled", "done"):
                self._on_extended(RunSource(run.retry()))
            else:
                run.resume()
        else:
            raise ValueError(action)

    def _on_fill(self, content: dict[str, Any], _: Client | None) -> None:
        run = self.source.run
        if run is not None:
            names = [axis.name for axis in self.source.axes]
            coords = [dict(zip(names, one, strict=True)) for one in content["coords"]]
            self._on_extended(RunSource(run.with_cells(expand.with_cell(run.sweep, coords))))

    def _on_regenerate(self, content: dict[str, Any], _: Client | None) -> None:
        run = self.source.run
        if run is not None:
            cells = self._valid(content["cells"])
            self._on_extended(RunSource(run.with_cells(expand.with_new_seeds(run.sweep, cells))))

    def _on_show(self, content: dict[str, Any], _: Client | None) -> None:
        """Switch to another source; sent by `show` only."""
        source = content["source"]
        # With other weights, the same cells have other clips: nothing of the old ones stays.
        extends = content["extends"] and starts_with(source, self.source)
        self._extends = self.source.token if extends else ""
        self._tokens = (self._tokens if extends else set()) | {source.token}
        self.source = source
        self._end_reported = self.source.run is None
        self._version = 0
        self._annotations.detach()
        for client in self._clients.values():
            client.requested.clear()
            client.columns = False
        self._send_all_state(None)

    def _on_detail(self, content: dict[str, Any], client: Client | None) -> None:
        cells = self._valid([content["cell"]])
        if client is not None and cells:
            for message in messages.detail_messages(self.source, cells[0]):
                self._address(message, str(content["client"]))

    # --- sending -------------------------------------------------------------------------------

    def _address(self, message: Message, client: str | None) -> None:
        """Queue a message for one front end, or for all of them if `client` is None."""
        content, buffers = message
        self._outbox.append((content | {"to": client}, buffers))

    def _send_all_state(self, client: str | None) -> None:
        """Send all that a front end needs to start; None sends it to all front ends."""
        if not self._annotations.attached:
            self._annotations.attach(self.source)
        changes = self.source.changes(0)
        if changes is not None and self._version == 0:
            # Nothing was sent before: later messages only have what changes from here on.
            self._version = changes.version
        self._address(messages.cells_message(self.source, _MESSAGE_VERSION, self._extends), client)
        if changes is not None:
            for message in messages.state_messages(changes.run, changes.cells, frozenset()):
                self._address(message, client)

    def _publish_state(self) -> None:
        run = self.source.run
        if run is None or self._end_reported:
            return
        # Reading changes makes the run draw previews: only do it for a front end that is visible.
        is_watched = any(client.awake for client in self._clients.values())
        if not (is_watched or run.finished) or self._outbox:
            return
        changes = self.source.changes(self._version)
        if changes is not None and changes.version > self._version:
            self._version = changes.version
            visible = frozenset(i for c in self._clients.values() if c.awake for i in c.visible)
            self._outbox.extend(messages.state_messages(changes.run, changes.cells, visible))
            generated = [cell.index for cell in changes.cells if cell.status == "done"]
            self._request_visible(generated)
            if any(client.columns for client in self._clients.values()):
                self._send_columns(generated, None)
        if run.finished and changes is not None and changes.run.status == run.status:
            self._end_reported = True
            self._annotated_at = None
            self._on_settled()

    def _request_visible(self, cells: Sequence[int]) -> None:
        """Send new clips to the front ends that show their cells, without waiting for a request."""
        for client in self._clients.values():
            client.request(index for index in cells if index in client.visible)

    def _report_settled(self, now: float) -> None:
        if self._annotated_at is None or not self._end_reported:
            return
        if now - self._annotated_at >= _SETTLE_SECONDS:
            self._annotated_at = None
            self._on_settled()

    def _send_annotations(self, cells: Sequence[int]) -> None:
        if not cells:
            return
        turns = {name: client.turn for name, client in self._clients.items() if client.turn}
        message, any_clip = messages.annotations_message(self.source, cells, turns)
        self._outbox.append(message)
        if any_clip:
            self._annotated_at = time.monotonic()

    def _send_columns(self, cells: Sequence[int], client: str | None) -> None:
        for message in column_messages(self.source, cells):
            self._address(message, client)

    def _send_problem(self, text: str) -> None:
        self._outbox.append(messages.problem_message(text))

    def _flush(self) -> None:
        while self._outbox and self._limiter.allow():
            self._send(*self._outbox.popleft())

    def _send_sheets(self, now: float) -> None:
        for name, client in self._clients.items():
            while client.requested and client.is_ready(now) and not self._outbox:
                if not self._limiter.allow():
                    return
                (content, buffers), included = messages.sheets_message(
                    self.source, client.requested, client.pixels
                )
                for _ in included:
                    client.requested.popleft()
                batch = next(self._batch_ids)
                client.unacknowledged[batch] = (now, frozenset(included))
                self._send(content | {"to": name, "id": batch}, buffers)

    def _valid(self, cells: Iterable[Any]) -> list[int]:
        """Return the numbers of existing cells, in their order."""
        count = len(self.source)
        return [i for i in cells if type(i) is int and 0 <= i < count]
