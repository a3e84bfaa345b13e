"""Rendered clips on disk, in shards of uint8, with their scenes as JSON next to them."""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam._util.files import atomic_write
from beecam.models.pollen.training.data import saved
from beecam.models.pollen.world import rendering, scene
from beecam.models.pollen.world.rendering.render import render_all
from beecam.models.pollen.world.scene import FRAMES, SIZE, Scene
from beecam.models.pollen.world.splits import accident_scenes, scenes

SHARD = 250
# Sources that determine what clips look like.
_WORLD = (Path(scene.__file__), *sorted(Path(rendering.__file__).parent.glob("*.py")))
_GPU_PROCESSES = 4  # a single process leaves the GPU idle


def render_shards(
    folder: Path,
    clips: int,
    *,
    part: int = 0,
    parts: int = 1,
    device: str = "cpu",
    shard: int = SHARD,
    first: int = 0,
    frames: int = FRAMES,
    size: int = SIZE,
    accidents: bool = False,
) -> int:
    """Render the shards that don't exist yet.

    Args:
        folder: Folder of the shards.
        clips: Number of clips, rounded up to full shards.
        part: Index of this process, of `parts`.
        parts: Number of processes that render.
        device: Device to render on.
        shard: Clips per shard.
        first: Seed from which scenes are drawn.
        frames: Frames per clip; its duration doesn't depend on their number.
        size: Width and height in pixels.
        accidents: Only clips with accidents, each kind equally often.

    Returns:
        The number of shards in the folder.

    Raises:
        ValueError: Shards there were rendered by another version of the world.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _check_world(folder)
    for number in range(part, -(-clips // shard), parts):
        path = folder / f"clips-{number:05d}.pt"
        if path.exists():
            continue
        # Shards draw from seeds far apart: no scene is in two of them.
        source = (accident_scenes if accidents else scenes)(first + number * shard * 10)
        chosen = list(itertools.islice(source, shard))
        save(path, chosen, render_all(chosen, device=device, frames=frames, size=size))
    return len(list(folder.glob("clips-*.pt")))


def _check_world(folder: Path) -> None:
    """Raise where a folder has clips of another version of the world; otherwise record it."""
    now = hashlib.sha256(b"".join(path.read_bytes() for path in _WORLD)).hexdigest()
    record = folder / "world.txt"
    before = record.read_text() if record.exists() else None
    if before == now:
        return
    if before is not None or any(folder.glob("clips-*.pt")):
        raise ValueError(
            f"{folder} has clips of another version of the world: move them away, with what was "
            f"trained on them (classifier-*.pt too), or write {now} into {record} to use both."
        )
    with atomic_write(record) as file:  # other processes that render read it too
        file.write_text(now)


def render_parallel(folder: Path, clips: int, device: str, **options: int) -> int:
    """Render shards as `render_shards` does, in several processes: on a CPU one per core."""
    workers = os.cpu_count() or 1 if device == "cpu" else _GPU_PROCESSES
    return render_in_processes(folder, clips, workers, device=device, **options)


def render_in_processes(folder: Path, clips: int, workers: int, **options: Any) -> int:
    """Render shards as `render_shards` does, in processes of one thread each.

    Threads that wait for each other on small arrays would gain little from a second core.

    Raises:
        RuntimeError: A process has failed.
    """
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_render_part, args=(folder, clips, part, workers, options))
        for part in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError("a rendering process has failed; its error is printed above.")
    return len(list(folder.glob("clips-*.pt")))


def _render_part(folder: Path, clips: int, part: int, parts: int, options: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    render_shards(folder, clips, part=part, parts=parts, **options)


def save(path: Path, chosen: list[Scene], clips: Tensor) -> None:
    """Write clips atomically, with their scenes next to them."""
    with atomic_write(path) as file:
        torch.save(clips, file)
        truth = [asdict(scene) for scene in chosen]
        path.with_suffix(".json").write_text(json.dumps(truth))


def load(folder: Path) -> tuple[Tensor, list[Scene]]:
    """Load all shards of a folder.

    Returns:
        Clips (clips, frames, height, width, 3), uint8, and their scenes.

    Raises:
        FileNotFoundError: The folder has no shards.
    """
    paths = sorted(folder.glob("clips-*.pt"))
    if not paths:
        raise FileNotFoundError(f"{folder} has no clips-*.pt: run the stage `render` first.")
    return load_shards(paths)


def load_shards(paths: Sequence[Path]) -> tuple[Tensor, list[Scene]]:
    """Load some shards, as `load` does."""
    # Copied into one tensor: two copies of all clips may not fit into memory.
    shards = [saved.tensors(path, mmap=True) for path in paths]
    clips = torch.empty((sum(map(len, shards)), *shards[0].shape[1:]), dtype=torch.uint8)
    torch.cat(shards, out=clips)
    return clips, [scene for path in paths for scene in scenes_of(path)]


def scenes_of(shard: Path) -> list[Scene]:
    """Load the scenes of a shard without its clips."""
    return [Scene(**one) for one in json.loads(shard.with_suffix(".json").read_text())]
