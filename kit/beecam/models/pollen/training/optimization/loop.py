"""A training loop that can stop at any step and go on to the same bits."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from beecam.files import whole
from beecam.models.pollen.training.data import saved as stored
from beecam.models.pollen.training.optimization.muon import Muon

LOG_EVERY = 50
SAVE_SECONDS = 180.0
_WARM_UP = 100
_CLIP = 1.0
_MEASURED_STEPS = 20
_SLACK = 0.93  # the mean step takes longer than the middle one: some save, or meet a busy core


class Loop:
    """Modules, their optimizer, an average of their weights and the lots, in one checkpoint.

    The learning rate is constant after a short warm-up, so that training can always go on; a
    `finish` lets it fall to zero over the steps of one call, which is what makes good weights to
    export. Steps, not seconds, decide it, so that a resumed finish is the same finish.

    Attributes:
        step: Steps done.
        generator: The CPU generator from which every lot of the training follows.
        average: Exponential moving average of all parameters, in float32.
        rates: Learning rates of AdamW and of Muon; a checkpoint has them.
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
        """Set up a training from its first step.

        Args:
            modules: What is trained, by name.
            path: Of the checkpoint.
            rate: The learning rate.
            betas: Of AdamW.
            decay: Of the average of the weights.
            device: Where to train.
            seed: Of the lots.
            matrices: The learning rate of the matrices within blocks, which Muon moves then
                (Jordan et al. 2024, scaled as in arXiv 2502.16982), where AdamW moves the rest.
        """
        self.modules = {name: module.to(device) for name, module in modules.items()}
        self.path = path
        self.device = device
        self.step = 0
        self.generator = torch.Generator().manual_seed(seed)
        self._decay = decay
        self._finish: tuple[int, int] | None = None
        self._parameters: list[Tensor] = [p for m in self.modules.values() for p in m.parameters()]
        inner = [] if matrices is None else _inner_matrices(self.modules)
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
        self._smooth: Tensor | None = None

    def resume(self) -> bool:
        """Go on from the checkpoint; return whether there was one."""
        if not self.path.exists():
            return False
        kept = stored.tensors(self.path)
        for name, module in self.modules.items():
            module.load_state_dict(kept["modules"][name])
        for optimizer, state in zip(self._optimizers, kept["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.average = [a.to(self.device) for a in kept["average"]]
        self.generator.set_state(kept["generator"])
        self.step = kept["step"]
        if kept["smooth"] is not None:
            self._smooth = torch.tensor(kept["smooth"], device=self.device)
        self._finish = tuple(kept["finish"]) if kept["finish"] else None
        if kept["rates"] != self.rates:
            self.rates = kept["rates"]
            said = " and ".join(f"{rate:g}" for rate in self.rates)
            print(f"{self.path.stem}: goes on at its own learning rates, {said}", flush=True)
        return True

    @property
    def finishing(self) -> bool:
        """Whether a finish has begun and isn't done."""
        return self._finish is not None and self.step < sum(self._finish)

    @property
    def finished(self) -> bool:
        """Whether a finish was done in full, and nothing after it."""
        return self._finish is not None and self.step == sum(self._finish)

    def lots(self) -> torch.Generator:
        """Return a generator on the device, for what is too large to be drawn on the CPU."""
        return lots_on(self.device, self.generator)

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        with whole(self.path) as file:
            torch.save(
                {
                    "modules": {name: module.state_dict() for name, module in self.modules.items()},
                    "optimizers": [o.state_dict() for o in self._optimizers],
                    "average": self.average,
                    "generator": self.generator.get_state(),
                    "step": self.step,
                    "rates": self.rates,
                    "smooth": None if self._smooth is None else float(self._smooth),
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
        """Train for some minutes or steps, and save; what interrupts it waits for the step's end.

        Args:
            loss: Draws a batch from `loop.generator` and returns its loss.
            minutes: Stop after so many.
            steps: Stop after so many, whichever comes first.
            finish: Let the learning rate fall to zero over this call. Of a finish that was
                stopped the next call does the rest; after a whole one training goes on.
        """
        started = saved = time.monotonic()
        first = self.step
        took: list[float] = []
        if self._finish and self.step >= sum(self._finish):
            self._finish = None  # what was finished is trained on, at the full rate again
        # A finish begins however short the time is, and one that begins here is done in full: what
        # is left of it would be all that the next call does.
        with _whole_steps() as stopped:
            while (
                not stopped
                and (
                    (finish and (self._finish is None or first < self._finish[0]))
                    or time.monotonic() - started < 60 * minutes
                )
                and (steps is None or self.step - first < steps)
            ):
                if len(took) == _MEASURED_STEPS:
                    # The middle one: to compile takes a minute of the first.
                    each = statistics.median(took)
                    rest = 60 * minutes - time.monotonic() + started
                    left = min(
                        max(0, int(rest / each * _SLACK)) if rest < float("inf") else sys.maxsize,
                        steps - _MEASURED_STEPS if steps is not None else sys.maxsize,
                    )
                    if minutes < float("inf"):
                        print(
                            f"{each:.2f} s a step: about {left:,} more in {minutes:g} minutes, "
                            f"from step {self.step:,}",
                            flush=True,
                        )
                    if finish and self._finish is None:
                        self._finish = (self.step, max(1, left))
                if self._finish and self.step >= sum(self._finish):
                    break
                begun = time.monotonic()
                self._one(loss, begun - started)
                if self.device != "cpu" and len(took) < _MEASURED_STEPS:
                    torch.cuda.synchronize()  # else only what it takes to ask for it is measured
                took.append(time.monotonic() - begun)
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
        share = min(1.0, (self.step + 1) / _WARM_UP)
        if self._finish:
            start, many = self._finish
            share *= min(1.0, max(0.0, 1 - (self.step - start) / many))
        value = loss(self)
        for optimizer, rate in zip(self._optimizers, self.rates, strict=False):
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._parameters, _CLIP)
        for optimizer in self._optimizers:
            optimizer.step()
        self.step += 1
        keep = min(self._decay, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self._parameters, 1 - keep)
        now = value.detach().float()
        # Not read before it is told: a GPU would be waited for at each step.
        self._smooth = now if self._smooth is None else self._smooth.lerp(now, 0.02)
        if self.step % LOG_EVERY == 0:
            self.note(
                step=self.step,
                seconds=round(seconds),
                rate=self.rates[0] * share,
                loss=float(self._smooth),
            )

    def note(self, **facts: Any) -> None:
        """Add a line to the log."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a") as file:
            file.write(json.dumps(facts) + "\n")


@contextlib.contextmanager
def _whole_steps() -> Iterator[list[int]]:
    """Let ctrl-C and a polite kill wait until a step is done and saved; a second one doesn't.

    Gives a list that is empty until then. Elsewhere than in the main thread, where no signals
    arrive, it stays so.
    """
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    # What is ignored, as in a program that a script has put into the background, stays so.
    before = {
        one: handler
        for one in (signal.SIGINT, signal.SIGTERM)
        if (handler := signal.getsignal(one)) not in (None, signal.SIG_IGN)
    }

    def wait(number: int, _: Any) -> None:
        print("stops after this step; once more stops at once and saves nothing", flush=True)
        caught.append(number)
        restore()

    def restore() -> None:
        for one, handler in before.items():
            signal.signal(one, handler)

    for one in before:
        signal.signal(one, wait)
    try:
        yield caught
    finally:
        restore()
    if caught:
        signal.raise_signal(caught[0])


def lots_on(device: str | torch.device, g: torch.Generator) -> torch.Generator:
    """Return a generator on a device, whose seed another draws."""
    seed = int(torch.randint(0, 2**62, (1,), generator=g))
    return torch.Generator(device).manual_seed(seed)


def _inner_matrices(modules: Mapping[str, nn.Module]) -> list[Tensor]:
    """Return the matrices within a network's blocks, not those that read input or give output."""
    return [
        layer.weight
        for module in modules.values()
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) and re.search(r"blocks?\.\d", name)
    ]
