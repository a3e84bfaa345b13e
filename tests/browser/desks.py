"""JupyterLab pages and kernels that serve one test after another.

Loading JupyterLab and starting a kernel cost several times what most tests do, so a desk keeps
both: each test gets a new notebook in the same page, on a kernel whose names, widgets and runs of
the test before are gone. A page or kernel that a test broke, left or changed isn't used again.
"""

import contextlib
import json
import shutil
import time
import urllib.error
import urllib.request

import labpage
from labpage import TOKEN, Notebook
from playwright.sync_api import Error as PlaywrightError

# JupyterLab is there before all of its plugins are.
_LOADED = """async () => {
  const needed = ['docmanager:open', 'docmanager:save', 'notebook:run-cell',
    'apputils:change-theme', 'filebrowser:toggle-main'];
  while (!needed.every(name => window.jupyterapp?.commands.hasCommand(name))) {
    await new Promise(done => setTimeout(done, 50));
  }
  await window.jupyterapp.allPluginsActivated;
  await window.jupyterapp.restored;
}"""
_OPEN = """async path => {
  const { commands, serviceManager } = window.jupyterapp;
  // A notebook takes the kernel of the session that has its path.
  await serviceManager.sessions.refreshRunning();
  await commands.execute('docmanager:open', { path });
}"""
# Closing a notebook that isn't saved would ask.
_CLOSE = """() => {
  for (const widget of [...window.jupyterapp.shell.widgets('main')]) {
    if (!widget.context) continue;
    widget.context.model.dirty = false;
    widget.dispose();
  }
}"""
# Runs code in the kernel; the result is its status.
_EXECUTE = """async ([id, name, code]) => {
  const { kernels } = window.jupyterapp.serviceManager;
  const kernel = kernels.connectTo({ model: { id, name } });
  const late = new Promise(done => setTimeout(done, 20000, 'late'));
  const asked = kernel.requestExecute({ code, silent: true, store_history: false }).done;
  try {
    return await Promise.race([asked.then(reply => reply.content.status), late]);
  } finally {
    kernel.dispose();
  }
}"""
_FORGET = """\
def _forget(shell):
    import ipywidgets
    for value in list(shell.user_ns.values()):
        if type(value).__name__ == "Run":
            value.cancel()
    ipywidgets.Widget.close_all()
    shell.reset(new_session=True)
_forget(get_ipython())"""
# In a narrow window JupyterLab changes its layout, and back once it is wide again.
_SIZE = (1280, 900)
_LAYOUT = """async () => {
  const { shell } = window.jupyterapp;
  for (let i = 0; i < 100 && shell.mode !== 'multiple-document'; i++) {
    await new Promise(done => setTimeout(done, 50));
  }
  if (shell.leftCollapsed) shell.expandLeft();
  return [shell.mode, shell.leftCollapsed];
}"""
_USUAL = ["multiple-document", False]
_THEME = "() => document.body.dataset.jpThemeName"
_LIGHT = "JupyterLab Light"


class Desk:
    """A page of JupyterLab and a kernel, for one notebook at a time."""

    def __init__(self, browser, address, number):
        self._browser, self._address = browser, address
        self._number, self._loads = number, 0
        self._session = self._context = self.page = None

    def open(self, path, *, size, scheme, reduced):
        """Open a notebook of the server's folder."""
        if self.page is None:
            self._load()
        page = self.page
        page.problems.clear()
        page.set_default_timeout(labpage.TIMEOUT)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme, reduced_motion=reduced or "no-preference")
        page.mouse.move(0, 0)
        self._sit(path.name)
        page.evaluate(_OPEN, path.name)
        return Notebook(page, self._address, path).ready()

    def tidy(self, *, failed):
        """Make the desk ready for the next test, or give up what can't be."""
        if failed:
            self.page.screenshot(path=labpage.SHOTS / f"failed-{self._number}.png")
        problems = labpage.problems_of(self.page)
        kernel_kept = page_kept = False
        if not failed and not problems:
            with contextlib.suppress(PlaywrightError):
                self.page.evaluate(_CLOSE)
                kernel_kept = self._session_of() is not None and self._forgotten()
                page_kept = self._page_is_kept()
        if not kernel_kept:
            self._end_kernel()
        if not page_kept:
            self._close_page()
        assert not problems, problems

    def close(self):
        """End the page and the kernel."""
        self._close_page()
        self._end_kernel()

    def _close_page(self):
        if self._context is not None:
            self._context.close()
        self._context = self.page = None

    def _load(self):
        self._context = self._browser.new_context(viewport={"width": _SIZE[0], "height": _SIZE[1]})
        self.page = labpage.watched(self._context.new_page())
        # Each has a workspace of its own, as JupyterLab would open again what was open in it.
        self._loads += 1
        name = f"desk-{self._number}-{self._loads}"
        self.page.goto(f"{self._address}/lab/workspaces/{name}?token={TOKEN}")
        self.page.evaluate(_LOADED)

    def _page_is_kept(self):
        """Whether the page is JupyterLab as it is when it opens, or could be brought to that."""
        self.page.set_viewport_size({"width": _SIZE[0], "height": _SIZE[1]})
        if self.page.evaluate(_THEME) != _LIGHT:
            self.page.evaluate(
                "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
                _LIGHT,
            )
            self.page.wait_for_function(f"name => ({_THEME})() === name", arg=_LIGHT)
        return self.page.evaluate(_LAYOUT) == _USUAL

    # --- the kernel, by the server's REST interface ------------------------------------------------

    def _sit(self, name):
        """Give the kernel's session the path of a notebook; start a kernel where there is none."""
        how = {"path": name, "name": name, "type": "notebook"}
        if self._session_of():
            self._ask("PATCH", f"/api/sessions/{self._session}", how)
        else:
            made = self._ask("POST", "/api/sessions", {**how, "kernel": {"name": "python3"}})
            self._session = made["id"]

    def _session_of(self):
        """What the server knows of the session; None where it was ended."""
        if self._session is None:
            return None
        try:
            return self._ask("GET", f"/api/sessions/{self._session}")
        except urllib.error.HTTPError:
            return None

    def _forgotten(self):
        """Whether the kernel could be brought to forget what the test did."""
        kernel = self._session_of()["kernel"]
        end = time.monotonic() + 20
        while kernel["execution_state"] != "idle" and time.monotonic() < end:
            self.page.wait_for_timeout(100)
            kernel = self._session_of()["kernel"]
        if kernel["execution_state"] != "idle":
            return False
        return self.page.evaluate(_EXECUTE, [kernel["id"], "python3", _FORGET]) == "ok"

    def _end_kernel(self):
        if self._session is not None:
            with contextlib.suppress(OSError):
                self._ask("DELETE", f"/api/sessions/{self._session}")
        self._session = None

    def _ask(self, method, path, body=None):
        request = urllib.request.Request(
            self._address + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None


class Desks:
    """As many desks as a test has notebooks at once."""

    def __init__(self, browser, address, folder):
        self._how, self._folder = (browser, address), folder
        self._desks = []

    @contextlib.contextmanager
    def lent(self, has_failed):
        """Lend desks to a test: a function that opens notebooks with given cells, or a stored one."""
        used = []

        def make(name, *sources, stored=None, size=_SIZE, scheme="light", reduced=None):
            if len(used) == len(self._desks):
                self._desks.append(Desk(*self._how, len(used)))
            desk = self._desks[len(used)]
            used.append(desk)
            path = self._folder / f"{name}.ipynb"
            if stored is None:
                labpage.write_notebook(path, (labpage.PREAMBLE, *sources))
            else:
                shutil.copy(stored, path)
            notebook = desk.open(path, size=size, scheme=scheme, reduced=reduced)
            if stored is None:
                notebook.run(0, wait=True)
            return notebook

        try:
            yield make
        finally:
            for desk in used:
                desk.tidy(failed=has_failed())

    def close(self):
        for desk in self._desks:
            desk.close()
