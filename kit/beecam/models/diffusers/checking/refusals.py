"""What a pipeline would refuse during a run, asked before it.

The rule: whatever can be asked without compute is asked when a shot is checked. The pipeline's own
`check_inputs` is called, its scheduler's steps are tried on four numbers, and limits of networks
are read off their configurations.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from beecam.errors import Problem, first_line, shorten
from beecam.models.denoise.schedulers import CUSTOM_STEPS, Schedulers, is_numbers
from beecam.models.diffusers.checking.no_effect import EDITED_FRAMES
from beecam.models.diffusers.checking.ranges import range_problems
from beecam.models.diffusers.checking.settings import settings_of
from beecam.models.diffusers.introspection import DIVISIBLE, missing_parts
from beecam.models.diffusers.tasks import Task
from beecam.shots.shot import Shot

# What pipelines pass to their checks without an argument of theirs for it.
_INTRINSICS = 4
# Frames of a move of the camera; more than any clip has.
_MAX_MOVE, _DIGITS = 10_000, 7
_OF_CHECKS = {"stg_scale": 0.0, "audio_stg_scale": 0.0}


def refusals(full: Shot, task: Task, model: str, schedulers: Schedulers) -> Iterator[Problem]:
    """Yield what a pipeline or its scheduler would refuse of a shot.

    Args:
        full: The resolved shot.
        task: The task that generates it.
        model: The model's name.
        schedulers: The schedulers of its pipeline.
    """
    yield from _setup(task, model)
    yield from _steps(full, task, model, schedulers)
    yield from _text_length(full, task, model)
    yield from range_problems(full, task)
    needed = list(_needed(full, task, model))
    yield from needed
    if not needed:
        yield from _own_checks(full, task)
    yield from _skipped_layers(full, task)
    yield from _chunks(full, task, model)
    yield from _edited(full, task, model)
    yield from _overlap(full, task, model)
    yield from _positions(full, task, model)
    yield from _camera(full, task)
    yield from _packages(full, task)


def _needed(full: Shot, task: Task, model: str) -> Iterator[Problem]:
    """Yield the arguments that a pipeline can't work without although it has a default, None."""
    for name, example in task.family.needs.items():
        if full.arguments.get(name) is None:
            yield Problem(name, f"{name}: {model} needs it, as in {example}.")


def _skipped_layers(full: Shot, task: Task) -> Iterator[Problem]:
    parameter = task.info.parameters.get("clip_skip")
    if parameter is None or hasattr(getattr(task.pipe, "text_encoder", None), "text_model"):
        return
    value = full.arguments.get("clip_skip", parameter.default)
    if value is not None:
        way_out = "leave it out" if parameter.default is None else "set clip_skip=[None]"
        yield Problem(
            "clip_skip",
            f"clip_skip={value}: diffusers can't use it with this version of transformers, in "
            f"which text encoders are built otherwise; {way_out}.",
        )


def _chunks(full: Shot, task: Task, model: str) -> Iterator[Problem]:
    """Yield a problem unless the chunks of a clip that is made in chunks have all its frames."""
    if "chunk_partition" not in task.info.parameters:
        return
    own = getattr(task.info.denoiser, "config", {}).get("chunk_partition")
    chunks = full.arguments.get("chunk_partition") or own
    if not is_numbers(chunks):
        return
    frames = (sum(chunks or ()) - 1) * task.info.temporal + 1
    if full.num_frames != frames:
        latent = ((full.num_frames or 1) - 1) // task.info.temporal + 1
        yield Problem(
            "num_frames",
            f"num_frames={full.num_frames}: the chunks of {model} have {frames}; nearest is "
            f"{frames}, or set chunk_partition to numbers with the sum {latent}.",
        )


def _edited(full: Shot, task: Task, model: str) -> Iterator[Problem]:
    """Yield a problem unless a pipeline that edits an image is asked for its number of frames."""
    name, frames = "enable_temporal_reasoning", full.num_frames
    if name not in task.info.parameters or full.arguments.get(name) or frames == EDITED_FRAMES:
        return
    yield Problem(
        "num_frames",
        f"num_frames={frames}: {model} makes {EDITED_FRAMES}, unless it reasons; nearest is "
        f"{EDITED_FRAMES}, or set {name}=True and num_temporal_reasoning_steps, too.",
    )


def _overlap(full: Shot, task: Task, model: str) -> Iterator[Problem]:
    """Yield a problem if a clip has no frame besides those that it shares with a video."""
    overlap, frames = full.arguments.get("overlap_history"), full.num_frames or 1
    if not task.family.continues or not isinstance(overlap, int):
        return
    step = task.info.temporal
    shared = (overlap - 1) // step * step + 1
    window = _at_once(full, task)
    if window is not None and window <= shared < frames:
        yield Problem(
            "base_num_frames",
            f"base_num_frames={shorten(window)}: {model} makes so many frames at a time, and "
            f"begins with {shared} that it shares; nearest is {shared + step}.",
        )
    if frames <= shared:
        yield Problem(
            "num_frames",
            f"num_frames={frames}: {model} begins with {shared} of the video; nearest is "
            f"{shared + step}, or set overlap_history to less.",
        )


def _at_once(full: Shot, task: Task) -> int | None:
    """Return how many frames a pipeline makes at a time; None where that isn't an argument."""
    parameter = task.info.parameters.get("base_num_frames")
    found = full.arguments.get("base_num_frames", parameter.default if parameter else None)
    return found if isinstance(found, int) else None


def _positions(full: Shot, task: Task, model: str) -> Iterator[Problem]:
    """Yield a problem unless a transformer has learned a position for each latent cell."""
    config = getattr(task.info.denoiser, "config", {})
    most, patch = config.get("max_size"), config.get("patch_size")
    if config.get("extra_pos_embed_type") != "learnable" or not (most and patch):
        return
    info = task.info
    cells = (1 + ((full.num_frames or 1) - 1) // info.temporal, full.height or 1, full.width or 1)
    for name, value, limit, pixels, unit in zip(
        ("num_frames", "height", "width"),
        cells,
        most,
        (1, info.spatial, info.spatial),
        patch,
        strict=True,
    ):
        if value // pixels > limit // unit * unit:
            high = (limit - 1) * info.temporal + 1 if name == "num_frames" else limit * pixels
            yield Problem(
                name,
                f"{name}={getattr(full, name)}: {model} has learned positions up to {high}; the "
                f"nearest is {high}.",
            )


def _camera(full: Shot, task: Task) -> Iterator[Problem]:
    """Yield what is wrong with the path of a camera that a text says, as in SANA-WM."""
    action, intrinsics = (full.arguments.get(name) for name in ("action", "intrinsics"))
    if not {"action", "intrinsics"} <= set(task.info.parameters):
        return
    if intrinsics is not None and not (is_numbers(intrinsics) and len(intrinsics) == _INTRINSICS):
        yield Problem(
            "intrinsics",
            f"intrinsics={shorten(intrinsics)}: four numbers are needed, in pixels of the image: "
            "its focal lengths and its center, as in intrinsics=(800.0, 800.0, 640.0, 352.0); in a "
            "sweep in a list.",
        )
    if not isinstance(action, str):
        return
    longest = max((int(one) for one in re.findall(r"\d+", action) if len(one) < _DIGITS), default=0)
    if longest > _MAX_MOVE or re.search(rf"\d{{{_DIGITS}}}", action):
        yield Problem(
            "action",
            f"action={shorten(action)}: a move has at most {_MAX_MOVE:,} frames, as in 'w-80'.",
        )
        return
    from diffusers.pipelines.sana_wm import cam_utils

    try:
        path = len(cam_utils.action_string_to_c2w(action))
    except ValueError as error:
        yield Problem("action", f"action={shorten(action)}: {first_line(error)}")
        return
    step = task.info.temporal
    frames = cam_utils.snap_num_frames(
        min(full.num_frames or 1, path), stride=step, upper_bound=path
    )
    if frames != full.num_frames:
        yield Problem(
            "num_frames",
            f"num_frames={full.num_frames}: the path of the camera has {path} frames; nearest is "
            f"{frames}, or make action longer, as in action='w-{(full.num_frames or 1) - 1}'.",
        )


def _packages(full: Shot, task: Task) -> Iterator[Problem]:
    """Yield the packages that a pipeline would miss in its run."""
    given = {"prompt", "model", *(one.name for one in full.conditions)}
    for argument, package in task.missing_packages.items():
        if argument in given:
            yield Problem(
                argument,
                f"{argument}: {type(task.pipe).__name__} needs the package {package} for it, which "
                f"isn't installed; pip install {package}.",
            )


def _setup(task: Task, model: str) -> Iterator[Problem]:
    """Yield what a pipeline lacks, and what its owner has switched on that clips can't have."""
    for name in missing_parts(task.pipe):
        yield Problem(
            "model",
            f"model={model!r}: its {name} is None, without which {type(task.pipe).__name__} can't "
            f"run: load the pipeline with it, or set pipe.{name}.",
        )
    if getattr(task.pipe, "free_noise_enabled", False):
        yield Problem(
            "model",
            f"model={model!r}: enable_free_noise() is on, which can't work with the generators of "
            "single clips; switch it off with pipe.disable_free_noise().",
        )


def _steps(full: Shot, task: Task, model: str, schedulers: Schedulers) -> Iterator[Problem]:
    steps, least = full.num_inference_steps or 1, task.family.least_steps
    own = task.own_steps(full)
    if own not in (None, steps):
        named = next((f"set {name}= instead" for name in task.step_arguments), "leave it out")
        yield Problem(
            "num_inference_steps",
            f"num_inference_steps={steps}: {type(task.pipe).__name__} has no such argument and "
            f"takes {own} steps; {named}.",
        )
        return
    custom = [name for name in CUSTOM_STEPS if full.arguments.get(name) is not None]
    if steps < least and not custom:
        yield Problem(
            "num_inference_steps",
            f"num_inference_steps={steps}: {model} needs {least} or more; the nearest is {least}.",
        )
    usable = full.scheduler == schedulers.default_name or full.scheduler in schedulers.names
    if not usable or not all(is_numbers(full.arguments[name]) for name in custom):
        return  # reported as such
    if not custom and full.draft_steps is None and full.scheduler == schedulers.default_name:
        return
    found = schedulers.rehearse(full)
    if found.argument:
        value = full.arguments.get(found.argument, full.num_inference_steps)
        yield Problem(found.argument, f"{found.argument}={shorten(value)}: {found.reason}.")
        return
    if custom and found.timesteps and len(found.timesteps) != steps:
        yield Problem(
            "num_inference_steps",
            f"num_inference_steps={steps}: {custom[0]} has {len(found.timesteps)} steps, and it "
            f"counts; leave num_inference_steps out, or set it to {len(found.timesteps)}.",
        )
    if full.draft_steps is not None and task.family.predicts and not found.predicts:
        others = schedulers.names if not task.family.own_timesteps else []
        able = [n for n in others if schedulers.rehearse(full.replace(scheduler=n)).predicts]
        nearest = f"; those of {able[0]} do" if able else ""
        yield Problem(
            "draft",
            f"draft: no step of {full.scheduler} predicts the clip, so that there are no drafts "
            f"with it{nearest}.",
        )


def _text_length(full: Shot, task: Task, model: str) -> Iterator[Problem]:
    """Yield a problem unless the denoiser has a position for each token of a text."""
    length = full.arguments.get("max_sequence_length")
    if not isinstance(length, int) or isinstance(length, bool):
        return
    if length < 1:
        yield Problem(
            "max_sequence_length",
            f"max_sequence_length={length}: 1 or more is needed; the nearest is 1.",
        )
        return
    network = task.info.denoiser
    needed = getattr(network, "config", {}).get("max_text_seq_length")
    positions = getattr(network, "patch_embed", None)
    fixed = any(
        getattr(positions, f"use_{kind}positional_embeddings", False) for kind in ("", "learned_")
    )
    if needed and fixed and length != needed:
        yield Problem(
            "max_sequence_length",
            f"max_sequence_length={length}: {model} was trained on texts of {needed} tokens and "
            f"reads no other length; the nearest is {needed}.",
        )


def _own_checks(full: Shot, task: Task) -> list[Problem]:
    """Return what the pipeline's own `check_inputs` says of a shot, once for shots alike.

    What it says of images and sizes is checked elsewhere: it is asked with stand-ins.
    """
    # It looks at the texts' types only.
    alike = (*settings_of(full), full.revision, full.negative_prompt is None)
    known: dict[Any, list[Problem]] = task.own_refusals
    if alike not in known:
        known[alike] = list(_ask(full, task))
    return known[alike]


def _ask(full: Shot, task: Task) -> Iterator[Problem]:
    check = getattr(task.pipe, "check_inputs", None)
    extra = full.arguments
    if check is None:
        return
    try:
        parameters = inspect.signature(check).parameters
    except (TypeError, ValueError):
        return

    def refused(arguments: Mapping[str, Any]) -> str | None:
        values = _values(full, task, arguments)
        try:
            check(**{name: values.get(name, _OF_CHECKS.get(name)) for name in parameters})
        except ValueError as error:
            return first_line(error)
        except Exception as error:  # noqa: BLE001  (what else it meets may be the stand-ins)
            return first_line(error) if arguments else None
        return None

    if (reason := refused(extra)) is None:
        return
    kind = type(task.pipe).__name__
    for name, value in extra.items():
        without = {other: one for other, one in extra.items() if other != name}
        if name in parameters and refused(without) != reason:
            yield Problem(name, f"{name}={shorten(value)}: {kind} refuses it: {reason}")
            return
    yield from _of_defaults(full, task, reason)


def _of_defaults(full: Shot, task: Task, reason: str) -> Iterator[Problem]:
    """Yield what a pipeline refuses of a size, or of an argument that the shot doesn't set."""
    kind = type(task.pipe).__name__
    if divisible := DIVISIBLE.search(reason):
        yield from _sizes(full, kind, int(divisible[1]))
        return
    named = next((name for name in task.arguments if f"`{name}" in reason), None)
    if named:
        yield Problem(named, f"{named}: {kind} refuses its default here: {reason}")


def _sizes(full: Shot, kind: str, step: int) -> Iterator[Problem]:
    for name in ("width", "height"):
        value = getattr(full, name) or step
        if value % step:
            low = max(value // step * step, step)
            yield Problem(
                name,
                f"{name}={value}: {kind} makes multiples of {step} pixels; nearest are {low} and "
                f"{low + step}.",
            )


def _values(full: Shot, task: Task, extra: Mapping[str, Any]) -> dict[str, Any]:
    info = task.info
    defaults = {
        name: None if one.default is one.empty else one.default
        for name, one in info.parameters.items()
    }
    own = {
        "prompt": full.prompt if isinstance(full.prompt, str) else full.prompt[0][0],
        "negative_prompt": full.negative_prompt,
        "height": full.height,
        "width": full.width,
        info.frames_argument or "": full.num_frames,
        info.fps_argument or "": full.fps,
        "num_inference_steps": full.num_inference_steps,
        "guidance_scale": full.guidance_scale,
        **_stand_ins(full),
    }
    return {**defaults, **own, **task.further_arguments(extra)}


def _stand_ins(full: Shot) -> dict[str, Any]:
    """Return a small image or video for each condition: pipelines look at their types only."""
    from PIL import Image

    image = Image.new("RGB", (full.width or 16, full.height or 16))
    names = {one.name for one in full.conditions}
    return {name: [image] if name == "video" else image for name in names}
