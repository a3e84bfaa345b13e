"""Check files with weights before anything loads them: safetensors only, whole, in their folder.

diffusers and transformers load what a folder's JSON files name, by the suffix that it has there: a
list of shards may name a pickle or a file elsewhere, a component may name another model, be a
pipeline of its own, or name code on a hub as its attention. Everything that loads weights checks
the files here first, in all folders of a component, so that no name decides how a file is read.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from beecam._util.plain_files import is_of_system, read_bytes, resolve
from beecam.errors import first_line, shorten
from beecam.models.weights.built_size import size_problems
from beecam.models.weights.config_numbers import CONFIGS, number_problems

SUFFIX = ".safetensors"
INDEX = "model_index.json"
_INDEXES = (INDEX, "modular_model_index.json")
_LIBRARIES = ("diffusers", "transformers")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_ADAPTER = "adapter_config.json"
# Entries of a configuration with which transformers takes code from a hub, for a name with a slash.
_ATTENTION = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")
_MAX_JSON = 50_000_000  # bytes
_CAN_RUN_CODE = "since other files can run code when they are opened."


def file_problem(path: Path) -> str | None:
    """Return why a file can't be loaded as weights, or None.

    >>> file_problem(Path("model.ckpt"))
    'only safetensors are loaded, since other files can run code when they are opened.'
    """
    from safetensors import SafetensorError, safe_open

    if path.suffix != SUFFIX:
        return f"only safetensors are loaded, {_CAN_RUN_CODE}"
    try:
        if is_of_system(path):
            return "a regular file is needed."
        # Reads the table of contents, and compares it with the length of the file.
        with safe_open(path, "np"):
            return None
    except (OSError, SafetensorError, ValueError) as error:
        return f"the file is not a safetensors file, or is damaged ({first_line(error)})."


def folder_problems(folder: Path) -> Iterator[str]:
    """Yield why the folder of a pipeline can't be loaded.

    Args:
        folder: A folder with a `model_index.json`, with a folder for each component.
    """
    try:
        parts = _json(folder / INDEX)
    except (OSError, ValueError, RecursionError) as error:
        yield f"its {INDEX} is damaged ({first_line(error)})."
        return
    for name, value in parts.items():
        yield from _part_problems(name, value)
    # Some repositories have the files of one component beside the index.
    yield from _component_problems(folder, "")
    for name in parts:
        if _is_plain(name):
            # Of some components there may be several, as controlnet and controlnet_1.
            for top in [folder / name, *sorted(folder.glob(f"{glob.escape(name)}_[0-9]*"))]:
                for place in _folders_in(top):
                    yield from _component_problems(place, f"{place.relative_to(folder)}/")


def built_problems(folder: Path) -> Iterator[str]:
    """Yield which components of a folder without other problems would fill the memory.

    Args:
        folder: A folder with a `model_index.json`, of which `folder_problems` has found none.
    """
    yield from size_problems(folder, _json(folder / INDEX))


def _folders_in(top: Path) -> Iterator[Path]:
    """Yield a folder, if it is one, and those within it."""
    if top.is_dir():
        yield top
        for one in sorted(top.iterdir()):
            # Links to files lead into the hub's cache; no folder of it is linked.
            if one.is_dir() and not one.is_symlink():
                yield from _folders_in(one)


def _part_problems(name: str, value: Any) -> Iterator[str]:
    """Yield why an entry of the index would load something else than a known class."""
    if name == "_class_name" and not isinstance(value, str):
        yield f"its {INDEX} names code of its own as the pipeline, which is not run."
    if name.startswith("_") or not isinstance(value, list):
        return
    library = value[0] if len(value) == 2 else ...  # noqa: PLR2004
    if not _is_plain(name):
        yield f"its {INDEX} names a component {shorten(name)}, which is not in the folder."
    elif library is not None and library not in _LIBRARIES and not _is_pipeline(library):
        yield (
            f"its {INDEX} takes {name} from {shorten(library)}; only classes of diffusers and "
            "transformers are loaded."
        )


def _is_pipeline(library: object) -> bool:
    """Return whether this is a folder of diffusers' pipelines, such as "stable_diffusion"."""
    from diffusers import pipelines

    return isinstance(library, str) and library.isidentifier() and library in dir(pipelines)


def _component_problems(place: Path, prefix: str) -> Iterator[str]:
    for path in place.iterdir():
        if path.exists() and (not (path.is_file() or path.is_dir()) or is_of_system(path)):
            yield f"{prefix}{path.name} is a pipe or a device; a regular file is needed."
            return  # opening it could wait forever
    pickled = [path for pattern in _PICKLES for path in place.glob(pattern)]
    weights = sorted(place.glob(f"*{SUFFIX}"))
    if pickled and not weights:
        yield (
            f"{prefix.rstrip('/') or 'it'} has its weights as a pickle ({pickled[0].name}), which "
            "can run any code. Only safetensors are loaded: convert it with save_pretrained(folder,"
            " safe_serialization=True) where you trust it."
        )
    for path in weights:
        if problem := file_problem(path):
            yield f"{prefix}{path.name}: {problem}"
    if prefix and any((place / name).exists() for name in _INDEXES):
        yield (
            f"{prefix.rstrip('/')} is a pipeline of its own, of which nothing is checked; only "
            "pipelines of single components are loaded."
        )
    if (place / _ADAPTER).exists():
        yield f"{prefix}{_ADAPTER} names another model; load that, and the adapter with lora=."
    for index in sorted(place.glob("*.index.json")):
        yield from _index_problems(index, prefix)
    sound = [path for path in weights if file_problem(path) is None]
    for name in CONFIGS:
        yield from _config_problems(place / name, prefix, sound)


def _index_problems(index: Path, prefix: str) -> Iterator[str]:
    if SUFFIX not in index.name:
        return  # the list of pickled shards, which isn't read where there are others
    try:
        shards = sorted(set(_json(index)["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        yield f"{prefix}{index.name} is damaged ({type(error).__name__})."
        return
    for name in shards:
        if not _is_plain(name) or not name.endswith(SUFFIX):
            yield (
                f"{prefix}{index.name} names {shorten(name)}: only safetensors of its own folder "
                f"are loaded, {_CAN_RUN_CODE}"
            )
        elif not (index.parent / name).is_file():
            yield f"{prefix}{index.name} names {shorten(name)}, which is missing."


def _config_problems(config: Path, prefix: str, weights: list[Path]) -> Iterator[str]:
    if not config.exists():
        return
    try:
        values = _json(config)
    except (OSError, ValueError, RecursionError) as error:
        yield f"{prefix}{config.name} is damaged ({first_line(error)})."
        return
    for problem in number_problems(config.name, values, weights):
        yield f"{prefix}{config.name} {problem}"
    other = values.get("transformers_weights")
    if other is not None:
        yield (
            f"{prefix}{config.name} names {shorten(other)} as its weights; those of a component "
            "have the usual names. Remove the line."
        )
    for value in _values_of(values, _ATTENTION):
        if "/" in json.dumps(value):
            yield (
                f"{prefix}{config.name} takes its attention from {shorten(value)}, which is code "
                "on a hub and is not run. Remove the line."
            )


def _values_of(data: Any, names: Collection[str]) -> Iterator[Any]:
    """Yield the values of some names in JSON data, at any depth."""
    if isinstance(data, list):
        data = dict(enumerate(data))
    if isinstance(data, dict):
        for name, value in data.items():
            if name in names:
                yield value
            yield from _values_of(value, names)


def _is_plain(name: object) -> bool:
    """Return whether this is the name of a file or folder directly in another."""
    return isinstance(name, str) and name not in ("", ".", "..") and not set(name) & set("/\\\0:")


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise OSError("it isn't a regular file" if path.exists() else "it is missing")
    found = json.loads(read_bytes(resolve(path), _MAX_JSON))
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004  (as for other damage)
    return found
