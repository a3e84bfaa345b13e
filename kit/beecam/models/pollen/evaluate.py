"""Judge pollen: `python -m beecam.models.pollen.evaluate`.

Classifiers that were trained on rendered clips only look at clips made from captions. They are
first judged themselves, on rendered clips that they have not seen. Prints a table and writes it as
JSON, with 95 % intervals (Wilson's).

Stages: `judges` trains the classifiers, `score` (the default) uses them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen import captions, codec, data, judges
from beecam.models.pollen.sampling import load_pipeline, make, picture
from beecam.models.pollen.scene import Scene

SCORES = Path(__file__).parent / "scores.json"
TARGETS = {"place": 0.95, "light": 0.95, "weather": 0.85, "insect": 0.85, "camera": 0.80,
           "style": 0.90}  # fmt: skip
JUDGE_TARGET = 0.97


def main(arguments: list[str] | None = None) -> None:
    """Train the judges, or score a set of weights."""
    from beecam.models.load import POLLEN

    parser = argparse.ArgumentParser(
        prog="python -m beecam.models.pollen.evaluate", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("stage", nargs="?", default="score", choices=["judges", "score"])
    parser.add_argument("--folder", type=Path, default=Path(".pollen"), help="of the training")
    parser.add_argument("--weights", type=Path, default=POLLEN)
    parser.add_argument("--clips", type=int, default=240, help="how many clips to make and judge")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--json", type=Path, default=None, help="where to write the scores")
    chosen = parser.parse_args(arguments)
    if chosen.stage == "judges":
        _train_judges(chosen.folder)
        return
    scores = score(chosen.weights, chosen.clips, chosen.steps, chosen.folder)
    print(table(scores))
    target = chosen.json or chosen.folder / "scores.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(scores, indent=1) + "\n")


def _train_judges(folder: Path) -> None:
    clips, scenes = data.load(folder / "clips")
    made = {name: judges.train_judge(name, clips, scenes, folder) for name in judges.JUDGED}
    judges.save(made)
    for name, (right, many) in judge_the_judges(made, 300).items():
        print(f"{name}: {right} of {many} unseen rendered clips", flush=True)


def unseen(many: int) -> tuple[Tensor, list[Scene]]:
    """Render clips that no training has seen, without accidents."""
    found = (s for s in data.scenes(data.UNSEEN) if s.accident is None)
    chosen = list(itertools.islice(found, many))
    return data.render_all(chosen), chosen


def judge_the_judges(
    each: Mapping[str, judges.Judge], many: int, clips: Tensor | None = None,
    scenes: Sequence[Scene] = (),
) -> dict[str, tuple[int, int]]:  # fmt: skip
    """Return for each judge how many unseen rendered clips it got right, and of how many."""
    if clips is None:
        clips, scenes = unseen(many)
    return {
        name: (
            int((judges.judge_all(judge, clips) == judges.truth(scenes, name)).sum()),
            len(clips),
        )
        for name, judge in each.items()
    }


def score(weights: Path, many: int, steps: int, folder: Path) -> dict[str, Any]:
    """Judge weights.

    Args:
        weights: A folder with a pipeline.
        many: How many clips to make; a quarter of them from held-out combinations.
        steps: Denoising steps.
        folder: Gets a picture of some clips.
    """
    each = judges.load()
    rendered, scenes = unseen(max(200, many))
    trusted = judge_the_judges(each, len(rendered), rendered, scenes)
    pipe = load_pipeline(weights)
    seen = list(itertools.islice(data.scenes(data.UNSEEN * 2), many - many // 4))
    held = list(itertools.islice(data.scenes(data.UNSEEN * 2, held=True), many // 4))
    asked = [*seen, *held]
    made = make(pipe, [captions.plain(s.attributes) for s in asked], steps)
    picture(made[:24], folder / "evaluation.png", columns=3)
    verdicts = {name: judges.judge_all(judge, made) == judges.truth(asked, name)
                for name, judge in each.items()}  # fmt: skip
    spoken = _free_captions(pipe, each, asked[: many // 4], steps)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"), "clips": many, "steps": steps,
        "command": f"python -m beecam.models.pollen.evaluate --clips {many} --steps {steps}",
        "judges": {name: interval(*counts) for name, counts in trusted.items()},
        "seen": {n: interval(int(v[: len(seen)].sum()), len(seen)) for n, v in verdicts.items()},
        "held_out": {
            n: interval(int(v[len(seen) :].sum()), len(held)) for n, v in verdicts.items()
        },
        "any_words": spoken,
        "psnr": psnr(pipe.vae, rendered[:64]),
        "diversity": diversity(pipe, steps),
    }  # fmt: skip


def _free_captions(
    pipe: Any, each: Mapping[str, judges.Judge], scenes: Sequence[Scene], steps: int
) -> dict[str, Any]:
    """Ask in the grammar's many words; only what a caption names is judged."""
    lot = random.Random(0)  # noqa: S311
    texts = [captions.caption(scene.attributes, lot) for scene in scenes]
    made = make(pipe, texts, steps, first_seed=10_000)
    out = {}
    for name, judge in each.items():
        right = judges.judge_all(judge, made) == judges.truth(scenes, name)
        said = [captions.WORDS[name][getattr(scene, name)] for scene in scenes]
        named = [i for i, text in enumerate(texts) if any(words in text for words in said[i])]
        out[name] = interval(int(right[named].sum()), len(named))
    return out


def psnr(vae: Any, clips: Tensor) -> float:
    """Return how near the autoencoder brings unseen clips back, in dB."""
    with torch.no_grad():
        back = [
            vae.decode(vae.encode(codec.to_video(some)).latent_dist.mean).sample
            for some in torch.split(clips, 16)
        ]
    return round(codec.nearness(torch.cat(back), clips), 2)


def diversity(pipe: Any, steps: int, prompts: int = 4, seeds: int = 6) -> dict[str, float]:
    """Return how unlike clips of one caption are: mean difference of two, in levels of 255."""
    scenes = list(itertools.islice(data.scenes(data.UNSEEN * 3), prompts))
    texts = [captions.plain(s.attributes) for s in scenes for _ in range(seeds)]
    made = make(pipe, texts, steps, first_seed=20_000)
    from beecam.models.pollen.scene import draw_scene

    fixed = [draw_scene(data.UNSEEN * 3 + 1000 + i * seeds + j, accident=None, **scene.attributes)
             for i, scene in enumerate(scenes) for j in range(seeds)]  # fmt: skip
    return {
        "generated": _spread(made, prompts, seeds),
        "rendered": _spread(data.render_all(fixed), prompts, seeds),
    }


def _spread(clips: Tensor, prompts: int, seeds: int) -> float:
    groups = clips.view(prompts, seeds, -1).float()
    pairs = [
        (group[i] - group[j]).abs().mean()
        for group in groups
        for i in range(seeds)
        for j in range(i)
    ]
    return round(float(torch.stack(pairs).mean()), 2)


def interval(right: int, many: int) -> dict[str, float]:
    """Return a share with its 95 % interval (Wilson 1927)."""
    if many == 0:
        return {"share": 0.0, "low": 0.0, "high": 1.0, "clips": 0}
    z, share = 1.96, right / many
    middle = (share + z**2 / (2 * many)) / (1 + z**2 / many)
    half = z / (1 + z**2 / many) * math.sqrt(share * (1 - share) / many + z**2 / (4 * many**2))
    return {"share": round(share, 4), "low": round(middle - half, 4),
            "high": round(middle + half, 4), "clips": many}  # fmt: skip


def table(scores: Mapping[str, Any]) -> str:
    """Return the scores as a table of text."""

    def cell(found: Mapping[str, float]) -> str:
        return f"{found['share']:6.1%} ({found['low']:.0%} to {found['high']:.0%})"

    heads = ("seen combinations", "held out", "any words", "the judge itself")
    lines = [f"{'attribute':10} {'target':>7}  " + " ".join(f"{head:22}" for head in heads)]
    lines += [
        f"{name:10} {TARGETS[name]:7.0%}  "
        + " ".join(
            f"{cell(scores[k][name]):22}" for k in ("seen", "held_out", "any_words", "judges")
        )
        for name in judges.JUDGED
    ]
    d = scores["diversity"]
    lines.append(f"autoencoder {scores['psnr']:.2f} dB; two seeds of one caption differ by "
                 f"{d['generated']:.1f} of 255 (rendered clips: {d['rendered']:.1f})")  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
