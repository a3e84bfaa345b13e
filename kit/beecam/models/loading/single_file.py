"""Load single files: a network alone, whose other components come from a base pipeline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from beecam._util.plain_files import read_bytes, resolve
from beecam.errors import ModelError, first_line, shorten
from beecam.models.loading.messages import explain_load_errors
from beecam.models.weights.safe_files import file_problem

_MAX_INDEX = 10_000_000  # bytes

# Prefixes of diffusers' names of families that generate video.
_VIDEO = ("ltx", "wan", "hunyuan-video", "mochi", "cosmos", "cog")


def base_repository(path: Path) -> str:
    """Return the repository that a single file's family is published in.

    Raises:
        ModelError: The file isn't a safetensors file, is damaged, or its family is unknown.
    """
    _check(path)
    from diffusers.loaders.single_file_utils import (
        DIFFUSERS_DEFAULT_PIPELINE_PATHS,
        infer_diffusers_model_type,
        load_single_file_checkpoint,
    )

    try:
        kind = infer_diffusers_model_type(load_single_file_checkpoint(str(path)))
        # An unknown file is reported as an image model.
        known = {k: v for k, v in DIFFUSERS_DEFAULT_PIPELINE_PATHS.items() if k.startswith(_VIDEO)}
        return str(known[kind]["pretrained_model_name_or_path"])
    except Exception as error:
        raise ModelError(
            f"load({str(path)!r}): the family of this file is unknown. Name the pipeline that "
            "has the other components, as in load(path, base='Lightricks/LTX-Video')."
        ) from error


def load_denoiser(path: Path, base: str, dtype: Any) -> dict[str, Any]:
    """Load the network in a single file, by its name in the pipeline.

    Args:
        path: The file.
        base: A folder or repository with the other components.
        dtype: A torch.dtype.

    Raises:
        ModelError: It isn't a safetensors file, or doesn't fit the pipeline.
    """
    import diffusers
    from huggingface_hub import hf_hub_download

    _check(path)
    # A damaged index raises errors of any class.
    with explain_load_errors(base, Exception):
        folder = Path(base).expanduser()
        index = folder / "model_index.json"
        where = index if folder.exists() else Path(hf_hub_download(base, "model_index.json"))
        parts = json.loads(read_bytes(resolve(where), _MAX_INDEX))
        name = next((part for part in ("transformer", "unet") if part in parts), None)
        kind = getattr(diffusers, parts[name][1], None) if name else None
    if name is None or not hasattr(kind, "from_single_file"):
        raise ModelError(f"load({str(path)!r}): {base} isn't a pipeline that takes single files.")
    try:
        assert kind is not None
        network = kind.from_single_file(str(path), config=base, subfolder=name, dtype=dtype)
    except Exception as error:
        raise ModelError(
            f"load({str(path)!r}): it doesn't fit the {name} of {base} "
            f"({shorten(first_line(error))})."
        ) from error
    return {name: network}


def _check(path: Path) -> None:
    if problem := file_problem(path):
        raise ModelError(f"load({str(path)!r}): {problem}")
