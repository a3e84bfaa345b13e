"""What a diffusers pipeline can do on this machine: rows and advice for `bc.doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from beecam._util.words import count_of
from beecam.models.batching import device as hardware
from beecam.models.batching.tuning import BatchStats
from beecam.models.capabilities import Description
from beecam.shots.shot import Shot

_GIGABYTE = 1e9
_SMALL = 100_000_000  # parameters; such models are fast enough on a CPU


class _Pipeline(Protocol):
    """The members of `DiffusersModel` that a report reads."""

    pipe: Any
    name: str
    license: str | None
    source: str | None
    speed: Any

    @property
    def revision(self) -> str: ...

    @property
    def tasks(self) -> Sequence[Any]: ...

    @property
    def adapters(self) -> Sequence[Any]: ...

    @property
    def batching(self) -> Any: ...

    def resolve(self, shot: Shot) -> Shot: ...

    def task_for(self, shot: Shot) -> Any: ...


def describe(model: _Pipeline) -> Description:
    """Return rows and advice about a pipeline."""
    pipe = model.pipe
    shot = model.resolve(Shot(prompt=""))
    known, device = model.batching.stats(shot), hardware.device_of(pipe)
    rows = (
        ("model", f"{model.name}, {type(pipe).__name__}"),
        ("revision", model.revision),
        ("source", model.source or "a pipeline loaded elsewhere, or this package"),
        ("license", model.license or "unknown; see its model card"),
        ("device", f"{device}, {hardware.device_name(device)}"),
        ("memory", hardware.memory_in_words(hardware.memory(device))),
        ("dtype", hardware.dtypes(pipe)),
        ("tasks", "; ".join(task.description for task in model.tasks)),
        ("sizes", _sizes(model, shot)),
        ("frames", _frames(model, shot)),
        ("batch size", _batch(model, shot, known)),
        ("seconds per clip", _seconds(model, known)),
        ("results differ by", _differences(device)),
        ("speed", str(model.speed)),
        ("also enabled", ", ".join(_speed(model)) or "none"),
        ("LoRAs", ", ".join(map(str, model.adapters)) or "none"),
    )
    return Description(rows, tuple(_advice(model, shot, known)))


# --- rows ----------------------------------------------------------------------------------------


def _sizes(model: _Pipeline, shot: Shot) -> str:
    step = model.task_for(shot).family.size_step
    return f"width and height in multiples of {step} pixels; {shot.width}x{shot.height} by default"


def _frames(model: _Pipeline, shot: Shot) -> str:
    family = model.task_for(shot).family
    step, plus = family.frame_step, family.frame_plus
    if step == 1:
        form = "any number"
    else:
        form = f"{step}k+{plus}" if plus else f"multiples of {step}"
        examples = [plus + step * k for k in range(1, 4)]
        form += f" ({', '.join(map(str, examples))}, ...)"
    return f"{form}; {shot.num_frames} at {shot.fps:g} fps by default"


def _batch(model: _Pipeline, shot: Shot, known: BatchStats) -> str:
    family = model.task_for(shot).family
    if not known.batches:
        kind, reason = (
            type(model.pipe).__name__,
            "what is set up on the pipeline may store a part of a clip",
        )
        if kind not in family.classes:
            reason = f"{kind} is not a pipeline that beecam knows to batch"
        elif not model.task_for(shot).as_set_up:
            reason = f"two clips in a batch of {family.name} fail or change each other"
        return f"one clip a batch, because {reason}"
    if known.requested is not None:
        how = "set by batch_size="
    elif known.settled:
        how = "measured here"
    elif known.best in known.seconds:
        how = "the best size measured so far"
    else:
        how = "an estimate; long runs measure it"
    parallel = (
        f", {model.batching.parallel_batches} batches in parallel"
        if model.batching.parallel_batches > 1
        else ""
    )
    exact = f"; {known.exact} in exact mode" if known.exact else ""
    return f"{count_of(known.best, 'clip')} a batch ({how}){parallel}{exact}"


def _seconds(model: _Pipeline, known: BatchStats) -> str:
    if known.best in known.seconds:
        seconds = known.seconds[known.best] / model.batching.parallel_batches
        return f"about {seconds:.2g}, measured here"
    return "not measured yet"


def _differences(device: Any) -> str:
    import torch

    versions = ", ".join(f"{name} {version}" for name, version in hardware.versions().items())
    if device.type == "cpu":
        certainty = "On a CPU, the same batch gives the same bits"
    elif torch.are_deterministic_algorithms_enabled():
        certainty = "Deterministic algorithms are on, so that the same batch gives the same bits"
    else:
        certainty = "Some operations of an accelerator sum in a varying order"
    return (
        "the batch size, by rounding (not with exact=True); device and dtype; library versions "
        f"({versions}). {certainty}."
    )


def _speed(model: _Pipeline) -> list[str]:
    found = hardware.speed_options(model.pipe)
    if model.batching.parallel_batches > 1:
        found.append(f"{model.batching.parallel_batches} batches in parallel, a thread each")
    return found


# --- advice --------------------------------------------------------------------------------------


def _advice(model: _Pipeline, shot: Shot, known: BatchStats) -> list[str]:
    advice = [*_device_advice(model), *_memory_advice(model, known)]
    if known.requested is not None and not known.batches:
        advice.append(f"batch_size={known.requested} has no effect: leave it out.")
    elif known.requested is not None:
        advice.append(
            f"batch_size={known.requested} fixes the batch size: without it, the best size is "
            "measured."
        )
    if type(model.pipe).__name__ not in model.task_for(shot).family.classes:
        advice.append(
            f"{type(model.pipe).__name__} is not tested: compare its first clips with those of the "
            "pipeline itself."
        )
    return advice


def _device_advice(model: _Pipeline) -> list[str]:
    import torch

    pipe, device = model.pipe, hardware.device_of(model.pipe)
    weights = [p for part in hardware.networks(pipe).values() for p in part.parameters()]
    parameters = sum(p.numel() for p in weights)
    if device.type == "cpu" and parameters > _SMALL:
        if torch.cuda.is_available() or torch.backends.mps.is_available():
            name = "cuda" if torch.cuda.is_available() else "mps"
            where = f'bc.load(..., device="{name}")'
            return [f"It runs on the CPU although there is an accelerator: use {where}."]
        return [
            (
                f"With {parameters / 1e9:.1f} billion weights it is slow without an accelerator: "
                "use one, smaller sizes, fewer frames or drafts (draft=0.3)."
            )
        ]
    if device.type != "cpu" and hardware.dtypes(pipe) == "float32":
        return ['Its weights are float32: bc.load(..., dtype="bfloat16") needs half the memory.']
    return []


def _memory_advice(model: _Pipeline, known: BatchStats) -> list[str]:
    from beecam.models.text.offload import is_short

    advice, how = [], hardware.offload(model.pipe)
    if how != "none":
        advice.append(
            f'{how} offload costs time: if there is enough memory, bc.load(..., offload="none") '
            "keeps all networks on the accelerator."
        )
    elif is_short(model.pipe):
        advice.append(
            "Memory is short, so that the text encoders leave the accelerator during a run: end "
            'other programs that use it, or use offload="model".'
        )
    if known.limit is not None:
        advice.append(
            f"More than {count_of(known.limit, 'clip')} a batch ran out of memory here: use "
            "smaller sizes, fewer frames or pipe.vae.enable_tiling()."
        )
    memory = hardware.memory(hardware.device_of(model.pipe))
    if memory is not None and memory[0] < 0.1 * memory[1]:
        advice.append(
            f"Only {memory[0] / _GIGABYTE:.1f} GB of memory are free: end other programs."
        )
    return advice
