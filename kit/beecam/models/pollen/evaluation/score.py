"""Scores of a set of weights: classifiers on generated clips, and distances of clips."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen.evaluation import measures
from beecam.models.pollen.evaluation.classifiers import FILE, classify, features, labels, load
from beecam.models.pollen.networks.autoencoder import psnr, to_clips, to_video
from beecam.models.pollen.networks.classifier import SCORED, VALUES, Classifier
from beecam.models.pollen.networks.pipeline import (
    WEIGHTS,
    generate,
    load_pipeline,
    save_contact_sheet,
)
from beecam.models.pollen.networks.precision import autocast
from beecam.models.pollen.training import distillation
from beecam.models.pollen.world.captions import caption, named_values, plain_caption
from beecam.models.pollen.world.rendering.render import render_all
from beecam.models.pollen.world.scene import ACCIDENTS, ATTRIBUTES, Scene, draw_scene, possible
from beecam.models.pollen.world.splits import UNSEEN, scenes

_MIN_RENDERED = 200  # unseen clips on which the classifiers are measured


@dataclass(frozen=True)
class _Rendered:
    """Unseen rendered clips, and the second half of them, encoded and decoded."""

    clips: Tensor
    scenes: list[Scene]
    decoded: Tensor

    @property
    def half(self) -> int:
        return len(self.clips) // 2


def score(
    weights: Path,
    clips: int,
    steps: int,
    folder: Path,
    *,
    device: str = "cpu",
    file: Path = FILE,
) -> dict[str, Any]:
    """Return the scores of weights.

    Args:
        weights: A folder with a pipeline.
        clips: Number of clips to generate, a quarter of them of held-out combinations.
        steps: Denoising steps.
        folder: Folder for a contact sheet of some clips.
        device: Device to generate and classify on.
        file: The classifiers.
    """
    pipe = load_pipeline(weights).to(device)
    classifiers = load(file, device)
    rendered = _render(pipe, max(_MIN_RENDERED, clips // 2), device)
    seen = list(itertools.islice(scenes(UNSEEN * 2), clips - clips // 4))
    held = list(itertools.islice(scenes(UNSEEN * 2, held=True), clips // 4))
    requested = [*seen, *held]
    generated = _generate(pipe, [plain_caption(s.attributes) for s in requested], steps)
    save_contact_sheet(generated[:24], folder / "evaluation.png", columns=3)
    few = _few_steps_scores(weights, classifiers, requested[: clips // 2])
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "clips": clips,
        "steps": steps,
        "command": f"python -m beecam.models.pollen.evaluation --clips {clips} --steps {steps}"
        + (f" --weights {weights}" if weights != WEIGHTS else "")
        + (f" --classifiers {file}" if file != FILE else ""),
        **_classifier_scores(classifiers, rendered, device),
        **_caption_scores(classifiers, generated, seen, held),
        "any_words": _random_caption_scores(pipe, classifiers, requested[: clips // 4], steps),
        **({"few_steps": few} if few else {}),
        "accidents": accident_rates(classifiers["accident"], generated, requested),
        "autoencoder": fidelity(pipe.vae, rendered.clips[:64]),
        "frechet": _distances(classifiers, generated[: len(seen)], rendered),
        "diversity": diversity(pipe, classifiers, steps),
    }


def _render(pipe: Any, count: int, device: str) -> _Rendered:
    clips, of_clips = unseen(count, device)
    decoded = to_clips(_encode_and_decode(pipe.vae, clips[len(clips) // 2 :]))
    return _Rendered(clips, of_clips, decoded)


def _classifier_scores(
    classifiers: Mapping[str, Classifier], rendered: _Rendered, device: str
) -> dict[str, Any]:
    """Return how often classifiers are right on rendered clips, and on these after encoding."""
    scored = {name: classifiers[name] for name in SCORED}
    held, of_held = unseen(rendered.half, device, held=True)
    counts = {
        "classifiers": score_classifiers(
            classifiers, len(rendered.clips), rendered.clips, rendered.scenes
        ),
        "classifiers_held_out": score_classifiers(scored, 0, held, of_held),
        "autoencoded": score_classifiers(
            scored, 0, rendered.decoded, rendered.scenes[rendered.half :]
        ),
    }
    return {
        part: {name: measures.interval(*pair) for name, pair in found.items()}
        for part, found in counts.items()
    }


def _caption_scores(
    classifiers: Mapping[str, Classifier],
    generated: Tensor,
    seen: Sequence[Scene],
    held: Sequence[Scene],
) -> dict[str, Any]:
    """Return how often generated clips show what plain captions ask for.

    What an accident hides counts as wrong: no caption asks for an accident.
    """
    right = {
        name: classify(classifiers[name], generated) == labels([*seen, *held], name)
        for name in SCORED
    }
    parts = {"seen": slice(0, len(seen)), "held_out": slice(len(seen), None)}
    return {
        part: {
            name: measures.interval(int(found[where].sum()), len(found[where]))
            for name, found in right.items()
        }
        for part, where in parts.items()
    }


def unseen(
    count: int, device: str | torch.device = "cpu", *, held: bool = False, accidents: bool = False
) -> tuple[Tensor, list[Scene]]:
    """Render clips that no training has seen.

    Args:
        count: Number of clips.
        device: Device to render on.
        held: Only combinations that no training has seen.
        accidents: Only clips with accidents; by default only clips without.
    """
    found = (s for s in scenes(UNSEEN, held=held) if (s.accident is not None) == accidents)
    chosen = list(itertools.islice(found, count))
    return render_all(chosen, device=device), chosen


def score_classifiers(
    classifiers: Mapping[str, Classifier],
    count: int,
    clips: Tensor | None = None,
    of_clips: Sequence[Scene] = (),
) -> dict[str, tuple[int, int]]:
    """Return for each classifier how many unseen rendered clips it got right, and of how many.

    That of accidents also gets as many clips with an accident.

    Args:
        classifiers: The classifiers.
        count: Number of clips to render, unless there are `clips`.
        clips: Rendered clips.
        of_clips: Scenes of `clips`.
    """
    device = next(iter(classifiers.values())).device
    if clips is None:
        clips, of_clips = unseen(count, device)
    out = {}
    for name, classifier in classifiers.items():
        right = classify(classifier, clips) == labels(of_clips, name)
        if name == "accident":
            more, of_more = unseen(len(clips), device, accidents=True)
            right = torch.cat([right, classify(classifier, more) == labels(of_more, name)])
        out[name] = (int(right.sum()), len(right))
    return out


def _generate(pipe: Any, prompts: Sequence[str], steps: int, **options: Any) -> Tensor:
    """Generate clips, in bfloat16 where that is faster."""
    with autocast(pipe.device.type):
        return generate(pipe, prompts, steps, **options)


def accident_rates(
    classifier: Classifier, generated: Tensor, requested: Sequence[Scene]
) -> dict[str, Any]:
    """Return how often each accident is found in generated clips and in rendered ones.

    The same classifier looks at both, so that its mistakes count on both sides. Of accidents that
    require some attribute only clips whose caption has it count.

    Args:
        classifier: The classifier of accidents.
        generated: Generated clips.
        requested: Scenes of their captions.
    """
    drawn = list(itertools.islice(scenes(UNSEEN * 4), len(generated)))
    both = {
        "generated": (classify(classifier, generated), requested),
        "rendered": (_classify_rendered(classifier, drawn), drawn),
    }
    out: dict[str, Any] = {}
    for i, name in enumerate(VALUES["accident"][1:], 1):
        out[name] = {"world": ACCIDENTS[name]}
        for side, (found, of_clips) in both.items():
            can = torch.tensor([possible(name, scene.attributes) for scene in of_clips])
            out[name][side] = measures.interval(int((found[can] == i).sum()), int(can.sum()))
    return out


def _classify_rendered(classifier: Classifier, drawn: Sequence[Scene]) -> Tensor:
    parts = [drawn[i : i + 200] for i in range(0, len(drawn), 200)]
    return torch.cat(
        [classify(classifier, render_all(part, device=classifier.device)) for part in parts]
    )


def _distances(
    classifiers: Mapping[str, Classifier], generated: Tensor, rendered: _Rendered
) -> dict[str, float]:
    """Return Fréchet distances of the classifiers' features from those of rendered clips.

    All with the same number of clips: with fewer clips of the same kind the distance is larger.
    """
    half = min(rendered.half, len(generated))
    first = features(classifiers, rendered.clips[:half])
    return {
        "generated": measures.frechet(first, features(classifiers, generated[:half])),
        "autoencoder": measures.frechet(first, features(classifiers, rendered.decoded[:half])),
        "rendered": measures.frechet(first, features(classifiers, rendered.clips[-half:])),
    }


def _random_caption_scores(
    pipe: Any, classifiers: Mapping[str, Classifier], requested: Sequence[Scene], steps: int
) -> dict[str, Any]:
    """Return scores with random captions; only attributes that a caption names count."""
    rng = random.Random(0)
    texts = [caption(scene.attributes, rng) for scene in requested]
    generated = _generate(pipe, texts, steps, first_seed=10_000)
    out = {}
    for name in SCORED:
        right = classify(classifiers[name], generated) == labels(requested, name)
        column = list(ATTRIBUTES).index(name)
        values = [
            named_values(scene.attributes, text)[column]
            for scene, text in zip(requested, texts, strict=True)
        ]
        named = [i for i, value in enumerate(values) if value < len(ATTRIBUTES[name])]
        out[name] = measures.interval(int(right[named].sum()), len(named))
    return out


def _few_steps_scores(
    weights: Path, classifiers: Mapping[str, Classifier], requested: Sequence[Scene]
) -> dict[str, Any]:
    """Return scores with the LoRA for few steps, if the weights have one."""
    if not (weights / distillation.FOLDER).exists():
        return {}
    pipe = load_pipeline(weights).to(next(iter(classifiers.values())).device)
    pipe.load_lora_weights(weights / distillation.FOLDER)
    pipe.fuse_lora()
    texts = [plain_caption(s.attributes) for s in requested]
    generated = _generate(pipe, texts, distillation.STEPS, guidance=1.0)
    out = {}
    for name in SCORED:
        right = classify(classifiers[name], generated) == labels(requested, name)
        out[name] = measures.interval(int(right.sum()), len(requested))
    return out


def _encode_and_decode(vae: Any, clips: Tensor) -> Tensor:
    """Return decoded video of encoded clips: (clips, 3, frames, height, width), on the CPU."""
    with torch.no_grad():
        return torch.cat(
            [
                vae.decode(vae.encode(to_video(part).to(vae.device)).latent_dist.mean).sample.cpu()
                for part in torch.split(clips, 16)
            ]
        )


def fidelity(vae: Any, clips: Tensor) -> dict[str, float]:
    """Return how well the autoencoder reconstructs unseen clips.

    Returns:
        psnr: In dB.
        flicker: How much more brightness alternates from frame to frame than in the clip itself,
            mean over pixels, of 255.
    """
    decoded = _encode_and_decode(vae, clips)
    alternation = [
        video.clamp(-1, 1).mean(1).diff(n=2, dim=1).abs().mean() * 127.5
        for video in (decoded, to_video(clips))
    ]
    return {
        "psnr": round(psnr(decoded, clips), 2),
        "flicker": round(float(alternation[0] - alternation[1]), 3),
    }


def diversity(
    pipe: Any,
    classifiers: Mapping[str, Classifier],
    steps: int,
    *,
    prompts: int = 8,
    seeds: int = 12,
) -> dict[str, float]:
    """Return the effective number of different clips of one caption, mean over captions.

    The Vendi score (Friedman and Dieng 2022, arXiv 2210.02410) of the classifiers' features: 1 if
    all clips are the same, `seeds` if all are different. Similarity is a Gaussian of the distance,
    as wide as the distance of rendered clips of one caption.

    Args:
        pipe: The pipeline.
        classifiers: Their features are compared.
        steps: Denoising steps.
        prompts: Number of captions.
        seeds: Clips per caption.
    """
    chosen = list(itertools.islice(scenes(UNSEEN * 3), prompts))
    texts = [plain_caption(s.attributes) for s in chosen for _ in range(seeds)]
    found = features(classifiers, _generate(pipe, texts, steps, first_seed=20_000))
    drawn = [
        draw_scene(UNSEEN * 3 + 1000 + i * seeds + j, accident=None, **scene.attributes)
        for i, scene in enumerate(chosen)
        for j in range(seeds)
    ]
    real = features(classifiers, render_all(drawn, device=pipe.device))
    real, found = ((x - real.mean(0)) / (real.std(0) + 1e-3) for x in (real, found))
    groups = real.view(prompts, seeds, -1), found.view(prompts, seeds, -1)
    wide = float(torch.cdist(groups[0], groups[0]).square().sum() / (prompts * seeds * (seeds - 1)))
    rendered, generated = (
        sum(measures.vendi(torch.exp(-torch.cdist(g, g).square() / wide)) for g in group) / prompts
        for group in groups
    )
    return {
        "generated": round(generated, 2),
        "rendered": round(rendered, 2),
        "share": round(generated / rendered, 3),
    }
