"""One call of a pipeline: prepared in order, run, and unpacked into clips."""

from __future__ import annotations

import copy
import operator
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from beecam.errors import Stopped
from beecam.media.types import Frames
from beecam.models.batching.device import device_of, environment_key, is_small_on_cpu
from beecam.models.batching.memory_errors import translate_memory_errors
from beecam.models.batching.owner import OwnerState, is_known, owner_state
from beecam.models.batching.reserved import as_owned, replace_part
from beecam.models.batching.timing import BatchTimer
from beecam.models.denoise.compiled import compiled_not_watched
from beecam.models.denoise.guiders import fresh_guider
from beecam.models.denoise.loop import DenoisingLoop
from beecam.models.denoise.noise import generators_of, mixed_noise, own_draws, with_mixed_noise
from beecam.models.denoise.preview import PreviewMap
from beecam.models.denoise.schedulers import Schedulers, with_plain_timesteps
from beecam.models.diffusers.conditions import condition_arguments
from beecam.models.diffusers.introspection import denoiser_of
from beecam.models.diffusers.results.latents import merge_part, unpack
from beecam.models.diffusers.results.output import frames_from_output, sounds_from_output
from beecam.models.diffusers.tasks import Task, as_set_up, sibling_classes, tasks_of
from beecam.models.model import Checkpoint, Generated, OnStep, Step
from beecam.models.revision.fingerprint import fingerprint, marks_of
from beecam.models.revision.foreign_code import foreign_code
from beecam.models.revision.precision import precision
from beecam.models.revision.set_values import set_values
from beecam.models.speed.network_copies import NetworkCopies
from beecam.models.speed.onednn import PackedLinears, available
from beecam.models.speed.speed import Speed
from beecam.models.text.encode import PromptEncoder
from beecam.models.text.mix import prompt_text
from beecam.models.text.offload import EncoderOffload, encode_only
from beecam.models.weights.lora import LoraLoader
from beecam.shots.shot import Shot


class PipelineResources:
    """What all calls of one pipeline share.

    Attributes:
        pipe: The pipeline.
        all_tasks: The tasks of its weights, its own first.
        owner: What the owner of the pipeline has set up on it.
        tasks: Those that it has with that.
        prompts: Its encoded prompts.
        encoders: Its text encoders, which leave the accelerator where memory is short.
        schedulers: The schedulers that it can use.
        loras: Its LoRAs.
        small: Whether its denoiser is a small one on a CPU.
        linears: The packed weights of its denoiser, for a small one on a CPU.
        copies: Copies of its networks, for speeds that change them.
        preview: The map from latents to small frames.
        revision: A digest of weights and configuration.
        environment: What else decides speed and last bits, such as the device.
    """

    def __init__(self, pipe: Any, *, loras: LoraLoader) -> None:
        """Set up what is shared.

        Args:
            pipe: The pipeline.
            loras: Its LoRAs, the same however often it is wrapped.
        """
        self.pipe = pipe
        self.loras = loras
        self.preview = PreviewMap()
        self.encoders = EncoderOffload(pipe)
        self._parts: list[Any] = []
        self._marks: Hashable = None
        self.revision = self.environment = self._device = ""
        self.owner = OwnerState()
        self.all_tasks: tuple[Task, ...] = ()
        self.prompts = PromptEncoder()
        self.prompts.encoding = self.encoders.encoding
        self.refresh()

    def load_preview(self, folder: Path) -> None:
        """Load the preview map that ships with the weights, if there is one."""
        self.preview = PreviewMap.load(folder)

    def refresh(self) -> None:
        """Read the pipeline again, and drop what belongs to another one.

        Whatever is read off a pipeline once is read here: its parts may have been exchanged.
        """
        with self._as_owned() as pipe:
            owner = owner_state(pipe)
            others = sibling_classes(pipe)
            self._device = device_of(pipe).type
            code = foreign_code(pipe, others)
            values = [*set_values(pipe), *precision(self._device)]
            set_up = [*owner.found, *values, *code]
            seen = fingerprint(pipe, set_up), environment_key(pipe)
            self._marks = marks_of(pipe, owner, values)
            calls = [kind.__call__ for kind in (type(pipe), *others)]
            parts = [*pipe.components.values(), type(pipe.scheduler), *calls]
            same = len(parts) == len(self._parts) and all(map(operator.is_, parts, self._parts))
            if same and seen == (self.revision, self.environment):
                self._set_owner(owner)  # it may place weights otherwise
                return
            self._parts = parts
            self.revision, self.environment = seen
            self.schedulers = Schedulers(pipe.scheduler)
        self.all_tasks = tuple(tasks_of(self.pipe, others))
        self.owner, self.tasks = owner, as_set_up(self.all_tasks, owner)
        self.prompts.use(set_up, masks_padding=self.tasks[0].family.masks_padding)
        network = denoiser_of(self.pipe)
        self.small = is_small_on_cpu(self.pipe, network)
        self.linears = PackedLinears(network if self.small and available() else None)
        self.copies = NetworkCopies(self.pipe, packed=self.small)

    def has_changed(self) -> bool:
        """Look quickly whether the pipeline may have changed since it was last read."""
        try:
            with self._as_owned() as pipe:
                values = [*set_values(pipe), *precision(self._device)]
                return marks_of(pipe, owner_state(pipe), values) != self._marks
        except RuntimeError:  # another call loads a LoRA meanwhile, or moves weights
            return True

    def _as_owned(self) -> AbstractContextManager[Any]:
        return as_owned(self.pipe, denoiser_of(self.pipe))

    def see_owner(self) -> OwnerState:
        """Look at what the owner of the pipeline has set up on it, and return it."""
        with self._as_owned() as pipe:
            self._set_owner(owner_state(pipe))
        return self.owner

    def _set_owner(self, owner: OwnerState) -> None:
        if owner != self.owner:
            self.owner, self.tasks = owner, as_set_up(self.all_tasks, owner)

    def encode_ahead(self, task: Task, shot: Shot) -> None:
        """Encode the prompts of one shot, with all that its call passes to the encoder."""
        import torch

        pipe = copy.copy(task.pipe)
        if not hasattr(pipe, "encode_prompt"):
            return
        vars(pipe)["encode_prompt"] = self.prompts.remembering(pipe, [shot])
        arguments = pipeline_arguments(task, [shot], generators_of([shot]))
        with torch.no_grad(), self.loras.used(shot.adapters or ()):
            try:
                encode_only(pipe, {**arguments, **condition_arguments(task, [shot])})
            finally:
                self.pipe.maybe_free_model_hooks()


class CallSteps:
    """Reports the steps of a call, and ends it when its caller was interrupted.

    Attributes:
        stopped: Set it to leave the call at its next step.
    """

    def __init__(self, on_step: OnStep | None) -> None:
        self.stopped = threading.Event()
        self._on_step = on_step

    def __call__(self, step: Step) -> None:
        """Report one step.

        Raises:
            Stopped: The caller was interrupted, or `on_step` raised it.
        """
        if self.stopped.is_set():
            raise Stopped("the caller was interrupted.")
        if self._on_step is not None:
            self._on_step(step)


@dataclass(frozen=True)
class PreparedCall:
    """One pipeline call with everything that it needs.

    Attributes:
        resources: What it shares with other calls of the pipeline.
        task: The pipeline class that generates the shots.
        speed: What is switched on.
        shots: The clips of the batch, in order.
        pipe: The task's pipeline, reserved for this call, with a scheduler of its own; its
            `encode_prompt` and `prepare_latents` are replaced.
        encode_prompt: The replaced `encode_prompt`; None for pipelines that have none.
        loop: Its denoising steps.
        arguments: The keyword arguments of the call.
        timer: Measures the call.
    """

    resources: PipelineResources
    task: Task
    speed: Speed
    shots: tuple[Shot, ...]
    pipe: Any
    encode_prompt: Callable[..., Any] | None
    loop: DenoisingLoop
    arguments: Mapping[str, Any]
    timer: BatchTimer

    @classmethod
    def prepare(
        cls,
        resources: PipelineResources,
        task: Task,
        shots: Sequence[Shot],
        *,
        pipe: Any,
        speed: Speed,
        timer: BatchTimer,
        starts: Sequence[Checkpoint] = (),
    ) -> Self:
        """Prepare a call, in order: scheduler, embeddings, conditions, noise, arguments.

        Args:
            resources: What it shares with other calls of the pipeline.
            task: The task of these shots.
            shots: Resolved shots with one batch key.
            pipe: The task's pipeline, reserved for this call.
            speed: What is switched on, as far as the task can use it.
            timer: Measures the call.
            starts: For each shot the checkpoint to resume from, or none.
        """
        own = vars(pipe)
        scheduler, timesteps = _scheduler(resources, task, shots[0])
        replace_part(pipe, "scheduler", scheduler)
        guider = getattr(pipe, "guider", None)
        if guider is not None and is_known(guider):
            replace_part(pipe, "guider", fresh_guider(guider))

        encode_prompt = None
        if hasattr(pipe, "encode_prompt"):
            remember = not resources.owner.encodes
            encode_prompt = resources.prompts.remembering(pipe, shots, remember=remember)
            own["encode_prompt"] = timer.excluding(encode_prompt)

        conditions = condition_arguments(task, shots)

        generators = generators_of(shots)
        own["prepare_latents"] = with_mixed_noise(
            pipe.prepare_latents, shots, generators, own=task.family.own_draws
        )
        loop = DenoisingLoop(
            generators=generators,
            until=shots[0].draft_steps,
            starts=starts,
            # The state of a cache is not part of a checkpoint.
            resumes=task.family.resumes and not speed.cache,
        )

        arguments = {**pipeline_arguments(task, shots, generators), **conditions, **timesteps}
        return cls(
            resources, task, speed, tuple(shots), pipe, encode_prompt, loop, arguments, timer
        )

    def run(self, on_step: OnStep | None = None) -> Any:
        """Call the pipeline and return its output.

        Raises:
            OutOfMemoryError: The batch doesn't fit into memory.
            Stopped: Raised by `on_step`.
        """
        import torch

        resources, adapters = self.resources, self.shots[0].adapters or ()
        self.loop.watch(
            self.pipe,
            on_step,
            calls_back="callback_on_step_end" in self.task.info.parameters,
            predict=self._predict if resources.preview.ready else None,
            merge_part=lambda latents, part: merge_part(self.task, latents, part, self.shots[0]),
        )
        with (
            torch.no_grad(),
            self._later_noise(),
            own_draws(self.loop.generators) if self.task.family.own_draws else nullcontext(),
            compiled_not_watched(self.pipe) if resources.owner.compiled else nullcontext(),
            resources.loras.used(adapters),
            nullcontext() if self.task.as_set_up else resources.linears.used(),
            resources.copies.used(self.speed, (resources.revision, adapters)) as networks,
            translate_memory_errors(self.shots),
        ):
            vars(self.pipe).update(networks)
            try:
                with self.timer:
                    return self.pipe(**self.arguments, **self.loop.arguments)
            finally:
                resources.pipe.maybe_free_model_hooks()

    def _later_noise(self) -> Any:
        if self.task.family.draws_later:
            return mixed_noise(self.shots, self.loop.generators)
        return nullcontext()

    def unpack(self, output: Any) -> list[Generated]:
        """Return the clips of the pipeline's output, one per shot.

        Raises:
            ModelError: The output isn't the requested clips, or a weighted prompt was altered.
        """
        if self.encode_prompt is not None:
            PromptEncoder.check_all_read(self.encode_prompt, self.shots)
        clips = frames_from_output(output, self.shots[0])
        self._fit_preview([frames for frames, _ in clips])
        sounds = sounds_from_output(output, self.task.pipe, len(self.shots))
        nothing: list[Checkpoint | None] = [None] * len(self.shots)
        checkpoints = self.loop.checkpoints or nothing
        return [
            Generated(frames, i, checkpoints[i], broken, sounds[i])
            for i, (frames, broken) in enumerate(clips)
        ]

    def _predict(self, latents: Any) -> list[Frames]:
        return self.resources.preview.frames(unpack(self.task, latents, self.shots[0]))

    def _fit_preview(self, clips: Sequence[Frames]) -> None:
        """Fit the preview map on what was just decoded, if none ships with the model."""
        preview, latents = self.resources.preview, self.loop.latents
        if preview.ready or latents is None or len(clips[0]) != self.shots[0].num_frames:
            return
        unpacked = unpack(self.task, latents, self.shots[0])
        if unpacked is not None:
            preview.fit(unpacked, clips)


def _scheduler(resources: PipelineResources, task: Task, shot: Shot) -> tuple[Any, dict[str, Any]]:
    """Return the scheduler of one call, with the arguments that its pipeline needs for it."""
    scheduler = resources.schedulers.fresh(shot.scheduler or resources.schedulers.default_name)
    if not task.family.own_timesteps:
        return scheduler, {}
    scheduler, timesteps = with_plain_timesteps(scheduler, shot.num_inference_steps or 1)
    return scheduler, {"timesteps": timesteps}


def pipeline_arguments(
    task: Task, shots: Sequence[Shot], generators: Sequence[Any]
) -> dict[str, Any]:
    """Return the keyword arguments of one call, apart from its conditions.

    Args:
        task: The task of these shots.
        shots: Resolved shots with one batch key.
        generators: The random generator of each shot.
    """
    shot, info = shots[0], task.info
    arguments: dict[str, Any] = {
        "prompt": [prompt_text(one.prompt) for one in shots],
        "negative_prompt": [one.negative_prompt for one in shots],
        "height": shot.height,
        "width": shot.width,
        info.frames_argument or "": (shot.num_frames or 0) + task.family.cut_frames,
        "num_inference_steps": shot.num_inference_steps,
        "guidance_scale": shot.guidance_scale,
        "output_type": "np",
        "generator": list(generators),
        info.fps_argument or "": shot.fps,
    }
    if not task.family.batches:
        # Some of these can't take lists, not even of one.
        arguments |= {
            name: arguments[name][0] for name in ("prompt", "negative_prompt", "generator")
        }
    if shot.negative_prompt is None:
        # None isn't "" to every pipeline, and lists of None are errors.
        del arguments["negative_prompt"]
    known = {name: v for name, v in arguments.items() if name in info.parameters}
    return {**known, **task.further_arguments(shot.arguments), **task.family.fixed}
