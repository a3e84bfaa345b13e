"""A front end without a browser: it records what it receives, and acknowledges batches."""

import threading
import time

import comm.base_comm

from helpers import PATIENCE


class RecordingComm(comm.base_comm.BaseComm):
    """Records published messages: time, type, content and buffers."""

    def __init__(self, **arguments):
        self.sent = []
        super().__init__(**arguments)

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        self.sent.append((time.monotonic(), msg_type, data or {}, list(buffers or [])))


class FrontEnd:
    """One front end of a widget.

    Args:
        widget: A widget with a RecordingComm.
        name: Name of this front end; several of one widget have different names.
        answers: Whether it acknowledges batches, as an open page does.
    """

    def __init__(self, widget, name="page", *, answers=True):
        self.widget, self.name, self.answers = widget, name, answers
        self.acknowledged = set()

    def send(self, kind, **content):
        """Send a message, on its own thread as subshells do, with the token of the cells it has."""
        content = {"kind": kind, "client": self.name, "token": self.token(), **content}
        data = {"method": "custom", "content": content}
        thread = threading.Thread(
            target=self.widget._handle_msg, args=({"content": {"data": data}, "buffers": []},)
        )
        thread.start()
        thread.join()

    def received(self, kind=None):
        """Return contents and buffers of the messages for this front end."""
        messages = []
        for _, msg_type, data, buffers in list(self.widget.comm.sent):
            if msg_type != "comm_msg" or data.get("method") != "custom":
                continue
            content = data["content"]
            if content.get("to") not in (None, self.name):
                continue
            if kind is None or content["kind"] == kind:
                messages.append((content, buffers))
        return messages

    def token(self):
        """Return the token of the cells that arrived last; "" before any."""
        tokens = [content["token"] for content, _ in self.received("cells")]
        return tokens[-1] if tokens else ""

    def wait_for(self, condition, seconds=PATIENCE):
        """Wait until `condition()` is true, acknowledging batches; return its value."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for content, _ in self.received("sheets") if self.answers else ():
                if content["id"] not in self.acknowledged:
                    self.acknowledged.add(content["id"])
                    self.send("ack", id=content["id"])
            if value := condition():
                return value
            time.sleep(0.02)
        raise AssertionError("timed out")

    def open(self, visible=(), requested=()):
        """Connect, then request the visible cells."""
        self.send("hello")
        self.wait_for(lambda: self.received("cells"))
        self.send("viewport", visible=list(visible), requested=list(requested), awake=True)
        return self

    def sheets(self):
        """Return the cells whose sheets have arrived."""
        return [item["i"] for content, _ in self.received("sheets") for item in content["items"]]
