"""What is counted when clips are judged, and compared."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def frechet(one: Tensor, other: Tensor, parts: int = 64) -> float:
    """Return the Fréchet distance of two sets of features (Heusel et al. 2017, arXiv 1706.08500).

    Args:
        one: clips x numbers.
        other: The same of other clips.
        parts: Features are first brought down to so many principal components of `one`, scaled
            alike, so that covariances of a few hundred clips are known.
    """
    mean = one.double().mean(0)
    _, spread, turn = torch.linalg.svd(one.double() - mean, full_matrices=False)
    parts = min(parts, len(spread), len(one) - 1)  # in one more direction they don't spread
    scale = spread[:parts] / len(one) ** 0.5 + 1e-6
    a, b = (((x.double() - mean) @ turn[:parts].T) / scale for x in (one, other))
    ca, cb = torch.cov(a.T), torch.cov(b.T)
    # The trace of the root of a product of covariances is the sum of its eigenvalues' roots.
    root = torch.linalg.eigvals(ca @ cb).real.clamp(min=0).sqrt().sum()
    apart = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return round(float((apart + ca.trace() + cb.trace() - 2 * root) / parts), 4)


def vendi(similarity: Tensor) -> float:
    """Return the effective number of unlike things: the exponential of the kernel's entropy."""
    values = torch.linalg.eigvalsh(similarity.double() / len(similarity)).clamp(min=1e-12)
    return float(torch.exp(-(values * values.log()).sum()))


def interval(right: int, many: int) -> dict[str, float]:
    """Return a share with its 95 % interval (Wilson 1927)."""
    if many == 0:
        return {"share": 0.0, "low": 0.0, "high": 1.0, "clips": 0}
    z, share = 1.96, right / many
    middle = (share + z**2 / (2 * many)) / (1 + z**2 / many)
    half = z / (1 + z**2 / many) * math.sqrt(share * (1 - share) / many + z**2 / (4 * many**2))
    return {
        "share": round(share, 4),
        "low": round(max(0.0, middle - half), 4),
        "high": round(middle + half, 4),
        "clips": many,
    }
