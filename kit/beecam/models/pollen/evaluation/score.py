"""Judge pollen: `python -m beecam.models.pollen.evaluation`.

Classifiers that were trained on rendered clips only look at clips made from captions. They are
first judged themselves, on rendered clips that they have not seen. Prints a table and writes it as
JSON, with 95 % intervals (Wilson's).

Stages: `judges` trains the classifiers, `score` (the default) uses them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen.evaluation import classifiers as judges
from beecam.models.pollen.evaluation import measures
from beecam.models.pollen.networks import autoencoder as codec
from beecam.models.pollen.networks import text_encoder as reading
from beecam.models.pollen.networks.pipeline import load_pipeline, make, picture
from beecam.models.pollen.networks.precision import autocast
from beecam.models.pollen.training import distillation as fewsteps
from beecam.models.pollen.training.command_line.arguments import (
    count,
    device,
    existing_file,
    file_to_write,
    folder,
    only_of,
    weights_folder,
)
from beecam.models.pollen.training.data import clips as data
from beecam.models.pollen.world import captions
from beecam.models.pollen.world.scene import ACCIDENTS, ATTRIBUTES, Scene, draw_scene, possible

SCORES = Path(__file__).parent / "scores.json"
_LEAST_RENDERED = 200  # unseen clips that the judges are judged on
_ONLY_OF = {
    "only": ("judges",),
    "from_judges": ("judges",),
    "stills": ("judges",),
    "moving": ("judges",),
    "odd": ("judges",),
    "usual": ("judges",),
    "judges": ("score",),
    "weights": ("score",),
    "clips": ("score",),
    "steps": ("score",),
    "json": ("score",),
}
# Further scenes of a kind, for these judges: the first seed, and how they are rendered.
_MORE_SCENES: Mapping[str, tuple[Sequence[str], int, Mapping[str, int]]] = {
    "stills": (judges.STILL, data.UNSEEN // 2, {"frames": judges.STILL_FRAMES}),
    "moving": (
        (judges.MOVING,),
        data.UNSEEN // 4,
        {"frames": judges.MOVING_FRAMES, "size": judges.MOVING_PIXELS},
    ),
    "usual": (("accident",), data.UNSEEN // 32, {"frames": judges.ODD_FRAMES}),
    "odd": (("accident",), data.UNSEEN // 8, {"frames": judges.ODD_FRAMES, "odd": True}),
}
TARGETS = {
    "place": 0.95,
    "light": 0.95,
    "weather": 0.85,
    "insect": 0.85,
    "camera": 0.80,
    "style": 0.90,
}


def main(arguments: list[str] | None = None) -> None:
    """Train the judges, or score a set of weights."""
    chosen = _chosen(arguments)
    if chosen.device != "cpu":
        torch.backends.cudnn.benchmark = True
    if chosen.stage == "judges":
        _train_judges(chosen)
        return
    scores = score(
        chosen.weights,
        chosen.clips,
        chosen.steps,
        chosen.folder,
        device=chosen.device,
        by=chosen.judges,
    )
    print(table(scores))
    target = chosen.json or chosen.folder / "scores.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(scores, indent=1) + "\n")


def _chosen(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line, and end with a sentence where it can't be done."""
    from beecam.models.load import POLLEN

    parser = argparse.ArgumentParser(
        prog="python -m beecam.models.pollen.evaluation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", nargs="?", default="score", choices=["judges", "score"])
    parser.add_argument("--folder", type=folder, default=Path(".pollen"), help="of the training")
    parser.add_argument("--weights", type=weights_folder, default=POLLEN)
    parser.add_argument(
        "--clips", type=count(8), default=240, help="how many clips to make and judge"
    )
    parser.add_argument(
        "--stills", type=count(0), default=8000, help="further scenes for the judges"
    )
    parser.add_argument("--moving", type=count(0), default=16000, help="and small clips")
    parser.add_argument("--usual", type=count(0), default=6000, help="and clips as they come")
    parser.add_argument("--odd", type=count(0), default=6000, help="and clips with accidents")
    parser.add_argument(
        "--judges", type=existing_file, default=judges.FILE, help="score by those of this file"
    )
    parser.add_argument(
        "--from-judges",
        type=existing_file,
        help="let the judges of this file learn on, with these clips",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(judges.VALUES),
        metavar="JUDGE",
        help="train these judges; a file of all of them is written with --from-judges, which has "
        "the others",
    )
    parser.add_argument("--steps", type=count(1), default=20)
    parser.add_argument(
        "--device", type=device, default="cuda" if torch.cuda.is_available() else "cpu"
    )
    parser.add_argument("--json", type=file_to_write, help="where to write the scores")
    chosen = parser.parse_args(arguments)
    only_of(parser, chosen, _ONLY_OF)
    return chosen


def _train_judges(chosen: argparse.Namespace) -> None:
    others = judges.load(chosen.from_judges) if chosen.from_judges else {}
    made = {
        name: _train_judge(name, chosen, others.get(name)) for name in chosen.only or judges.VALUES
    }
    every = {**others, **made}
    if len(every) == len(judges.VALUES):
        file = chosen.folder / judges.FILE.name
        judges.save(every, file)
        print(f"{file}: score with --judges, or put it beside this program", flush=True)
    else:
        print(
            "run it without --only, with the same other options, to keep all judges in one file",
            flush=True,
        )
    for name, (right, many) in judge_the_judges(made, 300).items():
        print(f"{name}: {right} of {many} unseen rendered clips", flush=True)


def _train_judge(name: str, chosen: argparse.Namespace, start: judges.Judge | None) -> judges.Judge:
    """Train one judge; from more scenes than the model, those of which it needs to see little."""
    folder, device = chosen.folder, chosen.device
    clips, scenes = data.load(folder / "clips")
    clips = judges.moving(clips) if name == judges.MOVING else judges.looked_at(clips, name)
    for kind, (those, first, how) in _MORE_SCENES.items():
        many = getattr(chosen, kind)
        if name in those and many:
            data.render_there(folder / kind, many, device, first=first, **how)
            more, of_more = data.load(folder / kind)
            clips = torch.cat([clips, judges.looked_at(more, name)])
            scenes += of_more
    return judges.train_judge(name, clips, scenes, folder, device, start=start)


def unseen(
    many: int, device: str | torch.device = "cpu", *, held: bool = False, odd: bool = False
) -> tuple[Tensor, list[Scene]]:
    """Render clips that no training has seen.

    Args:
        many: How many.
        device: Where to.
        held: Only of combinations that no training has seen.
        odd: Only with accidents, which the others haven't.
    """
    found = (s for s in data.scenes(data.UNSEEN, held=held) if (s.accident is not None) == odd)
    chosen = list(itertools.islice(found, many))
    return data.render_all(chosen, device=device), chosen


def judge_the_judges(
    each: Mapping[str, judges.Judge],
    many: int,
    clips: Tensor | None = None,
    scenes: Sequence[Scene] = (),
) -> dict[str, tuple[int, int]]:
    """Return for each judge how many unseen rendered clips it got right, and of how many.

    That of accidents is shown as many again, all of which have one.
    """
    device = next(iter(each.values())).device
    if clips is None:
        clips, scenes = unseen(many, device)
    out = {}
    for name, judge in each.items():
        right = judges.judge_all(judge, clips) == judges.truth(scenes, name)
        if name == "accident":
            odd, of_odd = unseen(len(clips), device, odd=True)
            more = judges.judge_all(judge, odd) == judges.truth(of_odd, name)
            right = torch.cat([right, more])
        out[name] = (int(right.sum()), len(right))
    return out


def score(
    weights: Path,
    many: int,
    steps: int,
    folder: Path,
    *,
    device: str = "cpu",
    by: Path = judges.FILE,
) -> dict[str, Any]:
    """Judge weights.

    Args:
        weights: A folder with a pipeline.
        many: How many clips to make; a quarter of them from held-out combinations.
        steps: Denoising steps.
        folder: Gets a picture of some clips.
        device: Where to make and to judge.
        by: The judges' file.
    """
    from beecam.models.load import POLLEN

    pipe = load_pipeline(weights).to(device)
    each = judges.load(by, device)
    rendered, scenes = unseen(max(_LEAST_RENDERED, many // 2), device)
    trusted = judge_the_judges(each, len(rendered), rendered, scenes)
    strange, of_strange = unseen(len(rendered) // 2, device, held=True)
    asked_for = {name: each[name] for name in judges.JUDGED}
    abroad = judge_the_judges(asked_for, 0, strange, of_strange)
    seen = list(itertools.islice(data.scenes(data.UNSEEN * 2), many - many // 4))
    held = list(itertools.islice(data.scenes(data.UNSEEN * 2, held=True), many // 4))
    asked = [*seen, *held]
    made = _made(pipe, [captions.plain(s.attributes) for s in asked], steps)
    picture(made[:24], folder / "evaluation.png", columns=3)
    # What an accident hides is judged as if it were wrong: a caption didn't ask for it.
    verdicts = {
        name: judges.judge_all(each[name], made) == judges.truth(asked, name)
        for name in judges.JUDGED
    }
    spoken = _free_captions(pipe, each, asked[: many // 4], steps)
    few = _in_few_steps(weights, each, asked[: many // 2])
    half = len(rendered) // 2
    back = codec.to_clips(_brought_back(pipe.vae, rendered[half:]))
    encoded = judge_the_judges(asked_for, 0, back, scenes[half:])
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "clips": many,
        "steps": steps,
        "command": f"python -m beecam.models.pollen.evaluation --clips {many} --steps {steps}"
        + (f" --weights {weights}" if weights != POLLEN else "")
        + (f" --judges {by}" if by != judges.FILE else ""),
        "judges": {name: measures.interval(*counts) for name, counts in trusted.items()},
        "judges_held_out": {name: measures.interval(*counts) for name, counts in abroad.items()},
        "seen": {
            n: measures.interval(int(v[: len(seen)].sum()), len(seen)) for n, v in verdicts.items()
        },
        "held_out": {
            n: measures.interval(int(v[len(seen) :].sum()), len(held)) for n, v in verdicts.items()
        },
        "autoencoded": {name: measures.interval(*counts) for name, counts in encoded.items()},
        "any_words": spoken,
        **({"few_steps": few} if few else {}),
        "accidents": accidents(each["accident"], made, asked),
        "autoencoder": fidelity(pipe.vae, rendered[:64]),
        "frechet": _distances(each, made[: len(seen)], rendered, back),
        "diversity": diversity(pipe, each, steps),
    }


def _made(pipe: Any, texts: Sequence[str], steps: int, **more: Any) -> Tensor:
    """Make clips as `make` does, in bfloat16 where that is quicker: a thousand take a while."""
    with autocast(pipe.device.type):
        return make(pipe, texts, steps, **more)


def accidents(judge: judges.Judge, made: Tensor, asked: Sequence[Scene]) -> dict[str, Any]:
    """Compare how often each accident is seen in generated clips and in rendered ones.

    The same judge looks at both, so that what it mistakes counts on both sides. Of accidents that
    need something only clips count whose caption has it.
    """
    world = itertools.islice(data.scenes(data.UNSEEN * 4), len(made))
    drawn = list(world)
    both = {
        "generated": (judges.judge_all(judge, made), asked),
        "rendered": (_judged_in_parts(judge, drawn), drawn),
    }
    out: dict[str, Any] = {}
    for i, name in enumerate(judges.VALUES["accident"][1:], 1):
        out[name] = {"world": ACCIDENTS[name]}
        for side, (verdicts, scenes) in both.items():
            can = torch.tensor([possible(name, scene.attributes) for scene in scenes])
            out[name][side] = measures.interval(int((verdicts[can] == i).sum()), int(can.sum()))
    return out


def _judged_in_parts(judge: judges.Judge, scenes: Sequence[Scene]) -> Tensor:
    parts = [list(scenes[i : i + 200]) for i in range(0, len(scenes), 200)]
    return torch.cat(
        [judges.judge_all(judge, data.render_all(part, device=judge.device)) for part in parts]
    )


def _distances(
    each: Mapping[str, judges.Judge], made: Tensor, rendered: Tensor, back: Tensor
) -> dict[str, float]:
    """Measure Fréchet distances on the judges' features: of the model, and the autoencoder's.

    All between as many clips: of fewer clips of the same kind the distance is larger.

    Args:
        each: The judges.
        made: What the model made.
        rendered: Unseen clips.
        back: The second half of these, encoded and decoded.
    """
    half = min(len(rendered) // 2, len(made))
    first = judges.features(each, rendered[:half])
    return {
        "generated": measures.frechet(first, judges.features(each, made[:half])),
        "autoencoder": measures.frechet(first, judges.features(each, back[:half])),
        "rendered": measures.frechet(first, judges.features(each, rendered[-half:])),
    }


def _free_captions(
    pipe: Any, each: Mapping[str, judges.Judge], scenes: Sequence[Scene], steps: int
) -> dict[str, Any]:
    """Ask in the grammar's many words; only what a caption names is judged."""
    lot = random.Random(0)  # noqa: S311
    texts = [captions.caption(scene.attributes, lot) for scene in scenes]
    made = _made(pipe, texts, steps, first_seed=10_000)
    out = {}
    for name in judges.JUDGED:
        right = judges.judge_all(each[name], made) == judges.truth(scenes, name)
        at = list(ATTRIBUTES).index(name)
        said = [
            reading.said(scene.attributes, text)[at]
            for scene, text in zip(scenes, texts, strict=True)
        ]
        named = [i for i, value in enumerate(said) if value < len(ATTRIBUTES[name])]
        out[name] = measures.interval(int(right[named].sum()), len(named))
    return out


def _in_few_steps(
    weights: Path, each: Mapping[str, judges.Judge], scenes: Sequence[Scene]
) -> dict[str, Any]:
    """Judge what the LoRA for few steps makes, if there is one, of the same captions."""
    if not (weights / fewsteps.FOLDER).exists():
        return {}
    pipe = load_pipeline(weights).to(next(iter(each.values())).device)
    pipe.load_lora_weights(weights / fewsteps.FOLDER)
    pipe.fuse_lora()
    texts = [captions.plain(s.attributes) for s in scenes]
    made = _made(pipe, texts, fewsteps.STEPS, guidance=1.0)
    out = {}
    for name in judges.JUDGED:
        right = judges.judge_all(each[name], made) == judges.truth(scenes, name)
        out[name] = measures.interval(int(right.sum()), len(scenes))
    return out


def _brought_back(vae: Any, clips: Tensor) -> Tensor:
    """Encode and decode clips: clips x 3 x frames x height x width, -1 to 1, on the CPU."""
    with torch.no_grad():
        return torch.cat(
            [
                vae.decode(
                    vae.encode(codec.to_video(some).to(vae.device)).latent_dist.mean
                ).sample.cpu()
                for some in torch.split(clips, 16)
            ]
        )


def fidelity(vae: Any, clips: Tensor) -> dict[str, float]:
    """Return how the autoencoder brings unseen clips back.

    Returns:
        psnr: In dB.
        flicker: How far brightness goes up and down from frame to frame more than in the clip
            itself, mean over pixels, of 255.
    """
    back = _brought_back(vae, clips)
    restless = [
        video.clamp(-1, 1).mean(1).diff(n=2, dim=1).abs().mean() * 127.5
        for video in (back, codec.to_video(clips))
    ]
    return {
        "psnr": round(codec.nearness(back, clips), 2),
        "flicker": round(float(restless[0] - restless[1]), 3),
    }


def diversity(
    pipe: Any, each: Mapping[str, judges.Judge], steps: int, prompts: int = 8, seeds: int = 12
) -> dict[str, float]:
    """Return how many unlike clips the seeds of one caption give, mean over captions.

    The Vendi score (Friedman and Dieng 2022, arXiv 2210.02410) on the judges' features: 1 where
    all are the same, `seeds` where none is like another. Similarity is a Gaussian of the distance,
    as wide as rendered clips of one caption are apart.
    """
    scenes = list(itertools.islice(data.scenes(data.UNSEEN * 3), prompts))
    texts = [captions.plain(s.attributes) for s in scenes for _ in range(seeds)]
    made = judges.features(each, _made(pipe, texts, steps, first_seed=20_000))
    fixed = [
        draw_scene(data.UNSEEN * 3 + 1000 + i * seeds + j, accident=None, **scene.attributes)
        for i, scene in enumerate(scenes)
        for j in range(seeds)
    ]
    drawn = judges.features(each, data.render_all(fixed, device=pipe.device))
    drawn, made = ((x - drawn.mean(0)) / (drawn.std(0) + 1e-3) for x in (drawn, made))
    groups = drawn.view(prompts, seeds, -1), made.view(prompts, seeds, -1)
    wide = float(torch.cdist(groups[0], groups[0]).square().sum() / (prompts * seeds * (seeds - 1)))
    real, ours = (
        sum(measures.vendi(torch.exp(-torch.cdist(g, g).square() / wide)) for g in group) / prompts
        for group in groups
    )
    return {"generated": round(ours, 2), "rendered": round(real, 2), "share": round(ours / real, 3)}


def table(scores: Mapping[str, Any]) -> str:
    """Return the scores as a table of text."""

    def cell(found: Mapping[str, float]) -> str:
        return f"{found['share']:6.1%} ({found['low']:.0%} to {found['high']:.0%})"

    heads = {
        "seen": "seen combinations",
        "held_out": "held out",
        "any_words": "any words",
        "few_steps": f"in {fewsteps.STEPS} steps",
        "autoencoded": "rendered, encoded",
        "judges": "the judge itself",
        "judges_held_out": "the judge, held out",
    }
    heads = {key: head for key, head in heads.items() if key in scores}
    lines = [
        f"{'attribute':10} {'target':>7}  " + " ".join(f"{head:22}" for head in heads.values())
    ]
    lines += [
        f"{name:10} {TARGETS[name]:7.0%}  "
        + " ".join(f"{cell(scores[key][name]):22}" for key in heads)
        for name in judges.JUDGED
    ]
    lines += ["", f"{'accident':14} {'world':>6}  {'generated':22} {'rendered':22}"]
    lines += [
        f"{name:14} {found['world']:6.1%}  {cell(found['generated']):22} "
        f"{cell(found['rendered']):22}"
        for name, found in scores["accidents"].items()
    ]
    d, f = scores["diversity"], scores["frechet"]
    kept = scores["autoencoder"]
    lines.append(f"\nautoencoder {kept['psnr']:.2f} dB, flicker {kept['flicker']:+.2f} of 255")
    lines.append(
        f"unlike clips over 12 seeds (Vendi) {d['generated']:.2f}, of the world "
        f"{d['rendered']:.2f}: {d['share']:.0%}"
    )
    lines.append(
        f"Fréchet distance {f['generated']:.3f}, of the autoencoder "
        f"{f['autoencoder']:.3f}, of rendered clips {f['rendered']:.3f}"
    )
    return "\n".join(lines)
