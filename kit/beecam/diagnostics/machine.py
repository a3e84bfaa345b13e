"""Facts about this machine and the installed packages, for `bc.doctor()`."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
from pathlib import Path

from beecam._util.cache import cache_folder, default_library_folder
from beecam._util.words import count_of
from beecam._version import __version__
from beecam.clips.library import Library, open_library
from beecam.errors import LibraryError
from beecam.media import mp4
from beecam.models.batching import device
from beecam.storage.index_file import NAME

Rows = list[tuple[str, str]]

_MIN_FREE_DISK = 5e9
_GIGABYTE = 1e9
# Packages that some pipelines or calls need; all are dependencies of beecam.
_PACKAGES = {
    "accelerate": "offload",
    "ftfy": "Wan and SkyReels",
    "peft": "LoRAs",
    "mediapy": "clips.show()",
    "matplotlib": "clips.contact_sheet()",
    "pandas": "clips.to_frame()",
}


def machine_rows() -> tuple[Rows, list[str]]:
    """Return rows about the machine and the installation, and advice on what to change."""
    rows: Rows = [("beecam", __version__), ("python", platform.python_version())]
    rows += [(name, version(name) or "not installed") for name in ("torch", "diffusers")]
    rows += [("transformers", version("transformers") or "not installed")]
    advice: list[str] = []
    for found, more in (_accelerator(), _video(), _widgets(), _disk()):
        rows += found
        advice += more
    return rows, advice + missing_packages()


def version(name: str) -> str | None:
    """Return the installed version of a package, or None."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    return None


def missing_packages() -> list[str]:
    """Return a sentence for each package that is needed but not installed."""
    return [
        f"{name} is not installed; it is needed for {use}: pip install {name}"
        for name, use in _PACKAGES.items()
        if importlib.util.find_spec(name) is None
    ]


def default_library() -> Library | None:
    """Return the default library, or None if it doesn't exist; this doesn't create it."""
    if not (default_library_folder() / NAME).exists():
        return None
    with contextlib.suppress(LibraryError):
        return open_library()
    return None


def _accelerator() -> tuple[Rows, list[str]]:
    import torch

    cpu = torch.device("cpu")
    rows = [
        ("processor", f"{device.device_name(cpu)}, {device.cores()} cores"),
        ("memory", device.memory_in_words(device.memory(cpu))),
    ]
    kind = "cuda" if torch.cuda.is_available() else "mps"
    if kind == "mps" and not torch.backends.mps.is_available():
        advice = "There is no accelerator: pollen is fast without one, larger models are not."
        return [*rows, ("accelerator", "none")], [advice]
    found = torch.device(kind)
    named = f"{kind}, {device.device_name(found)}, {device.memory_in_words(device.memory(found))}"
    return [*rows, ("accelerator", named)], []


def _video() -> tuple[Rows, list[str]]:
    try:
        import av
    except ImportError:
        return [("video", "none")], ["PyAV, which writes clips, is not installed: pip install av"]
    missing = mp4.missing_codecs()
    found = [name for name in mp4.CODECS if name not in missing]
    rows = [
        ("video", f"PyAV {av.__version__} with {', '.join(found) or 'none of the codecs needed'}")
    ]
    return rows, [
        f"This PyAV has no {name}, which writes {what}: pip install --upgrade av"
        for name, what in missing.items()
    ]


def _widgets() -> tuple[Rows, list[str]]:
    if importlib.util.find_spec("beecam_widgets") is None:
        return [("widgets", "not installed")], [
            "beecam_widgets is not installed: runs show a contact sheet instead of a live grid."
        ]
    parts = [f"{name} {version(name) or 'missing'}" for name in ("anywidget", "jupyterlab")]
    return [("widgets", f"installed; {', '.join(parts)}")], []


def _disk() -> tuple[Rows, list[str]]:
    folder = default_library_folder()
    library = default_library()
    clips = count_of(len(library), "clip") if library is not None else "not created yet"
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    rows = [
        ("library", f"{folder}: {clips}, {free / _GIGABYTE:.1f} GB free"),
        ("cache", f"{cache_folder()}: {_bytes_in(cache_folder()) / 1e6:.1f} MB"),
    ]
    advice = []
    if free < _MIN_FREE_DISK:
        advice.append(
            f"Only {free / _GIGABYTE:.1f} GB are free for the library: set BEECAM_LIBRARY to a "
            "folder on another disk."
        )
    if not os.access(existing, os.W_OK):
        advice.append(f"{existing} can't be written: set BEECAM_LIBRARY to another folder.")
    return rows, advice


def _bytes_in(folder: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return 0
