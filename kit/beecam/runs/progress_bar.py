"""A bar that shows a run's progress where no grid does: in a terminal or a plain notebook."""

from __future__ import annotations

import sys
from typing import Any

from beecam.export import notebook
from beecam.runs.progress import FINISHED, Progress, Status

_EVERY = 0.2  # seconds


def shows_bar() -> bool:
    """Return whether a bar is of use: stderr is a terminal, or a notebook has no widgets."""
    if _in_kernel():
        return not notebook.has_grids()
    return sys.stderr is not None and sys.stderr.isatty()


def wait_with_bar(progress: Progress, timeout: float | None) -> bool:
    """Wait until a run is finished, with a bar of tqdm; return whether it is.

    Args:
        progress: The progress of the run.
        timeout: How long to wait, in seconds; None for any time.
    """
    # Imported on first use: `import beecam` should stay fast.
    from tqdm.auto import tqdm

    left = float("inf") if timeout is None else timeout
    total = sum(progress.counts.values())
    cached = progress.counts[Status.CACHED]
    with tqdm(total=total, initial=cached, unit="clip") as bar:
        while True:
            ended = progress.wait(min(_EVERY, max(0.0, left)))
            left -= _EVERY
            _update(bar, progress)
            if ended or left <= 0:
                return ended


def _update(bar: Any, progress: Progress) -> None:
    counts = progress.counts
    texts = [f"{counts[one]} {one}" for one in (Status.FAILED, Status.CANCELLED) if counts[one]]
    if progress.pausing:
        texts.append(progress.status)
    elif running := progress.cells(Status.RUNNING):
        texts.append(f"step {running[0].step} of {running[0].steps}")
    bar.set_postfix_str(", ".join(texts), refresh=False)
    bar.update(sum(counts[status] for status in FINISHED) - bar.n)
    bar.refresh()


def _in_kernel() -> bool:
    """Return whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")
