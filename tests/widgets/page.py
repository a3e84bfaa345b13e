"""A front end without a browser: it records what it is sent, and answers as told."""

import threading
import time

import comm.base_comm


class RecordingComm(comm.base_comm.BaseComm):
    """Keeps what is published: time, content and buffers."""

    def __init__(self, **arguments):
        self.sent = []
        super().__init__(**arguments)

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        self.sent.append((time.monotonic(), msg_type, data or {}, list(buffers or [])))


class Page:
    """One front end of a grid.

    Args:
        grid: A ClipGrid.
        name: Of this front end; several of one grid have different names.
        answers: Whether it acknowledges batches, as a living page does.
    """

    def __init__(self, grid, name="page", *, answers=True):
        self.grid, self.name, self.answers = grid, name, answers
        self.acknowledged = set()

    def say(self, kind, **content):
        """Send a message, on a thread of its own as subshells do."""
        content = {"kind": kind, "client": self.name, **content}
        data = {"method": "custom", "content": content}
        thread = threading.Thread(
            target=self.grid._handle_msg, args=({"content": {"data": data}, "buffers": []},)
        )
        thread.start()
        thread.join()

    def heard(self, kind=None):
        """Contents and buffers of the messages for this page."""
        found = []
        for _, msg_type, data, buffers in list(self.grid.comm.sent):
            if msg_type != "comm_msg" or data.get("method") != "custom":
                continue
            content = data["content"]
            if content.get("to") not in (None, self.name):
                continue
            if kind is None or content["kind"] == kind:
                found.append((content, buffers))
        return found

    def wait_for(self, condition, seconds=240):
        """Wait until `condition()` is true, acknowledging what comes; return its value."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for content, _ in self.heard("sheets") if self.answers else ():
                if content["id"] not in self.acknowledged:
                    self.acknowledged.add(content["id"])
                    self.say("ack", id=content["id"])
            if value := condition():
                return value
            time.sleep(0.02)
        raise AssertionError("it did not happen in time")

    def begin(self, visible=(), want=()):
        """Open: hello, then what is seen."""
        self.say("hello")
        self.wait_for(lambda: self.heard("cells"))
        self.say("see", visible=list(visible), want=list(want), awake=True)
        return self

    def sheets(self):
        """The cells whose clips have arrived."""
        return [item["i"] for content, _ in self.heard("sheets") for item in content["items"]]
