"""A training loop that can stop at any step and go on to the same bits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

LOG_EVERY = 50
SAVE_SECONDS = 180.0
_WARM_UP = 100
_CLIP = 1.0
_MEASURED_STEPS = 20


class Loop:
    """Modules, their optimizer, an average of their weights and the lots, in one checkpoint.

    The learning rate is constant after a short warm-up, so that training can always go on; a
    `finish` lets it fall to zero over the steps of one call, which is what makes good weights to
    export. Steps, not seconds, decide it, so that a resumed finish is the same finish.

    Attributes:
        step: Steps done.
        generator: The CPU generator from which every lot of the training is drawn.
        average: Exponential moving average of all parameters, in float32.
    """

    def __init__(
        self, modules: Mapping[str, nn.Module], path: Path, *, rate: float,
        betas: tuple[float, float], decay: float, device: str = "cpu", seed: int = 0,
    ) -> None:  # fmt: skip
        self.modules = {name: module.to(device) for name, module in modules.items()}
        self.path = path
        self.device = device
        self.step = 0
        self.generator = torch.Generator().manual_seed(seed)
        self._rate = rate
        self._decay = decay
        self._finish: tuple[int, int] | None = None
        self._parameters: list[Tensor] = [p for m in self.modules.values() for p in m.parameters()]
        self._optimizer = torch.optim.AdamW(
            self._parameters, rate, betas=betas, weight_decay=0.01, fused=True
        )
        self.average = [p.detach().clone() for p in self._parameters]
        self._log = path.with_suffix(".jsonl")
        self._smooth: float | None = None

    def resume(self) -> bool:
        """Go on from the checkpoint; return whether there was one."""
        if not self.path.exists():
            return False
        kept = torch.load(self.path, map_location="cpu", weights_only=True)
        for name, module in self.modules.items():
            module.load_state_dict(kept["modules"][name])
        self._optimizer.load_state_dict(kept["optimizer"])
        self.average = [a.to(self.device) for a in kept["average"]]
        self.generator.set_state(kept["generator"])
        self.step, self._smooth = kept["step"], kept["smooth"]
        self._finish = tuple(kept["finish"]) if kept["finish"] else None
        return True

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        temporary = self.path.with_suffix(".part")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "optimizer": self._optimizer.state_dict(), "average": self.average,
            "generator": self.generator.get_state(), "step": self.step, "smooth": self._smooth,
            "finish": list(self._finish) if self._finish else None,
        }, temporary)  # fmt: skip
        temporary.replace(self.path)

    def run(
        self, loss: Callable[[Loop], Tensor], *, minutes: float = float("inf"),
        steps: int | None = None, finish: bool = False,
    ) -> None:  # fmt: skip
        """Train for some minutes or steps, and save.

        Args:
            loss: Draws a batch from `loop.generator` and returns its loss.
            minutes: Stop after so many.
            steps: Stop after so many, whichever comes first.
            finish: Let the learning rate fall to zero over this call. Of a finish that was
                stopped the next call does the rest; after a whole one training goes on.
        """
        started = saved = time.monotonic()
        first = self.step
        if self._finish and self.step >= sum(self._finish):
            self._finish = None  # what was finished is trained on, at the full rate again
        while time.monotonic() - started < 60 * minutes and (
            steps is None or self.step - first < steps
        ):
            if finish and self._finish is None and self.step - first == _MEASURED_STEPS:
                each = (time.monotonic() - started) / _MEASURED_STEPS
                many = steps or int(60 * minutes / each)
                self._finish = (self.step, max(1, many - _MEASURED_STEPS))
            if self._finish and self.step >= sum(self._finish):
                break
            self._one(loss, time.monotonic() - started)
            if time.monotonic() - saved > SAVE_SECONDS:
                self.save()
                saved = time.monotonic()
        self.save()

    def settle(self) -> None:
        """Put the average in the place of the weights, for export."""
        with torch.no_grad():
            for mean, parameter in zip(self.average, self._parameters, strict=True):
                parameter.copy_(mean)

    def _one(self, loss: Callable[[Loop], Tensor], seconds: float) -> None:
        rate = self._rate * min(1.0, (self.step + 1) / _WARM_UP)
        if self._finish:
            start, many = self._finish
            rate *= min(1.0, max(0.0, 1 - (self.step - start) / many))
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        value = loss(self)
        self._optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._parameters, _CLIP)
        self._optimizer.step()
        self.step += 1
        keep = min(self._decay, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self._parameters, 1 - keep)
        now = float(value.detach())
        self._smooth = now if self._smooth is None else 0.98 * self._smooth + 0.02 * now
        if self.step % LOG_EVERY == 0:
            self.note(step=self.step, seconds=round(seconds), rate=rate, loss=self._smooth)

    def note(self, **facts: Any) -> None:
        """Add a line to the log."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a") as file:
            file.write(json.dumps(facts) + "\n")
