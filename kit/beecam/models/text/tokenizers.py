"""Count tokens while a pipeline uses the same tokenizer in another thread."""

from __future__ import annotations

import copy
import threading
import weakref
from typing import Any

from beecam.models.batching.owner import is_known

# By tokenizer, with its number of tokens then: words may be added to it.
_copies: weakref.WeakKeyDictionary[Any, tuple[int, Any]] = weakref.WeakKeyDictionary()
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
    with _lock:
        size, found = _copies.get(tokenizer, (None, None))
        if size != len(tokenizer):
            found = copy.deepcopy(tokenizer)
            found.backend_tokenizer.no_padding()
            found.backend_tokenizer.no_truncation()
            _copies[tokenizer] = len(tokenizer), found
        return found
