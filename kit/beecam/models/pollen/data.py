"""Rendered clips on disk, in shards of uint8, for the programs that train and evaluate."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen.scene import Scene, draw_scene, held_out
from beecam.models.pollen.world import render

SHARD = 250
BATCH = 2  # small arrays are handed out again, large ones are cleared by the kernel each time
# Seeds from here on are never trained on.
UNSEEN = 1_000_000_000


def scenes(first: int = 0, *, held: bool = False) -> Iterator[Scene]:
    """Yield scenes from a seed on; only held-out combinations, or only the others."""
    for seed in itertools.count(first):
        scene = draw_scene(seed)
        if held_out(scene) == held:
            yield scene


def render_shards(folder: Path, clips: int, *, part: int = 0, parts: int = 1, device: str = "cpu",
                  seconds: float = float("inf")) -> int:  # fmt: skip
    """Render shards that are not there yet, until there are enough or the time is over.

    Args:
        folder: Where to.
        clips: How many in all; rounded up to whole shards.
        part: This process's share of the shards, of `parts`.
        parts: How many processes render.
        device: Where to render.
        seconds: Start no shard after so long.

    Returns:
        How many shards there are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + seconds
    for shard in range(part, -(-clips // SHARD), parts):
        path = folder / f"clips-{shard:05d}.pt"
        if path.exists():
            continue
        if time.monotonic() > until:
            break
        # Shards draw from seeds far apart: no scene is in two of them.
        chosen = list(itertools.islice(scenes(shard * SHARD * 10), SHARD))
        save(path, chosen, render_all(chosen, device=device))
    return len(list(folder.glob("clips-*.pt")))


def render_all(chosen: list[Scene], *, device: str = "cpu") -> Tensor:
    """Render scenes in batches: clips x frames x height x width x 3, uint8, on the CPU."""
    size = BATCH if device == "cpu" else 100 * BATCH
    return torch.cat([
        render(chosen[i : i + size], device=device).cpu() for i in range(0, len(chosen), size)
    ])  # fmt: skip


def save(path: Path, chosen: list[Scene], clips: Tensor) -> None:
    """Write clips with their scenes beside them, whole or not at all."""
    temporary = path.with_suffix(".part")
    torch.save(clips, temporary)
    truth = [asdict(scene) for scene in chosen]
    path.with_suffix(".json").write_text(json.dumps(truth))
    temporary.replace(path)


def load(folder: Path, limit: int | None = None) -> tuple[Tensor, list[Scene]]:
    """Load all shards of a folder.

    Args:
        folder: Where they are.
        limit: At most so many shards.

    Returns:
        clips x frames x height x width x 3, uint8, and their scenes.

    Raises:
        FileNotFoundError: There are none.
    """
    paths = sorted(folder.glob("clips-*.pt"))[:limit]
    if not paths:
        raise FileNotFoundError(f"{folder} has no clips-*.pt: run the stage `render` first.")
    # Read into one place: two copies of all clips would not fit everywhere.
    shards = [torch.load(path, weights_only=True, mmap=True) for path in paths]
    clips = torch.empty((sum(map(len, shards)), *shards[0].shape[1:]), dtype=torch.uint8)
    torch.cat(shards, out=clips)
    found: list[dict[str, Any]] = []
    for path in paths:
        found += json.loads(path.with_suffix(".json").read_text())
    return clips, [Scene(**one) for one in found]
