"""Run a notebook from top to bottom in a real kernel, with progress in the terminal.

python notebooks/execute.py NOTEBOOK [--out FOLDER]   leaves the executed notebook in FOLDER
python notebooks/execute.py NOTEBOOK --in-place       stores the outputs in the notebook itself
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def main() -> int:
    """Execute what the command line names; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--in-place", action="store_true")
    parser.add_argument("--timeout", type=int, default=600, help="seconds for a cell")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.read(chosen.notebook, as_version=4)
    try:
        execute(notebook, chosen.out, chosen.timeout)
    except CellExecutionError as error:
        print(f"\nthe notebook failed:\n{error}", file=sys.stderr)
        return 1
    finally:
        nbformat.write(notebook, chosen.out / chosen.notebook.name)
    if chosen.in_place:
        nbformat.write(notebook, chosen.notebook)
    return 0


def execute(notebook: Any, folder: Path, timeout: int) -> None:
    """Run all cells in `folder`; a line a cell says what runs and for how long."""
    code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    show = _Progress(len(code))
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
        on_cell_start=lambda cell, cell_index: show.start(cell, code, cell_index),
        on_cell_executed=lambda **_: show.stop(),
    )
    with (folder / "kernel.log").open("w") as log:
        try:
            client.execute(stderr=log)
        finally:
            show.stop()


class _Progress:
    """Says which cell runs; while it does, how many clips the library has."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._line = ""
        self._started = 0.0
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._before = _clips()

    def start(self, cell: Any, code: list[int], index: int) -> None:
        if cell.cell_type != "code":
            return
        first = next((x for x in cell.source.splitlines() if x.strip()), "")
        self._line = f"[{code.index(index) + 1:2}/{self._total}] {first[:60]:60}"
        self._started = time.monotonic()
        self._over.clear()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self._thread = None
            self._say("\n")

    def _tick(self) -> None:
        pause = 0.5 if sys.stdout.isatty() else 5.0
        while not self._over.wait(pause):
            self._say("\r" if sys.stdout.isatty() else "\n")

    def _say(self, end: str) -> None:
        made = _clips() - self._before
        clips = f"  {made} clips made" if made > 0 else ""
        print(
            f"{self._line} {time.monotonic() - self._started:5.1f} s{clips}   ", end=end, flush=True
        )


def _clips() -> int:
    folder = Path(os.environ.get("BEECAM_LIBRARY") or Path.home() / "beecam")
    return sum(1 for _ in (folder / "media").glob("??/*.mp4"))


if __name__ == "__main__":
    sys.exit(main())
