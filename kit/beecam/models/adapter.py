"""Any loaded diffusers text-to-video pipeline as a Model."""

from __future__ import annotations

import copy
import os
import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from beecam.errors import ModelError, Problem, did_you_mean, shorten
from beecam.models.anatomy import Anatomy
from beecam.models.base import Frames, Made, OnStep, State
from beecam.models.call import frames_of, memory_told_apart
from beecam.models.denoising import Denoising
from beecam.models.families import Family
from beecam.models.fingerprint import fingerprint
from beecam.models.lane import Lanes
from beecam.models.layout import unpacked
from beecam.models.noise import generators, mixing
from beecam.models.options import fits, spelled
from beecam.models.preview import PreviewMap
from beecam.models.products import PackedProducts, available
from beecam.models.schedulers import Schedulers
from beecam.models.texts import Texts
from beecam.shot import SHOT_ARGUMENTS, Shot

# Arguments of every pipeline that the adapter itself fills in; its family may name more.
_OURS = (
    "self", "prompt", "negative_prompt", "height", "width", "num_frames", "num_inference_steps",
    "guidance_scale", "generator", "latents", "num_videos_per_prompt", "output_type",
    "return_dict", "callback_on_step_end", "callback_on_step_end_tensor_inputs",
)  # fmt: skip
# Words in the names of arguments for what the adapter has encoded.
_ENCODED = ("_embeds", "_attention_mask", "_embeds_mask", "_cu_seqlens")
# A first guess that suits small models on a CPU; large ones are better off alone.
_PIXELS_A_CALL = 2_000_000
_MOST_A_CALL = 8
# More gains nothing where a call has a single thread, and clips would come later.
_MOST_A_THREAD = 4


_SMALL = 100_000_000  # parameters

_lanes: weakref.WeakKeyDictionary[Any, Lanes] = weakref.WeakKeyDictionary()


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
        batch_size: int | None = None, lanes: Lanes | None = None,
    ) -> None:  # fmt: skip
        self.pipe = pipe
        self.name = name
        self.licence = licence
        # The same for each pipeline, however often it is wrapped: networks have state, too.
        self._lanes = _lanes.setdefault(pipe, lanes or Lanes())
        self._anatomy = Anatomy(pipe)
        small = _is_small_on_cpu(pipe, self._anatomy.denoiser)
        if small:
            self._lanes.widen(_cores(), threads=1)
        self._products = PackedProducts(self._anatomy.denoiser if small and available() else None)
        self._family = family
        self._batch_size = batch_size
        self._limits: dict[Hashable, int] = {}
        self._defaults = {**family.defaults, **(defaults or {})}
        self._texts = Texts(masks_padding=family.masks_padding)
        self._schedulers = Schedulers(pipe.scheduler)
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
            self._schedulers = Schedulers(self.pipe.scheduler)

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Further arguments that a shot may carry, with the pipeline's defaults."""
        ours = {
            *_OURS, *self._family.refuses,
            self._anatomy.fps_argument, self._anatomy.frames_argument,
        }  # fmt: skip
        return {
            name: parameter.default
            for name, parameter in self._anatomy.parameters.items()
            if name not in ours and not any(word in name for word in _ENCODED)
            and parameter.kind is not parameter.VAR_KEYWORD
        }  # fmt: skip

    def check(self, shot: Shot) -> Iterator[Problem]:
        """Yield what this model can't do with the shot."""
        full = self.resolve(shot)
        step = self._family.size_step
        for name in ("width", "height"):
            yield from self._on_grid(name, getattr(full, name), step, 0)
        yield from self._on_grid(
            "num_frames", full.num_frames or 1, self._family.frame_step, self._family.frame_plus
        )
        for name, value in dict(shot.extra).items():
            yield from self._check_extra(name, value)
        steps = full.num_inference_steps or 1
        if full.draft_steps is not None and not 1 <= full.draft_steps < steps:
            near = min(max(full.draft_steps, 1), max(steps - 1, 1))
            yield Problem("draft_steps", (
                f"draft_steps={full.draft_steps}: fewer than the {steps} steps of the clip; "
                f"nearest is {near}."
            ))  # fmt: skip
        if full.scheduler != self._schedulers.usual and (
            full.scheduler not in (names := self._schedulers.names)
        ):
            yield Problem("scheduler", (
                f"scheduler={full.scheduler!r}: {self.name} can use {', '.join(names)}."
                f"{did_you_mean(str(full.scheduler), names)}"
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
        thing = "frames" if name == "num_frames" else "pixels"
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
        annotation = self._anatomy.parameters[name].annotation
        if default is None:
            if value is not None and not fits(annotation, value):
                yield Problem(name, (
                    f"{name}={shorten(value)}: {self.name} needs {spelled(annotation)} there."
                    + (" A shot can't keep a dict." if "dict" in spelled(annotation) else "")
                ))  # fmt: skip
            return
        kinds: tuple[type, ...] = (type(default),) if default is not None else ()
        if kinds == (float,):
            kinds = (float, int)
        if kinds == (list,):
            kinds = (tuple,)  # which is how a shot keeps one
        if kinds and (
            not isinstance(value, kinds) or isinstance(value, bool) != (kinds == (bool,))
        ):
            yield Problem(
                name,
                f"{name}={shorten(value)}: {type(default).__name__} is needed, "
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
            "scheduler": self._schedulers.usual, "model": self.name, "revision": self.revision,
        }  # fmt: skip
        changes = {name: value for name, value in own.items() if getattr(shot, name) is None}
        return shot.replace(**changes) if changes else shot

    def _default(self, name: str) -> Any:
        found = self._defaults.get(name)
        return self._anatomy.default(name) if found is None else found

    # --- how much at once ----------------------------------------------------------------------

    @property
    def calls_at_once(self) -> int:
        """How many calls may run at the same time."""
        return self._lanes.count

    def batch_key(self, shot: Shot) -> Hashable:
        """Shots with equal keys can go into one call: all but texts and noise is the same."""
        return (
            shot.width, shot.height, shot.num_frames, shot.fps, shot.num_inference_steps,
            shot.guidance_scale, shot.scheduler, shot.draft_steps, shot.extra,
            self._texts.length(self.pipe, shot),
        )  # fmt: skip

    def batch_size(self, shot: Shot) -> int:
        """How many shots like this one call takes at best."""
        most = _MOST_A_CALL if self.calls_at_once == 1 else _MOST_A_THREAD
        if not self._family.batches:
            return 1
        good = self._batch_size or max(1, min(most, _PIXELS_A_CALL // _pixels(shot)))
        return min(good, self._limits.get(self.batch_key(shot), good))

    def limit_batch(self, shot: Shot, size: int) -> None:
        """Remember that no more than `size` shots like this fit into memory."""
        self._limits[self.batch_key(shot)] = size

    # --- making clips --------------------------------------------------------------------------

    def generate(
        self, shots: Sequence[Shot], on_step: OnStep | None = None, *, pad_to: int = 0,
        starts: Sequence[State] = (),
    ) -> list[Made]:  # fmt: skip
        """Make clips in one call of the pipeline; see `Model.generate`."""
        if len({self.batch_key(shot) for shot in shots}) != 1:
            raise ModelError("generate: all shots of one call need the same batch key.")
        places = _places(len(shots), starts)
        # The rest of the call is filled up with the last shot again.
        filling = [len(shots) - 1] * max(pad_to, *(place + 1 for place in places))
        for i, place in enumerate(places):
            filling[place] = i
        padded = [shots[i] for i in filling]
        drawn_from = generators(padded)
        denoising = Denoising(
            on_step and _only(on_step, places), generators=drawn_from, until=shots[0].draft_steps,
            starts=[starts[i] for i in filling] if starts else (), continues=self._family.continues,
        )  # fmt: skip
        try:
            found = self._lanes.run(lambda: self._call(padded, drawn_from, denoising))
        except KeyboardInterrupt:
            denoising.stopped = True
            raise
        states: Sequence[State | None] = denoising.states or [None] * len(padded)
        return [Made(found[i][0], i, states[i], found[i][1]) for i in places]

    def _call(
        self, shots: Sequence[Shot], drawn_from: Sequence[Any], denoising: Denoising
    ) -> list[tuple[Frames, str | None]]:
        import torch

        # A copy that shares all networks: calls at the same time have each its own state, and
        # nothing that is set here is seen by who owns the pipeline. What is set goes past
        # `setattr`, which would write it into the configuration.
        pipe = copy.copy(self.pipe)
        own = vars(pipe)
        own["scheduler"] = self._schedulers.fresh(shots[0].scheduler or self._schedulers.usual)
        own["encode_prompt"] = self._texts.remembering(pipe, shots)
        own["prepare_latents"] = mixing(pipe.prepare_latents, shots, drawn_from)

        def predict(latents: Any) -> list[Frames]:
            return self._preview.frames(unpacked(self._anatomy, latents, shots[0]))

        denoising.watch(pipe, predict if self._preview.ready else None)
        arguments = {**self._arguments_for(shots, drawn_from), **denoising.arguments}
        with torch.no_grad(), self._products.used(), memory_told_apart(shots, len(shots)):
            try:
                output = pipe(**arguments)
            finally:
                pipe.maybe_free_model_hooks()
        found = frames_of(output.frames, shots[0])
        if not self._preview.ready and denoising.latents is not None:
            # None came with the model: one is learnt from what was just decoded.
            latents = unpacked(self._anatomy, denoising.latents, shots[0])
            if latents is not None:
                self._preview.fit(latents, [frames for frames, _ in found])
        return found

    def _arguments_for(self, shots: Sequence[Shot], drawn_from: Sequence[Any]) -> dict[str, Any]:
        shot, taken = shots[0], self._anatomy
        texts = [one.prompt for one in shots]
        arguments: dict[str, Any] = {
            "prompt": texts, "negative_prompt": [one.negative_prompt or "" for one in shots],
            "height": shot.height, "width": shot.width,
            taken.frames_argument or "": shot.num_frames,
            "num_inference_steps": shot.num_inference_steps,
            "guidance_scale": shot.guidance_scale, "output_type": "np",
            "generator": list(drawn_from), taken.fps_argument or "": shot.fps,
        }  # fmt: skip
        if not self._family.batches:
            # Some of these can't take lists, not even of one.
            arguments |= {
                name: arguments[name][0] for name in ("prompt", "negative_prompt", "generator")
            }
        known = {name: v for name, v in arguments.items() if name in taken.parameters}
        # A shot keeps lists as tuples; pipelines tell them apart.
        more = {n: list(v) if isinstance(v, tuple) else v for n, v in shot.arguments.items()}
        return {**known, **more}


def _places(shots: int, starts: Sequence[State]) -> list[int]:
    """Return each shot's place in its call.

    What goes on does so at its own place where that is free, because in calls of an odd size the
    last bits depend on it.
    """
    wanted = [state.place for state in starts]
    return wanted if starts and len(set(wanted)) == shots else list(range(shots))


def _only(on_step: OnStep, places: Sequence[int]) -> OnStep:
    """Tell of the clips at some places of a call only, in this order."""

    def picked(make: Callable[[], list[Any]] | None) -> Callable[[], list[Any]] | None:
        if make is None:
            return None

        def some() -> list[Any]:
            every = make()
            return [every[place] for place in places]

        return some

    return lambda step: on_step(
        replace(step, preview=picked(step.preview), states=picked(step.states))
    )


def _pixels(shot: Shot) -> int:
    return (shot.width or 1) * (shot.height or 1) * (shot.num_frames or 1)


def _is_small_on_cpu(pipe: Any, denoiser: Any) -> bool:
    """Whether a thread a clip is quicker than a clip with all threads."""
    if denoiser is None:
        return False
    parameters = sum(p.numel() for p in denoiser.parameters())
    return str(pipe.device) == "cpu" and parameters < _SMALL


def _cores() -> int:
    here = getattr(os, "sched_getaffinity", None)
    return len(here(0)) if here else os.cpu_count() or 1
