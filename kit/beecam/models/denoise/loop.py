"""The denoising steps of one pipeline call: observed, ended early, and resumed.

Nothing here depends on a pipeline class. Each of them gets timesteps from its scheduler, iterates
over them and passes each step's result to the scheduler, inside a progress bar: these are the
points that are hooked.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

from beecam.errors import ModelError
from beecam.media.types import Frames
from beecam.models.denoise.noise import own_draws
from beecam.models.denoise.state import join, split
from beecam.models.diffusers.introspection import rounds_of, steps_of_rounds
from beecam.models.model import Checkpoint, OnStep, Step

Predict = Callable[[Any], list[Frames]]
MergePart = Callable[[Any, Any], Any]


class DenoisingLoop:
    """The denoising steps of one pipeline call.

    Attributes:
        latents: The result of the last step, which the pipeline decodes.
        checkpoints: The checkpoint of each clip, if the steps ended early.
        generators: The random generator of each clip.
    """

    def __init__(
        self,
        *,
        generators: Sequence[Any],
        starts: Sequence[Checkpoint] = (),
        until: int | None = None,
        resumes: bool = True,
    ) -> None:
        """Choose the steps.

        Args:
            generators: The random generator of each clip.
            starts: The checkpoint that each clip resumes from; none to begin at the beginning.
            until: The last step to run; its prediction is then the result. None for all steps.
            resumes: Whether this pipeline can resume from a checkpoint.
        """
        self.latents: Any = None
        self.checkpoints: list[Checkpoint] | None = None
        self._on_step: OnStep | None = None
        self.generators = list(generators)
        # Pipelines of flow models pass their generators to no scheduler.
        self._own_draws = own_draws(self.generators)
        self._start = join(starts) if starts else None
        self._first = starts[0].step if starts else 0
        self._until = until
        self._resumes = resumes
        self._predict: Predict | None = None
        self._merge_part: MergePart = lambda _latents, part: part
        self._pipe: Any = None
        self._calls_back = False
        self._before: dict[str, Any] = {}
        self._steps = self._steps_of_round = 0
        self._done = self._first
        self._over = False
        self._predicted: Callable[[], Any] | None = None
        self._result: Any = None

    def __deepcopy__(self, memo: Any) -> DenoisingLoop:
        """Return itself: pipelines that copy their scheduler are still observed by this loop."""
        return self

    def watch(
        self,
        pipe: Any,
        on_step: OnStep | None = None,
        *,
        calls_back: bool,
        predict: Predict | None = None,
        merge_part: MergePart | None = None,
    ) -> None:
        """Hook into a pipeline before it is called.

        Args:
            pipe: A copy of a pipeline for this call only, with a scheduler for this call only.
            on_step: Called after each step; it may raise `Stopped`.
            calls_back: Whether the pipeline takes `callback_on_step_end`.
            predict: Returns small frames of predicted latents, or None.
            merge_part: Merges the scheduler's latents into the pipeline's, of which they may be a
                part only: frames that are conditions aren't denoised.
        """
        self._pipe, self._on_step, self._predict = pipe, on_step, predict
        self._merge_part = merge_part or self._merge_part
        self._calls_back = calls_back
        pipe.scheduler.__class__ = _watched(type(pipe.scheduler))
        pipe.scheduler.beecam_denoising = self
        # Not by setattr, which would write into the pipeline's configuration.
        pipe.__dict__["progress_bar"] = lambda *args, **kwargs: _Bar(self, *args, **kwargs)
        if self._start is not None:
            pipe.__dict__["prepare_latents"] = self._preparing(pipe.prepare_latents)

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments with which the pipeline reports its steps."""
        return {"callback_on_step_end": self._called_back} if self._calls_back else {}

    # --- before the first step -----------------------------------------------------------------

    def timesteps_set(self, scheduler: Any) -> None:
        """Handle a scheduler whose timesteps were just set."""
        if scheduler is not self._pipe.scheduler:
            return
        if not self._done:
            self._steps_of_round = self._steps  # of the first time, if there are several rounds
        self._steps = len(scheduler.timesteps)
        partial = _partial_timesteps(self._first, self._until, self._set_steps)
        # The list itself stays complete, because schedulers look up their steps in it, and some
        # count what is left: only iterating over it is shorter.
        scheduler.timesteps = scheduler.timesteps.as_subclass(partial)
        self._before = _attributes(scheduler)

    def _set_steps(self, steps: int) -> None:
        """Store the number of steps: for a redrawn video some are left out."""
        self._steps = steps

    def _preparing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def prepare_latents(*args: Any, **kwargs: Any) -> Any:
            """Prepare the latents with all conditions, then replace them by the checkpoint's."""
            found = original(*args, **kwargs)
            parts = found if isinstance(found, tuple) else (found,)
            known = self._start_latents()
            for i, part in enumerate(parts):
                if getattr(part, "shape", None) == known.shape:
                    placed = known.to(part.device, part.dtype)
                    merged = (*parts[:i], placed, *parts[i + 1 :])
                    return merged if isinstance(found, tuple) else placed
            raise ModelError("this pipeline can't resume from within a clip.")

        return prepare_latents

    def _start_latents(self) -> Any:
        assert self._start is not None
        return self._start["latents"]

    def begin(self) -> None:
        """Restore the state of the scheduler and the generators just before the first step."""
        if self._start is None:
            return
        scheduler = self._pipe.scheduler
        device = self._pipe._execution_device  # noqa: SLF001
        for name, value in self._start["scheduler"].items():
            setattr(scheduler, name, _moved(value, device))
        for generator, state in zip(self.generators, self._start["generators"], strict=True):
            generator.set_state(state)

    # --- at each step --------------------------------------------------------------------------

    def step(self, scheduler: Any, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run the scheduler's step, and store what its prediction needs."""
        if scheduler is not self._pipe.scheduler:
            with self._own_draws:
                return original(*args, **kwargs)
        sample = _sample_of(type(scheduler), args, kwargs)
        with self._own_draws:
            result = original(*args, **kwargs)
        parts = result if isinstance(result, tuple) else tuple(result.values())
        self._result = parts[0]
        self._predicted = lambda: predicted(scheduler, sample, parts)
        if self._calls_back or self._done + 1 != self._until:
            return result
        self._end(parts[0], self._done + 1)
        final = predicted(scheduler, sample, parts)
        if final is None:
            raise ModelError(_NO_DRAFT)
        self.latents = final
        return (final, *parts[1:]) if isinstance(result, tuple) else type(result)(final, *parts[1:])

    def _all_steps(self) -> int:
        """Return the steps of a clip, whose rounds each set timesteps with FreeInit."""
        if rounds_of(self._pipe) == 1:
            return self._steps
        return steps_of_rounds(self._pipe, self._steps_of_round or self._steps)

    def ended(self, latents: Any) -> Any:
        """Handle the end of a step; return the latents that the pipeline continues with.

        Raises:
            Stopped: Raised by `on_step`.
        """
        self._done += 1
        if not self._over:
            self.latents = latents
        if self._on_step is not None:
            previews = self._predict is not None
            self._on_step(
                Step(
                    self._done,
                    self._until or self._all_steps(),
                    functools.partial(self._preview, latents) if previews else None,
                    (lambda: self._checkpoints_of(latents, self._done)) if self._resumes else None,
                )
            )
        if self._calls_back and self._done == self._until:
            self._end(latents, self._done)
            final = self._predicted() if self._predicted else None
            if final is not None:
                final = self._merge_part(latents, final)
            if final is None:
                raise ModelError(_NO_DRAFT)
            # Where the pipeline replaced a step's result, as by frames of a condition, that stays.
            if final.shape == latents.shape == self._result.shape:
                final = final.to(latents.dtype).where(self._result == latents, latents)
            self.latents = final
            return final
        return latents

    def bar_moved(self) -> None:
        """Handle the end of a step in pipelines that don't call back."""
        if not self._calls_back:
            self.ended(self._result)

    def _called_back(
        self, _pipe: Any, _index: int, _timestep: Any, state: dict[str, Any]
    ) -> dict[str, Any]:
        latents = state["latents"]
        replaced = self.ended(latents)
        return {} if replaced is latents else {"latents": replaced}

    def _preview(self, latents: Any) -> list[Frames]:
        assert self._predict is not None
        # Where the scheduler's steps aren't hooked, the current latents are the best prediction.
        found = self._predicted() if self._predicted else latents
        if found is not None and self._calls_back:
            found = self._merge_part(latents, found)
        if found is None:
            raise ModelError("this scheduler can't predict the result of a clip.")
        return self._predict(found)

    def _end(self, latents: Any, step: int) -> None:
        self._over = True
        if self._resumes:
            self.checkpoints = self._checkpoints_of(latents, step)

    def _checkpoints_of(self, latents: Any, step: int) -> list[Checkpoint]:
        now = _attributes(self._pipe.scheduler)
        changed = {k: v for k, v in now.items() if not _same(v, self._before.get(k, _NOTHING))}
        parts = {
            "latents": latents,
            "scheduler": changed,
            "generators": [generator.get_state() for generator in self.generators],
        }
        return split(parts, step, len(self.generators))


_NOTHING = object()
_NO_DRAFT = "this scheduler can't predict the result of a clip, so it supports no drafts."


class _Bar:
    """Replaces a pipeline's progress bar: shows nothing and reports its updates.

    Pipelines use all that a bar of tqdm has: as a context, as an iterator, or by its methods.
    """

    def __init__(self, denoising: DenoisingLoop, iterable: Any = None, total: Any = None) -> None:
        from tqdm import tqdm

        self._denoising = denoising
        self._iterable = iterable
        self._silent = tqdm(iterable, total=total, disable=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._silent, name)

    def __iter__(self) -> Iterator[Any]:
        self._denoising.begin()
        for one in self._iterable:
            yield one
            self._denoising.bar_moved()

    def __enter__(self) -> Self:
        self._denoising.begin()
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self, _count: int = 1) -> None:
        """Report one step."""
        self._denoising.bar_moved()


_watched_classes: dict[type, type] = {}


def _watched(kind: Any) -> type:
    """Return a subclass of a scheduler's class that reports to its loop.

    Pipelines read the signatures of both methods to see what they may pass.
    """
    if kind in _watched_classes:
        return _watched_classes[kind]

    @functools.wraps(kind.set_timesteps)
    def set_timesteps(self: Any, *args: Any, **kwargs: Any) -> Any:
        kind.set_timesteps(self, *args, **kwargs)
        self.beecam_denoising.timesteps_set(self)

    @functools.wraps(kind.step)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        original = functools.partial(kind.step, self)
        return self.beecam_denoising.step(self, original, *args, **kwargs)

    named = {"set_timesteps": set_timesteps, "step": step, "__module__": kind.__module__}
    return _watched_classes.setdefault(kind, type(kind.__name__, (kind,), named))


def _sample_of(kind: type, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return the latents that a step is given.

    The step of an owner's class may take any arguments, `step(self, output, *args)`: what it
    derives from names them.
    """
    if "sample" in kwargs:
        return kwargs["sample"]
    for one in kind.__mro__:
        names = list(inspect.signature(vars(one)["step"]).parameters) if "step" in vars(one) else []
        if "sample" in names:
            return args[names.index("sample") - 1]  # without self
    raise ModelError(f"the step of {kind.__qualname__} takes no latents named sample.")


def _partial_timesteps(first: int, until: int | None, on_iterate: Callable[[int], None]) -> type:
    """Return a tensor class whose iteration covers `first` to before `until` only.

    Args:
        first: The index to begin at.
        until: The index to end before, or None.
        on_iterate: Called with the full length before an iteration.
    """
    import torch

    class Timesteps(torch.Tensor):
        @classmethod
        def __torch_function__(
            cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            # Slices and copies iterate in the same way; results of arithmetic are plain tensors.
            with torch._C.DisableTorchFunctionSubclass():  # noqa: SLF001
                found = func(*args, **(kwargs or {}))
            copies = (torch.Tensor.__getitem__, torch.Tensor.to, torch.Tensor.clone)
            same = func in copies and found.ndim == 1
            return found.as_subclass(cls) if same else found

        def __deepcopy__(self, memo: Any) -> Any:
            return self.clone()

        def __iter__(self) -> Iterator[Any]:
            on_iterate(len(self))
            return iter(self.as_subclass(torch.Tensor)[first:until])

    return Timesteps


def _attributes(scheduler: Any) -> dict[str, Any]:
    """Return a scheduler's state besides its configuration; lists are copied."""
    own_names = ("beecam_denoising", "timesteps", "_internal_dict")
    return {
        name: list(value) if isinstance(value, list) else value
        for name, value in vars(scheduler).items()
        if name not in own_names
    }


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    plain = (int, float, str, bool, type(None))
    return one is other or (isinstance(one, plain) and isinstance(other, plain) and one == other)


def _moved(value: Any, device: Any) -> Any:
    if isinstance(value, list):
        return [_moved(one, device) for one in value]
    return value.to(device) if hasattr(value, "to") else value


def predicted(scheduler: Any, sample: Any, parts: tuple[Any, ...]) -> Any:
    """Return the result that a step predicts, or None where that isn't known.

    Some schedulers return it, multistep ones store it, and Euler's method is extrapolated to it
    in a straight line.
    """
    if len(parts) > 1 and getattr(parts[1], "shape", None) == sample.shape:
        return parts[1]
    config = scheduler.config
    of_result = config.get("predict_x0") or config.get("algorithm_type") in (
        "dpmsolver++",
        "sde-dpmsolver++",
    )
    if of_result and getattr(scheduler, "model_outputs", None):
        return scheduler.model_outputs[-1]
    straight = "Euler" in type(scheduler).__name__ and not config.get("stochastic_sampling")
    if not straight or scheduler.step_index is None:
        return None
    # The step has incremented the index.
    sigmas = scheduler.sigmas.double()
    now, then, last = sigmas[scheduler.step_index - 1], sigmas[scheduler.step_index], sigmas[-1]
    ratio = float((last - now) / (then - now))
    return sample + ratio * (parts[0].to(sample.dtype) - sample)
