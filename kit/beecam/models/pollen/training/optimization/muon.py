"""Muon for many small matrices: batched over those of the same shape.

For the sixty matrices of a small network torch's own Muon launches some 1,400 small operations a
step, and on a GPU launching them takes longer than computing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen.networks.precision import compute_dtype

_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_MATRIX = 2  # dimensions
_EPSILON = 1e-7


class Muon(torch.optim.Optimizer):
    """Orthogonalized momentum (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/).

    Equivalent to `torch.optim.Muon` with `adjust_lr_fn="match_rms_adamw"` (arXiv 2502.16982), in
    bfloat16 as there where the device multiplies it natively, and with the same state.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        rate: float,
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ) -> None:
        """Set up the optimizer.

        Args:
            matrices: Parameters of two dimensions each.
            rate: Learning rate, on the scale of AdamW's.
            momentum: Nesterov momentum coefficient.
            weight_decay: Decoupled weight decay coefficient.

        Raises:
            ValueError: A parameter does not have two dimensions.
        """
        parameters = list(matrices)
        for one in parameters:
            if one.ndim != _MATRIX:
                raise ValueError(f"matrices: one of shape {tuple(one.shape)}; two dimensions each")
        super().__init__(
            parameters, {"lr": rate, "momentum": momentum, "weight_decay": weight_decay}
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update all matrices that have a gradient."""
        if closure is not None:
            raise ValueError("closure: not supported; compute the loss before the step")
        for group in self.param_groups:
            same_shape: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    same_shape.setdefault(tuple(matrix.shape), []).append((matrix, matrix.grad))
            for pairs in same_shape.values():
                self._update([one for one, _ in pairs], [grad for _, grad in pairs], group)

    def _update(self, matrices: list[Tensor], grads: list[Tensor], group: dict[str, Any]) -> None:
        for matrix in matrices:
            if "momentum_buffer" not in self.state[matrix]:
                self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
        buffers = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
        torch._foreach_lerp_(buffers, grads, 1 - group["momentum"])
        ahead = torch._foreach_lerp(grads, buffers, group["momentum"])  # noqa: SLF001
        updates = orthogonalize(torch.stack(list(ahead)))
        rate: float = group["lr"]
        torch._foreach_mul_(matrices, 1 - rate * group["weight_decay"])
        scaled = 0.2 * math.sqrt(max(matrices[0].shape)) * rate
        torch._foreach_add_(matrices, list(updates.to(matrices[0].dtype).unbind()), alpha=-scaled)


def orthogonalize(matrices: Tensor) -> Tensor:
    """Return matrices with singular values near 1, by a quintic Newton-Schulz iteration.

    Args:
        matrices: (matrices, rows, columns).

    Returns:
        The same shape, in the compute dtype; singular values between about 0.7 and 1.2.
    """
    a, b, c = _QUINTIC
    wide = matrices.shape[1] <= matrices.shape[2]
    computed = matrices.to(compute_dtype(matrices.device.type))
    x = computed if wide else computed.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=_EPSILON)
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x if wide else x.mT
