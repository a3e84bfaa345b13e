"""The one thread that talks to the front end."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from beecam.errors import BeecamError
from beecam.export import view_data as telling
from beecam.sweeps import expand as growing
from beecam_widgets import messages
from beecam_widgets.columns import columns_messages
from beecam_widgets.limits import Client, Limiter
from beecam_widgets.messages import Message
from beecam_widgets.source import RunSource, Source, clip_at, mark

_TICK = 0.1
_MARKS_EVERY = 0.5
# Somebody who marks one clip marks the next one soon.
_SETTLED = 4.0

Send = Callable[[dict[str, Any], list[bytes]], None]


class Publisher:
    """Answers the front ends of one grid and tells them what changes.

    Whatever thread a message arrives on, it is only put into a queue: a single thread reads it,
    touches run and library, and sends. It never waits for an answer, ends when nobody looks and
    nothing runs, and starts again with the next message.

    Attributes:
        source: What the thread tells of.
        shown: What was asked for last; the thread comes to it.
    """

    def __init__(
        self,
        source: Source,
        send: Send,
        settled: Callable[[], None],
        grown: Callable[[Source], None],
    ) -> None:
        """Prepare; `start()` or the first message starts the thread.

        Args:
            source: What is shown.
            send: Sends content and buffers to all front ends.
            settled: Called on the thread when the source's run has ended, and some seconds after
                the last one of several marks.
            grown: Called on the thread with a source that begins with the cells of this one, and
                shall be shown instead.
        """
        self.source = self.shown = source
        self._send = send
        self._settled = settled
        self._grown = grown
        self._inbox: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._outbox: deque[Message] = deque()
        self._clients: dict[str, Client] = {}
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._told_end = source.run is None
        self._version = 0
        self._keeps = ""
        self._marked = -1
        self._by_key: dict[str, list[int]] = {}
        self._marks_read = 0.0
        self._marked_at: float | None = None
        self._limiter = Limiter()
        self._ids = itertools.count(1)

    # --- from any thread -----------------------------------------------------------------------

    def receive(self, content: dict[str, Any]) -> None:
        """Take a message of a front end."""
        self._inbox.put(content)
        self.start()

    def start(self) -> None:
        """See to it that the thread runs."""
        with self._lock:
            if self._closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="beecam-grid", daemon=True)
                self._thread.start()
        self._wake.set()

    def show(self, source: Source, *, grown: bool = False) -> None:
        """Show another source from now on; `grown` says that it begins with this one's cells."""
        self.shown = source
        self._inbox.put({"kind": "show", "source": source, "grown": grown})
        self.start()

    def close(self) -> None:
        """End the thread; nothing is sent any more."""
        with self._lock:
            self._closed = True
        self._wake.set()

    # --- the thread ----------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            self._wake.wait(_MARKS_EVERY if self._quiet() else _TICK)
            self._wake.clear()
            if self._closed:
                return
            try:
                self._tick()
            except Exception as error:  # noqa: BLE001  (a thread has nobody else to tell)
                self._problem(f"The grid had a problem: {error}")
                self._flush()
            with self._lock:
                if self._idle():
                    self._thread = None
                    return
            # Requests come in bursts (a scroll): taking them together costs fewer messages.
            time.sleep(_TICK / 4)

    def _quiet(self) -> bool:
        busy = any(c.wishes or c.sent for c in self._clients.values())
        return self._told_end and not self._outbox and not busy

    def _idle(self) -> bool:
        if self._clients or self._outbox or not self._inbox.empty():
            return False
        return self._told_end and self._marked_at is None

    def _tick(self) -> None:
        self._take_all()
        now = time.monotonic()
        for name in [n for n, client in self._clients.items() if client.gone(now)]:
            del self._clients[name]
        self._tell_state()
        self._tell_marks(now)
        self._tell_settled(now)
        self._flush()
        self._send_sheets(now)

    def _take_all(self) -> None:
        while True:
            try:
                content = self._inbox.get_nowait()
            except Empty:
                return
            try:
                self._take(content)
            except BeecamError as error:
                self._problem(str(error))
            except (KeyError, TypeError, ValueError, IndexError) as error:
                self._problem(f"The grid did not understand a message of its page: {error!r}")

    def _take(self, content: dict[str, Any]) -> None:
        kind = content.get("kind")
        name = str(content.get("client", ""))
        client = self._clients.get(name)
        now = time.monotonic()
        if client is not None:
            client.seen = now
        elif name and kind != "bye":
            client = self._clients[name] = Client(now)
            if kind != "hello":
                # A page that slept for so long that it was given up has missed what changed.
                self._say_head(name)
        handler = getattr(self, f"_on_{kind}", None) if isinstance(kind, str) else None
        if handler is None:
            raise ValueError(kind)
        handler(content, client)

    def _on_hello(self, content: dict[str, Any], _: Client | None) -> None:
        self._say_head(str(content["client"]))

    def _on_see(self, content: dict[str, Any], client: Client | None) -> None:
        if client is None:
            return
        client.awake = bool(content.get("awake", True))
        client.visible = tuple(self._valid(content["visible"]))
        client.pixels = max(1, int(content.get("pixels", client.pixels)))
        client.wishes.clear()
        client.wish(self._valid(content["want"]))

    def _on_ack(self, content: dict[str, Any], client: Client | None) -> None:
        if client is not None:
            client.sent.pop(int(content["id"]), None)

    def _on_ping(self, content: dict[str, Any], client: Client | None) -> None:
        if client is not None:
            client.awake = bool(content.get("awake", True))
            # A page that hears nothing tells the person that the kernel is gone.
            self._outbox.append(({"kind": "heard", "to": content["client"]}, []))

    def _on_bye(self, content: dict[str, Any], _: Client | None) -> None:
        self._clients.pop(str(content.get("client", "")), None)

    def _on_rate(self, content: dict[str, Any], client: Client | None) -> None:
        changed = self._valid(content["cells"])
        if client is not None:
            client.turn = int(content.get("turn", 0))
        try:
            for index in changed:
                mark(clip_at(self.source, index), content)
        finally:
            # Also after an error, so that the front end takes back what it showed in advance.
            self._say_marks(changed)

    def _on_columns(self, content: dict[str, Any], client: Client | None) -> None:
        if client is not None:
            client.columns = True
            self._say_columns(range(len(self.source)), str(content["client"]))

    def _on_run(self, content: dict[str, Any], _: Client | None) -> None:
        run, action = self.source.run, content["do"]
        if run is None:
            return
        if action == "pause":
            run.pause()
        elif action == "stop":
            run.cancel()
        elif action == "drop":
            run.cancel(*self._valid([content["cell"]]))
        elif action == "run":
            if run.status in ("cancelled", "done"):
                self._grown(RunSource(run.retry()))
            else:
                run.resume()
        else:
            raise ValueError(action)

    def _on_fill(self, content: dict[str, Any], _: Client | None) -> None:
        run = self.source.run
        if run is not None:
            names = [axis.name for axis in self.source.axes]
            places = [dict(zip(names, place, strict=True)) for place in content["places"]]
            self._grown(RunSource(run.with_cells(growing.with_cell(run.sweep, places))))

    def _on_again(self, content: dict[str, Any], _: Client | None) -> None:
        run = self.source.run
        if run is not None:
            cells = self._valid(content["cells"])
            self._grown(RunSource(run.with_cells(growing.with_new_seeds(run.sweep, cells))))

    def _on_show(self, content: dict[str, Any], _: Client | None) -> None:
        self._show(content["source"], grown=content["grown"])

    def _show(self, source: Source, *, grown: bool = False) -> None:
        self._keeps = self.source.token if grown else ""
        self.source = source
        self._told_end = source.run is None
        self._version = 0
        self._by_key.clear()
        for client in self._clients.values():
            client.wishes.clear()
            client.columns = False
        self._say_head(None)

    def _on_detail(self, content: dict[str, Any], client: Client | None) -> None:
        indices = self._valid([content["cell"]])
        if client is None or not indices:
            return
        for body, buffers in messages.detail_messages(self.source, indices[0]):
            self._outbox.append((body | {"to": content["client"]}, buffers))

    # --- what is said --------------------------------------------------------------------------

    def _say_head(self, to: str | None) -> None:
        """Say everything that a front end needs to begin with; to all of them for None."""
        if not self._by_key:
            self._follow_marks()
        changes = self.source.changes(0)
        if changes is not None and self._version == 0:
            # Nobody was told anything before: what follows is only what is new from here on.
            self._version = changes.version
        seen = frozenset[int]()
        for body, buffers in [
            messages.head_message(self.source, 1, self._keeps),
            *(messages.state_messages(changes.run, changes.cells, seen) if changes else ()),
        ]:
            self._outbox.append((body | {"to": to}, buffers))

    def _tell_state(self) -> None:
        run = self.source.run
        if run is None or self._told_end:
            return
        # Asking for changes makes the run draw previews: only when somebody can see them.
        looking = any(client.awake for client in self._clients.values())
        if not (looking or run.finished) or self._outbox:
            return
        changes = self.source.changes(self._version)
        if changes is not None and changes.version > self._version:
            self._version = changes.version
            seen = frozenset(i for c in self._clients.values() if c.awake for i in c.visible)
            self._outbox.extend(messages.state_messages(changes.run, changes.cells, seen))
            made = [cell.index for cell in changes.cells if cell.status == "done"]
            self._wish_for(made)
            if any(client.columns for client in self._clients.values()):
                self._say_columns(made, None)
        if run.finished and changes is not None and changes.run.status == run.status:
            self._told_end = True
            self._marked_at = None
            self._settled()

    def _wish_for(self, indices: Iterable[int]) -> None:
        """A clip that has just been made is sent to those who see its cell without being asked."""
        made = list(indices)
        for client in self._clients.values():
            client.wish(index for index in made if index in client.visible)

    def _follow_marks(self) -> None:
        """Begin to look at what is marked by code, or in another notebook."""
        self._marked, _ = self.source.library.annotations_since(-1)
        self._by_key.clear()
        for index in range(len(self.source)):
            self._by_key.setdefault(self.source.key(index), []).append(index)

    def _tell_marks(self, now: float) -> None:
        if now - self._marks_read < _MARKS_EVERY or not self._clients:
            return
        self._marks_read = now
        self._marked, changed = self.source.library.annotations_since(self._marked)
        self._say_marks([index for key in changed for index in self._by_key.get(key, ())])

    def _tell_settled(self, now: float) -> None:
        if self._marked_at is None or not self._told_end or now - self._marked_at < _SETTLED:
            return
        self._marked_at = None
        self._settled()

    def _say_marks(self, indices: Sequence[int]) -> None:
        table = self.source.library.table({self.source.key(i) for i in indices})
        rows = [table.get(self.source.key(i)) for i in indices]
        # A clip that was deleted has no marks: what a page showed in advance is taken back.
        news = [
            [i, row["stars"], row["rejected"], list(row["tags"])] if row else [i, 0, False, []]
            for i, row in zip(indices, rows, strict=True)
        ]
        if news:
            heard = {name: client.turn for name, client in self._clients.items() if client.turn}
            self._outbox.append(({"kind": "marks", "cells": news, "heard": heard}, []))
        if any(rows):
            self._marked_at = time.monotonic()

    def _say_columns(self, indices: Sequence[int], to: str | None) -> None:
        for body, buffers in columns_messages(self.source, indices):
            self._outbox.append((body | {"to": to}, buffers))

    def _problem(self, text: str) -> None:
        self._outbox.append(({"kind": "problem", "text": telling.cut(text, 1_000)}, []))

    def _flush(self) -> None:
        while self._outbox and self._limiter.allow():
            self._send(*self._outbox.popleft())

    def _send_sheets(self, now: float) -> None:
        for name, client in self._clients.items():
            while client.wishes and client.ready(now) and not self._outbox:
                if not self._limiter.allow():
                    return
                (body, buffers), done = messages.sheets_message(
                    self.source, client.wishes, client.pixels
                )
                for _ in done:
                    client.wishes.popleft()
                batch = next(self._ids)
                client.sent[batch] = (now, frozenset(done))
                self._send(body | {"to": name, "id": batch}, buffers)

    def _valid(self, indices: Iterable[Any]) -> list[int]:
        count = len(self.source)
        return [i for i in indices if type(i) is int and 0 <= i < count]
