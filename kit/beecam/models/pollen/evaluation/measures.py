"""Statistics of the evaluation: distances, diversity and intervals."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def frechet(one: Tensor, other: Tensor, parts: int = 64) -> float:
    """Return the Fréchet distance of two sets of features (Heusel et al. 2017, arXiv 1706.08500).

    Args:
        one: (clips, features).
        other: (clips, features), of other clips.
        parts: Features are first projected to so count whitened principal components of `one`, so
            that a few hundred clips are enough for covariances.
    """
    mean = one.double().mean(0)
    _, spread, turn = torch.linalg.svd(one.double() - mean, full_matrices=False)
    parts = min(parts, len(spread), len(one) - 1)  # the rank of centred features
    scale = spread[:parts] / len(one) ** 0.5 + 1e-6
    a, b = (((x.double() - mean) @ turn[:parts].T) / scale for x in (one, other))
    ca, cb = torch.cov(a.T), torch.cov(b.T)
    # The trace of a matrix root is the sum of the roots of its eigenvalues.
    root = torch.linalg.eigvals(ca @ cb).real.clamp(min=0).sqrt().sum()
    apart = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return round(float((apart + ca.trace() + cb.trace() - 2 * root) / parts), 4)


def vendi(similarity: Tensor) -> float:
    """Return the effective number of different things: the exponential of the kernel's entropy.

    Args:
        similarity: A kernel matrix with ones on the diagonal, (things, things).
    """
    values = torch.linalg.eigvalsh(similarity.double() / len(similarity)).clamp(min=1e-12)
    return float(torch.exp(-(values * values.log()).sum()))


def interval(right: int, count: int) -> dict[str, float]:
    """Return a share with its 95 % interval (Wilson 1927).

    >>> interval(90, 100)["share"]
    0.9

    Args:
        right: Number of successes.
        count: Number of trials.
    """
    if count == 0:
        return {"share": 0.0, "low": 0.0, "high": 1.0, "clips": 0}
    z, share = 1.96, right / count
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return {
        "share": round(share, 4),
        "low": round(max(0.0, middle - half), 4),
        "high": round(middle + half, 4),
        "clips": count,
    }
