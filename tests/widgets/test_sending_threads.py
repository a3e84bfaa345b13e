"""The threads that send messages: no error ends one, and no acknowledgement is lost."""

import threading
from queue import SimpleQueue

import pytest
from front_end import FrontEnd

from beecam_widgets._clips import client
from beecam_widgets._live.throttled_sender import ThrottledSender
from beecam_widgets._notebook.worker_thread import WorkerThread
from helpers import PATIENCE


class Wire:
    """What a sender sends to: it fails a number of times first."""

    def __init__(self, failures=0):
        self.failures = failures
        self.sent = SimpleQueue()

    def __call__(self, content, buffers):
        if self.failures:
            self.failures -= 1
            raise OSError("the socket is gone")
        self.sent.put(content)

    def next(self):
        return self.sent.get(timeout=PATIENCE)


@pytest.fixture
def sender_on():
    senders = []

    def create(wire):
        senders.append(ThrottledSender(wire))
        return senders[-1]

    yield create
    for sender in senders:
        sender.close()


@pytest.mark.parametrize("kind", ["kept", "saved", "result", "problem", "unbuildable"])
def test_any_message_acknowledges_all_edits(sender_on, kind):
    wire = Wire()
    sender = sender_on(wire)

    def build():
        # Received while the message waits.
        sender.acknowledge("a", 7)
        sender.acknowledge("b", 2)
        sender.acknowledge("a", 6)
        if kind == "unbuildable":
            raise ValueError("no frames")
        return {"kind": kind, "client": "another", "edit": 1}, []

    sender.submit("slot", build)
    assert wire.next()["edits"] == {"a": 7, "b": 2}
    sender.acknowledge("a", 8)
    assert wire.next() == {"kind": "ack", "edits": {"a": 8}}, "without a message to wait for"


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_a_message_that_can_not_be_sent_ends_nothing(sender_on, failures):
    wire = Wire(failures)
    sender = sender_on(wire)
    sender.submit("one", lambda: sender.acknowledge("a", 3) or ({"kind": "saved"}, []))
    assert wire.next() == {"kind": "ack", "edits": {"a": 3}}
    sender.submit("two", lambda: ({"kind": "kept"}, []))
    assert wire.next() == {"kind": "kept", "edits": {}}


def failing_starts(monkeypatch, count):
    """Let the next threads fail to start, as in a process that has all that it may have."""
    start = threading.Thread.start
    left = [count]

    def fail(thread):
        if left[0]:
            left[0] -= 1
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail)


def test_a_sender_starts_after_a_failed_start(sender_on, monkeypatch):
    wire = Wire()
    sender = sender_on(wire)
    failing_starts(monkeypatch, 1)
    with pytest.raises(RuntimeError):
        sender.submit("one", lambda: ({"kind": "saved"}, []))
    sender.submit("two", lambda: ({"kind": "kept"}, []))
    assert {wire.next()["kind"], wire.next()["kind"]} == {"saved", "kept"}


def test_a_worker_starts_after_a_failed_start_and_survives_errors(monkeypatch):
    seen = SimpleQueue()

    def handle(message):
        seen.put(message)
        raise OSError("the report can't be sent")

    def poll():
        raise OSError("as before")

    worker = WorkerThread(handle, poll, "beecam-test")
    failing_starts(monkeypatch, 1)
    with pytest.raises(RuntimeError):
        worker.submit(1)
    for message in (2, 3):
        worker.submit(message)
    assert [seen.get(timeout=PATIENCE) for _ in range(3)] == [1, 2, 3]
    worker.submit(4)
    assert seen.get(timeout=PATIENCE) == 4
    worker.close()


def test_a_publisher_starts_after_a_failed_start(show, finished, monkeypatch):
    grid = show(finished)
    failing_starts(monkeypatch, 1)
    with pytest.raises(RuntimeError):
        grid._publisher.start()
    FrontEnd(grid).open()


@pytest.mark.parametrize("failures", [2, 5])
def test_a_publisher_goes_on_after_errors_of_sending(show, finished, monkeypatch, failures):
    grid = show(finished)
    wire = Wire(failures)
    send = grid._publisher._send

    def unreliable(content, buffers):
        wire(content, buffers)
        send(content, buffers)

    monkeypatch.setattr(grid._publisher, "_send", unreliable)
    front_end = FrontEnd(grid)

    def has_cells():
        front_end.send("hello")
        return front_end.received("cells")

    front_end.wait_for(has_cells)
    front_end.open(visible=[0], requested=[0])
    front_end.wait_for(lambda: 0 in front_end.sheets())


def test_a_publisher_that_can_not_send_ends_with_its_front_ends(show, finished, monkeypatch):
    monkeypatch.setattr(client, "CLIENT_SECONDS", 0.2)
    grid = show(finished)
    monkeypatch.setattr(grid._publisher, "_send", Wire(failures=10**9))
    front_end = FrontEnd(grid)
    front_end.send("hello")
    thread = grid._publisher._thread
    front_end.wait_for(lambda: not thread.is_alive())
    assert grid._publisher._thread is None, "it ended by itself"
