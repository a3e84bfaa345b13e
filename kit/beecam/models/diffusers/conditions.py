"""A shot's images and videos in the form that its pipeline expects."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from beecam._util.plain import as_number
from beecam.errors import ModelError, Problem, shorten
from beecam.media.types import Frames
from beecam.models.diffusers.tasks import Task
from beecam.shots.conditions import CONDITIONS, Condition
from beecam.shots.inputs import Input
from beecam.shots.shot import Shot

# How many latent frames of a video a clip begins with.
_LATENT_FRAMES = "num_latent_conditional_frames"


def condition_arguments(task: Task, shots: Sequence[Shot]) -> dict[str, Any]:
    """Return the keyword arguments of a call that are images and videos.

    All are resized to the clip's size first: scaled to fill it, and cropped at the sides.

    Args:
        task: The task of these shots.
        shots: The shots of one batch, all with the same names of conditions.
    """
    each = [_of_one(task, shot) for shot in shots]
    if not each[0] or not task.family.per_clip or not task.family.batches:
        return each[0]
    return {name: [one[name] for one in each] for name in each[0]}


def check_conditions(task: Task, shot: Shot) -> Iterator[Problem]:
    """Yield what is wrong with a shot's images and videos for its task."""
    num_frames = shot.num_frames or 1
    if "prompt" not in task.info.parameters and (shot.prompt or shot.negative_prompt):
        yield Problem(
            "prompt",
            f"prompt={shorten(shot.text)}: {task.family.name} takes no prompt. Use an empty "
            "one, as in bc.sweep('', image=..., seed=range(4)).",
        )
    if (size := size_from_image(task, shot)) and size != (shot.width, shot.height):
        yield Problem(
            "width",
            f"width={shot.width}, height={shot.height}: {task.family.name} makes clips in the "
            f"shape of the image, {size[0]}x{size[1]} here; leave both out.",
        )
    for one in shot.conditions:
        if one.name == "video" and one.input.count < (least := _least_frames(task, shot)):
            wanted = (
                f"{task.family.name} continues a video of {least} or more"
                if task.family.continues
                else f"the clip should have num_frames={num_frames}"
            )
            yield Problem(
                "video",
                f"video={shorten(str(one.input))}: it has {_frames(shot, one)}, but {wanted}.",
            )
        if one.frame is not None and not 0 <= one.frame < num_frames:
            yield Problem(
                "keyframes",
                f"keyframes: frame {one.frame} is not in a clip of {num_frames} frames, which are "
                f"0 to {num_frames - 1}, or -{num_frames} to -1 from its end.",
            )
        elif task.family.keyframes == "ltx" and one.name == "keyframes":
            yield from _check_ltx(task, shot, one)
        elif task.family.keyframes == "ltx2" and one.name == "keyframes":
            yield from _check_ltx2(task, shot, one)
    positions = [frame for frame, _ in _positions(shot)]
    if len(set(positions)) < len(positions):
        yield Problem("keyframes", "keyframes: one frame of the clip is set twice.")


def _frames(shot: Shot, one: Condition) -> str:
    if one.input.from_fps is None:
        return f"{one.input.count} frames"
    rates = f"the {shot.fps:g} fps of the clip (its own are {one.input.from_fps:g})"
    return f"{one.input.count} frames at {rates}"


def _check_ltx(task: Task, shot: Shot, one: Condition) -> Iterator[Problem]:
    """Yield a problem unless a keyframe video has a valid length: LTX encodes it alone."""
    step, count, num_frames = task.family.frame_step, one.input.count, shot.num_frames or 1
    if count % step != 1:
        low = max(1, (count - 1) // step * step + 1)
        yield Problem(
            "keyframes",
            f"keyframes: a video of {_frames(shot, one)}; {task.family.name} takes {step}k+1 "
            f"frames, nearest are {low} and {low + step}.",
        )
    elif (one.frame or 0) + count > num_frames:
        yield Problem(
            "keyframes",
            f"keyframes: a video of {_frames(shot, one)} at frame {one.frame} ends after the "
            f"clip, which has {num_frames}.",
        )


def _least_frames(task: Task, shot: Shot) -> int:
    """Return how many frames a video must have: all of the clip, where that redraws it."""
    if not task.family.continues:
        return shot.num_frames or 1
    parameter = task.info.parameters.get(_LATENT_FRAMES)
    latent = shot.arguments.get(_LATENT_FRAMES, parameter and parameter.default)
    if isinstance(latent, int):
        return (latent - 1) * task.info.temporal + 1
    return task.family.least_video


def _check_ltx2(task: Task, shot: Shot, one: Condition) -> Iterator[Problem]:
    """Yield a problem unless a keyframe begins where a latent frame does, or is the last one."""
    step, frame, last = task.info.temporal, one.frame or 0, (shot.num_frames or 1) - 1
    if one.input.count > 1 and (one.input.count - 1) % step:
        low = (one.input.count - 1) // step * step + 1
        yield Problem(
            "keyframes",
            f"keyframes: a video of {_frames(shot, one)}; {task.family.name} takes {step}k+1 "
            f"frames, nearest are {low} and {low + step}.",
        )
    if frame not in (0, last) and (frame - 1) % step:
        low = (frame - 1) // step * step + 1
        yield Problem(
            "keyframes",
            f"keyframes: frame {frame}: {task.family.name} sets the first frame, the last one and "
            f"frames {step}k+1; nearest are {low} and {min(low + step, last)}.",
        )


def frames_from_video(task: Task, shot: Shot, default: int | None) -> int | None:
    """Return the number of frames of a clip that redraws a video, or None for other clips.

    Args:
        task: The task that generates it.
        shot: The unresolved shot.
        default: The largest number where the pipeline has an argument for it.
    """
    video = next((one.input for one in shot.conditions if one.name == "video"), None)
    if video is None or task.family.continues:
        return None
    step, plus = task.family.frame_step, task.family.frame_plus
    usable = (video.count - plus) // step * step + plus
    if usable < max(step, plus):
        return None  # the check of the shot reports it
    return usable if task.info.frames_argument is None else min(usable, default or usable)


def size_from_image(task: Task, shot: Shot) -> tuple[int, int] | None:
    """Return the width and height that a pipeline derives from an image, if it does so."""
    choose: Any = getattr(task.pipe, "video_processor", None)
    if (
        "width" in task.info.parameters
        or not shot.conditions
        or not hasattr(choose, "calculate_default_height_width")
    ):
        return None
    height, width = shot.conditions[0].input.frames.shape[1:3]
    found = choose.calculate_default_height_width(height, width, task.pipe.target_size)
    return int(found[1]), int(found[0])


def with_rate_of_clip(shot: Shot, default: float) -> Shot:
    """Return a shot whose videos have the frames that a clip of its rate shows of them.

    The frames that a model gets have no rate of their own any more: they are part of the key.

    Args:
        shot: The unresolved shot.
        default: The rate of clips that set none.
    """
    if all(one.input.fps is None and one.name != "mask" for one in shot.conditions):
        return shot
    fps = default if shot.fps is None else shot.fps
    if as_number(fps) is None or fps <= 0:
        return shot  # the check of the shot reports it
    video = next((one.input for one in shot.conditions if one.name == "video"), None)
    found = []
    for one in shot.conditions:
        source = one.input
        if one.name == "mask" and video and source.fps is None and source.count == video.count:
            # A mask for each frame of the video, such as an array, plays with it.
            source = replace(source, fps=video.fps)
        found.append(replace(one, input=source.at_rate(fps)))
    return shot.replace(conditions=tuple(found))


def with_absolute_keyframes(shot: Shot) -> Shot:
    """Return a shot whose keyframes are all counted from the beginning of the clip."""
    num_frames = shot.num_frames or 1
    if not any((one.frame or 0) < 0 for one in shot.conditions):
        return shot
    return shot.replace(
        conditions=tuple(
            sorted(
                (
                    replace(one, frame=one.frame + num_frames) if (one.frame or 0) < 0 else one  # type: ignore[operator]
                    for one in shot.conditions
                ),
                key=lambda one: (CONDITIONS.index(one.name), one.frame or 0),
            )
        )
    )


def shared_conditions(task: Task, shot: Shot) -> Hashable:
    """Return what the conditions of shots in one batch must have in common."""
    if not shot.conditions or not task.family.per_clip:
        return shot.conditions
    return tuple((one.name, one.frame, one.input.count) for one in shot.conditions)


def _of_one(task: Task, shot: Shot) -> dict[str, Any]:
    if not shot.conditions:
        return {}
    if task.family.keyframes == "ltx":
        return _ltx(task, shot)
    if task.family.keyframes == "ltx2":
        return _ltx2(task, shot)
    if task.family.keyframes == "vace":
        return _vace(shot)
    found: dict[str, Any] = {}
    for condition in shot.conditions:
        images = _images(condition.input, None if task.family.fits_images else shot)
        name = task.family.inputs.get(condition.name, condition.name)
        if name == "reference_images":
            found.setdefault(name, []).extend(images)
        elif name == "video":
            found[name] = images if task.family.continues else images[: shot.num_frames]
        else:
            found[name] = images[0]
    return found


def _ltx(task: Task, shot: Shot) -> dict[str, Any]:
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

    strength = shot.arguments.get("strength", 1.0)
    found: dict[str, Any] = {}
    conditions = []
    for frame, images in sorted(_keyframes(shot).items()):
        content = {"image": images[0]} if len(images) == 1 else {"video": images}
        conditions.append(LTXVideoCondition(**content, frame_index=frame, strength=strength))
    if conditions:
        found["conditions"] = conditions
    video = next((one.input for one in shot.conditions if one.name == "video"), None)
    if video is not None:
        found["latents"] = _encoded(task.pipe, _images(video, shot)[: shot.num_frames], shot)
    return found


def _ltx2(task: Task, shot: Shot) -> dict[str, Any]:
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition
    from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition

    conditions = [
        LTX2VideoCondition(
            frames=images if len(images) > 1 else images[0], index=_latent_frame(task, frame)
        )
        for frame, images in sorted(_keyframes(shot).items())
    ]
    videos = [
        LTX2ReferenceCondition(frames=_images(one.input, shot)[: shot.num_frames])
        for one in shot.conditions
        if one.name == "video"
    ]
    named = {"conditions": conditions, "reference_conditions": videos}
    return {name: value for name, value in named.items() if value}


def _latent_frame(task: Task, frame: int) -> int:
    """Return the latent frame that shows a frame: the first one shows only one."""
    return -(-frame // task.info.temporal)


def _encoded(pipe: Any, images: list[Any], shot: Shot) -> Any:
    """Return the LTX latents of a video, from which `denoise_strength` starts."""
    import torch

    device = pipe._execution_device  # noqa: SLF001
    pixels = pipe.video_processor.preprocess_video(images, shot.height, shot.width)
    with torch.no_grad():
        found = pipe.vae.encode(pixels.to(device, pipe.vae.dtype)).latent_dist.mode()
    return pipe._normalize_latents(found, pipe.vae.latents_mean, pipe.vae.latents_std)  # noqa: SLF001


def _vace(shot: Shot) -> dict[str, Any]:
    """Return VACE's arguments: a video that is gray where it is free, and a mask of that."""
    from PIL import Image

    size, num_frames = (shot.width or 1, shot.height or 1), shot.num_frames or 1
    found: dict[str, Any] = {}
    by_name = {one.name: one.input for one in shot.conditions}
    if "video" in by_name:
        found["video"] = _images(by_name["video"], shot)[:num_frames]
    if "mask" in by_name:
        mask = [one.convert("L") for one in _images(by_name["mask"], shot)]
        found["mask"] = (mask * num_frames)[:num_frames] if len(mask) == 1 else mask[:num_frames]
    if keyframes := _keyframes(shot):
        video = [Image.new("RGB", size, (128, 128, 128))] * num_frames
        free = [Image.new("L", size, 255)] * num_frames
        for frame, images in keyframes.items():
            video[frame : frame + len(images)] = images
            free[frame : frame + len(images)] = [Image.new("L", size, 0)] * len(images)
        found |= {"video": video[:num_frames], "mask": free[:num_frames]}
    references = [one.input for one in shot.conditions if one.name == "reference_images"]
    if references:
        found["reference_images"] = [_images(one, shot)[0] for one in references]
    return found


def _keyframes(shot: Shot) -> dict[int, list[Any]]:
    """Return the images of each keyframe: the first one and those that follow it."""
    return {frame: _images(source, shot) for frame, source in _positions(shot)}


def _positions(shot: Shot) -> list[tuple[int, Input]]:
    fixed = {"image": 0, "last_image": (shot.num_frames or 1) - 1}
    return [
        (fixed.get(one.name, one.frame or 0), one.input)
        for one in shot.conditions
        if one.name in ("image", "last_image", "keyframes")
    ]


def _images(source: Input, shot: Shot | None) -> list[Any]:
    """Return the images of an input, in the size of a shot if one is given."""
    from PIL import Image

    if shot is None:
        return [Image.fromarray(frame) for frame in source.frames]
    return [_resized(frame, shot.width or 1, shot.height or 1) for frame in source.frames]


def _resized(frame: Frames, width: int, height: int) -> Any:
    """Return an image scaled to fill a size, cropped evenly at the sides."""
    from PIL import Image, ImageOps

    image = Image.fromarray(frame)
    if image.size == (width, height):
        return image
    try:
        return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    except (ValueError, MemoryError) as error:
        raise ModelError(f"an image of {image.size} can't be resized: {error}") from None
