"""Any loaded diffusers text-to-video pipeline as a Model."""

from __future__ import annotations

import contextlib
import inspect
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from beecam.errors import ModelError, OutOfMemoryError, Problem, Stopped, did_you_mean, shorten
from beecam.models.base import Frames, OnStep, Step
from beecam.models.families import Family
from beecam.models.fingerprint import fingerprint
from beecam.models.lane import Lane
from beecam.models.preview import PreviewMap
from beecam.shot import SHOT_ARGUMENTS, Shot

# Arguments of every pipeline that the adapter itself fills in; its family may name more.
_OURS = (
    "self", "prompt", "negative_prompt", "height", "width", "num_frames", "num_inference_steps",
    "guidance_scale", "generator", "latents", "num_videos_per_prompt", "output_type",
    "return_dict", "callback_on_step_end", "callback_on_step_end_tensor_inputs",
)  # fmt: skip
_TEXTS_KEPT = 512
# A first guess that suits small models on a CPU; large ones are better off alone.
_PIXELS_A_CALL = 2_000_000
_MOST_A_CALL = 8


_lanes: weakref.WeakKeyDictionary[Any, Lane] = weakref.WeakKeyDictionary()


class DiffusersModel:
    """A diffusers text-to-video pipeline as a Model; made by `bc.load` or `bc.wrap`.

    Attributes:
        pipe: The pipeline.
        name: How clips name it.
        licence: Of its weights, where known.
    """

    def __init__(
        self, pipe: Any, family: Family, *, name: str, licence: str | None = None,
        defaults: Mapping[str, Any] | None = None, folder: Path | None = None,
        batch_size: int | None = None, lane: Lane | None = None,
    ) -> None:  # fmt: skip
        self.pipe = pipe
        self.name = name
        self.licence = licence
        # One for each pipeline, however often it is wrapped: a call changes its scheduler.
        self._lane = _lanes.setdefault(pipe, lane or Lane())
        self._family = family
        self._batch_size = batch_size
        self._limits: dict[Hashable, int] = {}
        self._signature = inspect.signature(type(pipe).__call__).parameters
        self._defaults = {**family.defaults, **(defaults or {})}
        self._texts: OrderedDict[tuple[str, str, Hashable], dict[str, Any]] = OrderedDict()
        self._schedulers = {type(pipe.scheduler).__name__: pipe.scheduler}
        self._scheduler_name = type(pipe.scheduler).__name__
        self._preview = PreviewMap.load(folder) if folder else PreviewMap()
        self._revision = fingerprint(pipe)

    def __repr__(self) -> str:
        shot = self.resolve(Shot(prompt=""))
        return (
            f"Model {self.name} ({self._family.name}): {shot.width}x{shot.height}, "
            f"{shot.num_frames} frames at {shot.fps:g} fps, {shot.num_inference_steps} steps, "
            f"guidance {shot.guidance_scale:g}, on {self.pipe.device}"
        )

    # --- what it can do ------------------------------------------------------------------------

    @property
    def revision(self) -> str:
        """A digest of weights and configuration, as they were when `refresh` was last called."""
        return self._revision

    def refresh(self) -> None:
        """Look at the weights again, so that a changed pipeline never answers for its old self."""
        fresh = fingerprint(self.pipe)
        if fresh != self._revision:
            self._revision = fresh
            self._texts.clear()

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Further arguments that a shot may carry, with the pipeline's defaults."""
        ours = {*_OURS, *self._family.encoded, self._family.fps_argument}
        return {
            name: parameter.default
            for name, parameter in self._signature.items()
            if name not in ours and parameter.kind is not parameter.VAR_KEYWORD
        }

    def check(self, shot: Shot) -> Iterator[Problem]:
        """Yield what this model can't do with the shot."""
        full = self.resolve(shot)
        step = self._family.size_step
        for name in ("width", "height"):
            yield from self._on_grid(name, getattr(full, name), step, 0)
        yield from self._on_grid("num_frames", full.num_frames or 1, self._family.frame_step, 1)
        for name, value in dict(shot.extra).items():
            yield from self._check_extra(name, value)
        names = [type(s).__name__ for s in self._schedulers.values()]
        names += [cls.__name__ for cls in self.pipe.scheduler.compatibles]
        if full.scheduler not in names:
            yield Problem("scheduler", (
                f"scheduler={full.scheduler!r}: {self.name} can use "
                f"{', '.join(sorted(set(names)))}.{did_you_mean(str(full.scheduler), names)}"
            ))  # fmt: skip
        for name, wanted, here in (
            ("model", shot.model, self.name), ("revision", shot.revision, self.revision),
        ):  # fmt: skip
            if wanted not in (None, here):
                yield Problem(name, f"{name}={wanted!r}: this is {here}; load the other one.")

    def _on_grid(self, name: str, value: int, step: int, plus: int) -> Iterator[Problem]:
        if (value - plus) % step == 0 and value >= max(step, plus):
            return
        low = (value - plus) // step * step + plus
        near = [n for n in (low, low + step) if n >= (step if not plus else 1)]
        form = f"{step}k+{plus}" if plus else f"multiples of {step}"
        thing = "frames" if plus else "pixels"
        nearest = " and ".join(str(n) for n in near) if near else str(step)
        yield Problem(
            name,
            f"{name}={value}: {self.name} makes {form} {thing}; nearest "
            f"{'is' if len(near) == 1 else 'are'} {nearest}.",
        )

    def _check_extra(self, name: str, value: Any) -> Iterator[Problem]:
        if name not in self.arguments:
            hint = did_you_mean(name, (*SHOT_ARGUMENTS, *self.arguments))
            yield Problem(name, f"{name}: no argument of {self.name}.{hint}")
            return
        default = self.arguments[name]
        kinds: tuple[type, ...] = (type(default),) if default is not None else ()
        if kinds == (float,):
            kinds = (float, int)
        if kinds and (
            not isinstance(value, kinds) or isinstance(value, bool) != (kinds == (bool,))
        ):
            yield Problem(
                name,
                f"{name}={shorten(value)}: {kinds[0].__name__} is needed, "
                f"as in the default {default!r}.",
            )

    def resolve(self, shot: Shot) -> Shot:
        """Fill what the shot leaves to the model's defaults."""
        own = {
            "width": self._default("width"), "height": self._default("height"),
            "num_frames": self._default("num_frames"),
            "fps": self._defaults.get("fps", self._family.fps),
            "num_inference_steps": self._default("num_inference_steps"),
            "guidance_scale": self._default("guidance_scale"), "negative_prompt": "",
            "scheduler": self._scheduler_name, "model": self.name, "revision": self.revision,
        }  # fmt: skip
        changes = {name: value for name, value in own.items() if getattr(shot, name) is None}
        return shot.replace(**changes) if changes else shot

    def _default(self, name: str) -> Any:
        found = self._defaults.get(name)
        return self._signature[name].default if found is None else found

    # --- how much at once ----------------------------------------------------------------------

    def batch_key(self, shot: Shot) -> Hashable:
        """Shots with equal keys can go into one call: all but texts and noise is the same."""
        return (
            shot.width, shot.height, shot.num_frames, shot.fps, shot.num_inference_steps,
            shot.guidance_scale, shot.scheduler, shot.extra,
        )  # fmt: skip

    def batch_size(self, shot: Shot) -> int:
        """How many shots like this one call takes at best."""
        good = self._batch_size or max(1, min(_MOST_A_CALL, _PIXELS_A_CALL // _pixels(shot)))
        return min(good, self._limits.get(self.batch_key(shot), good))

    def limit_batch(self, shot: Shot, size: int) -> None:
        """Remember that no more than `size` shots like this fit into memory."""
        self._limits[self.batch_key(shot)] = size

    # --- making clips --------------------------------------------------------------------------

    def generate(
        self, shots: Sequence[Shot], on_step: OnStep | None = None, *, pad_to: int = 0
    ) -> list[Frames]:
        """Make clips in one call of the pipeline; see `Model.generate`."""
        if len({self.batch_key(shot) for shot in shots}) != 1:
            raise ModelError("generate: all shots of one call need the same batch key.")
        padded = [*shots, *[shots[-1]] * max(0, pad_to - len(shots))]
        watcher = _Watcher(self, shots, on_step)
        try:
            return self._lane.run(lambda: self._generate(shots, padded, watcher))
        except KeyboardInterrupt:
            watcher.stopped = True
            raise

    def _generate(
        self, shots: Sequence[Shot], padded: Sequence[Shot], watcher: _Watcher
    ) -> list[Frames]:
        import torch

        with torch.no_grad(), self._scheduler(shots[0]), _quiet(self.pipe):
            arguments = self._call_arguments(padded)
            try:
                with watcher.watching():
                    output = self.pipe(**arguments, callback_on_step_end=watcher)
            except RuntimeError as error:
                if _is_out_of_memory(error):
                    _free_memory()
                    raise OutOfMemoryError(
                        f"{len(padded)} clips of {shots[0].width}x{shots[0].height}x"
                        f"{shots[0].num_frames} don't fit into memory in one call."
                    ) from error
                raise
            finally:
                self.pipe.maybe_free_model_hooks()
            frames = _frames(output.frames, shots[0])[: len(shots)]
            watcher.learn(frames)
        return frames

    def _call_arguments(self, shots: Sequence[Shot]) -> dict[str, Any]:
        shot = shots[0]
        arguments: dict[str, Any] = {
            "height": shot.height, "width": shot.width, "num_frames": shot.num_frames,
            "num_inference_steps": shot.num_inference_steps,
            "guidance_scale": shot.guidance_scale, "output_type": "np",
            **self._embeddings(shots), **self._noise(shots), **shot.arguments,
        }  # fmt: skip
        if self._family.fps_argument:
            arguments[self._family.fps_argument] = shot.fps
        return arguments

    def _embeddings(self, shots: Sequence[Shot]) -> dict[str, Any]:
        """Encode each distinct pair of texts once, alone, so that no neighbour changes a bit."""
        import torch

        guided = (shots[0].guidance_scale or 0) > 1
        length = {
            k: v for k, v in shots[0].arguments.items() if k == "max_sequence_length"
        } or {
            k: v for k, v in self.arguments.items() if k == "max_sequence_length"
        }  # fmt: skip
        encoded = []
        for shot in shots:
            key = (shot.prompt, shot.negative_prompt or "", (guided, *length.items()))
            if key not in self._texts:
                found = self.pipe.encode_prompt(
                    prompt=shot.prompt, negative_prompt=shot.negative_prompt,
                    do_classifier_free_guidance=guided, device=self.pipe._execution_device,  # noqa: SLF001
                    **length,
                )  # fmt: skip
                self._texts[key] = dict(zip(self._family.encoded, found, strict=True))
                if len(self._texts) > _TEXTS_KEPT:
                    self._texts.popitem(last=False)
            self._texts.move_to_end(key)
            encoded.append(self._texts[key])
        names = [
            n for n in self._family.encoded if guided or n not in self._family.encoded_negative
        ]
        return {name: torch.cat([one[name] for one in encoded]) for name in names}

    def _noise(self, shots: Sequence[Shot]) -> dict[str, Any]:
        """Seeds as generators on the CPU, which give the same noise on every device."""
        import torch

        def generator(seed: int) -> torch.Generator:
            return torch.Generator("cpu").manual_seed(seed)

        generators = [generator(shot.seed) for shot in shots]
        if all(len(shot.noise) == 1 and shot.noise[0][1] == 1.0 for shot in shots):
            return {"generator": generators}
        shot = shots[0]
        mixed = []
        for one in shots:
            parts = [
                weight * self.pipe.prepare_latents(
                    1, self._latent_channels, shot.height, shot.width, shot.num_frames,
                    torch.float32, self.pipe._execution_device, [generator(seed)],  # noqa: SLF001
                )
                for seed, weight in one.noise
            ]  # fmt: skip
            norm = sum(weight**2 for _, weight in one.noise) ** 0.5
            mixed.append(torch.stack(parts).sum(0) / norm)
        return {"latents": torch.cat(mixed), "generator": generators}

    @property
    def _latent_channels(self) -> int:
        return int(self.pipe.transformer.config.in_channels)

    @contextlib.contextmanager
    def _scheduler(self, shot: Shot) -> Iterator[None]:
        """Put the shot's scheduler in for one call."""
        import diffusers

        before = self.pipe.scheduler
        name = shot.scheduler or self._scheduler_name
        if name not in self._schedulers:
            self._schedulers[name] = getattr(diffusers, name).from_config(before.config)
        self.pipe.scheduler = self._schedulers[name]
        try:
            yield
        finally:
            self.pipe.scheduler = before

    @property
    def can_preview(self) -> bool:
        """Whether predicted latents can be shown yet."""
        return self._preview.ready

    def learn_preview(self, latents: Any, shots: Sequence[Shot], frames: list[Frames]) -> None:
        """Fit the preview on decoded clips."""
        self._preview.fit(self.unpack(latents, shots[0])[: len(shots)], frames)

    def predict(self, latents: Any, shots: Sequence[Shot]) -> list[Frames]:
        """Turn predicted latents into small frames, a clip for each shot."""
        return self._preview.frames(self.unpack(latents, shots[0])[: len(shots)])

    def unpack(self, latents: Any, shot: Shot) -> Any:
        """Return latents as batch x channels x frames x height x width."""
        full = self.resolve(shot)
        size = (full.num_frames or 1, full.height or 1, full.width or 1)
        return self._family.unpack(self.pipe, latents, *size)


class _Watcher:
    """Sees each step of one call: what the scheduler was given is enough to predict the result."""

    def __init__(
        self, model: DiffusersModel, shots: Sequence[Shot], on_step: OnStep | None
    ) -> None:
        self._model = model
        self._shots = shots
        self._on_step = on_step
        self.stopped = False
        self._predicted: Callable[[], Any] | None = None
        self._last: Any = None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Wrap the scheduler's step, which every family calls, for the time of one call."""
        scheduler = self._model.pipe.scheduler
        original = scheduler.step

        def step(prediction: Any, timestep: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(prediction, timestep, sample, *args, **kwargs)
            # The step has moved the index on; the noise level it used is one back.
            sigma = scheduler.sigmas[scheduler.step_index - 1]
            self._predicted = lambda: sample - sigma.to(sample.device) * prediction
            return result

        scheduler.step = step
        try:
            yield
        finally:
            del scheduler.step

    def __call__(
        self, pipe: Any, index: int, _timestep: Any, state: dict[str, Any]
    ) -> dict[str, Any]:
        if self.stopped:
            raise Stopped("whoever asked for this does not wait for it any more.")
        self._last = state["latents"]
        if self._on_step is not None:
            preview = self._make_preview if self._model.can_preview and self._predicted else None
            self._on_step(Step(index + 1, pipe.num_timesteps, preview))
        return {}

    def _make_preview(self) -> list[Frames]:
        assert self._predicted is not None
        return self._model.predict(self._predicted(), self._shots)

    def learn(self, frames: list[Frames]) -> None:
        """Fit the preview map on what was just decoded, where none came with the model."""
        if not self._model.can_preview and self._last is not None:
            self._model.learn_preview(self._last, self._shots, frames)


def _frames(output: Any, shot: Shot) -> list[Frames]:
    made = np.asarray(output)
    if made.ndim != 5 or made.shape[-1] != 3:  # noqa: PLR2004  (batch x frames x height x width x 3)
        raise ModelError(f"the pipeline returned frames of shape {made.shape}, which are no clips.")
    if made.shape[1:4] != (shot.num_frames, shot.height, shot.width):
        raise ModelError(
            f"the pipeline made {made.shape[1]} frames of {made.shape[3]}x{made.shape[2]}, "
            f"not {shot.num_frames} of {shot.width}x{shot.height}."
        )
    clean = np.nan_to_num(made, nan=0.0)
    return list(np.round(clean * 255).clip(0, 255).astype(np.uint8))


@contextlib.contextmanager
def _quiet(pipe: Any) -> Iterator[None]:
    """No progress bar of the pipeline's own: the run shows progress."""
    before = getattr(pipe, "_progress_bar_config", None)
    pipe.set_progress_bar_config(**{**(before or {}), "disable": True})
    try:
        yield
    finally:
        pipe.set_progress_bar_config(**(before or {}))


def _pixels(shot: Shot) -> int:
    return (shot.width or 1) * (shot.height or 1) * (shot.num_frames or 1)


def _is_out_of_memory(error: RuntimeError) -> bool:
    import torch

    words = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or (
        "out of memory" in words or "can't allocate memory" in words
    )


def _free_memory() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
