"""Any loaded diffusers video pipeline as a Model."""

from __future__ import annotations

import copy
import os
import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from beecam.errors import CheckError, ModelError, Problem, did_you_mean, shorten
from beecam.media.types import Frames, Sound
from beecam.models.batching.batch_size import (
    BatchKind,
    BatchSizes,
    BatchStats,
    initial_guess,
    shape_key,
)
from beecam.models.batching.device import MemoryMeter, cores, device_of, environment_key
from beecam.models.batching.threads import WorkerPool
from beecam.models.batching.timing import BatchTimer
from beecam.models.denoise.batch_positions import at_positions, positions_of
from beecam.models.denoise.loop import DenoisingLoop
from beecam.models.denoise.noise import generators, with_mixed_noise
from beecam.models.denoise.preview import PreviewMap
from beecam.models.denoise.schedulers import Schedulers, with_plain_timesteps
from beecam.models.denoise.shared_prefix import SharedPrefixes, after_switch, before_switch
from beecam.models.diffusers.call import (
    frames_from_output,
    pipeline_arguments,
    sounds_from_output,
    translate_memory_errors,
)
from beecam.models.diffusers.checks import find_problems, unsupported_conditions
from beecam.models.diffusers.conditions import (
    frames_from_video,
    shared_conditions,
    size_from_image,
    with_absolute_keyframes,
)
from beecam.models.diffusers.latents import merge_part, unpack
from beecam.models.diffusers.tasks import Task, tasks_of
from beecam.models.model import Checkpoint, Generated, Model, OnStep
from beecam.models.speed.network_copies import NetworkCopies
from beecam.models.speed.onednn import PackedLinears, available
from beecam.models.speed.speed import FewSteps, Speed, speed_of
from beecam.models.text.encode import PromptEncoder
from beecam.models.text.offload import EncoderOffload, encode_only
from beecam.models.weights.fingerprint import fingerprint
from beecam.models.weights.lora import LoraLoader
from beecam.shots.loras import Adapter, lora
from beecam.shots.shot import Shot

_SMALL = 100_000_000  # parameters

_adapting: weakref.WeakKeyDictionary[Any, LoraLoader] = weakref.WeakKeyDictionary()
_lanes: weakref.WeakKeyDictionary[Any, WorkerPool] = weakref.WeakKeyDictionary()


class DiffusersModel:
    """A diffusers video pipeline as a Model; made by `bc.load` or `bc.wrap`.

    Attributes:
        pipe: The pipeline.
        name: How clips name it.
        license: Of its weights, where known.
        source: Where they came from, a repository with its commit say, where known.
        speed: What is switched on to make it faster.
    """

    def __init__(
        self,
        pipe: Any,
        *,
        name: str,
        license: str | None = None,
        defaults: Mapping[str, Any] | None = None,
        folder: Path | None = None,
        batch_size: int | None = None,
        lanes: WorkerPool | None = None,
        speed: str | None = None,
    ) -> None:
        self.pipe = pipe
        self.name = name
        self.license = license
        self.source: str | None = None
        # The same for each pipeline, however often it is wrapped: networks have state, too.
        self._lanes = _lanes.setdefault(pipe, lanes or WorkerPool())
        self._ways = tasks_of(pipe)
        own = self._ways[0]
        small = _is_small_on_cpu(pipe, own.anatomy.denoiser)
        if small:
            self._lanes.widen(cores(), threads=1)
        self._products = PackedLinears(own.anatomy.denoiser if small and available() else None)
        self._sizes = BatchSizes(batch_size)
        self._place = environment_key(pipe)
        self._defaults = {**own.family.defaults, **(defaults or {})}
        self._adapting = _adapting.setdefault(pipe, LoraLoader(pipe))
        self._adapters: tuple[Adapter, ...] = ()
        self._prefixes = SharedPrefixes()
        self._shadows = NetworkCopies(pipe, packed=small)
        self._texts = PromptEncoder(masks_padding=own.family.masks_padding)
        self._preparing = EncoderOffload(pipe)
        self._texts.encoding = self._preparing.encoding
        self._schedulers = Schedulers(pipe.scheduler)
        self._few_steps = FewSteps.beside(folder)
        self.speed = self._speed_of(speed)
        self._preview = PreviewMap.load(folder) if folder else PreviewMap()
        self._revision = fingerprint(pipe)

    def __repr__(self) -> str:
        shot = self.resolve(Shot(prompt=""))
        return (
            f"Model {self.name} ({self._ways[0].family.name}): {shot.width}x{shot.height}, "
            f"{shot.num_frames} frames at {shot.fps:g} fps, {shot.num_inference_steps} steps, "
            f"guidance {shot.guidance_scale:g}, on {self.pipe.device}"
            + "".join(f", with {adapter}" for adapter in self._adapters)
        )

    def with_lora(
        self, source: str | os.PathLike[str] | Adapter, weight: float = 1.0
    ) -> DiffusersModel:
        """Return this model with a LoRA in all clips that don't ask for others.

        The weights are shared: both models can be used side by side. `lora=` in a sweep does the
        same for single cells, and as an axis; `lora=()` is none.

        >>> pencil = model.with_lora("pencil.safetensors", 0.8)

        Args:
            source: A file in safetensors, a folder that has one, or a repository.
            weight: How strong it is; 1 is as it was trained.

        Raises:
            ModelError: It can't be had, or was made for another family.
        """
        try:
            adapter = lora(source, weight)
        except CheckError as error:
            raise ModelError(f"with_lora: {error}") from error
        if why := self._adapting.check((adapter,)):
            raise ModelError(f"with_lora({str(source)!r}): {why}")
        made = copy.copy(self)
        others = (one for one in self._adapters if one.digest != adapter.digest)
        made._adapters = tuple(sorted((*others, adapter), key=lambda one: one.digest))  # noqa: SLF001
        return made

    def at_speed(self, name: str | None) -> DiffusersModel:
        """Return this model at another speed; the weights are shared.

        Args:
            name: "exact", "balanced" or "fast"; see `bc.load`.

        Raises:
            ModelError: There is no such speed.
        """
        made = copy.copy(self)
        made.speed = made._speed_of(name)  # noqa: SLF001
        return made

    def beside(self) -> DiffusersModel:
        """Return this model for single batches that should not wait for a run."""
        made = copy.copy(self)
        made._lanes = self._lanes.beside()  # noqa: SLF001
        return made

    def in_few_steps(self) -> DiffusersModel | None:
        """Return this model with the LoRA for few steps that ships with it, or None."""
        return self.at_speed("fast") if self._few_steps and self.speed.name == "exact" else None

    def _speed_of(self, name: str | None) -> Speed:
        names = self._schedulers.names if name == "fast" and not self._few_steps else []
        return speed_of(name, self._ways[0], names, self._few_steps)

    # --- what it can do ------------------------------------------------------------------------

    @property
    def revision(self) -> str:
        """A digest of weights and configuration, as they were when `refresh` was last called."""
        return self._revision

    def refresh(self) -> None:
        """Look at the weights again, so that a changed pipeline never answers for its old self."""
        fresh = fingerprint(self.pipe)
        self._place = environment_key(self.pipe)
        if fresh != self._revision:
            self._revision = fresh
            self._texts.clear()
            self._schedulers = Schedulers(self.pipe.scheduler)

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Further arguments that a shot may carry, with the pipelines' defaults."""
        found: dict[str, Any] = {}
        for way in reversed(self._ways):
            found |= way.arguments
        return found

    @property
    def tasks(self) -> list[str]:
        """What it makes clips from, in words; one for each way."""
        return [way.tasks for way in self._ways]

    @property
    def ways(self) -> tuple[Task, ...]:
        """The ways in which its weights make clips, the pipeline's own first."""
        return tuple(self._ways)

    @property
    def schedulers(self) -> list[str]:
        """The names of the schedulers that its own way can use."""
        own = self._ways[0].family.own_timesteps
        return [self._schedulers.usual] if own else self._schedulers.names

    def way(self, shot: Shot) -> Task:
        """Return how a shot is made; the pipeline's own way where none suits."""
        suiting = (way for way in self._ways if way.suits(shot.conditions))
        return next(suiting, self._ways[0])

    def check(self, shot: Shot) -> Iterator[Problem]:
        """Yield what this model can't do with the shot."""
        full, way = self.resolve(shot), self.way(shot)
        if not way.suits(shot.conditions):
            yield from unsupported_conditions(shot, self._ways, self.name)
            return
        yield from find_problems(full, way, self.name, self.arguments)
        if full.switch is not None and self.speed.cache:
            yield Problem(
                "switch_at",
                f"switch_at={full.switch.at:g}: not at speed={self.speed.name!r}, whose cache "
                "can't go on from within a clip.",
            )
        if why := self._adapting.check(full.adapters or ()):
            names = " + ".join(map(str, full.adapters or ()))
            yield Problem("lora", f"lora={names}: {why}")
        if full.negative_prompt and full.guidance_scale == self.speed.of(way).guidance:
            yield Problem(
                "negative_prompt",
                f"negative_prompt={shorten(full.negative_prompt)}: at "
                f"speed={self.speed.name!r} "
                "clips are made without guidance, in which it does nothing; give "
                "guidance_scale=3 "
                "too, or load the model at speed='exact'.",
            )
        usable = [self._schedulers.usual]
        if full.scheduler not in usable and (
            way.family.own_timesteps or full.scheduler not in (usable := self._schedulers.names)
        ):
            yield Problem(
                "scheduler",
                f"scheduler={full.scheduler!r}: {self.name} can use {', '.join(usable)}."
                f"{did_you_mean(str(full.scheduler), usable)}",
            )
        for name, wanted, here in (
            ("model", shot.model, self.name),
            ("revision", shot.revision, self.revision),
            (
                "speed",
                shot.speed and " and ".join(shot.speed),
                " and ".join(self.speed.of(way).words) or "exact",
            ),
        ):
            if wanted not in (None, here):
                yield Problem(name, f"{name}={wanted!r}: this is {here}; load the other one.")

    def resolve(self, shot: Shot) -> Shot:
        """Fill what the shot leaves to the model's defaults."""
        way = self.way(shot)
        width, height = size_from_image(way, shot) or (None, None)
        usual = self._default(way, "num_frames")
        own = {
            "width": width or self._default(way, "width"),
            "height": height or self._default(way, "height"),
            "num_frames": frames_from_video(way, shot, usual) or usual,
            "fps": self._defaults.get("fps", way.family.fps),
            "num_inference_steps": self._usual_steps(way),
            "guidance_scale": (self.speed.of(way).guidance or self._default(way, "guidance_scale")),
            "negative_prompt": "",
            "scheduler": self.speed.of(way).scheduler or self._schedulers.usual,
            "model": self.name,
            "revision": self.revision,
            "adapters": self._adapters,
            "speed": self.speed.of(way).words or None,
        }
        changes = {name: value for name, value in own.items() if getattr(shot, name) is None}
        full = shot.replace(**changes) if changes else shot
        if full.switch is not None and not list(full.switch.check(None)):
            at = full.switch.step(full.num_inference_steps or 1)
            full = full.replace(switch=replace(full.switch, at=at))
        return with_absolute_keyframes(full) if shot.conditions else full

    @property
    def adapters(self) -> tuple[Adapter, ...]:
        """The LoRAs that clips have which don't ask for others."""
        return self._adapters

    def of(self, shot: Shot) -> Model:  # noqa: ARG002
        """Return itself."""
        return self

    def makes(self, shot: Shot) -> bool:
        """Return whether a resolved shot is this model's, at its speed."""
        speed = self.speed.of(self.way(shot)).words or None
        return (shot.model, shot.revision, shot.speed) == (self.name, self.revision, speed)

    def steps(self, shot: Shot) -> int:
        """Return how many steps a resolved shot takes."""
        return self.way(shot).steps(shot)

    def _usual_steps(self, way: Task) -> int:
        usual = self._default(way, "num_inference_steps") or 1
        return max(1, round(usual * self.speed.of(way).steps))

    def _default(self, way: Task, name: str) -> Any:
        found = self._defaults.get(name)
        return way.anatomy.default(name) if found is None else found

    # --- how much at once ----------------------------------------------------------------------

    @property
    def calls_at_once(self) -> int:
        """How many calls may run at the same time."""
        return self._lanes.count

    def batch_key(self, shot: Shot) -> Hashable:
        """Shots with equal keys can go into one call: all but texts and noise is the same."""
        at, shot = shot.switch and shot.switch.at, after_switch(shot)
        return (
            at,
            shared_conditions(self.way(shot), shot),
            shot.adapters,
            shot.width,
            shot.height,
            shot.num_frames,
            shot.fps,
            shot.num_inference_steps,
            shot.guidance_scale,
            shot.scheduler,
            shot.draft_steps,
            shot.extra,
            self._texts.length(self.pipe, shot),
        )

    def batch_size(self, shot: Shot) -> int:
        """How many shots like this one call takes at best, as far as is known."""
        return self._sizes.best(self._kind(shot))

    def trial_size(self, shot: Shot, waiting: int) -> int | None:
        """How many shots like this the next call should take to learn from it; see `BatchSizes`."""
        return self._sizes.trial(self._kind(shot), waiting, self.calls_at_once)

    def exact_size(self, shot: Shot) -> int:
        """How many shots like this each call takes in exact mode; see `BatchSizes`."""
        return self._sizes.exact(self._kind(shot))

    def limit_batch(self, shot: Shot, size: int) -> None:
        """Remember that no more than `size` shots like this fit into memory."""
        self._sizes.limit(self._kind(shot), size)

    def measured(self, shot: Shot) -> BatchStats:
        """Return what is known of calls for shots like this one."""
        return self._sizes.known(self._kind(shot))

    def _kind(self, shot: Shot) -> BatchKind:
        """Return which calls take as long as this shot's."""
        way, at_once, shot = self.way(shot), self.calls_at_once, after_switch(shot)
        shape = f"{type(way.pipe).__name__}, {shape_key(shot, self._texts.length(self.pipe, shot))}"
        key = f"{self.revision}; {self._place}; {at_once} at once; {shape}"
        return BatchKind(key, initial_guess(shot, at_once), way.family.batches)

    # --- before and after a run ----------------------------------------------------------------

    def prepare(self, shots: Sequence[Shot], hold: Callable[[], None]) -> None:
        """Prepare a run: encode its texts first if memory is short; see `EncoderOffload`."""
        texts = [part for shot in shots for part in {before_switch(shot), after_switch(shot)}]
        self._preparing.begin(texts, self._encode, hold)

    def release(self) -> None:
        """Come back from a run: the pipeline is as its owner left it."""
        self._preparing.end()

    def _encode(self, shot: Shot) -> None:
        import torch

        way = self.way(shot)
        pipe = copy.copy(way.pipe)
        if not hasattr(pipe, "encode_prompt"):
            return
        vars(pipe)["encode_prompt"] = self._texts.remembering(pipe, [shot])
        arguments = pipeline_arguments(way, [shot], generators([shot]))

        def encode() -> None:
            with torch.no_grad(), self._adapting.used(shot.adapters or ()):
                try:
                    encode_only(pipe, arguments)
                finally:
                    self.pipe.maybe_free_model_hooks()

        self._lanes.run(encode)

    # --- making clips --------------------------------------------------------------------------

    def generate(
        self,
        shots: Sequence[Shot],
        on_step: OnStep | None = None,
        *,
        pad_to: int = 0,
        starts: Sequence[Checkpoint] = (),
    ) -> list[Generated]:
        """Make clips in one call of the pipeline; see `Model.generate`."""
        if len({self.batch_key(shot) for shot in shots}) != 1:
            raise ModelError("generate: all shots of one call need the same batch key.")
        places = positions_of(len(shots), starts)
        if shots[0].switch is not None:
            if not starts:
                starts = self._prefixes.states(shots, self._make_one, on_step)
                places = list(range(len(shots)))
            shots = [after_switch(shot) for shot in shots]
        # The rest of the call is filled up with the last shot again.
        filling = [len(shots) - 1] * max(pad_to, *(place + 1 for place in places))
        for i, place in enumerate(places):
            filling[place] = i
        padded = [shots[i] for i in filling]
        drawn_from = generators(padded)
        timing = BatchTimer(self._lanes)
        denoising = DenoisingLoop(
            on_step and timing.aside(at_positions(on_step, places)),
            generators=drawn_from,
            until=shots[0].draft_steps,
            starts=[starts[i] for i in filling] if starts else (),
            # What a cache remembers of the steps before is no part of a clip's state.
            continues=self.way(shots[0]).family.continues and not self.speed.cache,
        )
        try:
            with MemoryMeter(device_of(self.pipe)) as used:
                found = self._lanes.run(lambda: self._call(padded, drawn_from, denoising, timing))
        except KeyboardInterrupt:
            denoising.stopped = True
            raise
        if not starts:
            self._sizes.took(self._kind(shots[0]), len(padded), timing, used.share)
        states: Sequence[Checkpoint | None] = denoising.states or [None] * len(padded)
        return [Generated(found[i][0], i, states[i], found[i][1], found[i][2]) for i in places]

    def _make_one(self, shot: Shot, on_step: OnStep) -> None:
        self.generate([shot], on_step)

    def _call(
        self,
        shots: Sequence[Shot],
        drawn_from: Sequence[Any],
        denoising: DenoisingLoop,
        timing: BatchTimer,
    ) -> list[tuple[Frames, str | None, Sound | None]]:
        import torch

        # A copy that shares all networks: calls at the same time have each its own state, and
        # nothing that is set here is seen by who owns the pipeline. What is set goes past
        # `setattr`, which would write it into the configuration.
        way = self.way(shots[0])
        pipe = copy.copy(way.pipe)
        own = vars(pipe)
        if hasattr(pipe, "vae"):
            # Wan's keeps in itself how far it is while it decodes.
            own["vae"] = copy.copy(pipe.vae)
        scheduler = self._schedulers.fresh(shots[0].scheduler or self._schedulers.usual)
        arguments = pipeline_arguments(way, shots, drawn_from)
        if way.family.own_timesteps:
            scheduler, timesteps = with_plain_timesteps(
                scheduler, shots[0].num_inference_steps or 1
            )
            arguments["timesteps"] = timesteps
        own["scheduler"] = scheduler
        reads = hasattr(pipe, "encode_prompt")
        remembering = self._texts.remembering(pipe, shots) if reads else None
        if remembering is not None:
            own["encode_prompt"] = timing.aside(remembering)
        own["prepare_latents"] = with_mixed_noise(pipe.prepare_latents, shots, drawn_from)

        def predict(latents: Any) -> list[Frames]:
            return self._preview.frames(unpack(way, latents, shots[0]))

        denoising.watch(
            pipe,
            predict if self._preview.ready else None,
            lambda latents, part: merge_part(way, latents, part, shots[0]),
        )
        arguments |= denoising.arguments
        adapters, speed = shots[0].adapters or (), self.speed.of(way)
        with (
            torch.no_grad(),
            self._adapting.used(adapters),
            self._products.used(),
            self._shadows.used(speed, (self.revision, adapters)) as networks,
            translate_memory_errors(shots, len(shots)),
        ):
            own.update(networks)
            try:
                with timing:
                    output = pipe(**arguments)
            finally:
                self.pipe.maybe_free_model_hooks()
        if remembering is not None:
            self._texts.need_all_read(remembering, shots)
        found = frames_from_output(output.frames, shots[0])
        if not self._preview.ready and denoising.latents is not None:
            # None came with the model: one is learnt from what was just decoded.
            latents = unpack(way, denoising.latents, shots[0])
            if latents is not None:
                self._preview.fit(latents, [frames for frames, _ in found])
        heard = sounds_from_output(output, way.pipe, len(shots))
        return [(*one, sound) for one, sound in zip(found, heard, strict=True)]


def _is_small_on_cpu(pipe: Any, denoiser: Any) -> bool:
    """Whether a thread a clip is quicker than a clip with all threads."""
    if denoiser is None:
        return False
    parameters = sum(p.numel() for p in denoiser.parameters())
    return str(pipe.device) == "cpu" and parameters < _SMALL
