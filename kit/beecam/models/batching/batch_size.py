"""How many clips one call makes: measured once for each model, shape and device, and remembered."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from beecam._util.cache import Note, Notes, cache_folder
from beecam.models.batching.timing import BatchTimer
from beecam.shots.shot import Shot

# A first guess that suits small models on a CPU; large ones are better off alone.
_PIXELS_A_CALL = 2_000_000
_GUESS_A_CALL = 8
# More gains nothing where a call has a single thread, and clips would come later.
_GUESS_A_THREAD = 4
# Clips come later in larger calls, and a call that fails loses more of them.
MOST = 32
# Less is within what the machine's other work does to two measurements.
_GAIN = 0.10
# The quickest of so many: others can make a call slower, nobody makes it quicker.
_TIMES = 2
# Of the memory that is free, what a trial may be expected to need at most.
_ROOM = 0.85


def initial_guess(shot: Shot, at_once: int) -> int:
    """Return the size to begin with where nothing was measured.

    Args:
        shot: A resolved one.
        at_once: How many calls run at the same time.
    """
    pixels = (shot.width or 1) * (shot.height or 1) * (shot.num_frames or 1)
    most = _GUESS_A_CALL if at_once == 1 else _GUESS_A_THREAD
    return max(1, min(most, _PIXELS_A_CALL // pixels))


def shape_key(shot: Shot, tokens: int | None) -> str:
    """Return what decides how long a resolved shot takes: all but words and random numbers.

    Args:
        shot: A resolved one.
        tokens: How long its texts are for the denoiser, if that differs.
    """
    steps = shot.draft_steps or shot.num_inference_steps
    guided = "guided" if (shot.guidance_scale or 0) > 1 else "plain"
    return (
        f"{shot.width}x{shot.height}x{shot.num_frames}, {steps} steps, {guided}, {shot.scheduler}, "
        f"{tokens or 'all'} tokens, {sorted(c.name for c in shot.conditions)}, "
        f"{len(shot.adapters or ())} adapters, {shot.speed or 'exact'}, "
        f"{sorted(shot.arguments.items())}"
    )


def next_size(
    seconds: Mapping[int, float], begin: int, most: int, shares: Mapping[int, float]
) -> tuple[int, int | None]:
    """Return the best size that is known, and the size to measure next or None when it is settled.

    From the first size it goes up in doubles for as long as each is a tenth quicker a clip than
    the one before; where the first double isn't, it goes down in halves in the same way.

    Args:
        seconds: Seconds a clip by size, of sizes that were measured often enough.
        begin: The size to begin with.
        most: The largest that is allowed.
        shares: What a call of a size took of the memory that was free, where that is known.
    """
    best = min(begin, most)
    if best not in seconds:
        return best, best
    climbed = False
    while 2 * best <= most and 2 * shares.get(best, 0.0) <= _ROOM:
        if 2 * best not in seconds:
            return best, 2 * best
        if seconds[2 * best] > (1 - _GAIN) * seconds[best]:
            break
        best, climbed = 2 * best, True
    while not climbed and best > 1:
        if best // 2 not in seconds:
            return best, best // 2
        if seconds[best // 2] > (1 - _GAIN) * seconds[best]:
            break
        best //= 2
    return best, None


@dataclass(frozen=True)
class BatchKind:
    """Calls that take equally long.

    Attributes:
        key: Names model, shape, device and whatever else decides.
        guess: The size to begin with.
        batches: Whether a call can make several clips.
    """

    key: str
    guess: int
    batches: bool = True


@dataclass(frozen=True)
class BatchStats:
    """What is known of calls of one kind, for people.

    Attributes:
        best: The best size that is known.
        given: The size that the user wants, or None.
        batches: Whether a call can make several clips.
        settled: Whether the best size is measured.
        seconds: The quickest measured seconds a clip of one call, by size.
        limit: The largest size that memory allows, where that was found out.
        exact: The size in exact mode, once it is fixed.
    """

    best: int
    given: int | None
    batches: bool
    settled: bool
    seconds: Mapping[int, float]
    limit: int | None
    exact: int | None


@dataclass
class _KindState:
    """What is known of calls of one kind.

    Attributes:
        begin: The size to begin with.
        most: The largest that may be tried.
        best: The best that is known.
        settled: Whether nothing is left to try.
        limit: The largest that memory allows, as far as is known.
        seconds: Measured seconds a clip, by size.
        shares: Of the free memory, what a call of a size took at most.
        warm: Since when calls of this kind are warmed up, or None.
        exact: The size in exact mode, once that is fixed.
        made: Whether a call of that size has succeeded here.
    """

    begin: int
    most: int
    best: int
    settled: bool = False
    limit: int = MOST
    seconds: dict[int, list[float]] = field(default_factory=dict)
    shares: dict[int, float] = field(default_factory=dict)
    warm: float | None = None
    exact: int | None = None
    made: bool = False

    def think(self) -> int | None:
        """Find the best size by what is measured; return the one to measure next."""
        known = {size: min(each) for size, each in self.seconds.items() if len(each) >= _TIMES}
        self.best, wanted = next_size(known, self.begin, min(self.most, self.limit), self.shares)
        self.settled = wanted is None
        return wanted


class BatchSizes:
    """The sizes of one model's calls.

    Every call of a run is a measurement; what is tried is tried on clips that are wanted anyway.
    What is found is kept in `sizes.json` of the cache folder, for every kernel on this machine.

    In exact mode the last bits of a clip depend on the size of its call. Its size is therefore
    fixed when it is first used, as the power of two below what is known to be best then, and
    remembered beside it: what is measured later changes nothing, so that a clip has the same bits
    tomorrow. It is fixed once a call of this size has succeeded; before that, too little memory
    halves it. Where nothing can be remembered it is the guess, which is the same every day.
    """

    def __init__(self, given: int | None = None) -> None:
        """Begin, knowing nothing but what the cache folder has.

        Args:
            given: The size that the user wants: nothing is tried, only memory makes it smaller.
        """
        self.given = given
        self._notes = Notes(cache_folder() / "sizes.json")
        self._kinds: dict[str, _KindState] = {}
        self._lock = threading.RLock()

    def best(self, like: BatchKind) -> int:
        """Return the best size that is known."""
        with self._lock:
            kind = self._kind(like)
            return min(kind.best, kind.limit)

    def trial(self, like: BatchKind, waiting: int, at_once: int) -> int | None:
        """Return the size that the next call should have to learn from it, or None for any.

        Args:
            like: Which calls are meant.
            waiting: How many clips of this kind are still to be made. A trial never makes a run's
                last calls uneven.
            at_once: How many calls run at the same time.
        """
        with self._lock:
            kind = self._kind(like)
            wanted = None if kind.settled else kind.think()
            enough = wanted and waiting >= 2 * max(wanted, kind.best) * at_once
            return wanted if enough else None

    def exact(self, like: BatchKind) -> int:
        """Return how many clips each call makes in exact mode; it is fixed from now on."""
        with self._lock:
            kind = self._kind(like)
            if kind.exact is None:
                kind.exact = self._fixed(like, kind)
            return kind.exact

    def _fixed(self, like: BatchKind, kind: _KindState) -> int:
        ours = _whole(min(kind.best, kind.limit))
        if self.given is not None:
            return ours
        kept = self._notes.change(like.key, lambda note: {"exact": ours, **note})
        # Another process may have been first.
        return _size(kept or {}, "exact") or _whole(min(kind.begin, kind.limit))

    def took(self, like: BatchKind, size: int, timing: BatchTimer, share: float | None) -> None:
        """Learn from a call that succeeded.

        Args:
            like: Which calls are meant.
            size: How many clips it made.
            timing: Of the call.
            share: Of the memory that was free, what it took at most; None where that is unknown.
        """
        with self._lock:
            kind = self._kind(like)
            kind.made |= size == kind.exact
            warm, kind.warm = kind.warm, kind.warm or timing.began + timing.seconds
            if self.given is not None or kind.settled:
                return
            if share is not None:
                kind.shares[size] = max(share, kind.shares.get(size, 0.0))
            if warm is None or timing.began < warm or not timing.usual:
                return
            kind.seconds.setdefault(size, []).append(timing.seconds / size)
            if kind.think() is None:
                found = {str(size): round(min(each), 5) for size, each in kind.seconds.items()}
                self._keep(like.key, best=kind.best, seconds=found)

    def limit(self, like: BatchKind, size: int) -> None:
        """Remember that no more than `size` clips fit into memory."""
        with self._lock:
            kind = self._kind(like)
            kind.limit = min(kind.limit, size)
            if kind.exact is not None and not kind.made:
                kind.exact = min(kind.exact, _whole(size))
            if not kind.settled:
                kind.think()
            if self.given is None:
                # What is fixed stays fixed; what failed before anything was made does not.
                self._keep(like.key, limit=kind.limit, exact=None if kind.made else kind.exact)

    def known(self, like: BatchKind) -> BatchStats:
        """Return what is known of calls of one kind."""
        with self._lock:
            kind = self._kind(like)
            seconds = {size: min(each) for size, each in kind.seconds.items()}
            limit = kind.limit if kind.limit < MOST else None
            return BatchStats(
                min(kind.best, kind.limit),
                self.given,
                like.batches,
                kind.settled and self.given is None,
                seconds,
                limit,
                kind.exact,
            )

    # --- inside --------------------------------------------------------------------------------

    def _kind(self, like: BatchKind) -> _KindState:
        if like.key not in self._kinds:
            begin = (self.given or like.guess) if like.batches else 1
            kind = _KindState(begin, MOST if like.batches else 1, begin, limit=max(MOST, begin))
            if self.given is None:
                _remembered(kind, self._notes.read(like.key))
            else:
                kind.settled = True
            self._kinds[like.key] = kind
        return self._kinds[like.key]

    def _keep(self, key: str, **found: Any) -> None:
        new = {name: value for name, value in found.items() if value is not None}

        def change(note: Note) -> Note:
            """Put what is new in its place; the smaller limit of two is the true one."""
            limits = [size for one in (note, new) if (size := _size(one, "limit"))]
            return {**note, **new, **({"limit": min(limits)} if limits else {})}

        self._notes.change(key, change)


def _remembered(kind: _KindState, note: Note) -> None:
    """Put what is on the disk into a kind, as far as it makes sense."""
    kind.limit = _size(note, "limit") or kind.limit
    kind.exact = _size(note, "exact")
    kind.made = kind.exact is not None
    best, seconds = _size(note, "best"), note.get("seconds")
    if best is None or not isinstance(seconds, dict):
        return
    good = {int(n): s for n, s in seconds.items() if n.isdecimal() and _is_time(s)}
    kind.best = min(best, kind.most)
    kind.settled = True
    kind.seconds = {size: [found] * _TIMES for size, found in good.items()}


def _size(note: Note, name: str) -> int | None:
    """Return one of a note's sizes, if it is one."""
    found = note.get(name)
    right = isinstance(found, int) and not isinstance(found, bool) and 1 <= found <= MOST
    return found if right else None


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and value > 0


def _whole(size: int) -> int:
    """Return the largest power of two that is no larger."""
    return 1 << (size.bit_length() - 1)
