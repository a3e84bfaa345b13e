"""Count tokens while a pipeline uses the same tokenizer in another thread, and see its changes."""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Collection
from typing import Any

from beecam.models.batching.owner import is_known

_SAMPLES = 1024
# Letters, cases, accents, scripts, numbers, spaces and unknown characters.
_PROBE = "A bee's HIVE,  naïve café: 12.5 % (x2)\n蜜蜂 пчела 🐝 well-known"
# They change which tokens a text becomes; what else a tokenizer has on itself may be its files.
_SETTINGS = (
    "model_max_length",
    "padding_side",
    "truncation_side",
    "chat_template",
    "add_prefix_space",
    "clean_up_tokenization_spaces",
    "split_special_tokens",
    "_add_bos_token",
    "_add_eos_token",
    "special_tokens_map",
    "extra_special_tokens",
)
_STAGES = ("normalizer", "pre_tokenizer", "post_processor")

# By tokenizer, with its content then: words may be added to it.
_copies: weakref.WeakKeyDictionary[Any, tuple[str, Any]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def own_tokenizer(tokenizer: Any) -> Any:
    """Return a tokenizer that no pipeline calls, with the same tokens.

    A fast tokenizer of transformers keeps padding and truncation as its state, which each call
    sets and then uses: a call in between, in another thread, gives the first one its own length.
    The same copy is returned each time, and is only called without padding and truncation.

    >>> len(own_tokenizer(pollen.pipe.tokenizer)("a bee").input_ids)
    3

    One of a class of its owner's own is returned itself.

    Args:
        tokenizer: A tokenizer of transformers, or a processor with one.
    """
    # A processor for images and text has its tokenizer inside.
    tokenizer = getattr(tokenizer, "tokenizer", tokenizer)
    if getattr(tokenizer, "backend_tokenizer", None) is None or not is_known(tokenizer):
        return tokenizer
    return _copy_of(tokenizer, _stored_in(tokenizer))


def tokenizer_content(tokenizer: Any, set_by_calls: Collection[str] = ()) -> str:
    """Return what decides which tokens a text becomes.

    It is read at each start of a run: a vocabulary of hundreds of thousands of words counts by a
    sample, and by what becomes of a text. Of a class of an owner's own nothing is called.

    >>> tokenizer_content(pollen.pipe.tokenizer) == tokenizer_content(pollen.pipe.tokenizer)
    True

    Args:
        tokenizer: A tokenizer of transformers.
        set_by_calls: Settings that the pipeline itself sets whenever it encodes a text, such as
            `padding_side` by LTX-2 and SANA: what they were before decides nothing.
    """
    names = [name for name in _SETTINGS if name not in set_by_calls]
    settings = [(name, str(getattr(tokenizer, name, None))) for name in names]
    if not is_known(tokenizer):
        return f"{type(tokenizer).__name__} {settings}"
    stored = _stored_in(tokenizer)
    fast = getattr(tokenizer, "backend_tokenizer", None) is not None
    probed = _copy_of(tokenizer, stored) if fast else tokenizer
    return f"{settings} {stored} {probed.encode(_PROBE, verbose=False)}"


def _stored_in(tokenizer: Any) -> str:
    words = len(tokenizer)
    ids = range(0, words, max(words // _SAMPLES, 1))
    stages = getattr(tokenizer, "backend_tokenizer", None)
    found = [
        type(tokenizer).__name__,
        words,
        tokenizer.convert_ids_to_tokens(list(ids)),
        sorted(tokenizer.added_tokens_decoder.items()),
        *(_state(getattr(stages, name, None)) for name in _STAGES),
    ]
    return str(found)


def _state(stage: Any) -> Any:
    try:
        return stage and stage.__getstate__()
    except Exception:  # noqa: BLE001  (one that is written in Python has none)
        return type(stage).__qualname__


def _copy_of(tokenizer: Any, stored: str) -> Any:
    with _lock:
        before, found = _copies.get(tokenizer, (None, None))
        if before != stored:
            found = copy.deepcopy(tokenizer)
            found.backend_tokenizer.no_padding()
            found.backend_tokenizer.no_truncation()
            _copies[tokenizer] = stored, found
        return found
