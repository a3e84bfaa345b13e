"""Load a model: the one that ships inside, one from a hub or a folder, or a loaded pipeline."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beecam._util.checks import raise_problems, string
from beecam._util.collector import collection_paused
from beecam.errors import ModelError
from beecam.models.batching.threads import WorkerPool
from beecam.models.diffusers.adapter import DiffusersModel
from beecam.models.loading.arguments import (
    LoadOptions,
    load_problems,
    model_problems,
    pipeline_problems,
    plain_name,
)
from beecam.models.loading.hub import load_pipeline, move_to_device

if TYPE_CHECKING:
    import torch

POLLEN = Path(__file__).parents[1] / "pollen" / "weights"


def load(
    name: str | os.PathLike[str] = "pollen",
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    offload: str | None = None,
    revision: str | None = None,
    quantize: str | None = None,
    base: str | os.PathLike[str] | None = None,
    batch_size: int | None = None,
    speed: str | None = None,
) -> DiffusersModel:
    """Load a model; the choices for this machine are printed in one line.

    >>> model = bc.load()
    >>> model = bc.load("Wan-AI/Wan2.1-T2V-1.3B-Diffusers")

    Args:
        name: "pollen", the small model that ships inside; a repository as "owner/name"; a folder
            with a pipeline; or a single file with its network. Only safetensors are loaded.
        device: The torch device that it runs on, as a string or a `torch.device`; by default the
            accelerator if there is one, else the CPU. pollen runs on the CPU by default.
        dtype: "float32", "bfloat16" or "float16", or such a `torch.dtype`; by default bfloat16 on
            an accelerator.
        offload: "none", "model" or "sequential": what stays outside an accelerator's memory until
            it is used; by default it depends on the free memory.
        revision: A branch, tag or commit of the repository.
        quantize: "none", the default, or "float8": the network's weights in half the memory, at
            some loss; it still computes in `dtype`.
        base: For a single file, the repository or folder that has the rest of its pipeline; by
            default the one that its family is published in.
        batch_size: The largest number of clips in a batch; by default it is measured.
        speed: "exact", the default: the pixels of the plain pipeline. "balanced": about twice as
            fast and hardly distinguishable; "fast": also half the steps, with a scheduler that
            needs fewer; pollen has a LoRA with which 4 are enough. What is switched on is part
            of each clip's key.

    Raises:
        CheckError: With all problems of the arguments, before anything is read.
        ModelError: The model does not exist or can't be loaded; the message says what to do.
    """
    chosen = map(plain_name, (device, dtype, offload, revision, quantize, base))
    return _load(name, LoadOptions(*chosen), batch_size=batch_size, speed=speed)


def _load(
    name: str | os.PathLike[str], options: LoadOptions, *, batch_size: int | None, speed: str | None
) -> DiffusersModel:
    raise_problems(load_problems(name, options, batch_size=batch_size, speed=speed))
    source = os.fspath(name)
    if source == "pollen":
        return _pollen(options.device or "cpu", batch_size, speed)
    opened = load_pipeline(source, options)
    raise_problems(pipeline_problems(opened.pipe), ModelError)
    model = DiffusersModel(opened.pipe, name=opened.name, batch_size=batch_size, speed=speed)
    model.license, model.source = opened.license, opened.origin
    print(opened.choices)  # noqa: T201  (the one line that `load` promises)
    return model


def _pollen(device: str, batch_size: int | None, speed: str | None) -> DiffusersModel:
    from beecam.models.pollen.networks.pipeline import load_pipeline

    workers = WorkerPool()
    if device == "cpu":
        workers.widen(1, threads=1)

    def create() -> DiffusersModel:
        pipe = load_pipeline(POLLEN)
        move_to_device("pollen", pipe, device, "none")
        return DiffusersModel(
            pipe,
            name="pollen",
            folder=POLLEN,
            defaults=_pollen_defaults(),
            workers=workers,
            batch_size=batch_size,
            speed=speed,
        )

    with collection_paused():
        model = workers.run(create)
    model.license = "Apache-2.0"
    return model


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
    """Wrap a loaded diffusers video pipeline as a model.

    >>> pipe = WanPipeline.from_pretrained("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", dtype="auto")
    >>> model = bc.wrap(pipe.to("cuda"))

    Args:
        pipe: A pipeline that generates video from text, images or video, on the device that it
            should run on. For an unknown family everything is read off the pipeline, and a batch
            has one clip.
        name: How clips name it; by default the name that it was loaded by.
        batch_size: The largest number of clips in a batch; by default it is measured.
        speed: As in `bc.load`; between batches the pipeline itself is unchanged.

    Raises:
        CheckError: It isn't a pipeline that generates video, or another argument is invalid.
    """
    raise_problems(
        [
            *pipeline_problems(pipe),
            *string("name", name, or_none=True),
            *model_problems(batch_size=batch_size, speed=speed),
        ]
    )
    source = str(getattr(pipe.config, "_name_or_path", "") or "")
    plain = name or (source if "/" in source and not Path(source).is_absolute() else "")
    return DiffusersModel(
        pipe, name=plain or type(pipe).__name__, batch_size=batch_size, speed=speed
    )
