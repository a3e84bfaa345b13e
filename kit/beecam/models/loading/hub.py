"""Load pipelines from a hub or a folder, with defaults for the machine."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from beecam._util.checks import why_no_path
from beecam._util.plain_files import read_named
from beecam.errors import (
    CheckError,
    ModelError,
    Problem,
    did_you_mean,
    first_line,
    join_words,
    shorten,
)
from beecam.models.loading.arguments import LoadOptions
from beecam.models.loading.messages import explain_load_errors
from beecam.models.loading.single_file import base_repository, load_denoiser
from beecam.models.revision.set_values import remember_as_built
from beecam.models.weights.safe_files import INDEX, built_problems, folder_problems

# The memory that the weights, latents and one step need, relative to the weights.
_ROOM = 1.3
_MAX_CARD = 1_000_000  # bytes


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


@dataclass(frozen=True)
class _Place:
    """Where a pipeline is.

    Attributes:
        source: The repository or folder with the pipeline, as in the call.
        folder: The same as a path; it doesn't exist for a repository.
        single: The file with its network, if that comes from another place.
    """

    source: str
    folder: Path
    single: Path | None

    @property
    def name(self) -> str:
        """How clips name the model."""
        if self.single:
            return self.single.stem
        return self.folder.name if self.folder.exists() else self.source


def load_pipeline(source: str, options: LoadOptions) -> LoadedPipeline:
    """Load a diffusers pipeline.

    Args:
        source: A repository as "owner/name", a folder, or a single file.
        options: Where and how.

    Raises:
        CheckError: `base` is set for something else than a single file.
        ModelError: It can't be loaded; the message says why and what to do.
    """
    import torch

    place = _find(source, options.base)
    device = options.device or _best_device()
    dtype = options.dtype or ("float32" if device == "cpu" else "bfloat16")
    number = getattr(torch, dtype)
    more = {} if place.single is None else load_denoiser(place.single, place.source, number)
    folder = _folder_of(place, options.revision, more)
    pipe = _from_pretrained(place.source, folder, number, more)
    remember_as_built(pipe)
    if options.quantize == "float8":
        _store_in_8_bits(pipe, number)
    offload = options.offload or _best_offload(pipe, device)
    move_to_device(place.source, pipe, device, offload)
    choices = (
        f"{type(pipe).__name__} from {place.single or place.source} on {device} in {dtype}, "
        + ("all of it in memory" if offload == "none" else f"{offload} offload")
        + (
            ", weights stored in float8"
            if options.quantize == "float8"
            else ", weights as they are"
        )
        + " (device=, dtype=, offload= and quantize= choose otherwise)"
    )
    return LoadedPipeline(pipe, place.name, _license(folder), _origin(place, folder), choices)


def _find(source: str, base: str | None) -> _Place:
    """Find a pipeline by the name in the call, before anything is loaded.

    Raises:
        CheckError: `base` is set for something else than a single file.
        ModelError: It does not exist, or is not a pipeline.
    """
    for name in (source, base or ""):
        if why := why_no_path(name):
            raise ModelError(f"load({shorten(name)}): {why}")
    folder = Path(source).expanduser()
    single = folder if folder.is_file() else None
    if single is not None:
        source = base or base_repository(single)
        folder = Path(source).expanduser()
    elif base is not None:
        reason = f"base={base!r}: only a single file needs it, and {source!r} isn't one."
        raise CheckError([Problem("base", reason)])
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
    return _Place(source, folder, single)


def _origin(place: _Place, folder: Path) -> str:
    """Return where a pipeline came from, without paths of this machine, which are private."""
    # A snapshot's folder is named after its commit.
    origin = folder.name if place.folder.exists() else f"{place.source}@{folder.name}"
    return f"{place.single.name} with {origin}" if place.single else origin


def _store_in_8_bits(pipe: Any, number: Any) -> None:
    """Store the network's weights in half the memory; each layer still computes in `number`."""
    import torch

    denoiser = getattr(pipe, "transformer", None) or pipe.unet
    denoiser.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=number)


def _check_folder(folder: Path) -> None:
    """Raise a ModelError if a folder can't be loaded, before anything is read."""
    index = folder / INDEX
    if not index.exists():
        near = [path.parent.name for path in folder.glob(f"*/{INDEX}")]
        hint = f" There is one in {join_words(near)} within it." if near else ""
        raise ModelError(
            f"load({str(folder)!r}): not the folder of a pipeline, which has a {INDEX}.{hint}"
        )
    _check_weights(str(folder), folder)


def _check_weights(source: str, folder: Path) -> None:
    """Raise a ModelError for a folder that would load anything but whole safetensors."""
    # What a configuration builds is only looked at if all its files are safe.
    if problem := next(chain(folder_problems(folder), built_problems(folder)), None):
        raise ModelError(f"load({source!r}): {problem}")


def _folder_of(place: _Place, revision: str | None, parts: Mapping[str, Any]) -> Path:
    """Return the folder with the pipeline, downloaded and checked, before it is loaded."""
    from diffusers import DiffusionPipeline

    if place.folder.exists():
        return place.folder
    with explain_load_errors(place.source):
        folder = Path(
            DiffusionPipeline.download(
                place.source, revision=revision, use_safetensors=True, **parts
            )
        )
    _check_weights(place.source, folder)
    return folder


def _from_pretrained(source: str, folder: Path, dtype: Any, parts: Mapping[str, Any]) -> Any:
    from diffusers import DiffusionPipeline

    # A damaged configuration raises errors of any class.
    with explain_load_errors(source, Exception):
        return DiffusionPipeline.from_pretrained(
            str(folder), dtype=dtype, use_safetensors=True, local_files_only=True, **parts
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
        if reason := _why_absent(device, error):
            raise ModelError(
                f"load({source!r}): it can't be moved to {device}: {reason}. Leave device= out for "
                "the best one here."
            ) from error
        lighter = {"none": 'offload="model"', "model": 'offload="sequential"'}.get(offload)
        options = join_words(
            [one for one in (lighter, 'quantize="float8"', 'dtype="bfloat16"') if one]
        )
        raise ModelError(
            f"load({source!r}): it can't be moved to {device} ({first_line(error)}). If it is "
            f"too large for the memory there, try {options}."
        ) from error


def _why_absent(device: str, error: BaseException) -> str:
    """Return why this machine doesn't have a device of a common kind; "" if it may have it."""
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        return ""
    wanted = torch.device(device)
    if wanted.type == "mps" and not torch.backends.mps.is_available():
        return "torch finds no Apple GPU on this machine"
    if wanted.type != "cuda":
        return ""
    if not torch.cuda.is_available():
        return "torch finds no CUDA GPU on this machine"
    count = torch.cuda.device_count()
    absent = wanted.index is not None and wanted.index >= count
    return f"the last CUDA GPU of this machine is 'cuda:{count - 1}'" if absent else ""


def _license(folder: Path) -> str | None:
    """Return the license in the metadata of a model's card, its README."""
    try:
        with read_named(folder / "README.md") as file:
            text = file.read(_MAX_CARD).decode(errors="replace")
    except OSError:
        return None
    front = text.split("---")[1:2]
    found = re.search(r"^licen[cs]e(?:_name)?:\s*(\S+)", front[0], re.MULTILINE) if front else None
    return found[1].strip("\"'") if found else None
