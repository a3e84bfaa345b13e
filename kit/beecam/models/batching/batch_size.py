"""How many clips a batch has: one for any model, or a size that is tuned on real batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beecam._util.attributes import NearestAttributes
from beecam._util.checks import integer, raise_problems
from beecam.models.batching.timing import BatchTimer
from beecam.models.batching.tuning import BatchKind, BatchSizes, BatchStats, power_of_two
from beecam.models.model import Model
from beecam.shots.shot import Shot

# A first guess that suits small models on a CPU; large ones are better off with single clips.
_PIXELS_PER_BATCH = 2_000_000
_GUESS = 8
# More gains nothing where a batch has a single thread, and clips would come later.
_GUESS_PER_THREAD = 4


class BatchPolicy(NearestAttributes):
    """How many clips a batch has and how many batches run at once: a fixed size, by default 1.

    A model has one as its attribute `batching`; a model without gets `BatchPolicy()`. Running out
    of memory makes batches of that width, height and number of frames smaller.

    >>> BatchPolicy(6).exact_size(bc.shot("a bee"))
    4
    """

    def __init__(self, size: int = 1, *, parallel_batches: int = 1) -> None:
        """Fix the sizes.

        Args:
            size: Clips in a batch.
            parallel_batches: How many batches `generate` may be called with at the same time.

        Raises:
            CheckError: One of them isn't an integer of 1 or more.
        """
        raise_problems(
            [*integer("size", size, 1), *integer("parallel_batches", parallel_batches, 1)]
        )
        self._size = size
        self._parallel_batches = parallel_batches
        self._limits: dict[Any, int] = {}

    @property
    def parallel_batches(self) -> int:
        """How many batches are worth running at the same time, each on a thread of its own."""
        return self._parallel_batches

    def size(self, shot: Shot) -> int:
        """Return how many shots like this one a batch should have, as far as is known.

        >>> BatchPolicy().size(bc.shot("a bee"))
        1
        """
        return min(self._size, self._limits.get(_shape(shot), self._size))

    def trial_size(self, shot: Shot, waiting: int) -> int | None:  # noqa: ARG002
        """Return how many shots the next batch should have to be measured, or None for any.

        >>> BatchPolicy().trial_size(bc.shot("a bee"), 100) is None
        True

        Args:
            shot: A resolved shot.
            waiting: How many shots like it are still to be generated.
        """
        return None

    def exact_size(self, shot: Shot) -> int:
        """Return how many shots every batch has in exact mode: always the same power of two.

        >>> BatchPolicy(8).exact_size(bc.shot("a bee"))
        8
        """
        return power_of_two(self.size(shot))

    def limit(self, shot: Shot, size: int) -> None:
        """Store that no more than `size` shots like this one fit into memory.

        >>> BatchPolicy(8).limit(bc.shot("a bee"), 4)
        """
        self._limits[_shape(shot)] = max(1, min(size, self.size(shot)))


# Without a state: a batch of one clip has no smaller size.
_ONE_BY_ONE = BatchPolicy()


class AdaptiveBatchPolicy(BatchPolicy):
    """Tunes the batch size from the timings of real batches; see `BatchSizes`."""

    def __init__(
        self, sizes: BatchSizes, kind_of: Callable[[Shot], BatchKind], *, parallel_batches: int
    ) -> None:
        """Create a policy.

        Args:
            sizes: What is known, shared by all models over the same weights.
            kind_of: Returns the kind of batch that a resolved shot belongs to.
            parallel_batches: How many batches run at the same time.
        """
        super().__init__(parallel_batches=parallel_batches)
        self._sizes = sizes
        self._kind_of = kind_of

    def size(self, shot: Shot) -> int:
        """Return the best known size."""
        return self._sizes.best(self._kind_of(shot))

    def trial_size(self, shot: Shot, waiting: int) -> int | None:
        """Return the size that the next batch should have to be measured, or None for any."""
        return self._sizes.trial(self._kind_of(shot), waiting, self.parallel_batches)

    def exact_size(self, shot: Shot) -> int:
        """Return the size of every batch in exact mode; it is fixed from now on."""
        return self._sizes.exact(self._kind_of(shot))

    def limit(self, shot: Shot, size: int) -> None:
        """Store that no more than `size` shots like this one fit into memory."""
        self._sizes.limit(self._kind_of(shot), size)

    def record(self, shot: Shot, size: int, timing: BatchTimer, share: float | None) -> None:
        """Record a batch that succeeded; see `BatchSizes.record`."""
        self._sizes.record(self._kind_of(shot), size, timing, share)

    def stats(self, shot: Shot) -> BatchStats:
        """Return what is known about batches of shots like this one."""
        return self._sizes.stats(self._kind_of(shot))


def batching_of(model: Model) -> BatchPolicy:
    """Return a model's batch policy; one clip per batch for a model without one."""
    found: BatchPolicy = getattr(model, "batching", _ONE_BY_ONE)
    return found


def initial_guess(shot: Shot, parallel_batches: int) -> int:
    """Return the size to begin with where nothing was measured.

    Args:
        shot: A resolved shot.
        parallel_batches: How many batches run at the same time.
    """
    pixels = (shot.width or 1) * (shot.height or 1) * (shot.num_frames or 1)
    most = _GUESS if parallel_batches == 1 else _GUESS_PER_THREAD
    return max(1, min(most, _PIXELS_PER_BATCH // pixels))


def shape_key(shot: Shot, tokens: int | None) -> str:
    """Return what decides how long a resolved shot takes: all but words and random numbers.

    Args:
        shot: A resolved shot.
        tokens: How many tokens its texts have for the denoiser, if that varies.
    """
    steps = shot.draft_steps or shot.num_inference_steps
    guided = "guided" if (shot.guidance_scale or 0) > 1 else "plain"
    return (
        f"{shot.width}x{shot.height}x{shot.num_frames}, {steps} steps, {guided}, {shot.scheduler}, "
        f"{tokens or 'all'} tokens, {sorted(c.name for c in shot.conditions)}, "
        f"{len(shot.adapters or ())} adapters, {shot.speed or 'exact'}, "
        f"{sorted(shot.arguments.items())}"
    )


def _shape(shot: Shot) -> tuple[int | None, int | None, int | None]:
    return shot.width, shot.height, shot.num_frames
