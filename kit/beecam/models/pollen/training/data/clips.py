"""Rendered clips on disk, in shards of uint8, for the programs that train and evaluate."""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam.files import whole
from beecam.models.pollen.networks.architectures import FRAMES, SIZE
from beecam.models.pollen.training.data import saved as stored
from beecam.models.pollen.world import rendering, scene
from beecam.models.pollen.world.rendering.render import render
from beecam.models.pollen.world.scene import ACCIDENTS, Scene, draw_scene, held_out, possible

SHARD = 250
# What clips look like follows from these.
_WORLD = (Path(scene.__file__), *sorted(Path(rendering.__file__).parent.glob("*.py")))
_ON_A_GPU = 4  # processes: one alone leaves it waiting
BATCH = 2  # small arrays are handed out again, large ones are cleared by the kernel each time
_GPU_BATCH = 125
# Seeds from here on are never trained on.
UNSEEN = 1_000_000_000


def scenes(first: int = 0, *, held: bool = False) -> Iterator[Scene]:
    """Yield scenes from a seed on; only held-out combinations, or only the others."""
    for seed in itertools.count(first):
        scene = draw_scene(seed)
        if held_out(scene) == held:
            yield scene


def odd_scenes(first: int = 0) -> Iterator[Scene]:
    """Yield scenes with accidents from a seed on, each kind as often; no held-out combinations."""
    seeds = itertools.count(first)
    for accident in itertools.cycle(ACCIDENTS):
        found = (draw_scene(seed, accident=accident) for seed in seeds)
        yield next(s for s in found if possible(accident, s.attributes) and not held_out(s))


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
    odd: bool = False,
) -> int:
    """Render shards that are not there yet, until there are enough.

    Args:
        folder: Where to.
        clips: How many in all; rounded up to whole shards.
        part: This process's share of the shards, of `parts`.
        parts: How many processes render.
        device: Where to render.
        shard: How many clips are in each.
        first: The seed from which scenes are drawn.
        frames: Of each clip, which takes as long whatever their number.
        size: Its width and height in pixels.
        odd: Only clips with accidents, of each kind as many.

    Returns:
        How many shards there are.

    Raises:
        ValueError: Those that are there were rendered by another state of the world.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _check_world(folder)
    for number in range(part, -(-clips // shard), parts):
        path = folder / f"clips-{number:05d}.pt"
        if path.exists():
            continue
        # Shards draw from seeds far apart: no scene is in two of them.
        source = (odd_scenes if odd else scenes)(first + number * shard * 10)
        chosen = list(itertools.islice(source, shard))
        save(path, chosen, render_all(chosen, device=device, frames=frames, size=size))
    return len(list(folder.glob("clips-*.pt")))


def _check_world(folder: Path) -> None:
    """Raise where clips of another state of the world lie; clips of two worlds teach neither."""
    sources = (path.read_bytes() for path in _WORLD)
    now = hashlib.sha256(b"".join(sources)).hexdigest()
    kept = folder / "world.txt"
    before = kept.read_text() if kept.exists() else None
    if before == now:
        return
    if before is not None or any(folder.glob("clips-*.pt")):
        raise ValueError(
            f"{folder} has clips of another state of the world: move them away, with what was "
            f"learnt from them (judge-*.pt too), or write {now} into {kept} to go on with both."
        )
    with whole(kept) as file:  # the other processes that render look at it too
        file.write_text(now)


def render_there(folder: Path, clips: int, device: str, **more: int) -> int:
    """Render shards, as `render_shards` does (and takes): on a CPU a process a core."""
    workers = os.cpu_count() or 1 if device == "cpu" else _ON_A_GPU
    return render_beside(folder, clips, workers, device=device, **more)


def render_beside(folder: Path, clips: int, workers: int, **more: Any) -> int:
    """Render shards as `render_shards` does (and takes), in processes of one thread each.

    Threads that wait for each other on small arrays would use a second core to little avail.
    """
    context = multiprocessing.get_context("spawn")
    each = [
        context.Process(target=_work, args=(folder, clips, part, workers, more))
        for part in range(workers)
    ]
    for process in each:
        process.start()
    for process in each:
        process.join()
    if any(process.exitcode for process in each):
        raise RuntimeError("a process that renders has failed; what it said stands above.")
    return len(list(folder.glob("clips-*.pt")))


def _work(folder: Path, clips: int, part: int, parts: int, more: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    render_shards(folder, clips, part=part, parts=parts, **more)


def render_all(
    chosen: list[Scene],
    *,
    device: str | torch.device = "cpu",
    frames: int = FRAMES,
    size: int = SIZE,
) -> Tensor:
    """Render scenes in batches: clips x frames x height x width x 3, uint8, on the CPU."""
    many = BATCH if torch.device(device).type == "cpu" else _GPU_BATCH
    return torch.cat(
        [
            render(chosen[i : i + many], size, frames, device).cpu()
            for i in range(0, len(chosen), many)
        ]
    )


def save(path: Path, chosen: list[Scene], clips: Tensor) -> None:
    """Write clips with their scenes beside them, whole or not at all."""
    with whole(path) as file:
        torch.save(clips, file)
        truth = [asdict(scene) for scene in chosen]
        path.with_suffix(".json").write_text(json.dumps(truth))


def load(folder: Path) -> tuple[Tensor, list[Scene]]:
    """Load all shards of a folder.

    Returns:
        clips x frames x height x width x 3, uint8, and their scenes.

    Raises:
        FileNotFoundError: There are none.
    """
    paths = sorted(folder.glob("clips-*.pt"))
    if not paths:
        raise FileNotFoundError(f"{folder} has no clips-*.pt: run the stage `render` first.")
    return load_shards(paths)


def load_shards(paths: Sequence[Path]) -> tuple[Tensor, list[Scene]]:
    """Load some shards, as `load` does."""
    # Read into one place: two copies of all clips would not fit everywhere.
    shards = [stored.tensors(path, mmap=True) for path in paths]
    clips = torch.empty((sum(map(len, shards)), *shards[0].shape[1:]), dtype=torch.uint8)
    torch.cat(shards, out=clips)
    return clips, [scene for path in paths for scene in scenes_of(path)]


def scenes_of(shard: Path) -> list[Scene]:
    """Load the scenes of a shard without its clips."""
    return [Scene(**one) for one in json.loads(shard.with_suffix(".json").read_text())]
