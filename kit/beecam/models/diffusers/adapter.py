"""Any loaded diffusers video pipeline as a Model."""

from __future__ import annotations

import copy
import os
import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from beecam._util.attributes import NearestAttributes
from beecam._util.checks import raise_problems
from beecam.errors import ModelError, Problem
from beecam.models.batching.batch_size import AdaptiveBatchPolicy, initial_guess, shape_key
from beecam.models.batching.device import MemoryMeter, cores, device_of
from beecam.models.batching.report import describe
from beecam.models.batching.reserved import pipeline_for_call
from beecam.models.batching.threads import WorkerPool, one_thread
from beecam.models.batching.timing import BatchTimer
from beecam.models.batching.tuning import BatchKind, BatchSizes
from beecam.models.capabilities import Description
from beecam.models.denoise.batch_positions import at_positions, filled, positions_of
from beecam.models.denoise.shared_prefix import SharedPrefixes, after_switch, before_switch
from beecam.models.diffusers.call import CallSteps, PipelineResources, PreparedCall
from beecam.models.diffusers.checking.notes import find_notes
from beecam.models.diffusers.checking.problems import (
    call_problems,
    context_problems,
    find_problems,
    identity_problems,
    speed_problems,
    unsupported_conditions,
)
from beecam.models.diffusers.conditions import (
    frames_from_video,
    shared_conditions,
    size_from_image,
    with_absolute_keyframes,
    with_rate_of_clip,
)
from beecam.models.diffusers.introspection import denoiser_of
from beecam.models.diffusers.tasks import Task
from beecam.models.model import Checkpoint, Generated, Note, OnStep
from beecam.models.speed.speed import FewSteps, Speed, speed_of
from beecam.models.text.vocabulary import Vocabulary
from beecam.models.weights.lora import LoraLoader
from beecam.shots.conditions import CONDITIONS
from beecam.shots.loras import Adapter, lora
from beecam.shots.shot import Shot
from beecam.shots.shot_checks import check_values, require_resolved
from beecam.shots.shot_list import distinct_shots

# One of each, however often a pipeline is wrapped: networks have state, too. Workers are those of
# the denoiser, which pipelines may share. No value may hold its key, not even through others, or no
# model is ever freed.
_loras: weakref.WeakKeyDictionary[Any, LoraLoader] = weakref.WeakKeyDictionary()
_workers: weakref.WeakKeyDictionary[Any, WorkerPool] = weakref.WeakKeyDictionary()


class DiffusersModel(NearestAttributes):
    """A diffusers video pipeline as a Model; created by `bc.load` or `bc.wrap`.

    Attributes:
        pipe: The pipeline.
        name: How clips name it.
        license: The license of its weights, where known.
        source: Where they came from, such as a repository with its commit, where known.
        speed: What is switched on to make it faster.
        ignores_noise: True: `resolve`, `check` and `batch_key` don't depend on the noise.
        ignores_prompt: True: `resolve` and `check` don't depend on the words of the prompt.
    """

    ignores_noise = True
    ignores_prompt = True

    def __init__(
        self,
        pipe: Any,
        *,
        name: str,
        defaults: Mapping[str, Any] | None = None,
        folder: Path | None = None,
        batch_size: int | None = None,
        workers: WorkerPool | None = None,
        speed: str | None = None,
    ) -> None:
        self.pipe = pipe
        self.name = name
        self.takes = (*CONDITIONS, "lora", "switch_at")  # `check` knows what its tasks take
        self.license: str | None = None
        self.source: str | None = None
        network = denoiser_of(pipe)
        self._workers = _workers.setdefault(
            pipe if network is None else network, workers or WorkerPool()
        )
        self._sizes = BatchSizes(batch_size)
        self._adapters: tuple[Adapter, ...] = ()
        self._prefixes = SharedPrefixes()
        loras = _loras.setdefault(pipe, LoraLoader(pipe))
        self._resources = PipelineResources(pipe, loras=loras)
        if self._resources.small:
            self._workers.widen(cores(), threads=1)
        self._defaults = {**self.tasks[0].family.defaults, **(defaults or {})}
        if folder is not None:
            self._resources.load_preview(folder)
        self._few_steps = FewSteps.beside(folder)
        self.speed = self._speed_of(speed)

    def __repr__(self) -> str:
        shot = self.resolve(Shot(prompt=""))
        return (
            f"Model {self.name} ({self.tasks[0].family.name}): {shot.width}x{shot.height}, "
            f"{shot.num_frames} frames at {shot.fps:g} fps, {shot.num_inference_steps} steps, "
            f"guidance {shot.guidance_scale:g}, on {self.pipe.device}"
            + "".join(f", with {adapter}" for adapter in self._adapters)
        )

    def __str__(self) -> str:
        """Return the name, and how it differs from the plain model."""
        speed = [] if self.speed.name == "exact" else [f"at speed {self.speed.name}"]
        return " ".join([self.name, *(f"with {one}" for one in self._adapters), *speed])

    # --- variants over the same weights ---------------------------------------------------------

    def with_lora(
        self, source: str | os.PathLike[str] | Adapter, weight: float = 1.0
    ) -> DiffusersModel:
        """Return this model with a LoRA in all clips that don't set others.

        The weights are shared: both models can be used side by side. `lora=` in a sweep does the
        same for single cells, and as an axis; `lora=()` uses none.

        >>> pencil = model.with_lora("pencil.safetensors", 0.8)

        Args:
            source: A safetensors file, a folder that has one, or a repository.
            weight: Its strength; 1 is as it was trained.

        Raises:
            CheckError: The file does not exist or isn't a safetensors file, or the weight isn't
                a number.
            ModelError: It can't be loaded, or was trained for another family.
        """
        adapter = lora(source, weight)
        if reason := self._resources.loras.check((adapter,)):
            raise ModelError(f"with_lora({str(source)!r}): {reason}")
        others = (one for one in self._adapters if one.digest != adapter.digest)
        adapters = tuple(sorted((*others, adapter), key=lambda one: one.digest))
        return self._with(_adapters=adapters)

    def at_speed(self, name: str | None) -> DiffusersModel:
        """Return this model at another speed; the weights are shared.

        >>> model.at_speed("fast").speed.name
        'fast'

        Args:
            name: "exact", "balanced" or "fast"; see `bc.load`.

        Raises:
            CheckError: The speed does not exist.
        """
        return self._with(speed=self._speed_of(name))

    def few_step_variant(self) -> DiffusersModel | None:
        """Return this model with the LoRA for few steps that ships with it, or None."""
        return self.at_speed("fast") if self._few_steps and self.speed.name == "exact" else None

    def for_single_clips(self) -> DiffusersModel:
        """Return this model for single batches that should not wait for a run."""
        return self._with(_workers=self._workers.for_single_clips())

    def _with(self, **attributes: Any) -> DiffusersModel:
        variant = copy.copy(self)
        vars(variant).update(attributes)
        return variant

    def _speed_of(self, name: str | None) -> Speed:
        own = self.tasks[0]
        schedulers = self._resources.schedulers
        return speed_of(
            name,
            own.info.denoiser,
            device=str(self.pipe.device),
            small=self._resources.small,
            uses_cache_context=own.uses_cache_context,
            schedulers=schedulers.names if name == "fast" and not self._few_steps else [],
            few_steps=self._few_steps,
        )

    # --- what it can do ------------------------------------------------------------------------

    @property
    def revision(self) -> str:
        """A digest of weights and configuration, as they were at the last `refresh`."""
        return self._resources.revision

    def refresh(self) -> None:
        """Read the weights again, so that `revision` is that of a changed pipeline."""
        with one_thread():
            self._resources.refresh()

    def has_changed(self) -> bool:
        """Return whether the pipeline may have changed since the last `refresh`; quick."""
        with one_thread():
            return self._resources.has_changed()

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Further arguments that a shot may carry, with the pipelines' defaults."""
        return {n: one for task in reversed(self.tasks) for n, one in task.arguments.items()}

    @property
    def filled_in(self) -> Mapping[str, str]:
        """Arguments of its pipelines that can't be set, with what to use in place of each."""
        return {n: hint for task in reversed(self.tasks) for n, hint in task.filled_in.items()}

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks of its weights, the pipeline's own first."""
        return self._resources.tasks

    @property
    def schedulers(self) -> list[str]:
        """The names of the schedulers that its own task can use."""
        known = self._resources.schedulers
        return [known.default_name] if self.tasks[0].family.own_timesteps else known.names

    @property
    def adapters(self) -> tuple[Adapter, ...]:
        """The LoRAs of clips that don't set others."""
        return self._adapters

    def task_for(self, shot: Shot) -> Task:
        """Return the task that generates a shot; the pipeline's own if none supports it."""
        fitting = (task for task in self.tasks if task.supports(shot.conditions))
        return next(fitting, self.tasks[0])

    def check(self, shot: Shot) -> Iterator[Problem]:
        """Yield what this model can't do with the shot."""
        if problems := list(check_values(shot)):
            yield from problems
            return
        full, task = self.resolve(shot), self.task_for(shot)
        device = device_of(self.pipe).type
        if problems := [*call_problems(self._resources.all_tasks), *context_problems(device)]:
            yield from problems
            return
        if not task.supports(shot.conditions):
            if any(one.supports(shot.conditions) for one in self._resources.all_tasks):
                yield from self._resources.owner.other_class_problems(shot.conditions, self.name)
            else:
                yield from unsupported_conditions(shot, self.tasks, self.name)
            return
        yield from self._resources.owner.problems(self.name)
        speed = task.usable(self.speed)
        yield from find_problems(
            full, task, self.name, self.arguments, schedulers=self._resources.schedulers
        )
        yield from speed_problems(full, speed)
        if reason := self._resources.loras.check(full.adapters or ()):
            names = " + ".join(map(str, full.adapters or ()))
            yield Problem("lora", f"lora={names}: {reason}")
        yield from identity_problems(shot, self.name, self.revision, speed)

    def resolve(self, shot: Shot) -> Shot:
        """Fill in what the shot leaves to the model's defaults."""
        task = self.task_for(shot)
        fps = self._defaults.get("fps", task.family.fps)
        shot = with_rate_of_clip(shot, fps)
        speed = task.usable(self.speed)
        width, height = size_from_image(task, shot) or (None, None)
        default_frames = task.whole_frames(self._default(task, "num_frames"))
        default_steps = self._default(task, "num_inference_steps") or task.own_steps(shot) or 1
        own = {
            "width": width or self._default(task, "width"),
            "height": height or self._default(task, "height"),
            "num_frames": frames_from_video(task, shot, default_frames) or default_frames,
            "fps": fps,
            "num_inference_steps": max(1, round(default_steps * speed.steps)),
            "guidance_scale": speed.guidance or self._default(task, "guidance_scale"),
            "negative_prompt": task.unset_negative_prompt,
            "scheduler": speed.scheduler or self._resources.schedulers.default_name,
            "model": self.name,
            "revision": self.revision,
            "adapters": self._adapters,
            "speed": speed.labels or None,
        }
        if shot.extra and (steps := self._resources.schedulers.custom_steps(shot)):
            own["num_inference_steps"] = steps
        changes = {name: value for name, value in own.items() if getattr(shot, name) is None}
        full = shot.replace(**changes) if changes else shot
        if full.switch is not None and not list(full.switch.check(None)):
            at = full.switch.step(full.num_inference_steps or 1)
            full = full.replace(switch=replace(full.switch, at=at))
        return with_absolute_keyframes(full) if shot.conditions else full

    def _default(self, task: Task, name: str) -> Any:
        found = self._defaults.get(name)
        return task.info.default(name) if found is None else found

    def generates(self, shot: Shot) -> bool:
        """Return whether a resolved shot has this model's name, revision and speed."""
        speed = self.task_for(shot).usable(self.speed).labels or None
        return (shot.model, shot.revision, shot.speed) == (self.name, self.revision, speed)

    def steps(self, shot: Shot) -> int:
        """Return how many steps a resolved shot takes."""
        return self.task_for(shot).steps(shot)

    def notes(self, shots: Sequence[Shot]) -> Iterator[Note]:
        """Yield notes on what resolved shots set that doesn't reach the model."""
        pairs, known = [(s, self.task_for(s)) for s in shots], self._resources.schedulers
        yield from find_notes(pairs, self.name, known, resolve=self.resolve)
        yield from self._resources.loras.notes(one for s in shots for one in s.adapters or ())

    def known_words(self) -> tuple[str, ...]:
        """Return the words that the model knows, sorted; empty if it can read any word."""
        limits = self.tasks[0].text_limits(Shot(prompt=""))
        return Vocabulary(limits[0].tokenizer).known if limits else ()

    def describe(self) -> Description:
        """Return what it can do on this machine, for `bc.doctor`."""
        return describe(self)

    # --- batches -------------------------------------------------------------------------------

    @property
    def batching(self) -> AdaptiveBatchPolicy:
        """The sizes of its batches, tuned on those that it generates."""
        return AdaptiveBatchPolicy(
            self._sizes, self._batch_kind, parallel_batches=self._parallel_batches
        )

    def batch_key(self, shot: Shot) -> Hashable:
        """Return the same value for shots that differ only in prompts and noise."""
        at, shot = shot.switch and shot.switch.at, after_switch(shot)
        return (
            at,
            shared_conditions(self.task_for(shot), shot),
            shot.adapters,
            shot.negative_prompt is None,
            shot.width,
            shot.height,
            shot.num_frames,
            shot.fps,
            shot.num_inference_steps,
            shot.guidance_scale,
            shot.scheduler,
            shot.draft_steps,
            shot.extra,
            self._resources.prompts.length(self.pipe, shot),
        )

    def batch_keys(self, shots: Sequence[Shot]) -> list[Hashable]:
        """Return the `batch_key` of each of very many shots, faster than one by one."""
        self._resources.prompts.count_ahead(self.pipe, map(after_switch, shots))
        return [self.batch_key(shot) for shot in shots]

    @property
    def _parallel_batches(self) -> int:
        return 1 if self._resources.owner.one_at_a_time else self._workers.count

    def _batch_kind(self, shot: Shot) -> BatchKind:
        task, parallel_batches = self.task_for(shot), self._parallel_batches
        shot = after_switch(shot)
        tokens = self._resources.prompts.length(self.pipe, shot)
        key = (
            f"{self.revision}; {self._resources.environment}; {parallel_batches} at once; "
            f"{type(task.pipe).__name__}, {shape_key(shot, tokens)}"
        )
        return BatchKind(key, initial_guess(shot, parallel_batches), task.family.batches)

    # --- before and after a run ----------------------------------------------------------------

    def prepare(self, shots: Sequence[Shot], hold: Callable[[], None]) -> None:
        """Encode the prompts of a run first if memory is short; see `EncoderOffload`."""

        def parts() -> Iterator[Shot]:
            for shot in distinct_shots(shots):
                yield from {before_switch(shot), after_switch(shot)}

        self._resources.encoders.begin(parts(), self._encode_ahead, hold)

    def release(self) -> None:
        """Bring the encoders back to where they were before the run."""
        self._resources.encoders.end()

    def _encode_ahead(self, shot: Shot) -> None:
        task = self.task_for(shot)
        self._workers.run(lambda: self._resources.encode_ahead(task, shot))

    # --- generating ----------------------------------------------------------------------------

    def generate(
        self,
        shots: Sequence[Shot],
        on_step: OnStep | None = None,
        *,
        pad_to: int = 0,
        starts: Sequence[Checkpoint] = (),
    ) -> list[Generated]:
        """Generate clips in one call of the pipeline; see `Model` and `SupportsDrafts`."""
        require_resolved(shots)
        self._resources.see_owner()
        raise_problems(self._batch_problems(shots))
        positions = positions_of(len(shots), starts)
        if shots[0].switch is not None:
            if not starts:
                starts = self._prefixes.checkpoints(
                    shots, lambda one, watch: self.generate([one], watch), on_step
                )
                positions = list(range(len(shots)))
            shots = [after_switch(shot) for shot in shots]
        indices = filled(positions, pad_to)
        batch, resumed = [shots[i] for i in indices], [starts[i] for i in indices if starts]
        timer = BatchTimer(self._workers)
        steps = CallSteps(on_step and timer.excluding(at_positions(on_step, positions)))
        try:
            with MemoryMeter(device_of(self.pipe)) as meter:
                clips = self._workers.run(lambda: self._call(batch, resumed, timer, steps))
        except KeyboardInterrupt:
            steps.stopped.set()
            raise
        if not starts:
            self.batching.record(batch[0], len(batch), timer, meter.share)
        return [clips[i] for i in positions]

    def _batch_problems(self, shots: Sequence[Shot]) -> Iterator[Problem]:
        if len({self.batch_key(shot) for shot in shots}) != 1:
            yield Problem("shots", "shots: all shots of one batch need the same batch key.")
        # Other weights would generate another clip under the key of these.
        for shot in {(one.model, one.revision, one.speed): one for one in shots}.values():
            speed = self.task_for(shot).usable(self.speed)
            yield from identity_problems(shot, self.name, self.revision, speed)
        yield from self._resources.owner.problems(self.name)
        yield from context_problems(device_of(self.pipe).type)

    def _call(
        self,
        batch: Sequence[Shot],
        starts: Sequence[Checkpoint],
        timer: BatchTimer,
        steps: CallSteps,
    ) -> list[Generated]:
        task = self.task_for(batch[0])
        speed = task.usable(self.speed)
        network = self.tasks[0].info.denoiser
        with pipeline_for_call(task.pipe, network, self._resources.owner) as pipe:
            call = PreparedCall.prepare(
                self._resources, task, batch, pipe=pipe, speed=speed, timer=timer, starts=starts
            )
            return call.unpack(call.run(steps))
