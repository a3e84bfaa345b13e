"""A real kernel whose cells have ids, as JupyterLab sends them, and what its cells then show."""

import ast
import queue
import time
from pathlib import Path

from jupyter_client.manager import start_new_kernel

from helpers import PATIENCE

HERE = Path(__file__).parent
PREAMBLE = f"""\
import gc, sys, threading, weakref
sys.path[:0] = [{str(HERE)!r}]
import ipywidgets
import beecam as bc
import beecam_widgets as bw
from drawn import DrawnModel
"""
WIDGET = "application/vnd.jupyter.widget-view+json"


class Kernel:
    """Runs cells and keeps their outputs as a notebook does.

    Attributes:
        outputs: For each cell its outputs: display id and data.
    """

    def __init__(self, folder):
        self._manager, self._client = start_new_kernel(cwd=str(folder))
        self.outputs = {}
        self.run("start", PREAMBLE + f"library = bc.library({str(folder / 'library')!r})")

    def close(self):
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def end(self):
        """Let the kernel end by itself, as after the last cell of a notebook that is executed."""
        message = self._client.session.msg("shutdown_request", {"restart": False})
        self._client.control_channel.send(message)
        end = time.monotonic() + PATIENCE
        while self._manager.is_alive() and time.monotonic() < end:
            self._take(timeout=0.2)
        while self._take(timeout=0.5):
            pass

    def _take(self, timeout):
        """Take over the next update of an output; return whether there was a message."""
        try:
            message = self._client.get_iopub_msg(timeout=timeout)
        except queue.Empty:
            return False
        if message["msg_type"] == "update_display_data":
            content = message["content"]
            self._replace(content["transient"]["display_id"], content["data"])
        return True

    def run(self, cell, code, *, silent=False):
        """Run a cell (again); gives what it printed."""
        content = {
            "code": code,
            "silent": silent,
            "store_history": not silent,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = self._client.session.msg(
            "execute_request", content, metadata={} if cell is None else {"cellId": cell}
        )
        self._client.shell_channel.send(message)
        if not silent:
            self.outputs[cell] = []
        return self._follow(message["header"]["msg_id"], cell)

    def value(self, expression):
        """Return the value of an expression, without a cell of the notebook."""
        return ast.literal_eval(self.run("", f"print(repr({expression}))", silent=True))

    def send(self, model_id, **content):
        """Send a message of a front end to a widget."""
        data = {"method": "custom", "content": content}
        message = self._client.session.msg("comm_msg", {"comm_id": model_id, "data": data})
        self._client.shell_channel.send(message)

    def models(self, cell):
        """Return the ids of the widgets that a cell displays."""
        return [data[WIDGET]["model_id"] for _, data in self.outputs[cell] if WIDGET in data]

    def html(self):
        """Return the HTML in all cells."""
        return [data.get("text/html", "") for out in self.outputs.values() for _, data in out]

    def _follow(self, request, cell):
        printed, end = "", time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                message = self._client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            kind, content = message["msg_type"], message["content"]
            own = message["parent_header"].get("msg_id") == request
            if kind == "error" and own:
                raise AssertionError("\n".join(content["traceback"]))
            if kind == "stream" and own:
                printed += content["text"]
            if kind in ("display_data", "execute_result") and own:
                name = content.get("transient", {}).get("display_id")
                self.outputs[cell].append((name, content["data"]))
            if kind == "update_display_data":
                self._replace(content["transient"]["display_id"], content["data"])
            if kind == "status" and own and content["execution_state"] == "idle":
                return printed
        raise AssertionError("timed out")

    def _replace(self, name, data):
        for outputs in self.outputs.values():
            outputs[:] = [(one, data if one == name else old) for one, old in outputs]
