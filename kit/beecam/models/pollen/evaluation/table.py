"""The scores as a table of text, beside their targets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from beecam.models.pollen.networks.classifier import SCORED
from beecam.models.pollen.training import distillation

SCORES = Path(__file__).parent / "scores.json"  # of the weights that ship
TARGETS = {
    "place": 0.95,
    "light": 0.95,
    "weather": 0.85,
    "insect": 0.85,
    "camera": 0.80,
    "style": 0.90,
}


def table(scores: Mapping[str, Any]) -> str:
    """Return scores as a table of text.

    >>> import json
    >>> print(table(json.loads(SCORES.read_text())))  # doctest: +ELLIPSIS
    attribute   target  seen combinations ...
    """

    def cell(found: Mapping[str, float]) -> str:
        return f"{found['share']:6.1%} ({found['low']:.0%} to {found['high']:.0%})"

    heads = {
        "seen": "seen combinations",
        "held_out": "held out",
        "any_words": "any words",
        "few_steps": f"in {distillation.STEPS} steps",
        "autoencoded": "rendered, encoded",
        "classifiers": "classifier itself",
        "classifiers_held_out": "classifier, held out",
    }
    heads = {key: head for key, head in heads.items() if key in scores}
    lines = [
        f"{'attribute':10} {'target':>7}  " + " ".join(f"{head:22}" for head in heads.values())
    ]
    lines += [
        f"{name:10} {TARGETS[name]:7.0%}  "
        + " ".join(f"{cell(scores[key][name]):22}" for key in heads)
        for name in SCORED
    ]
    lines += ["", f"{'accident':14} {'world':>6}  {'generated':22} {'rendered':22}"]
    lines += [
        f"{name:14} {found['world']:6.1%}  {cell(found['generated']):22} "
        f"{cell(found['rendered']):22}"
        for name, found in scores["accidents"].items()
    ]
    diversity, frechet = scores["diversity"], scores["frechet"]
    autoencoder = scores["autoencoder"]
    lines.append(
        f"\nautoencoder {autoencoder['psnr']:.2f} dB, flicker {autoencoder['flicker']:+.2f} of 255"
    )
    lines.append(
        f"different clips of 12 seeds (Vendi) {diversity['generated']:.2f}, of the world "
        f"{diversity['rendered']:.2f}: {diversity['share']:.0%}"
    )
    lines.append(
        f"Fréchet distance {frechet['generated']:.3f}, of the autoencoder "
        f"{frechet['autoencoder']:.3f}, of rendered clips {frechet['rendered']:.3f}"
    )
    return "\n".join(lines)
