"""A training loop that can stop at any step and resume to the same bits."""

from __future__ import annotations

import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from beecam._util.files import atomic_write
from beecam.models.pollen.training.data import saved
from beecam.models.pollen.training.optimization.interrupts import deferred_interrupts
from beecam.models.pollen.training.optimization.muon import Muon

LOG_EVERY = 50
SAVE_SECONDS = 180.0
_WARM_UP = 100
_MAX_NORM = 1.0  # of gradients
_MEASURED_STEPS = 20
_SLACK = 0.93  # the mean step takes longer than the median one: some save, or wait for a busy core


@dataclass
class _Budget:
    """The minutes and steps of one call of `Loop.run`, and how long its steps take."""

    minutes: float
    steps: int | None
    first: int
    started: float
    durations: list[float] = field(default_factory=list)

    def seconds_left(self) -> float:
        return 60 * self.minutes - time.monotonic() + self.started

    def has_steps(self, step: int) -> bool:
        return self.steps is None or step - self.first < self.steps

    def steps_left(self, step: int) -> int:
        """Return an estimate of the steps left after the measured ones, and print it."""
        # The median: compiling takes a minute of the first step.
        each = statistics.median(self.durations)
        rest = self.seconds_left()
        left = min(
            max(0, int(rest / each * _SLACK)) if rest < float("inf") else sys.maxsize,
            self.steps - _MEASURED_STEPS if self.steps is not None else sys.maxsize,
        )
        if self.minutes < float("inf"):
            print(
                f"{each:.2f} s a step: about {left:,} more in {self.minutes:g} minutes, "
                f"from step {step:,}",
                flush=True,
            )
        return left


class Loop:
    """Modules, their optimizers, an average of their weights and a generator, in one checkpoint.

    The learning rate is constant after a short warm-up, so that training can always continue; a
    finish decays it to zero over the steps of one call, which gives good weights to export. It is
    measured in steps, not seconds, so that a resumed finish is the same finish.

    Attributes:
        step: Steps done.
        generator: The CPU generator of all random draws of the training.
        average: Exponential moving average of all parameters, in float32.
        rates: Learning rates of AdamW and of Muon; they are part of the checkpoint.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        path: Path,
        *,
        rate: float,
        betas: tuple[float, float],
        decay: float,
        device: str = "cpu",
        seed: int = 0,
        matrices: float | None = None,
    ) -> None:
        """Set up a training at its first step.

        Args:
            modules: The modules to train, by name.
            path: File of the checkpoint.
            rate: Learning rate.
            betas: Coefficients of AdamW.
            decay: Decay of the average of the weights.
            device: Device to train on.
            seed: Seed of the generator.
            matrices: Learning rate of Muon for the matrices within blocks (Jordan et al. 2024,
                scaled as in arXiv 2502.16982); AdamW trains the rest. None: AdamW trains all.
        """
        self.modules = {name: module.to(device) for name, module in modules.items()}
        self.path = path
        self.device = device
        self.step = 0
        self.generator = torch.Generator().manual_seed(seed)
        self._decay = decay
        self._finish: tuple[int, int] | None = None  # first step, number of steps
        self._parameters: list[Tensor] = [p for m in self.modules.values() for p in m.parameters()]
        inner = [] if matrices is None else _block_matrices(self.modules)
        known = {id(p) for p in inner}
        rest = [p for p in self._parameters if id(p) not in known]
        self._optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(rest, rate, betas=betas, weight_decay=0.01, fused=True)
        ]
        if matrices is not None:
            self._optimizers.append(Muon(inner, matrices))
        self.rates = (rate, matrices or rate)
        self.average = [p.detach().clone() for p in self._parameters]
        self._log = path.with_suffix(".jsonl")
        self._smooth_loss: Tensor | None = None

    def resume(self) -> bool:
        """Load the checkpoint; return whether it exists."""
        if not self.path.exists():
            return False
        stored = saved.tensors(self.path)
        for name, module in self.modules.items():
            module.load_state_dict(stored["modules"][name])
        for optimizer, state in zip(self._optimizers, stored["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.average = [a.to(self.device) for a in stored["average"]]
        self.generator.set_state(stored["generator"])
        self.step = stored["step"]
        if stored["smooth"] is not None:
            self._smooth_loss = torch.tensor(stored["smooth"], device=self.device)
        self._finish = tuple(stored["finish"]) if stored["finish"] else None
        if stored["rates"] != self.rates:
            self.rates = stored["rates"]
            rates = " and ".join(f"{rate:g}" for rate in self.rates)
            print(f"{self.path.stem}: resumes at its own learning rates, {rates}", flush=True)
        return True

    @property
    def finishing(self) -> bool:
        """Whether a finish has begun and isn't done."""
        return self._finish is not None and self.step < sum(self._finish)

    @property
    def finished(self) -> bool:
        """Whether a finish is done, with no step after it."""
        return self._finish is not None and self.step == sum(self._finish)

    def device_generator(self) -> torch.Generator:
        """Return a generator on the device, for what is too large to draw on the CPU."""
        return device_generator(self.device, self.generator)

    def save(self) -> None:
        """Write the checkpoint atomically."""
        with atomic_write(self.path) as file:
            torch.save(
                {
                    "modules": {name: module.state_dict() for name, module in self.modules.items()},
                    "optimizers": [o.state_dict() for o in self._optimizers],
                    "average": self.average,
                    "generator": self.generator.get_state(),
                    "step": self.step,
                    "rates": self.rates,
                    "smooth": None if self._smooth_loss is None else float(self._smooth_loss),
                    "finish": list(self._finish) if self._finish else None,
                },
                file,
            )

    def run(
        self,
        loss: Callable[[Loop], Tensor],
        *,
        minutes: float = float("inf"),
        steps: int | None = None,
        finish: bool = False,
    ) -> None:
        """Train for some minutes or steps, and save; an interrupt waits for the step's end.

        Args:
            loss: Draws a batch from `loop.generator` and returns its loss.
            minutes: Stop after this many minutes.
            steps: Stop after this many steps, whichever comes first.
            finish: Decay the learning rate to zero over this call. The next call does the rest of
                a finish that was stopped; after a complete one training continues.
        """
        budget = _Budget(minutes, steps, self.step, time.monotonic())
        last_save = budget.started
        if self._finish and self.step >= sum(self._finish):
            self._finish = None  # training after a finish is at the full rate again
        with deferred_interrupts() as stopped:
            while not stopped and self._continues(budget, finish=finish):
                if len(budget.durations) == _MEASURED_STEPS:
                    left = budget.steps_left(self.step)
                    if finish and self._finish is None:
                        self._finish = (self.step, max(1, left))
                if self._finish and self.step >= sum(self._finish):
                    break
                started = time.monotonic()
                self._train_step(loss, started - budget.started)
                if self.device != "cpu" and len(budget.durations) < _MEASURED_STEPS:
                    torch.cuda.synchronize()  # or only the launch of kernels would be measured
                budget.durations.append(time.monotonic() - started)
                if time.monotonic() - last_save > SAVE_SECONDS:
                    self.save()
                    last_save = time.monotonic()
            self.save()

    def _continues(self, budget: _Budget, *, finish: bool) -> bool:
        # A finish begins however short the time is, and one that begins in this call is completed:
        # otherwise its rest would be all that the next call does.
        must_finish = finish and (self._finish is None or budget.first < self._finish[0])
        return (must_finish or budget.seconds_left() > 0) and budget.has_steps(self.step)

    def use_average(self) -> None:
        """Replace the weights by their average, for export."""
        with torch.no_grad():
            for mean, parameter in zip(self.average, self._parameters, strict=True):
                parameter.copy_(mean)

    def _train_step(self, loss: Callable[[Loop], Tensor], seconds: float) -> None:
        share = min(1.0, (self.step + 1) / _WARM_UP)
        if self._finish:
            start, count = self._finish
            share *= min(1.0, max(0.0, 1 - (self.step - start) / count))
        value = loss(self)
        for optimizer, rate in zip(self._optimizers, self.rates, strict=False):
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._parameters, _MAX_NORM)
        for optimizer in self._optimizers:
            optimizer.step()
        self.step += 1
        decay = min(self._decay, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self._parameters, 1 - decay)
        now = value.detach().float()
        # Not read before it is logged: that would wait for the GPU at each step.
        self._smooth_loss = now if self._smooth_loss is None else self._smooth_loss.lerp(now, 0.02)
        if self.step % LOG_EVERY == 0:
            self.log(
                step=self.step,
                seconds=round(seconds),
                rate=self.rates[0] * share,
                loss=float(self._smooth_loss),
            )

    def log(self, **facts: Any) -> None:
        """Append a line to the log, a JSONL file next to the checkpoint."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a") as file:
            file.write(json.dumps(facts) + "\n")


def device_generator(device: str | torch.device, g: torch.Generator) -> torch.Generator:
    """Return a generator on a device, with a seed drawn from another generator."""
    seed = int(torch.randint(0, 2**62, (1,), generator=g))
    return torch.Generator(device).manual_seed(seed)


def _block_matrices(modules: Mapping[str, nn.Module]) -> list[Tensor]:
    """Return the matrices within a network's blocks, not those of its input and output layers."""
    return [
        layer.weight
        for module in modules.values()
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) and re.search(r"blocks?\.\d", name)
    ]
