"""JupyterLab and chromium for tests and measurements."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "out" / "screenshots"
TOKEN = "beecam"
# Generous: a machine that does other things as well may need minutes for a page.
TIMEOUT = 240_000
_AXE = ROOT / "widgets" / "node_modules" / "axe-core" / "axe.min.js"
PREAMBLE = f"""\
import sys
sys.path.insert(0, {str(ROOT / "tests" / "widgets")!r})
import beecam as bc
import beecam_widgets as bw
from drawn import DrawnModel
"""


def chromium():
    """Where chromium is; without it the tests are skipped, but in CI they fail."""
    named = os.environ.get("BEECAM_CHROMIUM")
    found = named or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None:
        message = (
            "no chromium found: `apt-get install chromium` on Debian, or set BEECAM_CHROMIUM to "
            "the program's path."
        )
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@contextlib.contextmanager
def launched():
    """Run chromium."""
    from playwright.sync_api import sync_playwright

    program = chromium()
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextlib.contextmanager
def served(folder):
    """Run a JupyterLab server on a folder; gives its address."""
    quiet = folder / "home" / "user" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    with _running(
        folder,
        "jupyterlab",
        "--allow-root",
        f"--ServerApp.root_dir={folder}",
        f"--IdentityProvider.token={TOKEN}",
        "--ServerApp.port_retries=0",
        "--LabApp.expose_app_in_browser=True",
        "--ServerApp.terminals_enabled=False",
        ready=f"/api?token={TOKEN}",
    ) as (address, _):
        yield address


@contextlib.contextmanager
def dashboards(folder):
    """Run a Voila server on a folder, as a teacher would; gives its address and its process."""
    with _running(folder, "voila", str(folder), ready="/voila/static/voila.js") as found:
        yield found


@contextlib.contextmanager
def _running(folder, module, *arguments, ready):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = folder / "home"
    environment = {
        **os.environ,
        "BEECAM_LIBRARY": str(folder / "library"),
        "JUPYTER_CONFIG_DIR": str(settings),
        "JUPYTERLAB_SETTINGS_DIR": str(settings / "user"),
        "HOME": str(folder),
        "JUPYTERLAB_WORKSPACES_DIR": str(settings / "work"),
        "IPYTHONDIR": str(settings / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(settings / "run"),
        "JUPYTER_DATA_DIR": str(settings / "data"),
    }
    log = (folder / f"{module}.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", module, "--no-browser", f"--port={port}", *arguments],
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=folder,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address + ready, server, module)
        yield address, server
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(10)
        server.kill()
        log.close()


def _wait_for(address, server, module):
    for _ in range(1200):
        if server.poll() is not None:
            pytest.fail(f"{module} ended at once")
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2):
            return
        time.sleep(0.2)
    pytest.fail(f"{module} did not come up in four minutes")


# How far texts stand out from what is behind them, by their selectors.
CONTRAST = """selectors => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = c => c.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = node => {
    for (let at = node; at; at = at.parentElement) {
      const c = rgb(getComputedStyle(at).backgroundColor);
      if (c.length < 4 || c[3] > 0.5) return c;
    }
    return [255, 255, 255];
  };
  return Object.fromEntries(selectors.map(s => {
    const node = [...document.querySelectorAll('.bcm-root ' + s)].find(n => n.textContent && !n.hidden);
    const [a, b] = [light(rgb(getComputedStyle(node).color)), light(behind(node))];
    return [s, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  }));
}"""


class Notebook:
    """A notebook in an open page of JupyterLab."""

    def __init__(self, page, address, path):
        self.page, self.address, self.path = page, address, path

    def open(self):
        self.page.goto(
            f"{self.address}/lab/workspaces/{self.path.stem}/tree/{self.path.name}?token={TOKEN}"
        )
        return self.ready()

    def ready(self):
        """Wait until it is open and its kernel is idle."""
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=TIMEOUT)
        # The indicator is busy while the kernel starts.
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status"
            " === 'idle'",
            timeout=TIMEOUT,
        )
        return self

    def run(self, index, wait=False):
        """Run a cell; not waited for unless told, as it may be meant to be long."""
        self.page.evaluate(
            """async ([index, wait]) => {
              const notebook = window.jupyterapp.shell.currentWidget.content;
              notebook.activeCellIndex = index;
              notebook.deselectAll();
              const done = window.jupyterapp.commands.execute('notebook:run-cell');
              if (wait) await done;
            }""",
            [index, wait],
        )

    def save(self):
        import nbformat

        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        return nbformat.read(self.path, 4)

    def cells(self):
        return self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
        )

    def state(self):
        """What a key of the notebook's could change: its cells, their kinds, its mode."""
        return self.page.evaluate(
            """() => {
              const notebook = window.jupyterapp.shell.currentWidget.content;
              return [notebook.mode, ...notebook.widgets.map(cell => cell.model.type)];
            }"""
        )

    def output(self, index):
        """Text that a cell printed."""
        return (
            self.page.locator(".jp-Notebook .jp-Cell")
            .nth(index)
            .locator(".jp-OutputArea")
            .inner_text()
        )

    def shot(self, name):
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png")


def write_notebook(path, sources):
    """Write a notebook with these code cells; returns its path."""
    import nbformat

    cells = [nbformat.v4.new_code_cell(text) for text in sources]
    body = nbformat.v4.new_notebook(cells=cells)
    body.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(body, path)
    return path


def watched(page):
    """The page, with a list of its errors."""
    page.set_default_timeout(TIMEOUT)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(f"{error} {error.stack}"))
    return page


def problems_of(page):
    """Errors of the widgets' own code, which is loaded from a blob; others are the host's."""
    return [text for text in page.problems if "blob:" in text]


# The frames that a page draws in half a second: without any nothing is laid out or seen.
_PAGE = """async () => {
  let frames = 0, ends = false;
  const count = () => { frames += 1; if (!ends) requestAnimationFrame(count); };
  requestAnimationFrame(count);
  await new Promise(done => setTimeout(done, 500));
  ends = true;
  const shown = window.jupyterapp?.shell.currentWidget;
  const kernel = shown?.sessionContext?.session?.kernel;
  return {
    frames, visible: document.visibilityState, focused: document.hasFocus(),
    kernel: kernel && `${kernel.status}, ${kernel.connectionStatus}`,
    dialog: document.querySelector('.jp-Dialog')?.innerText ?? '',
    text: (shown?.node ?? document.body).innerText.slice(-2000),
  };
}"""


def described(page):
    """What can be said of a page where a test failed."""
    from playwright.sync_api import Error as PlaywrightError

    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    lines = [f"url: {page.url}", f"load: {load}", *getattr(page, "problems", [])]
    try:
        # Unlike `evaluate` this ends where a page doesn't answer.
        found = page.wait_for_function(_PAGE, polling=200, timeout=10_000).json_value()
        lines += [f"{name}: {value}" for name, value in found.items()]
    except PlaywrightError as error:
        lines.append(f"no answer: {error}")
    return "\n".join(lines)


@contextlib.contextmanager
def notebooks(browser, address, folder):
    """Open notebooks with given cells; the first one imports what all need."""
    contexts, paths = [], set()

    def make(name, *sources, size=(1280, 900), scheme="light", reduced=None, opened=True):
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion=reduced,
        )
        contexts.append(context)
        page = watched(context.new_page())
        path = write_notebook(folder / f"{name}.ipynb", (PREAMBLE, *sources))
        paths.add(path.name)
        notebook = Notebook(page, address, path)
        if opened:
            notebook.open().run(0, wait=True)
        return notebook

    yield make
    for context in contexts:
        for page in context.pages:
            assert not problems_of(page), page.problems
        context.close()
    stop_kernels(address, paths)


def stop_kernels(address, paths=None):
    """Stop the kernels of these notebooks, by default of all."""
    headers = {"Authorization": f"token {TOKEN}"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{address}/api/sessions", headers=headers)
    ) as got:
        sessions = json.load(got)
    for session in sessions:
        if paths is not None and session["path"] not in paths:
            continue
        gone = urllib.request.Request(
            f"{address}/api/sessions/{session['id']}", headers=headers, method="DELETE"
        )
        with contextlib.suppress(OSError):
            urllib.request.urlopen(gone).close()


def started(name, *, seconds=0.0, batch=4, seeds=6, broken=None, place='["sea", "dunes"]'):
    """The lines that start a run; each test has its own library."""
    return f"""\
model = DrawnModel({seconds}, batch={batch}, broken={broken!r})
sweep = bc.sweep("a {{insect}} over {{place}}", insect=["bee", "moth"], place={place},
                 seed=range({seeds}))
library = bc.library({name!r})
run = bc.run(sweep, model, library=library)
run"""


def wait_for(page, count):
    """Wait until so many cells on the page show their clip."""
    page.wait_for_function(
        "count => document.querySelectorAll('[data-shows=clip]').length >= count", arg=count
    )


def until(page, check, seconds=120):
    """Wait until a check holds; gives the assertion that failed if it never does."""
    end = time.monotonic() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > end:
                raise
        page.wait_for_timeout(50)


def same(actual, expected):
    """As a check for `until`."""

    def check():
        assert actual() == expected

    return check


def focused(page, selector):
    """Whether what has the focus fits a selector."""
    return page.evaluate("selector => document.activeElement.matches(selector)", selector)


def find_flaws(page, where=".bcm-root"):
    """What axe-core finds wrong there, inside the widgets by default, a line each."""
    if not page.evaluate("() => 'axe' in window"):
        if not _AXE.exists():
            subprocess.run(
                ["npm", "--prefix", ROOT / "widgets", "ci", "--silent", "--no-audit", "--no-fund"],
                check=True,
            )
        page.evaluate(_AXE.read_text("utf-8"))
    return page.evaluate(
        """async where => (await axe.run(where, {resultTypes: ['violations']})).violations.flatMap(
          rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 160)} ${node.failureSummary}`))""",
        where,
    )


def frame(cell):
    return int(cell.locator("canvas").get_attribute("data-frame"))


def pixels(cell):
    """How many different colours a cell's canvas shows: an empty one has a single one."""
    return cell.locator("canvas").evaluate(
        """canvas => {
          const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
          return new Set(new Uint32Array(data.buffer)).size;
        }"""
    )
