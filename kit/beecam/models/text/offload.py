"""Free the memory of text encoders during runs: encode all prompts first, then move them away.

Denoising needs no text encoder, which in many pipelines is as large as the denoiser.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

from beecam.errors import Stopped
from beecam.models.batching.device import device_of, memory, offload
from beecam.models.text.disk_cache import encoders
from beecam.shots.shot import Shot

# Less free memory than this share is too little for batches of many clips.
_LITTLE = 0.3
# Encoders with a smaller share of the memory stay.
_WORTH = 0.02


class EncoderOffload:
    """The text encoders of a pipeline during runs.

    From the beginning of the first run to the end of the last one they are on the CPU, if memory
    is short; to encode another text they are brought back for that time. After the last run they
    are where they were. Encoded texts stay in memory, up to 256 MB. A direct call of the pipeline
    during a run may find its encoders on the CPU.
    """

    def __init__(self, pipe: Any) -> None:
        """Manage the encoders of a pipeline."""
        self._pipe = pipe
        self._users = 0
        self._homes: dict[str, Any] = {}
        self._lock = threading.RLock()

    def begin(
        self, shots: Iterable[Shot], encode: Callable[[Shot], None], hold: Callable[[], None]
    ) -> None:
        """Prepare a run; `end` must follow in any case.

        Args:
            shots: The shots of the run.
            encode: Encodes the prompts of one shot.
            hold: Called before each shot; it may wait, or raise `Stopped`.

        Raises:
            Stopped: Raised by `hold`.
        """
        with self._lock:
            self._users += 1
            if not is_short(self._pipe):
                return
        for shot in {_texts_of(shot): shot for shot in shots if not shot.conditions}.values():
            hold()
            # An error is reported where its clip is generated.
            with contextlib.suppress(Exception):
                encode(shot)
        with self._lock:
            if offload(self._pipe) == "none" and not self._homes:
                self._homes = {
                    name: next(part.parameters()).device
                    for name, part in encoders(self._pipe).items()
                }
                self._move(away=True)

    def end(self) -> None:
        """Bring the encoders back after the last run."""
        with self._lock:
            self._users -= 1
            if not self._users and self._homes:
                # If their memory is taken, they stay away until they are needed.
                with contextlib.suppress(RuntimeError):
                    _free()
                    self._move(away=False)
                    self._homes = {}

    @contextlib.contextmanager
    def encoding(self) -> Iterator[None]:
        """Bring the encoders back while a text is encoded."""
        with self._lock:
            away = bool(self._homes)
            if away:
                self._move(away=False)
            try:
                yield
            finally:
                if away:
                    self._move(away=True)

    def _move(self, *, away: bool) -> None:
        for name, home in self._homes.items():
            _move(self._pipe.components[name], "cpu" if away else home)
        if away:
            _free()


def is_short(pipe: Any) -> bool:
    """Return whether an accelerator has too little memory for its text encoders to stay."""
    how, device = offload(pipe), device_of(pipe)
    if device.type == "cpu" or how == "sequential":
        return False
    known = memory(device)
    if how == "model" or known is None:
        return how == "model"
    free, total = known
    size = sum(
        p.numel() * p.element_size() for e in encoders(pipe).values() for p in e.parameters()
    )
    return bool(size > _WORTH * total and free < max(size, _LITTLE * total))


def encode_only(pipe: Any, arguments: Mapping[str, Any]) -> None:
    """Call a pipeline just until its prompts are encoded.

    Args:
        pipe: A copy for this call only.
        arguments: The keyword arguments of the call.
    """
    own = vars(pipe)
    scheduler = own["scheduler"] = copy.deepcopy(pipe.scheduler)
    vars(scheduler)["set_timesteps"] = _leaving(scheduler.set_timesteps)
    own["prepare_latents"] = _leaving(pipe.prepare_latents)
    with contextlib.suppress(Stopped):
        pipe(**arguments)


def _leaving(original: Callable[..., Any]) -> Callable[..., Any]:
    # Pipelines read the signature to see what they may pass.
    @functools.wraps(original)
    def leave(*_args: Any, **_kwargs: Any) -> Any:
        raise Stopped("the prompts are encoded.")

    return leave


def _texts_of(shot: Shot) -> Hashable:
    guided = (shot.guidance_scale or 0) > 1
    return shot.prompt, shot.negative_prompt, guided, shot.extra, shot.adapters


def _move(part: Any, device: Any) -> None:
    part.to(device)


def _free() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
