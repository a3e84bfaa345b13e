"""Reports on a model or this machine, with its limits and advice: `bc.doctor()`."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beecam._util.checks import raise_problems
from beecam.clips.library import Library, library_problems
from beecam.diagnostics import machine
from beecam.errors import ModelError, shorten
from beecam.models.batching import device as hardware
from beecam.models.capabilities import refresh
from beecam.shots.shot import Shot

if TYPE_CHECKING:
    from beecam.models.batching.tuning import BatchStats
    from beecam.models.diffusers.adapter import DiffusersModel

_COLUMNS = 100
_GIGABYTE = 1e9
_SMALL = 100_000_000  # parameters; such models are fast enough on a CPU


@dataclass(frozen=True)
class Report:
    """The result of `bc.doctor()`; its repr is a table.

    >>> bc.doctor(model)["batch size"]
    '8 clips a batch (measured here)'

    Attributes:
        title: The title.
        rows: Names and values, in the order of the table.
        advice: Sentences on what to change; empty if nothing has to be.
    """

    title: str
    rows: tuple[tuple[str, str], ...]
    advice: tuple[str, ...]

    def __getitem__(self, name: str) -> str:
        """Return the value of a row.

        >>> bc.doctor()["torch"]
        '2.7.0'

        Raises:
            KeyError: There is no such row.
        """
        return dict(self.rows)[name]

    def __repr__(self) -> str:
        width = max(len(name) for name, _ in self.rows) + 2
        lines = [self.title]
        lines += [_wrap(f"{name:<{width}}", value) for name, value in self.rows]
        lines += ["", "What to change:" if self.advice else "Nothing to change."]
        lines += [_wrap("- ", one) for one in self.advice]
        return "\n".join(lines)


def doctor(model: Any = None, *, library: Library | None = None) -> Report:
    """Report what a model can do on this machine, or without a model, what is installed.

    >>> bc.doctor()
    >>> bc.doctor(model)["batch size"]
    '8 clips a batch (measured here)'

    Args:
        model: A model from `bc.load()` or `bc.wrap(pipe)`; None for machine and installation.
        library: The library with measured timings; by default `bc.library()`, if it exists.

    Returns:
        A report, whose repr is a table.

    Raises:
        ModelError: The argument is not a loaded model.
        CheckError: The library is not an open one.
    """
    if model is None:
        rows, advice = machine.machine_rows()
        return Report("This machine and what is installed", tuple(rows), tuple(advice))
    if not all(hasattr(model, name) for name in ("generate", "pipe", "task_for")):
        raise ModelError(
            f"doctor({shorten(model)}): a loaded model is needed, from bc.load() or bc.wrap(pipe); "
            "bc.doctor() without a model reports what is installed."
        )
    raise_problems(library_problems(library))
    return _report_on(model, machine.default_library() if library is None else library)


def _report_on(model: DiffusersModel, library: Library | None) -> Report:
    # The weights may have changed since the last refresh.
    refresh(model)
    pipe = model.pipe
    shot = model.resolve(Shot(prompt=""))
    known, device = model.batching.stats(shot), hardware.device_of(pipe)
    rows = (
        ("model", f"{model.name}, {type(pipe).__name__}"),
        ("revision", model.revision),
        ("source", model.source or "a pipeline loaded elsewhere, or this package"),
        ("license", model.license or "unknown; see its model card"),
        ("device", f"{device}, {hardware.device_name(device)}"),
        ("memory", machine.memory_in_words(hardware.memory(device))),
        ("dtype", hardware.dtypes(pipe)),
        ("tasks", "; ".join(task.description for task in model.tasks)),
        ("sizes", _sizes(model, shot)),
        ("frames", _frames(model, shot)),
        ("batch size", _batch(model, shot, known)),
        ("seconds per clip", _seconds(model, shot, known, library)),
        ("results differ by", _differences(device)),
        ("speed", str(model.speed)),
        ("also enabled", ", ".join(_speed(model)) or "none"),
        ("LoRAs", ", ".join(map(str, model.adapters)) or "none"),
    )
    return Report(f"{model.name} on this machine", rows, tuple(_advice(model, shot, known)))


# --- rows ----------------------------------------------------------------------------------------


def _sizes(model: DiffusersModel, shot: Shot) -> str:
    step = model.task_for(shot).family.size_step
    return f"width and height in multiples of {step} pixels; {shot.width}x{shot.height} by default"


def _frames(model: DiffusersModel, shot: Shot) -> str:
    family = model.task_for(shot).family
    step, plus = family.frame_step, family.frame_plus
    if step == 1:
        form = "any number"
    else:
        form = f"{step}k+{plus}" if plus else f"multiples of {step}"
        examples = [plus + step * k for k in range(1, 4)]
        form += f" ({', '.join(map(str, examples))}, ...)"
    return f"{form}; {shot.num_frames} at {shot.fps:g} fps by default"


def _batch(model: DiffusersModel, shot: Shot, known: BatchStats) -> str:
    family = model.task_for(shot).family
    if not known.batches:
        reason = (
            f"two clips in a batch of {family.name} fail or change each other"
            if family.classes
            else f"{type(model.pipe).__name__} is not a pipeline that beecam knows to batch"
        )
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
    return f"{known.best} clips a batch ({how}){parallel}{exact}"


def _seconds(model: DiffusersModel, shot: Shot, known: BatchStats, library: Library | None) -> str:
    found = library.seconds_for(shot) if library is not None else None
    if found is not None:
        return f"about {found:.2g}, measured on clips in the library"
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


def _speed(model: DiffusersModel) -> list[str]:
    found = hardware.speed_options(model.pipe)
    if model.batching.parallel_batches > 1:
        found.append(f"{model.batching.parallel_batches} batches in parallel, a thread each")
    return found


# --- advice --------------------------------------------------------------------------------------


def _advice(model: DiffusersModel, shot: Shot, known: BatchStats) -> list[str]:
    advice = [*_device_advice(model), *_memory_advice(model, known)]
    if known.requested is not None and not known.batches:
        advice.append(f"batch_size={known.requested} has no effect: leave it out.")
    elif known.requested is not None:
        advice.append(
            f"batch_size={known.requested} fixes the batch size: without it, the best size is "
            "measured."
        )
    if not model.task_for(shot).family.classes:
        advice.append(
            f"{type(model.pipe).__name__} is not tested: compare its first clips with those of the "
            "pipeline itself."
        )
    return advice + machine.missing_packages()


def _device_advice(model: DiffusersModel) -> list[str]:
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


def _memory_advice(model: DiffusersModel, known: BatchStats) -> list[str]:
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
            f"More than {known.limit} clips a batch ran out of memory here: use smaller sizes, "
            "fewer frames or pipe.vae.enable_tiling()."
        )
    memory = hardware.memory(hardware.device_of(model.pipe))
    if memory is not None and memory[0] < 0.1 * memory[1]:
        advice.append(
            f"Only {memory[0] / _GIGABYTE:.1f} GB of memory are free: end other programs."
        )
    return advice


def _wrap(head: str, text: str) -> str:
    return textwrap.fill(
        text,
        _COLUMNS,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_on_hyphens=False,
    )
