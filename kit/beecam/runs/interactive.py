"""Clips while somebody's hand moves: the latest wishes win, nothing queues up.

One thread makes one clip at a time. A clip that nobody waits for any more is left at its next
step, unless it is nearly there, or nothing could be seen for a while: a hand that never rests
still sees where it goes. Once it rests, the clip is made again with all its steps.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from beecam.errors import BeecamError, CheckError, Stopped
from beecam.media.types import Frames
from beecam.models.model import Model, Step
from beecam.shots.shot import Shot, check_values

# Seconds. What is as near to its end as this is finished, whatever is asked for meanwhile.
_NEAR = 0.25
# So long nothing may be seen; then a preview is shown, or else the clip is finished.
_PATIENCE = 0.25
# A clip is also finished if it takes no longer than there was none; but never longer than this.
_BREATH = 0.6
_REST = 0.5
# A preview is worth its while if the clip is further away than this; more often nobody can see.
_PREVIEW_AHEAD = 0.15
_PREVIEW_EVERY = 0.08
_TOLD_EVERY = 0.25
# The weights are looked at when the hand begins to move after so long; that takes a moment.
_LOOK_AGAIN = 2.0
_IDLE = 20.0
_KEPT_BYTES = 64_000_000

PREVIEW, DRAFT, CLIP, STEP, PROBLEM = "preview", "draft", "clip", "step", "problem"


@dataclass(frozen=True)
class LiveFrame:
    """What there is to be seen of what was asked for.

    Attributes:
        number: The wish that it answers.
        kind: "preview" (predicted within the steps), "draft", "clip" (with all its steps), "step"
            (nothing to be seen yet), or "problem".
        shot: What makes it, resolved; None when it is wrong.
        frames: The pictures, if there are any.
        step: Steps done.
        steps: Steps in all.
        text: What is wrong, in a sentence.
        seconds: Since it was asked for.
    """

    number: int
    kind: str
    shot: Shot | None = None
    frames: Frames | None = field(default=None, repr=False)
    step: int = 0
    steps: int = 0
    text: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class _Request:
    """What is asked for.

    Attributes:
        number: Given by who asks.
        draft: What is made at once.
        whole: What is made when the hand rests; the same for nothing more.
        quickly: Whether the draft is made by the model for few steps.
        at: When it was asked for.
    """

    number: int
    draft: Shot
    whole: Shot
    quickly: bool
    at: float


class InteractiveEngine:
    """Makes what was asked for last; safe to be asked from any thread.

    For a small model on a CPU it works on a thread of its own beside those of runs: both go on,
    each with its share of the cores. On any other model it waits for the call that a run makes.
    """

    def __init__(
        self,
        model: Model,
        tell: Callable[[LiveFrame], None],
        *,
        quick: Model | None = None,
        rest: float = _REST,
        patience: float = _PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; the first `ask` starts the thread.

        Args:
            model: What makes the clips.
            quick: What makes those drafts that are asked for quickly; by default the same.
            tell: Called on the engine's threads with each thing there is to be seen.
            rest: After so many seconds without a new wish the clip is made with all its steps.
            patience: So many seconds nothing may be seen while wishes follow one another.
            clock: Returns the time, in seconds.
        """
        self._model = model.beside()
        self._quick = self._model if quick is None else quick.beside()
        self._tell = tell
        self._rest = rest
        self._patience = patience
        self._clock = clock
        self._news = threading.Condition()
        self._wish: _Request | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._moved = self._seen = self._finished = 0.0
        self._tail = 0.0
        self._rested = float("inf")
        self._kept: OrderedDict[str, Frames] = OrderedDict()
        self._bytes = 0

    def ask(
        self, number: int, draft: Shot, whole: Shot | None = None, *, quickly: bool = False
    ) -> None:
        """Ask for a clip, in the place of what was asked for before; returns at once.

        Args:
            number: Comes back with each sight of it.
            draft: What is made now.
            whole: What is made when nothing else is asked for; by default nothing more.
            quickly: Whether the draft is made by the model for few steps.
        """
        with self._news:
            if self._closed:
                return
            self._wish = _Request(number, draft, whole or draft, quickly, self._clock())
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="beecam-live", daemon=True)
                self._thread.start()
            self._news.notify_all()

    def close(self) -> None:
        """End the thread at its next step; nothing is told any more."""
        with self._news:
            self._closed = True
            self._kept.clear()
            self._news.notify_all()

    # --- the thread ----------------------------------------------------------------------------

    def _work(self) -> None:
        while (wish := self._next()) is not None:
            try:
                self._refresh_if_rested()
                self._fulfil(wish)
            except Stopped:
                continue
            except Exception as error:  # noqa: BLE001  (whatever a pipeline raises, it goes on)
                self._say(wish, PROBLEM, text=_sentence(error))

    def _next(self) -> _Request | None:
        """Take the latest wish; None when nobody has asked for long."""
        with self._news:
            before = self._clock()
            self._news.wait_for(lambda: self._wish is not None or self._closed, _IDLE)
            wish, self._wish = self._wish, None
            if wish is None or self._closed:
                self._thread = None
                return None
            rested = self._clock() - before
        if rested > self._rest:
            # The hand begins to move: nothing is late yet.
            self._moved = self._finished = self._clock()
        self._rested = max(self._rested, rested)
        return wish

    def _refresh_if_rested(self) -> None:
        """See whether somebody has changed the model, where there was time to do that."""
        if self._rested <= _LOOK_AGAIN:
            return
        self._model.refresh()
        if self._quick is not self._model:
            self._quick.refresh()
        self._rested = 0.0

    def _fulfil(self, wish: _Request) -> None:
        quick = self._quick if wish.quickly else self._model
        draft, whole = self._checked(wish.draft, quick), self._checked(wish.whole, self._model)
        known = self._recalled(whole)
        if known is None and draft.key != whole.key:
            frames = self._recalled(draft)
            if frames is None:
                frames = self._make(wish, draft, quick)
            self._show(wish, DRAFT, draft, frames)
            with self._news:
                if self._news.wait_for(self._interrupted, self._rest):
                    return
            known = self._make(wish, whole, self._model, quietly=True)
        if known is None:
            known = self._make(wish, whole, self._model)
        self._show(wish, CLIP, whole, known)

    @staticmethod
    def _checked(shot: Shot, model: Model) -> Shot:
        # What is wrong with it may be something that can't even be resolved.
        problems = list(check_values(shot))
        if not problems:
            shot = model.resolve(shot)
            problems = list(model.check(shot))
        if problems:
            raise CheckError(problems)
        return shot

    def _make(self, wish: _Request, shot: Shot, model: Model, *, quietly: bool = False) -> Frames:
        """Make a clip.

        Raises:
            Stopped: Something else was asked for, and it was not worth finishing.
        """
        call = _Call(self._clock())
        (made,) = model.generate(
            [shot], lambda step: self._on_step(step, wish, shot, call, quietly=quietly)
        )
        if call.step:
            self._tail = self._clock() - call.step
        self._remember(shot, made.frames)
        return made.frames

    def _on_step(
        self, step: Step, wish: _Request, shot: Shot, call: _Call, *, quietly: bool
    ) -> None:
        now = call.step = self._clock()
        ahead = (step.steps - step.step) * (now - call.began) / step.step + self._tail
        if self._closed or (quietly and self._interrupted()):
            raise Stopped("something else was asked for.")
        if quietly:
            return
        if self._interrupted() and not self._worth_finishing(ahead, now):
            late = now - max(self._seen, self._moved) > self._patience
            if not late or self._previewed(step, wish, shot):
                raise Stopped("something else was asked for.")
        # A clip that has just been finished isn't blurred at once by what comes next.
        pause = _PREVIEW_EVERY if call.previewed else self._patience
        if ahead > _PREVIEW_AHEAD and now - max(self._seen, call.previewed) > pause:
            call.previewed = now
            if not self._previewed(step, wish, shot) and now - call.told > _TOLD_EVERY:
                call.told = now
                self._say(wish, STEP, shot, step=step.step, steps=step.steps)

    def _worth_finishing(self, ahead: float, now: float) -> bool:
        """Return whether a clip that nobody waits for is so near that it shows where one goes."""
        return ahead <= max(_NEAR, min(_BREATH, now - self._finished))

    def _previewed(self, step: Step, wish: _Request, shot: Shot) -> bool:
        """Show what is predicted by now; return whether it can be."""
        if step.preview is None:
            return False
        try:
            frames = step.preview()[0]
        except Exception:  # noqa: BLE001  (a preview is never worth a clip)
            return False
        self._say(wish, PREVIEW, shot, frames, step=step.step, steps=step.steps)
        return True

    def _interrupted(self) -> bool:
        return self._wish is not None or self._closed

    def _show(self, wish: _Request, kind: str, shot: Shot, frames: Frames) -> None:
        steps = shot.num_inference_steps or 0
        self._finished = self._clock()
        self._say(wish, kind, shot, frames, step=steps, steps=steps)

    def _say(
        self,
        wish: _Request,
        kind: str,
        shot: Shot | None = None,
        frames: Frames | None = None,
        **more: Any,
    ) -> None:
        if self._closed:
            return
        now = self._clock()
        if frames is not None:
            self._seen = now
        self._tell(LiveFrame(wish.number, kind, shot, frames, seconds=now - wish.at, **more))

    # --- what was made last --------------------------------------------------------------------

    def _recalled(self, shot: Shot) -> Frames | None:
        with self._news:
            if shot.key in self._kept:
                self._kept.move_to_end(shot.key)
            return self._kept.get(shot.key)

    def _remember(self, shot: Shot, frames: Frames) -> None:
        with self._news:
            if shot.key not in self._kept:
                self._bytes += frames.nbytes
            self._kept[shot.key] = frames
            while self._bytes > _KEPT_BYTES and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes


@dataclass
class _Call:
    """What is remembered of a call while it runs: moments, in monotonic seconds.

    Attributes:
        began: When it began.
        step: When its last step ended.
        previewed: When a preview was made last.
        told: When its steps were told last.
    """

    began: float
    step: float = 0.0
    previewed: float = 0.0
    told: float = 0.0


def _sentence(error: Exception) -> str:
    known = isinstance(error, BeecamError)
    return str(error) if known else f"{type(error).__name__}: {error}"
