"""Muon for many small matrices: those of a shape go through it together.

A step of a small network has sixty matrices, for which torch's own Muon, one after the
other, needs some 1,400 small operations, which on a GPU take longer than what they compute.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen.networks.precision import number

_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_LEAST = 1e-7


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/).

    Does what `torch.optim.Muon` does with `adjust_lr_fn="match_rms_adamw"` (arXiv 2502.16982), in
    bfloat16 as there where the device has it, and keeps the same state.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        rate: float,
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ) -> None:
        """Take matrices in.

        Args:
            matrices: Of two dimensions each.
            rate: The learning rate, that of AdamW for as large a change.
            momentum: Share of what was that is kept, Nesterov's.
            weight_decay: Times the rate, taken from the weights at each step.

        Raises:
            ValueError: One of them isn't of two dimensions.
        """
        given = list(matrices)
        for one in given:
            if one.ndim != 2:  # noqa: PLR2004
                raise ValueError(f"matrices: one of shape {tuple(one.shape)}; two dimensions each")
        super().__init__(given, {"lr": rate, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Move all matrices that have a gradient."""
        if closure is not None:
            raise ValueError("closure: call it before the step; Muon needs no second look")
        for group in self.param_groups:
            alike: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike.setdefault(tuple(matrix.shape), []).append((matrix, matrix.grad))
            for pairs in alike.values():
                self._move([one for one, _ in pairs], [grad for _, grad in pairs], group)

    def _move(self, matrices: list[Tensor], grads: list[Tensor], group: dict[str, Any]) -> None:
        for matrix in matrices:
            if "momentum_buffer" not in self.state[matrix]:
                self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
        kept = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
        torch._foreach_lerp_(kept, grads, 1 - group["momentum"])
        ahead = torch._foreach_lerp(grads, kept, group["momentum"])  # noqa: SLF001
        turned = orthogonal(torch.stack(list(ahead)))
        rate: float = group["lr"]
        torch._foreach_mul_(matrices, 1 - rate * group["weight_decay"])
        scaled = 0.2 * math.sqrt(max(matrices[0].shape)) * rate
        torch._foreach_add_(matrices, list(turned.to(matrices[0].dtype).unbind()), alpha=-scaled)


def orthogonal(matrices: Tensor) -> Tensor:
    """Bring all singular values near 1, by Newton and Schulz's iteration of the fifth order.

    Args:
        matrices: many x rows x columns.

    Returns:
        As many, in bfloat16 or what stands for it; singular values between about 0.7 and 1.2.
    """
    a, b, c = _QUINTIC
    wide = matrices.shape[1] <= matrices.shape[2]
    computed = matrices.to(number(matrices.device.type))
    x = computed if wide else computed.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=_LEAST)
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x if wide else x.mT
