"""Ways to get a model: the one that ships inside, or any pipeline that is loaded already."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from beecam.errors import ModelError, join_words, shorten
from beecam.models.batching.threads import WorkerPool
from beecam.models.diffusers.adapter import DiffusersModel
from beecam.models.diffusers.tasks import task_of
from beecam.models.loading.hub import check_choices, load_pipeline, move_to_device

POLLEN = Path(__file__).parents[1] / "pollen" / "weights"


def load(
    name: str | os.PathLike[str] = "pollen",
    *,
    device: str | None = None,
    dtype: str | None = None,
    offload: str | None = None,
    revision: str | None = None,
    quantize: str | None = None,
    base: str | None = None,
    batch_size: int | None = None,
    speed: str | None = None,
) -> DiffusersModel:
    """Load a model; what is chosen for this machine is printed in one line.

    >>> model = bc.load()
    >>> model = bc.load("Wan-AI/Wan2.1-T2V-1.3B-Diffusers")

    Args:
        name: "pollen", the small model that ships inside; a repository as "owner/name"; a folder
            with a pipeline; or a single file with its network. Only safetensors are loaded.
        device: Where it runs, as torch names it; by default the accelerator that is there, else
            the CPU. pollen runs on the CPU.
        dtype: "float32", "bfloat16" or "float16"; by default bfloat16 on an accelerator.
        offload: "none", "model" or "sequential": what stays outside an accelerator's memory until
            it is used; by default by the memory that is free.
        revision: Of the repository: a branch, tag or commit.
        quantize: "none", the default, or "float8": the network's weights in half the memory, at
            some loss; it computes in `dtype` all the same.
        base: For a single file, the repository or folder that has the rest of its pipeline; by
            default the one that its family is published in.
        batch_size: How many clips one call makes at most; by default it is measured.
        speed: "exact", the default: the pixels of the plain pipeline. "balanced": about twice as
            fast and hardly to be told apart; "fast": also half the steps, with a scheduler that
            needs fewer; pollen has a LoRA with which 4 are enough. What is switched on is part
            of each clip's key.

    Raises:
        ModelError: There is no such model, or it can't be had; the message says what to do.
    """
    if not isinstance(name, (str, os.PathLike)):
        raise ModelError(f"load({shorten(name)}): a name, as in bc.load() or bc.load('pollen').")
    source = os.fspath(name)
    if source == "pollen":
        check_choices(dtype=dtype, offload=offload, quantize=quantize)
        _check_pollen(dtype=dtype, offload=offload, quantize=quantize, revision=revision, base=base)
        _check_size(batch_size)
        return _pollen(device or "cpu", batch_size, speed)
    opened = load_pipeline(
        source,
        device=device,
        dtype=dtype,
        offload=offload,
        revision=revision,
        quantize=quantize,
        base=base,
    )
    model = wrap(opened.pipe, name=opened.name, batch_size=batch_size, speed=speed)
    model.license, model.source = opened.license, opened.origin
    print(opened.choices)  # noqa: T201  (what was chosen is said where it was asked for)
    return model


def _check_pollen(**given: str | None) -> None:
    """Raise what can't be chosen for pollen; a choice that is passed over would be a lie."""
    usual = {"dtype": "float32", "offload": "none", "quantize": "none"}
    for name, value in given.items():
        if value not in (None, usual.get(name)):
            raise ModelError(
                f"{name}={value!r}: pollen is small and ships inside; it is used as it is. Leave "
                f"{name} out."
            )


def _check_size(batch_size: int | None) -> None:
    wrong = isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1
    if batch_size is not None and wrong:
        raise ModelError(f"batch_size={shorten(batch_size)}: a whole number of 1 or more.")


def _pollen(device: str, batch_size: int | None, speed: str | None) -> DiffusersModel:
    from beecam.models.pollen.sampling import load_pipeline

    lanes = WorkerPool()

    def make() -> DiffusersModel:
        pipe = load_pipeline(POLLEN)
        move_to_device("pollen", pipe, device, "none")
        return DiffusersModel(
            pipe,
            name="pollen",
            license="Apache-2.0",
            folder=POLLEN,
            defaults=_pollen_defaults(),
            lanes=lanes,
            batch_size=batch_size,
            speed=speed,
        )

    return lanes.run(make)


def _pollen_defaults() -> dict[str, Any]:
    return {
        "width": 96,
        "height": 96,
        "num_frames": 17,
        "fps": 8.0,
        "num_inference_steps": 20,
        "guidance_scale": 3.0,
    }


def wrap(
    pipe: Any, *, name: str | None = None, batch_size: int | None = None, speed: str | None = None
) -> DiffusersModel:
    """Make a model of a loaded diffusers video pipeline.

    >>> pipe = WanPipeline.from_pretrained("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", dtype="auto")
    >>> model = bc.wrap(pipe.to("cuda"))

    Args:
        pipe: A pipeline that makes video from text, pictures or video, on the device where it
            shall run. What isn't known of its family is read off itself, and then one call makes
            one clip.
        name: How clips name it; by default the name it was loaded by.
        batch_size: How many clips one call makes at most; by default it is measured.
        speed: As in `bc.load`; the pipeline itself is as it was between calls.

    Raises:
        ModelError: It is no pipeline that makes video.
    """
    kind = type(pipe).__name__
    if not hasattr(pipe, "components") or not callable(pipe):
        raise ModelError(
            f"wrap({shorten(pipe)}): a loaded diffusers pipeline is needed, as in "
            "bc.wrap(WanPipeline.from_pretrained(...))."
        )
    way = task_of(pipe)
    if way.anatomy.frames_argument is None and "video" not in way.takes:
        raise ModelError(f"wrap({kind}): it makes pictures; a pipeline that makes video is needed.")
    missing = [name for name in way.anatomy.missing if name not in way.takes]
    if missing or not ("prompt" in way.anatomy.parameters or way.takes):
        raise ModelError(
            f"wrap({kind}): it needs {join_words(missing) or 'no prompt'}, which can't be given "
            "yet."
        )
    _check_size(batch_size)
    if name is not None and not isinstance(name, str):
        raise ModelError(f"name={shorten(name)}: a text is needed; it is how clips name the model.")
    source = str(getattr(pipe.config, "_name_or_path", "") or "")
    plain = name or (source if "/" in source and not Path(source).is_absolute() else "")
    return DiffusersModel(
        pipe, name=plain or type(pipe).__name__, batch_size=batch_size, speed=speed
    )
