"""A shot's pictures and films as its pipeline wants them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from beecam.errors import ModelError, Problem, shorten
from beecam.media.types import Frames
from beecam.models.diffusers.tasks import Task
from beecam.shots.conditions import CONDITIONS, Condition, Input
from beecam.shots.shot import Shot


def condition_arguments(way: Task, shots: Sequence[Shot]) -> dict[str, Any]:
    """Return the arguments of a call that are pictures and films.

    All are brought to the clip's size first: scaled until they fill it, and cut at the sides.

    Args:
        way: How these shots are made.
        shots: Of one call, all with the same names of conditions.
    """
    each = [_of_one(way, shot) for shot in shots]
    if not each[0] or not way.family.listed or not way.family.batches:
        return each[0]
    return {name: [one[name] for one in each] for name in each[0]}


def check_conditions(way: Task, shot: Shot) -> Iterator[Problem]:
    """Yield what is wrong with a shot's pictures and films for its way."""
    many = shot.num_frames or 1
    if "prompt" not in way.anatomy.parameters and (shot.prompt or shot.negative_prompt):
        yield Problem(
            "prompt",
            f"prompt={shorten(shot.text)}: {way.family.name} takes no text. Give it an empty "
            "one, as in bc.sweep('', image=..., seed=range(4)).",
        )
    if (size := size_from_image(way, shot)) and size != (shot.width, shot.height):
        yield Problem(
            "width",
            f"width={shot.width}, height={shot.height}: {way.family.name} makes clips of its "
            f"picture's shape, {size[0]}x{size[1]} here; leave both out.",
        )
    for one in shot.conditions:
        if one.name == "video" and one.input.count < many:
            yield Problem(
                "video",
                f"video={shorten(str(one.input))}: it has {one.input.count} frames, and the "
                "clip "
                f"shall have num_frames={many}.",
            )
        if one.frame is not None and not 0 <= one.frame < many:
            yield Problem(
                "keyframes",
                f"keyframes: frame {one.frame} is not in a clip of {many} frames, which are "
                "0 to "
                f"{many - 1}, or -{many} to -1 from its end.",
            )
        elif way.family.keyframes == "ltx" and one.name == "keyframes":
            yield from _check_ltx(way, one, many)
    places = [frame for frame, _ in _places(shot)]
    if len(set(places)) < len(places):
        yield Problem("keyframes", "keyframes: one frame of the clip is given twice.")


def _check_ltx(way: Task, one: Condition, many: int) -> Iterator[Problem]:
    """LTX encodes a film alone: its length is one that a clip may have."""
    step, count = way.family.frame_step, one.input.count
    if count % step != 1:
        low = max(1, (count - 1) // step * step + 1)
        yield Problem(
            "keyframes",
            f"keyframes: a film of {count} frames; {way.family.name} takes {step}k+1 of them, "
            f"nearest are {low} and {low + step}.",
        )
    elif (one.frame or 0) + count > many:
        yield Problem(
            "keyframes",
            f"keyframes: a film of {count} frames at frame {one.frame} ends after the clip, "
            "which "
            f"has {many}.",
        )


def frames_from_video(way: Task, shot: Shot, usual: int | None) -> int | None:
    """Return how many frames a clip has that is made of a film, or None for another.

    Args:
        way: How it is made.
        shot: As it was asked for.
        usual: How many it has at most where the pipeline is told how many.
    """
    film = next((one.input for one in shot.conditions if one.name == "video"), None)
    if film is None:
        return None
    step, plus = way.family.frame_step, way.family.frame_plus
    whole = (film.count - plus) // step * step + plus
    if whole < max(step, plus):
        return None  # which the check of the shot says, too
    return whole if way.anatomy.frames_argument is None else min(whole, usual or whole)


def size_from_image(way: Task, shot: Shot) -> tuple[int, int] | None:
    """Return the width and height that a pipeline makes of a picture, where it decides itself."""
    choose: Any = getattr(way.pipe, "video_processor", None)
    if (
        "width" in way.anatomy.parameters
        or not shot.conditions
        or not hasattr(choose, "calculate_default_height_width")
    ):
        return None
    height, width = shot.conditions[0].input.frames.shape[1:3]
    found = choose.calculate_default_height_width(height, width, way.pipe.target_size)
    return int(found[1]), int(found[0])


def with_absolute_keyframes(shot: Shot) -> Shot:
    """Return a shot whose keyframes are all counted from the clip's beginning."""
    many = shot.num_frames or 1
    if not any((one.frame or 0) < 0 for one in shot.conditions):
        return shot
    return shot.replace(
        conditions=tuple(
            sorted(
                (
                    replace(one, frame=one.frame + many) if (one.frame or 0) < 0 else one  # type: ignore[operator]
                    for one in shot.conditions
                ),
                key=lambda one: (CONDITIONS.index(one.name), one.frame or 0),
            )
        )
    )


def shared_conditions(way: Task, shot: Shot) -> Hashable:
    """Return what the pictures of shots in one call have in common: all, where it must be."""
    if not shot.conditions or not way.family.listed:
        return shot.conditions
    return tuple((one.name, one.frame, one.input.count) for one in shot.conditions)


def _of_one(way: Task, shot: Shot) -> dict[str, Any]:
    if not shot.conditions:
        return {}
    if way.family.keyframes == "ltx":
        return _ltx(way, shot)
    if way.family.keyframes == "vace":
        return _vace(shot)
    found: dict[str, Any] = {}
    for condition in shot.conditions:
        pictures = _pictures(condition.input, shot)
        if condition.name == "reference_images":
            found.setdefault(condition.name, []).extend(pictures)
        elif condition.name == "video":
            found[condition.name] = pictures[: shot.num_frames]
        else:
            found[condition.name] = pictures[0]
    return found


def _ltx(way: Task, shot: Shot) -> dict[str, Any]:
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

    strength = shot.arguments.get("strength", 1.0)
    found: dict[str, Any] = {}
    conditions = []
    for frame, pictures in sorted(_keyframes(shot).items()):
        what = {"image": pictures[0]} if len(pictures) == 1 else {"video": pictures}
        conditions.append(LTXVideoCondition(**what, frame_index=frame, strength=strength))
    if conditions:
        found["conditions"] = conditions
    video = next((one.input for one in shot.conditions if one.name == "video"), None)
    if video is not None:
        found["latents"] = _encoded(way.pipe, _pictures(video, shot)[: shot.num_frames], shot)
    return found


def _encoded(pipe: Any, pictures: list[Any], shot: Shot) -> Any:
    """Return a film as LTX's latents, which it goes on from with its `denoise_strength`."""
    import torch

    device = pipe._execution_device  # noqa: SLF001
    pixels = pipe.video_processor.preprocess_video(pictures, shot.height, shot.width)
    with torch.no_grad():
        found = pipe.vae.encode(pixels.to(device, pipe.vae.dtype)).latent_dist.mode()
    return pipe._normalize_latents(found, pipe.vae.latents_mean, pipe.vae.latents_std)  # noqa: SLF001


def _vace(shot: Shot) -> dict[str, Any]:
    """Return VACE's arguments: a film that is grey where it is free, and a mask that says so."""
    from PIL import Image

    size, many = (shot.width or 1, shot.height or 1), shot.num_frames or 1
    found: dict[str, Any] = {}
    by_name = {one.name: one.input for one in shot.conditions}
    if "video" in by_name:
        found["video"] = _pictures(by_name["video"], shot)[:many]
    if "mask" in by_name:
        mask = [one.convert("L") for one in _pictures(by_name["mask"], shot)]
        found["mask"] = (mask * many)[:many] if len(mask) == 1 else mask[:many]
    if keyframes := _keyframes(shot):
        film = [Image.new("RGB", size, (128, 128, 128))] * many
        free = [Image.new("L", size, 255)] * many
        for frame, pictures in keyframes.items():
            film[frame : frame + len(pictures)] = pictures
            free[frame : frame + len(pictures)] = [Image.new("L", size, 0)] * len(pictures)
        found |= {"video": film[:many], "mask": free[:many]}
    references = [one.input for one in shot.conditions if one.name == "reference_images"]
    if references:
        found["reference_images"] = [_pictures(one, shot)[0] for one in references]
    return found


def _keyframes(shot: Shot) -> dict[int, list[Any]]:
    """Return which frames are given: the first picture of each and what follows it."""
    return {frame: _pictures(source, shot) for frame, source in _places(shot)}


def _places(shot: Shot) -> list[tuple[int, Input]]:
    fixed = {"image": 0, "last_image": (shot.num_frames or 1) - 1}
    return [
        (fixed.get(one.name, one.frame or 0), one.input)
        for one in shot.conditions
        if one.name in ("image", "last_image", "keyframes")
    ]


def _pictures(source: Input, shot: Shot) -> list[Any]:
    return [_fitted(frame, shot.width or 1, shot.height or 1) for frame in source.frames]


def _fitted(frame: Frames, width: int, height: int) -> Any:
    """Return a picture scaled until it fills the size, cut evenly at the sides that stand out."""
    from PIL import Image, ImageOps

    picture = Image.fromarray(frame)
    if picture.size == (width, height):
        return picture
    try:
        return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    except (ValueError, MemoryError) as error:
        raise ModelError(f"a picture of {picture.size} can't be brought to size: {error}") from None
