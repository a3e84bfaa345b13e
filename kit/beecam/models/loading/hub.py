"""Load pipelines from a hub or a folder, with defaults for the machine."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beecam.errors import ModelError, did_you_mean, join_words, shorten
from beecam.models.loading.messages import explain_load_errors
from beecam.models.loading.single_file import base_repository, load_denoiser

_INDEX = "model_index.json"
_CHOICES = {
    "dtype": ("float32", "bfloat16", "float16"),
    "offload": ("none", "model", "sequential"),
    "quantize": ("none", "float8"),
}
# The memory that the weights, latents and one step need, relative to the weights.
_ROOM = 1.3


@dataclass(frozen=True)
class LoadedPipeline:
    """A loaded pipeline and its origin.

    Attributes:
        pipe: The pipeline.
        name: How clips name it.
        license: The license of the weights, or None.
        origin: The repository with its commit, or the name of the folder or file.
        choices: One sentence on the choices for this machine.
    """

    pipe: Any
    name: str
    license: str | None
    origin: str
    choices: str


def load_pipeline(
    source: str,
    *,
    device: str | None,
    dtype: str | None,
    offload: str | None,
    revision: str | None,
    quantize: str | None = None,
    base: str | None = None,
) -> LoadedPipeline:
    """Load a diffusers pipeline.

    Args:
        source: A repository as "owner/name", or a folder.
        device: The device; by default the accelerator if there is one, else the CPU.
        dtype: One of "float32", "bfloat16" and "float16"; by default bfloat16 on an accelerator.
        offload: "none", "model" or "sequential"; by default it depends on the free memory.
        revision: The revision of the repository.
        quantize: "none" or "float8".
        base: For a single file, where the rest of its pipeline is.

    Raises:
        ModelError: It can't be loaded; the message says why and what to do.
    """
    import torch

    check_choices(dtype=dtype, offload=offload, quantize=quantize)
    used = device or _best_device()
    number = dtype or ("float32" if used == "cpu" else "bfloat16")
    folder = Path(source).expanduser()
    single = folder if folder.is_file() else None
    if single is not None:
        source = base or base_repository(single)
        folder = Path(source).expanduser()
    elif base is not None:
        raise ModelError(f"base={base!r}: only a single file needs it, and {source!r} isn't one.")
    if folder.exists():
        _check_folder(folder)
    elif source.startswith((".", "/", "~")):
        raise ModelError(f"load({source!r}): the folder or file does not exist.")
    elif not re.fullmatch(r"[\w.-]+/[\w.-]+", source):
        raise ModelError(
            f"load({source!r}): 'pollen' ships inside; else a repository such as "
            "'Wan-AI/Wan2.1-T2V-1.3B-Diffusers' or a folder with a pipeline is needed."
            f"{did_you_mean(source, ['pollen'])}"
        )
    more = {} if single is None else load_denoiser(single, source, getattr(torch, number))
    pipe = _from_pretrained(source, folder, getattr(torch, number), revision, more)
    if quantize == "float8":
        _store_in_8_bits(pipe, getattr(torch, number))
    how = offload or _best_offload(pipe, used)
    move_to_device(source, pipe, used, how)
    choices = (
        f"{type(pipe).__name__} from {single or source} on {used} in {number}, "
        + ("all of it in memory" if how == "none" else f"{how} offload")
        + (", weights stored in float8" if quantize == "float8" else ", weights as they are")
        + " (device=, dtype=, offload= and quantize= choose otherwise)"
    )
    local = folder if folder.exists() else _snapshot(source, revision)
    name = single.stem if single else source if not folder.exists() else folder.name
    # A snapshot's folder is named after its commit. Paths of this machine are private.
    origin = source if folder.exists() or local is None else f"{source}@{local.name}"
    origin = Path(origin).name if folder.exists() else origin
    origin = f"{single.name} with {origin}" if single else origin
    return LoadedPipeline(pipe, name, _license(local), origin, choices)


def check_choices(**choices: str | None) -> None:
    """Check `dtype`, `offload` and `quantize`.

    Raises:
        ModelError: One of them has another value than its choices.
    """
    for name, value in choices.items():
        if value is not None and value not in _CHOICES[name]:
            raise ModelError(
                f"{name}={shorten(value)}: one of {join_words(_CHOICES[name])}."
                f"{did_you_mean(value, _CHOICES[name])}"
            )


def _store_in_8_bits(pipe: Any, number: Any) -> None:
    """Store the network's weights in half the memory; each layer still computes in `number`."""
    import torch

    denoiser = getattr(pipe, "transformer", None) or pipe.unet
    denoiser.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=number)


def _check_folder(folder: Path) -> None:
    """Raise a ModelError if a folder can't be loaded, before anything is read."""
    index = folder / _INDEX
    if not index.exists():
        near = [path.parent.name for path in folder.glob(f"*/{_INDEX}")]
        hint = f" There is one in {join_words(near)} within it." if near else ""
        raise ModelError(
            f"load({str(folder)!r}): not the folder of a pipeline, which has a {_INDEX}.{hint}"
        )
    try:
        parts = json.loads(index.read_text())
    except ValueError as error:
        raise ModelError(f"load({str(folder)!r}): its {_INDEX} is damaged ({error}).") from error
    for part in parts:
        weights = folder / part
        pickled = [*weights.glob("*.bin"), *weights.glob("*.pt"), *weights.glob("*.ckpt")]
        if weights.is_dir() and pickled and not list(weights.glob("*.safetensors")):
            raise ModelError(
                f"load({str(folder)!r}): {part} has its weights as a pickle ({pickled[0].name}), "
                "which can run any code. Only safetensors are loaded: convert it with "
                "save_pretrained(folder, safe_serialization=True) where you trust it."
            )


def _from_pretrained(
    source: str, folder: Path, dtype: Any, revision: str | None, parts: Mapping[str, Any]
) -> Any:
    from diffusers import DiffusionPipeline

    where = str(folder) if folder.exists() else source
    with explain_load_errors(source):
        return DiffusionPipeline.from_pretrained(
            where, dtype=dtype, revision=revision, use_safetensors=True, **parts
        )


def _best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _best_offload(pipe: Any, device: str) -> str:
    """Return the least offloading with which a pipeline fits into an accelerator's memory."""
    import torch

    if not device.startswith("cuda") or not torch.cuda.is_available():
        return "none"
    free, _ = torch.cuda.mem_get_info()
    sizes = [_bytes(part) for part in pipe.components.values() if hasattr(part, "parameters")]
    if sum(sizes) * _ROOM < free:
        return "none"
    return "model" if max(sizes, default=0) * _ROOM < free else "sequential"


def _bytes(part: Any) -> int:
    return sum(p.numel() * p.element_size() for p in part.parameters())


def move_to_device(source: str, pipe: Any, device: str, offload: str) -> None:
    """Move a pipeline to a device.

    Args:
        source: The name that it was loaded by, for messages.
        pipe: The pipeline.
        device: The device.
        offload: "none", "model" or "sequential".

    Raises:
        ModelError: The device does not exist, or has too little memory.
    """
    try:
        with explain_load_errors(source):
            if offload == "none":
                pipe.to(device)
            elif offload == "model":
                pipe.enable_model_cpu_offload(device=device)
            else:
                pipe.enable_sequential_cpu_offload(device=device)
    # A torch without CUDA raises an AssertionError.
    except (RuntimeError, MemoryError, AssertionError) as error:
        # What has been moved would be in the way of a second try.
        with contextlib.suppress(RuntimeError):
            pipe.to("cpu")
        lighter = {"none": 'offload="model"', "model": 'offload="sequential"'}.get(offload)
        options = join_words(
            [one for one in (lighter, 'quantize="float8"', 'dtype="bfloat16"') if one]
        )
        raise ModelError(
            f"load({source!r}): it can't be moved to {device} ({_first_line(error)}). If it is "
            f"too large for the memory there, try {options}."
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _snapshot(source: str, revision: str | None) -> Path | None:
    """Return the folder of a downloaded repository, or None."""
    from huggingface_hub import snapshot_download

    with contextlib.suppress(OSError, ValueError):
        return Path(snapshot_download(source, revision=revision, local_files_only=True))
    return None


def _license(folder: Path | None) -> str | None:
    """Return the license in the metadata of a model's card, its README."""
    card = folder / "README.md" if folder else None
    if card is None or not card.exists():
        return None
    front = card.read_text(errors="replace").split("---")[1:2]
    found = re.search(r"^licen[cs]e(?:_name)?:\s*(\S+)", front[0], re.MULTILINE) if front else None
    return found[1].strip("\"'") if found else None
