"""Prompts to what the denoiser is given: each distinct text is encoded once, alone."""

from __future__ import annotations

import functools
import inspect
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from beecam.errors import ModelError
from beecam.models.text.disk_cache import EmbeddingCache, cache_for
from beecam.models.text.mix import MixedPrompt, mix_embeddings
from beecam.shots.shot import Shot
from beecam.shots.weighted_prompts import WeightedPrompts, parts_of

_KEPT_BYTES = 256_000_000
# Padding is cut off in these steps: few kinds of calls, and most of what there is to gain.
_PADDING = 32


class PromptEncoder:
    """The encoded texts of one pipeline.

    A text is encoded alone, so that no neighbour changes a bit. What a large encoder made is kept
    on disk, too, for other kernels. Where the denoiser masks padding,
    and so it has no part in the result, most of it is cut off.
    """

    def __init__(self, *, masks_padding: bool) -> None:
        """Begin with none.

        Args:
            masks_padding: Whether padded tokens have no part in the result.
        """
        self._masks_padding = masks_padding
        self._encoded: OrderedDict[str, Any] = OrderedDict()
        self._bytes = 0
        self._lengths: dict[str, int] = {}
        self._shelves: dict[type, EmbeddingCache | None] = {}
        # What has to be around an encoder's work; see `Preparing`.
        self.encoding: Callable[[], AbstractContextManager[None]] = nullcontext
        self._lock = threading.RLock()

    def clear(self) -> None:
        """Forget all: the encoder has changed."""
        with self._lock:
            self._encoded.clear()
            self._bytes = 0
            self._lengths.clear()
            self._shelves.clear()

    def length(self, pipe: Any, shot: Shot) -> int | None:
        """Return how many tokens the denoiser is given, or None for all that there are.

        Only shots of equal length may go into one call: a clip's last bits depend on it.
        """
        if not self._masks_padding:
            return None
        most = shot.arguments.get("max_sequence_length", _usual_length(type(pipe).__call__))
        guided = (shot.guidance_scale or 0) > 1
        texts = [text for text, _ in parts_of(shot.prompt)]
        texts += [shot.negative_prompt or ""] if guided else []
        tokens = max(self._tokens(pipe, text) for text in texts)
        return min(-(-tokens // _PADDING) * _PADDING, most or tokens)

    def remembering(self, pipe: Any, shots: Sequence[Shot]) -> Callable[..., Any]:
        """Return the pipeline's `encode_prompt`, which looks up what was encoded before.

        Args:
            pipe: The pipeline.
            shots: Of one call.
        """
        original = pipe.encode_prompt
        signature = inspect.signature(original)
        length = self.length(pipe, shots[0])
        read: set[MixedPrompt] = set()

        @functools.wraps(original)
        def encode_prompt(*args: Any, **kwargs: Any) -> Any:
            given = dict(signature.bind(*args, **kwargs).arguments)
            for name, parameter in signature.parameters.items():
                if parameter.kind is parameter.VAR_KEYWORD:
                    given.update(given.pop(name, {}))
            texts = given.get("prompt")
            many = 1 if isinstance(texts, str) else len(texts or ())
            if many == 0:
                return original(*args, **kwargs)
            read.update(_mixed_in(given))
            if not _is_plain(given):
                # A picture beside the text: nothing of it is remembered.
                return _of_parts(given, many, lambda one: original(**one))
            with self._lock:
                shelf = self._shelf(pipe) if not shots[0].adapters else None
                about = [str(one) for one in shots[0].adapters or ()]
                each = [
                    _of_parts(
                        _alone(given, many, i), 1, lambda one: self._of(original, one, about, shelf)
                    )
                    for i in range(many)
                ]
            return _cut(_merged(each), length)

        vars(encode_prompt)["read"] = read
        return encode_prompt

    @staticmethod
    def need_all_read(encode_prompt: Callable[..., Any], shots: Sequence[Shot]) -> None:
        """Look after a call whether the pipeline gave all weighted texts to its encoder.

        Args:
            encode_prompt: From `remembering`.
            shots: Of the call.

        Raises:
            ModelError: It has altered one on the way, which is no mix any more then.
        """
        for shot in shots:
            if (
                not isinstance(shot.prompt, str)
                and MixedPrompt(shot.prompt) not in vars(encode_prompt)["read"]
            ):
                raise ModelError(
                    "this pipeline alters its prompt before it encodes it, so that texts can't be "
                    "mixed: give it one text."
                )

    def _of(
        self,
        original: Callable[..., Any],
        given: Mapping[str, Any],
        about: list[str],
        shelf: EmbeddingCache | None,
    ) -> Any:
        key = json.dumps([given, about], sort_keys=True, default=str)
        if key not in self._encoded:
            found = shelf.get(key) if shelf else None
            if found is None:
                with self.encoding():
                    found = original(**given)
                if shelf:
                    found = shelf.put(key, found)
            self._encoded[key] = found
            self._bytes += _size(found)
            while self._bytes > _KEPT_BYTES and len(self._encoded) > 1:
                self._bytes -= _size(self._encoded.popitem(last=False)[1])
        self._encoded.move_to_end(key)
        return self._encoded[key]

    def _shelf(self, pipe: Any) -> EmbeddingCache | None:
        kind = type(pipe)
        if kind not in self._shelves:
            self._shelves[kind] = cache_for(pipe)
        return self._shelves[kind]

    def _tokens(self, pipe: Any, text: str) -> int:
        with self._lock:
            if text not in self._lengths:
                self._lengths[text] = len(pipe.tokenizer(text).input_ids)
            return self._lengths[text]


def _of_parts(given: dict[str, Any], many: int, encode: Callable[[dict[str, Any]], Any]) -> Any:
    """Encode the texts of some clips together; of weighted ones each part, and then the mix.

    Args:
        given: The arguments.
        many: How many clips.
        encode: Called with the arguments, in which all texts are plain.
    """
    parts = _parts(given, many)
    if all(len(one) == 1 for one in parts):
        return encode(given)
    layers = [encode(_with_parts(given, layer)) for layer in range(max(len(one) for one in parts))]
    return _merged(
        [
            mix_embeddings(
                [_row(found, i, many) for found in layers[: len(one)]], [w for _, w in one]
            )
            for i, one in enumerate(parts)
        ]
    )


def _mixed_in(given: Mapping[str, Any]) -> list[MixedPrompt]:
    listed = [v if isinstance(v, (list, tuple)) else [v] for v in given.values()]
    return [one for some in listed for one in some if isinstance(one, MixedPrompt)]


def _parts(given: Mapping[str, Any], many: int) -> list[WeightedPrompts]:
    """Return each clip's weighted texts; of clips that have one text, that alone."""
    found: list[WeightedPrompts] = [(("", 1.0),)] * many
    for value in given.values():
        texts = [value] if isinstance(value, str) else value
        if isinstance(texts, (list, tuple)) and len(texts) == many:
            for i, one in enumerate(texts):
                if isinstance(one, MixedPrompt):
                    found[i] = one.parts
    return found


def _with_parts(given: Mapping[str, Any], layer: int) -> dict[str, Any]:
    """Return the arguments with one part of weighted texts, or the last, in their place."""

    def plain(value: Any) -> Any:
        if isinstance(value, MixedPrompt):
            return value.parts[min(layer, len(value.parts) - 1)][0]
        return [plain(one) for one in value] if isinstance(value, list) else value

    return {name: plain(value) for name, value in given.items()}


def _row(found: Any, index: int, many: int) -> Any:
    """Return what belongs to one of many clips."""
    if isinstance(found, dict):
        return {name: _row(value, index, many) for name, value in found.items()}
    if isinstance(found, (list, tuple)):
        return type(found)(_row(value, index, many) for value in found)
    several = many > 1 and getattr(found, "ndim", 0) > 0 and len(found) == many
    return found[index : index + 1] if several else found


@functools.cache
def _usual_length(call: Callable[..., Any]) -> int | None:
    """Return the limit of tokens that a pipeline's call has by itself, if it has one."""
    usual = inspect.signature(call).parameters.get("max_sequence_length")
    return usual.default if usual else None


def _is_plain(value: Any) -> bool:
    """Return whether an argument can be written down; a picture beside the text can't."""
    import torch

    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    kinds = (str, int, float, bool, type(None), torch.device, torch.dtype)
    return isinstance(value, kinds)


def _alone(given: Mapping[str, Any], many: int, index: int) -> dict[str, Any]:
    """Return the arguments for one of many texts."""

    def one(value: Any) -> Any:
        texts = isinstance(value, (list, tuple)) and len(value) == many
        return [value[index]] if texts and all(isinstance(t, str) for t in value) else value

    return {name: one(value) for name, value in given.items()}


def _merged(each: Sequence[Any]) -> Any:
    """Put what was encoded one by one behind each other."""
    import torch

    first = each[0]
    if len(each) == 1:
        return first
    if isinstance(first, torch.Tensor):
        return torch.cat(list(each)) if first.ndim else first
    if isinstance(first, dict):
        return {name: _merged([one[name] for one in each]) for name in first}
    if isinstance(first, (list, tuple)):
        return type(first)(_merged([one[i] for one in each]) for i in range(len(first)))
    return first


def _cut(found: Any, length: int | None) -> Any:
    """Cut off what is padding in all of it."""
    if length is None:
        return found
    return type(found)(part if part is None else part[:, :length] for part in found)


def _size(found: Any) -> int:
    if isinstance(found, dict):
        return sum(map(_size, found.values()))
    if isinstance(found, (list, tuple)):
        return sum(map(_size, found))
    return found.numel() * found.element_size() if hasattr(found, "numel") else 0
