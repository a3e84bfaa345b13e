"""Prompts to what the denoiser is given: each distinct text is encoded once, alone."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from beecam.models.families import Family
from beecam.shot import Shot

_KEPT = 512
# Padding is cut off in these steps: few kinds of calls, and most of what there is to gain.
_PADDING = 32


class Texts:
    """The encoded texts of one pipeline.

    A text is encoded alone, so that no neighbour changes a bit. Where the denoiser masks padding,
    and so it has no part in the result, most of it is cut off.
    """

    def __init__(self, pipe: Any, family: Family, arguments: Mapping[str, Any]) -> None:
        """Begin with none.

        Args:
            pipe: The pipeline.
            family: Of the pipeline.
            arguments: Defaults of the pipeline's further arguments.
        """
        self._pipe = pipe
        self._family = family
        self._longest = arguments.get("max_sequence_length")
        self._encoded: OrderedDict[Hashable, dict[str, Any]] = OrderedDict()
        self._lengths: dict[str, int] = {}
        self._lock = threading.RLock()

    def clear(self) -> None:
        """Forget all: the encoder has changed."""
        with self._lock:
            self._encoded.clear()
            self._lengths.clear()

    def length(self, shot: Shot) -> int | None:
        """Return how many tokens the denoiser is given, or None for all that there are.

        Only shots of equal length may go into one call: a clip's last bits depend on it.
        """
        if not self._family.masks_padding:
            return None
        most = shot.arguments.get("max_sequence_length", self._longest)
        texts = [shot.prompt, shot.negative_prompt or ""] if _guided(shot) else [shot.prompt]
        tokens = max(map(self._tokens, texts))
        return min(-(-tokens // _PADDING) * _PADDING, most or tokens)

    def embeddings(self, shots: Sequence[Shot]) -> dict[str, Any]:
        """Return the pipeline's arguments for the texts of shots that go into one call."""
        import torch

        with self._lock:
            encoded = [self._of(shot) for shot in shots]
        names = [
            name for name in self._family.encoded
            if _guided(shots[0]) or name not in self._family.encoded_negative
        ]  # fmt: skip
        length = self.length(shots[0])
        return {name: torch.cat([one[name] for one in encoded])[:, :length] for name in names}

    def _of(self, shot: Shot) -> dict[str, Any]:
        longest = shot.arguments.get("max_sequence_length", self._longest)
        key = (shot.prompt, shot.negative_prompt or "", _guided(shot), longest)
        if key not in self._encoded:
            more = {} if longest is None else {"max_sequence_length": longest}
            found = self._pipe.encode_prompt(
                prompt=shot.prompt, negative_prompt=shot.negative_prompt,
                do_classifier_free_guidance=_guided(shot),
                device=self._pipe._execution_device, **more,  # noqa: SLF001
            )  # fmt: skip
            self._encoded[key] = dict(zip(self._family.encoded, found, strict=True))
            if len(self._encoded) > _KEPT:
                self._encoded.popitem(last=False)
        self._encoded.move_to_end(key)
        return self._encoded[key]

    def _tokens(self, text: str) -> int:
        with self._lock:
            if text not in self._lengths:
                self._lengths[text] = len(self._pipe.tokenizer(text).input_ids)
            return self._lengths[text]


def _guided(shot: Shot) -> bool:
    return (shot.guidance_scale or 0) > 1
