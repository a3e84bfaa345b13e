"""One call's way through its denoising steps: watched, stopped early, and gone on with.

Nothing here knows a pipeline. Each of them asks its scheduler for timesteps, walks along them and
gives each step's result to the scheduler, inside a progress bar: that is where this listens.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

from beecam.errors import ModelError, Stopped
from beecam.media.types import Frames
from beecam.models.denoise.state import join, split
from beecam.models.model import Checkpoint, OnStep, Step

Predict = Callable[[Any], list[Frames]]
Place = Callable[[Any, Any], Any]


class DenoisingLoop:
    """The steps of one call of a pipeline.

    Attributes:
        latents: What the last step left, and the pipeline decodes.
        states: Where each clip stands, when the steps ended early.
        stopped: Set it, and the call is left at its next step.
    """

    def __init__(
        self,
        on_step: OnStep | None,
        *,
        generators: Sequence[Any],
        starts: Sequence[Checkpoint] = (),
        until: int | None = None,
        continues: bool = True,
    ) -> None:
        """Prepare.

        Args:
            on_step: Called after each step.
            generators: The random numbers of each clip.
            starts: The state that each clip goes on from; none to begin at the beginning.
            until: The last step to do; what is then predicted is the result. All, for None.
            continues: Whether this pipeline can go on from a state.
        """
        self.latents: Any = None
        self.states: list[Checkpoint] | None = None
        self.stopped = False
        self._on_step = on_step
        self._generators = list(generators)
        self._start = join(starts) if starts else None
        self._first = starts[0].step if starts else 0
        self._until = until
        self._continues = continues
        self._predict: Predict | None = None
        self._place: Place = lambda _latents, part: part
        self._pipe: Any = None
        self._calls_back = False
        self._before: dict[str, Any] = {}
        self._steps = 0
        self._done = self._first
        self._over = False
        self._predicted: Callable[[], Any] | None = None
        self._result: Any = None

    def __deepcopy__(self, memo: Any) -> DenoisingLoop:
        """Stay one: pipelines that copy their scheduler are still watched by the same."""
        return self

    def watch(self, pipe: Any, predict: Predict | None, place: Place | None = None) -> None:
        """Follow one call.

        Args:
            pipe: A copy of a pipeline for this call only, with a scheduler for this call only.
            predict: Makes previews of predicted latents, or None.
            place: Puts what a scheduler was given into the pipeline's latents, of which it may be
                a part only: frames that are given aren't denoised.
        """
        self._pipe, self._predict = pipe, predict
        self._place = place or self._place
        taken = inspect.signature(type(pipe).__call__).parameters
        self._calls_back = "callback_on_step_end" in taken
        pipe.scheduler.__class__ = _watched(type(pipe.scheduler))
        pipe.scheduler.beecam_denoising = self
        # Not by setattr, which would have the pipeline look for them in its configuration.
        pipe.__dict__["progress_bar"] = lambda *_args, **_kwargs: _Bar(self)
        if self._start is not None:
            pipe.__dict__["prepare_latents"] = self._preparing(pipe.prepare_latents)

    @property
    def arguments(self) -> dict[str, Any]:
        """What to give the pipeline so that it tells of its steps."""
        return {"callback_on_step_end": self._called_back} if self._calls_back else {}

    # --- before the first step -----------------------------------------------------------------

    def timesteps_set(self, scheduler: Any) -> None:
        """Take notice of a scheduler that has its timesteps now."""
        if scheduler is not self._pipe.scheduler:
            return
        self._steps = len(scheduler.timesteps)
        some = _some(self._first, self._until, self._walks)
        # The whole list stays in its place, because schedulers look up their steps in it, and
        # some count what is left: only walking along it is shorter.
        scheduler.timesteps = scheduler.timesteps.as_subclass(some)
        self._before = _attributes(scheduler)

    def _walks(self, steps: int) -> None:
        """Take notice of how many steps there are: of a film that is redrawn, some are left out."""
        self._steps = steps

    def _preparing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def prepare_latents(*args: Any, **kwargs: Any) -> Any:
            """Prepare as ever, conditions and all, and put the latents of the start in place."""
            found = original(*args, **kwargs)
            parts = found if isinstance(found, tuple) else (found,)
            known = self._start_latents()
            for i, part in enumerate(parts):
                if getattr(part, "shape", None) == known.shape:
                    placed = known.to(part.device, part.dtype)
                    made = (*parts[:i], placed, *parts[i + 1 :])
                    return made if isinstance(found, tuple) else placed
            raise ModelError("this pipeline can't go on from within a clip.")

        return prepare_latents

    def _start_latents(self) -> Any:
        assert self._start is not None
        return self._start["latents"]

    def begin(self) -> None:
        """Put everything in its place just before the first step."""
        if self._start is None:
            return
        scheduler = self._pipe.scheduler
        device = self._pipe._execution_device  # noqa: SLF001
        for name, value in self._start["scheduler"].items():
            setattr(scheduler, name, _moved(value, device))
        for generator, state in zip(self._generators, self._start["generators"], strict=True):
            generator.set_state(state)

    # --- at each step --------------------------------------------------------------------------

    def step(self, scheduler: Any, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Let the scheduler do its step, and keep what its prediction needs."""
        if scheduler is not self._pipe.scheduler:
            return original(*args, **kwargs)
        sample = inspect.signature(original).bind(*args, **kwargs).arguments["sample"]
        result = original(*args, **kwargs)
        parts = result if isinstance(result, tuple) else tuple(result.values())
        self._result = parts[0]
        self._predicted = lambda: _predicted(scheduler, sample, parts)
        if self._calls_back or self._done + 1 != self._until:
            return result
        self._end(parts[0], self._done + 1)
        shown = _predicted(scheduler, sample, parts)
        if shown is None:
            raise ModelError(_NO_DRAFT)
        self.latents = shown
        return (shown, *parts[1:]) if isinstance(result, tuple) else type(result)(shown, *parts[1:])

    def ended(self, latents: Any) -> Any:
        """Take notice of a step's end; return what the pipeline shall go on with.

        Raises:
            Stopped: Whoever asked for the clips does not wait for them any more.
        """
        if self.stopped:
            raise Stopped("whoever asked for this does not wait for it any more.")
        self._done += 1
        if not self._over:
            self.latents = latents
        if self._on_step is not None:
            seen = self._predict is not None
            self._on_step(
                Step(
                    self._done,
                    self._until or self._steps,
                    functools.partial(self._preview, latents) if seen else None,
                    (lambda: self._make_states(latents, self._done)) if self._continues else None,
                )
            )
        if self._calls_back and self._done == self._until:
            self._end(latents, self._done)
            shown = self._predicted() if self._predicted else None
            if shown is not None:
                shown = self._place(latents, shown)
            if shown is None:
                raise ModelError(_NO_DRAFT)
            # What the pipeline put in the place of a step's result, such as given frames, stays.
            if shown.shape == latents.shape == self._result.shape:
                shown = shown.to(latents.dtype).where(self._result == latents, latents)
            self.latents = shown
            return shown
        return latents

    def bar_moved(self) -> None:
        """Take notice of the progress bar, of pipelines that don't call back."""
        if not self._calls_back:
            self.ended(self._result)

    def _called_back(
        self, _pipe: Any, _index: int, _timestep: Any, state: dict[str, Any]
    ) -> dict[str, Any]:
        given = state["latents"]
        wanted = self.ended(given)
        return {} if wanted is given else {"latents": wanted}

    def _preview(self, latents: Any) -> list[Frames]:
        assert self._predict is not None
        # Where its schedulers' steps aren't seen, what is there by now has to do.
        found = self._predicted() if self._predicted else latents
        if found is not None and self._calls_back:
            found = self._place(latents, found)
        if found is None:
            raise ModelError("this scheduler's predictions can't be shown.")
        return self._predict(found)

    def _end(self, latents: Any, step: int) -> None:
        self._over = True
        if self._continues:
            self.states = self._make_states(latents, step)

    def _make_states(self, latents: Any, step: int) -> list[Checkpoint]:
        now = _attributes(self._pipe.scheduler)
        moved = {k: v for k, v in now.items() if not _same(v, self._before.get(k, _NOTHING))}
        parts = {
            "latents": latents,
            "scheduler": moved,
            "generators": [generator.get_state() for generator in self._generators],
        }
        return split(parts, step, len(self._generators))


_NOTHING = object()
_NO_DRAFT = "this scheduler's predictions can't be shown, so that no draft can be made with it."


class _Bar:
    """Stands for a pipeline's progress bar: shows nothing and says when it is moved."""

    def __init__(self, denoising: DenoisingLoop) -> None:
        self._denoising = denoising

    def __enter__(self) -> Self:
        self._denoising.begin()
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self, _many: int = 1) -> None:
        """Move."""
        self._denoising.bar_moved()


_kinds: dict[type, type] = {}


def _watched(kind: Any) -> type:
    """Return a scheduler's class that tells of what is asked of it.

    Pipelines look at the signatures of both methods to see what they may give.
    """
    if kind in _kinds:
        return _kinds[kind]

    @functools.wraps(kind.set_timesteps)
    def set_timesteps(self: Any, *args: Any, **kwargs: Any) -> Any:
        kind.set_timesteps(self, *args, **kwargs)
        self.beecam_denoising.timesteps_set(self)

    @functools.wraps(kind.step)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        original = functools.partial(kind.step, self)
        return self.beecam_denoising.step(self, original, *args, **kwargs)

    named = {"set_timesteps": set_timesteps, "step": step, "__module__": kind.__module__}
    return _kinds.setdefault(kind, type(kind.__name__, (kind,), named))


def _some(first: int, until: int | None, told: Callable[[int], None]) -> type:
    """Return a kind of tensor along which one walks from `first` to before `until` only.

    Args:
        first: Where the walk begins.
        until: Where it ends, or None.
        told: Called with the whole length before a walk.
    """
    import torch

    class Timesteps(torch.Tensor):
        @classmethod
        def __torch_function__(
            cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            # A part of it is walked along in the same way; what is calculated from it is plain.
            with torch._C.DisableTorchFunctionSubclass():  # noqa: SLF001
                found = func(*args, **(kwargs or {}))
            kept = (torch.Tensor.__getitem__, torch.Tensor.to, torch.Tensor.clone)
            same = func in kept and found.ndim == 1
            return found.as_subclass(cls) if same else found

        def __deepcopy__(self, memo: Any) -> Any:
            return self.clone()

        def __iter__(self) -> Iterator[Any]:
            told(len(self))
            return iter(self.as_subclass(torch.Tensor)[first:until])

    return Timesteps


def _attributes(scheduler: Any) -> dict[str, Any]:
    """Return what a scheduler knows besides its configuration; lists as they are now."""
    ours = ("beecam_denoising", "timesteps", "_internal_dict")
    return {
        name: list(value) if isinstance(value, list) else value
        for name, value in vars(scheduler).items()
        if name not in ours
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


def _predicted(scheduler: Any, sample: Any, parts: tuple[Any, ...]) -> Any:
    """Return the result that a step predicts, or None where that isn't known.

    Some schedulers return it, multistep ones keep it, and Euler's method goes on in a straight
    line to it.
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
    # The step has moved the index on.
    sigmas = scheduler.sigmas.double()
    now, then, last = sigmas[scheduler.step_index - 1], sigmas[scheduler.step_index], sigmas[-1]
    ratio = float((last - now) / (then - now))
    return sample + ratio * (parts[0].to(sample.dtype) - sample)
