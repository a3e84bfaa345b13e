"""What a model or this machine can do, what limits it, and what to change: `bc.doctor()`."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beecam.diagnostics import machine
from beecam.errors import ModelError, shorten
from beecam.models.batching import device as hardware
from beecam.models.capabilities import refresh

if TYPE_CHECKING:
    from beecam.clips.library import Library
    from beecam.models.batching.tuning import BatchStats
    from beecam.models.diffusers.adapter import DiffusersModel
    from beecam.shots.shot import Shot

_COLUMNS = 100
_GIGABYTE = 1e9
_SMALL = 100_000_000  # parameters; these are quick enough on a CPU


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        title: Of what.
        rows: Names and values, in the order in which they are read.
        advice: What to change, a sentence each; none where all is well.
    """

    title: str
    rows: tuple[tuple[str, str], ...]
    advice: tuple[str, ...]

    def __getitem__(self, name: str) -> str:
        """Return the value of a row.

        Raises:
            KeyError: There is no such row.
        """
        return dict(self.rows)[name]

    def __repr__(self) -> str:
        wide = max(len(name) for name, _ in self.rows) + 2
        lines = [self.title]
        lines += [_wrapped(f"{name:<{wide}}", value) for name, value in self.rows]
        lines += ["", "What to change:" if self.advice else "Nothing to change."]
        lines += [_wrapped("- ", one) for one in self.advice]
        return "\n".join(lines)


def doctor(model: Any = None, *, library: Library | None = None) -> Report:
    """Report what a model can do here and what to change; without a model, what this machine can.

    >>> bc.doctor()
    >>> bc.doctor(model)["batch size"]
    '8 clips a batch (measured)'

    Args:
        model: From `bc.load()` or `bc.wrap(pipe)`; None for the machine and what is installed.
        library: Where timings are looked up; by default the default library, if it exists.

    Returns:
        A report, whose repr is a table.

    Raises:
        ModelError: The argument is not a loaded model.
    """
    if model is None:
        rows, advice = machine.machine_rows()
        return Report("This machine and what is installed", tuple(rows), tuple(advice))
    if not all(hasattr(model, name) for name in ("generate", "pipe", "task_for")):
        raise ModelError(
            f"doctor({shorten(model)}): a loaded model is needed, from bc.load() or bc.wrap(pipe); "
            "bc.doctor() says what is installed."
        )
    return _of_model(model, library or machine.usual_library())


def _of_model(model: DiffusersModel, library: Library | None) -> Report:
    from beecam.shots.shot import Shot

    # What was changed by hand since is seen, too.
    refresh(model)
    pipe = model.pipe
    shot = model.resolve(Shot(prompt=""))
    known, device = model.batching.stats(shot), hardware.device_of(pipe)
    rows = (
        ("model", f"{model.name}, {type(pipe).__name__}"),
        ("revision", model.revision),
        ("from", model.source or "a pipeline that was loaded elsewhere, or this package"),
        ("license", model.license or "not known; its card says"),
        ("device", f"{device}, {hardware.device_name(device)}"),
        ("memory", machine.memory_in_words(hardware.memory(device))),
        ("numbers", hardware.dtypes(pipe)),
        ("tasks", "; ".join(task.description for task in model.tasks)),
        ("sizes", _sizes(model, shot)),
        ("frames", _frames(model, shot)),
        ("batch size", _batch(model, shot, known)),
        ("seconds a clip", _seconds(model, shot, known, library)),
        ("results differ by", _differences(device)),
        ("speed", str(model.speed)),
        ("also switched on", ", ".join(_speed(model)) or "nothing"),
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
        some = [plus + step * k for k in range(1, 4)]
        form += f" ({', '.join(map(str, some))}, ...)"
    return f"{form}; {shot.num_frames} at {shot.fps:g} fps by default"


def _batch(model: DiffusersModel, shot: Shot, known: BatchStats) -> str:
    family = model.task_for(shot).family
    if not known.batches:
        why = (
            f"two clips in a call of {family.name} fail or change each other"
            if family.classes
            else f"{type(model.pipe).__name__} is in no table of pipelines that can make more"
        )
        return f"one clip a call, because {why}"
    if known.requested is not None:
        how = "as given by batch_size="
    elif known.settled:
        how = "measured here"
    elif known.best in known.seconds:
        how = "the best of those measured so far"
    else:
        how = "a guess, not measured yet: long runs measure it as they go"
    lanes = f", {model.batching.at_once} calls at once" if model.batching.at_once > 1 else ""
    exact = f"; {known.exact} in exact mode" if known.exact else ""
    return f"{known.best} clips a call ({how}){lanes}{exact}"


def _seconds(model: DiffusersModel, shot: Shot, known: BatchStats, library: Library | None) -> str:
    found = library.seconds_for(shot) if library is not None else None
    if found is not None:
        return f"about {found:.2g}, as clips of the library took"
    if known.best in known.seconds:
        return f"about {known.seconds[known.best] / model.batching.at_once:.2g}, measured here"
    return "not measured yet"


def _differences(device: Any) -> str:
    import torch

    versions = ", ".join(f"{name} {version}" for name, version in hardware.versions().items())
    if device.type == "cpu":
        sure = "On a CPU the same call has the same bits again"
    elif torch.are_deterministic_algorithms_enabled():
        sure = "Deterministic algorithms are on, so the same call has the same bits again"
    else:
        sure = "Some operations of an accelerator add up in no fixed order"
    return (
        "the number of clips a call, by rounding (exact=True rules that out); the device and its "
        f"kind of numbers; library versions ({versions}). {sure}."
    )


def _speed(model: DiffusersModel) -> list[str]:

    found = hardware.speed_options(model.pipe)
    if model.batching.at_once > 1:
        found.append(f"{model.batching.at_once} calls at once, a thread each")
    return found


# --- what to change ------------------------------------------------------------------------------


def _advice(model: DiffusersModel, shot: Shot, known: BatchStats) -> list[str]:
    advice = [*_about_device(model), *_about_memory(model, known)]
    if known.requested is not None and not known.batches:
        advice.append(f"batch_size={known.requested} has no effect: leave it out.")
    elif known.requested is not None:
        advice.append(
            f"batch_size={known.requested} fixes the calls: left out, the best size is measured."
        )
    if not model.task_for(shot).family.classes:
        advice.append(
            f"{type(model.pipe).__name__} isn't tested: look at its first clips beside those of "
            "the pipeline itself."
        )
    return advice + machine.missing_packages()


def _about_device(model: DiffusersModel) -> list[str]:
    import torch

    pipe, device = model.pipe, hardware.device_of(model.pipe)
    weights = [p for part in hardware.networks(pipe).values() for p in part.parameters()]
    parameters = sum(p.numel() for p in weights)
    if device.type == "cpu" and parameters > _SMALL:
        if torch.cuda.is_available() or torch.backends.mps.is_available():
            name = "cuda" if torch.cuda.is_available() else "mps"
            return [
                f'It runs on the CPU though there is an accelerator: device="{name}" in bc.load.'
            ]
        return [
            (
                f"With {parameters / 1e9:.1f} billion weights it is slow without an accelerator: a "
                "machine with one, smaller sizes, fewer frames or drafts (draft=0.3) are quicker."
            )
        ]
    if device.type != "cpu" and hardware.dtypes(pipe) == "float32":
        return ['Its weights are float32: dtype="bfloat16" in bc.load needs half the memory.']
    return []


def _about_memory(model: DiffusersModel, known: BatchStats) -> list[str]:
    from beecam.models.text.offload import is_short

    advice, how = [], hardware.offload(model.pipe)
    if how != "none":
        advice.append(
            f'{how} offload costs time: where its memory is free, offload="none" in bc.load keeps '
            "all of it on the accelerator."
        )
    elif is_short(model.pipe):
        advice.append(
            "Memory is short, so that the text encoders leave the accelerator while a run goes on: "
            'other programs there, or offload="model", make room.'
        )
    if known.limit is not None:
        advice.append(
            f"More than {known.limit} clips a call ran out of memory here: smaller sizes, fewer "
            "frames or pipe.vae.enable_tiling() need less."
        )
    room = hardware.memory(hardware.device_of(model.pipe))
    if room is not None and room[0] < 0.1 * room[1]:
        advice.append(
            f"Only {room[0] / _GIGABYTE:.1f} GB of memory are free: end what else uses it."
        )
    return advice


def _wrapped(head: str, text: str) -> str:
    return textwrap.fill(
        text,
        _COLUMNS,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_on_hyphens=False,
    )
