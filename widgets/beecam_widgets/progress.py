"""One quiet bar for anything long outside a grid; a line of text where there is no front end."""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sized
from typing import Any, Generic, Self, TypeVar

import anywidget
import traitlets as t

from beecam.errors import CheckError, Problem, shorten
from beecam_widgets.bundles import bundle

_EVERY = 0.1  # seconds between two pictures
_LINE_EVERY = 5.0  # seconds between two lines where lines can't be overwritten
# The rate is that of the last so many seconds: what is cached goes quicker than what is made.
_WINDOW = 30.0

T = TypeVar("T")


class _Bar(anywidget.AnyWidget):  # type: ignore[misc]
    _esm, _css = bundle("progress")
    _state = t.Dict().tag(sync=True, echo_update=False)


class Progress(Generic[T]):
    """How far something long is: goes through an iterable, or is told; see `progress`.

    Attributes:
        label: What it is.
        done: How much of it.
        total: How much there is in all, or None.
        note: What is worth saying now.
    """

    def __init__(
        self, iterable: Iterable[T] | None = None, label: str = "", *, total: int | None = None
    ) -> None:
        """Begin; shown at once in a notebook."""
        if total is None and isinstance(iterable, Sized):
            total = len(iterable)
        if isinstance(total, bool) or not isinstance(total, (int, type(None))) or (total or 0) < 0:
            raise CheckError(
                [
                    Problem(
                        "total",
                        f"total={shorten(total)}: a whole number of 0 or more, or None "
                        "where nobody knows.",
                    )
                ]
            )
        self.label, self.total, self.done, self.note = str(label), total, 0, ""
        self._iterable = iterable
        self._status = "running"
        self._lock = threading.Lock()
        self._times: list[tuple[float, int]] = [(time.monotonic(), 0)]
        self._told = 0.0
        self._wide = 0
        self._later: threading.Timer | None = None
        self._bar = _bar()
        self._shown = f"beecam-progress-{uuid.uuid4().hex[:12]}"
        self._tell(now=True)
        self._show(update=False)

    def __iter__(self) -> Iterator[T]:
        if self._iterable is None:
            raise CheckError([Problem("iterable", "progress(): there is nothing to go through.")])
        with self:
            for one in self._iterable:
                yield one
                self.step()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        self.close(stopped=kind is not None)

    def step(self, by: int = 1, note: str | None = None) -> None:
        """Say that so much more is done; from any thread, as often as you like."""
        with self._lock:
            self.done += by
            if note is not None:
                self.note = note
        self._tell()

    def close(self, *, stopped: bool = False) -> None:
        """End it; the last word is always told."""
        if self._status == "running":
            self._status = "stopped" if stopped else "done"
            self._tell(now=True)
            self._show(update=True)

    @property
    def rate(self) -> float | None:
        """How much a second, lately; None while that isn't known."""
        (begin, before), (end, after) = self._times[0], self._times[-1]
        return (after - before) / (end - begin) if after > before and end > begin else None

    @property
    def seconds_left(self) -> float | None:
        """How long it will take at this rate, or None."""
        rate = self.rate
        if rate is None or self.total is None:
            return None
        return max(0, self.total - self.done) / rate

    def __repr__(self) -> str:
        of = "" if self.total is None else f" of {self.total:,}"
        parts = [f"{self.done:,}{of}"]
        if self._status == "running" and self.rate:
            parts.append(f"{self.rate:.3g} a second")
        if self._status == "running" and self.seconds_left is not None:
            parts.append(f"about {self.seconds_left:.0f} s left")
        parts += [word for word in (self.note, self._status * (self._status == "stopped")) if word]
        return f"{self.label}: {', '.join(parts)}" if self.label else ", ".join(parts)

    def _tell(self, *, now: bool = False) -> None:
        with self._lock:
            moment = time.monotonic()
            if not now and moment - self._told < _EVERY:
                # The last of a burst is told, too, however long nothing follows.
                if self._later is None:
                    self._later = threading.Timer(_EVERY, self._tell, kwargs={"now": True})
                    self._later.daemon = True
                    self._later.start()
                return
            if self._later is not None:
                self._later.cancel()
                self._later = None
            self._told = moment
            self._times.append((moment, self.done))
            while len(self._times) > 2 and moment - self._times[1][0] > _WINDOW:  # noqa: PLR2004
                del self._times[0]
            if self._bar is not None:
                self._bar._state = {  # noqa: SLF001
                    "label": self.label,
                    "done": self.done,
                    "total": self.total,
                    "rate": self.rate,
                    "left": self.seconds_left,
                    "status": self._status,
                    "note": self.note,
                }
            else:
                self._write(last=self._status != "running")

    def _show(self, *, update: bool) -> None:
        """Show the bar; where nobody can draw it, the last word stands there as text."""
        if self._bar is None:
            return
        from IPython.display import display

        data, metadata = self._bar._repr_mimebundle_()
        data = {**data, "text/plain": repr(self)}
        display(data, metadata=metadata, raw=True, display_id=self._shown, update=update)

    def _write(self, *, last: bool) -> None:
        out = sys.stderr
        text = repr(self)
        if out.isatty():
            out.write("\r" + text.ljust(self._wide) + ("\n" if last else ""))
            self._wide = len(text)
        elif last or time.monotonic() - getattr(self, "_line", 0.0) > _LINE_EVERY:
            self._line = time.monotonic()
            out.write(text + "\n")
        out.flush()


def progress(
    iterable: Iterable[T] | None = None, label: str = "", *, total: int | None = None
) -> Progress[T]:
    """Show how far something long is.

    >>> for clip in bw.progress(clips, "measuring"):
    ...     measure(clip)
    >>> with bw.progress(total=300, label="rendering") as bar:
    ...     bar.step(10, note="the first tenth")

    Args:
        iterable: What to go through.
        label: What it is.
        total: How much there is; by default the iterable's length, where it has one.

    Raises:
        CheckError: The total is no whole number.
    """
    return Progress(iterable, label, total=total)


def _bar() -> Any:
    """Return a bar, or None where there is no notebook to show it."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    shell = get_ipython()
    return _Bar() if shell is not None and hasattr(shell, "kernel") else None
