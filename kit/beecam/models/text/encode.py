"""Encode prompts: each distinct text once, alone."""

from __future__ import annotations

import functools
import inspect
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import zip_longest
from typing import Any

from beecam.errors import ModelError
from beecam.models.text.disk_cache import EmbeddingCache, cache_for
from beecam.models.text.mix import MixedPrompt, mix_embeddings
from beecam.models.text.quiet import about_limits
from beecam.models.text.tokenizers import own_tokenizer
from beecam.shots.shot import Shot
from beecam.shots.weighted_prompts import WeightedPrompts, parts_of

_MAX_BYTES = 256_000_000
# Padding is cut off in multiples of this: few batch keys, and most of the gain.
_PADDING = 32


class PromptEncoder:
    """The encoded prompts of one pipeline.

    A text is encoded alone, so that no neighbour changes a bit. The output of large encoders is
    also stored on disk, for other kernels. Where the denoiser masks padding, so that it has no
    effect on the result, most of it is cut off.
    """

    def __init__(self) -> None:
        """Create an encoder without cached embeddings; `use` says what it encodes with."""
        self._masks_padding = False
        self._encoded: OrderedDict[str, Any] = OrderedDict()
        self._bytes = 0
        self._lengths: dict[str, int] = {}
        self._disk_caches: dict[type, EmbeddingCache | None] = {}
        # The context in which an encoder runs; see `EncoderOffload`.
        self.encoding: Callable[[], AbstractContextManager[None]] = nullcontext
        self._lock = threading.RLock()
        self._tokenizers: list[Any] = []
        self._set_up: tuple[str, ...] = ()

    def use(self, set_up: Sequence[str], *, masks_padding: bool) -> None:
        """Encode with a pipeline that is another one, or has changed.

        Args:
            set_up: What is set up on it, in words.
            masks_padding: Whether padding tokens have no effect on the result.
        """
        with self._lock:
            self._set_up, self._masks_padding = tuple(set_up), masks_padding
            self.clear()

    def clear(self) -> None:
        """Drop everything that was encoded."""
        with self._lock:
            self._encoded.clear()
            self._bytes = 0
            self._lengths.clear()
            self._disk_caches.clear()

    def length(self, pipe: Any, shot: Shot) -> int | None:
        """Return how many tokens the denoiser reads, or None for all of them.

        Only shots of equal length may share a batch: a clip's last bits depend on it.
        """
        if not self._masks_padding:
            return None
        self._see_tokenizers(pipe)
        limit = shot.arguments.get("max_sequence_length", _default_length(type(pipe).__call__))
        tokens = max(self._count_tokens(pipe, _texts_of(shot)))
        return min(-(-tokens // _PADDING) * _PADDING, limit or tokens)

    def count_ahead(self, pipe: Any, shots: Iterable[Shot]) -> None:
        """Count the tokens of many shots at once, which is faster, before `length` is asked."""
        if self._masks_padding:
            self._see_tokenizers(pipe)
            self._count_tokens(pipe, {text: None for shot in shots for text in _texts_of(shot)})

    def remembering(
        self, pipe: Any, shots: Sequence[Shot], *, remember: bool = True
    ) -> Callable[..., Any]:
        """Return the pipeline's `encode_prompt`, with a lookup of what was encoded before.

        Args:
            pipe: The pipeline.
            shots: The shots of one batch.
            remember: Whether to look it up; else every text is encoded, whatever was before.
        """
        self._see_tokenizers(pipe)
        original = pipe.encode_prompt
        signature = inspect.signature(original)
        length = self.length(pipe, shots[0])
        read: set[MixedPrompt] = set()

        @functools.wraps(original)
        def encode_prompt(*args: Any, **kwargs: Any) -> Any:
            arguments, call = _by_name(original, signature, args, kwargs)
            texts = arguments.get("prompt")
            count = 1 if isinstance(texts, str) else len(texts or ())
            if count == 0:
                return original(*args, **kwargs)
            read.update(_mixed_in(arguments))
            if not remember or not _is_plain(arguments):
                # The owner's own method, or an image besides the text: the result isn't stored.
                with self._lock, self.encoding(), about_limits(pipe):
                    return _encode_parts(arguments, count, call)
            with self._lock, about_limits(pipe):
                disk = self._disk_cache(pipe) if not shots[0].adapters else None
                adapters = [str(one) for one in shots[0].adapters or ()]

                def encode(one: Mapping[str, Any]) -> Any:
                    return self._encode(call, one, adapters, disk)

                each = [
                    _encode_parts(_arguments_of_clip(arguments, count, i), 1, encode)
                    for i in range(count)
                ]
            return _cut(_concatenated(each), length)

        vars(encode_prompt)["read"] = read
        return encode_prompt

    def _see_tokenizers(self, pipe: Any) -> None:
        """Drop everything if a tokenizer was exchanged: weights and settings don't tell."""
        parts = [part for name, part in pipe.components.items() if "tokenizer" in name]
        with self._lock:
            if any(now is not before for now, before in zip_longest(parts, self._tokenizers)):
                self.clear()
                self._tokenizers = parts

    @staticmethod
    def check_all_read(encode_prompt: Callable[..., Any], shots: Sequence[Shot]) -> None:
        """Check after a call that the pipeline passed all weighted prompts to its encoder.

        Args:
            encode_prompt: The result of `remembering`.
            shots: The shots of the batch.

        Raises:
            ModelError: The pipeline altered one before, so that it isn't a mix any more.
        """
        for shot in shots:
            if (
                not isinstance(shot.prompt, str)
                and MixedPrompt(shot.prompt) not in vars(encode_prompt)["read"]
            ):
                raise ModelError(
                    "this pipeline alters its prompt before it encodes it, so that prompts can't "
                    "be mixed: use a single prompt."
                )

    def _encode(
        self,
        call: Callable[[Mapping[str, Any]], Any],
        arguments: Mapping[str, Any],
        adapters: list[str],
        disk: EmbeddingCache | None,
    ) -> Any:
        key = json.dumps([arguments, adapters], sort_keys=True, default=str)
        if key not in self._encoded:
            found = disk.get(key) if disk else None
            if found is None:
                with self.encoding():
                    found = call(arguments)
                if disk:
                    found = disk.put(key, found)
            self._encoded[key] = found
            self._bytes += _size(found)
            while self._bytes > _MAX_BYTES and len(self._encoded) > 1:
                self._bytes -= _size(self._encoded.popitem(last=False)[1])
        self._encoded.move_to_end(key)
        return self._encoded[key]

    def _disk_cache(self, pipe: Any) -> EmbeddingCache | None:
        kind = type(pipe)
        if kind not in self._disk_caches:
            self._disk_caches[kind] = cache_for(pipe, self._set_up)
        return self._disk_caches[kind]

    def _count_tokens(self, pipe: Any, texts: Collection[str]) -> list[int]:
        with self._lock:
            if left := [text for text in texts if text not in self._lengths]:
                found = own_tokenizer(pipe.tokenizer)(left, verbose=False).input_ids
                self._lengths.update({t: len(ids) for t, ids in zip(left, found, strict=True)})
            return [self._lengths[text] for text in texts]


def _texts_of(shot: Shot) -> list[str]:
    """Return the texts of a shot that its model encodes."""
    negative = [shot.negative_prompt or ""] if (shot.guidance_scale or 0) > 1 else []
    return [*(text for text, _ in parts_of(shot.prompt)), *negative]


def _by_name(
    original: Callable[..., Any], signature: inspect.Signature, args: Any, kwargs: Any
) -> tuple[dict[str, Any], Callable[[Mapping[str, Any]], Any]]:
    """Return the arguments of a call by their names, and what calls with others of these names."""
    arguments = dict(signature.bind(*args, **kwargs).arguments)
    before: list[str] = []  # that can only be passed by position
    rest: tuple[Any, ...] = ()
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments.update(arguments.pop(name, {}))
        elif parameter.kind is parameter.VAR_POSITIONAL:
            rest = arguments.pop(name, ())
            before = list(arguments)[: len(args) - len(rest)] if rest else before
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            before.append(name)

    def call(given: Mapping[str, Any]) -> Any:
        named = {name: value for name, value in given.items() if name not in before}
        return original(*(given[name] for name in before if name in given), *rest, **named)

    return arguments, call


def _encode_parts(
    arguments: dict[str, Any], count: int, encode: Callable[[dict[str, Any]], Any]
) -> Any:
    """Encode the prompts of some clips together; of weighted ones each part, and then the mix.

    Args:
        arguments: The arguments of `encode_prompt`.
        count: The number of clips.
        encode: Called with arguments in which all prompts are plain.
    """
    parts = _parts(arguments, count)
    if all(len(one) == 1 for one in parts):
        return encode(arguments)
    layer_count = max(len(one) for one in parts)
    layers = [encode(_with_parts(arguments, layer)) for layer in range(layer_count)]
    return _concatenated(
        [
            mix_embeddings(
                [_row(found, i, count) for found in layers[: len(one)]], [w for _, w in one]
            )
            for i, one in enumerate(parts)
        ]
    )


def _mixed_in(arguments: Mapping[str, Any]) -> list[MixedPrompt]:
    listed = [v if isinstance(v, (list, tuple)) else [v] for v in arguments.values()]
    return [one for values in listed for one in values if isinstance(one, MixedPrompt)]


def _parts(arguments: Mapping[str, Any], count: int) -> list[WeightedPrompts]:
    """Return each clip's weighted prompts; a single part for a plain prompt."""
    found: list[WeightedPrompts] = [(("", 1.0),)] * count
    for value in arguments.values():
        texts = [value] if isinstance(value, str) else value
        if isinstance(texts, (list, tuple)) and len(texts) == count:
            for i, one in enumerate(texts):
                if isinstance(one, MixedPrompt):
                    found[i] = one.parts
    return found


def _with_parts(arguments: Mapping[str, Any], layer: int) -> dict[str, Any]:
    """Return the arguments with one part, or the last, in place of weighted prompts."""

    def plain(value: Any) -> Any:
        if isinstance(value, MixedPrompt):
            return value.parts[min(layer, len(value.parts) - 1)][0]
        return [plain(one) for one in value] if isinstance(value, list) else value

    return {name: plain(value) for name, value in arguments.items()}


def _row(found: Any, index: int, count: int) -> Any:
    """Return the part of an encoder's output that belongs to one clip."""
    if isinstance(found, dict):
        return {name: _row(value, index, count) for name, value in found.items()}
    if isinstance(found, (list, tuple)):
        return type(found)(_row(value, index, count) for value in found)
    several = count > 1 and getattr(found, "ndim", 0) > 0 and len(found) == count
    return found[index : index + 1] if several else found


@functools.cache
def _default_length(call: Callable[..., Any]) -> int | None:
    """Return the default limit of tokens of a pipeline's call, if it has one."""
    parameter = inspect.signature(call).parameters.get("max_sequence_length")
    return parameter.default if parameter else None


def _is_plain(value: Any) -> bool:
    """Return whether an argument can be part of a JSON key; an image can't."""
    import torch

    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    kinds = (str, int, float, bool, type(None), torch.device, torch.dtype)
    return isinstance(value, kinds)


def _arguments_of_clip(arguments: Mapping[str, Any], count: int, index: int) -> dict[str, Any]:
    """Return the arguments for one of several clips."""

    def one(value: Any) -> Any:
        texts = isinstance(value, (list, tuple)) and len(value) == count
        return [value[index]] if texts and all(isinstance(t, str) for t in value) else value

    return {name: one(value) for name, value in arguments.items()}


def _concatenated(each: Sequence[Any]) -> Any:
    """Return the encoder's outputs for single clips as one output for all of them."""
    import torch

    first = each[0]
    if len(each) == 1:
        return first
    if isinstance(first, torch.Tensor):
        return torch.cat(list(each)) if first.ndim else first
    if isinstance(first, dict):
        return {name: _concatenated([one[name] for one in each]) for name in first}
    if isinstance(first, (list, tuple)):
        return type(first)(_concatenated([one[i] for one in each]) for i in range(len(first)))
    return first


def _cut(found: Any, length: int | None) -> Any:
    """Cut off padding."""
    if length is None:
        return found
    return type(found)(part if part is None else part[:, :length] for part in found)


def _size(found: Any) -> int:
    if isinstance(found, dict):
        return sum(map(_size, found.values()))
    if isinstance(found, (list, tuple)):
        return sum(map(_size, found))
    return found.numel() * found.element_size() if hasattr(found, "numel") else 0
