"""The words of a prompt that reach a text encoder: those that it knows, up to its limit."""

from __future__ import annotations

import bisect
import difflib
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from beecam.models.text.tokenizers import own_tokenizer

# Below this similarity, and for shorter words, a suggestion is more odd than useful.
_SIMILAR = 0.8
_SHORTEST = 4
_PUNCTUATION = ".,;:!?()[]{}\"'"
# A phrase of unknown words ends where a word ends with one of these.
_BREAKS = (".", ",", ";", ":", "!", "?", ")")


class Vocabulary:
    """The words that a tokenizer can read.

    Attributes:
        known: All words that it knows, sorted; empty if it splits unknown words into parts.
    """

    def __init__(self, tokenizer: Any) -> None:
        """Read the vocabulary of a tokenizer of transformers, or of a processor with one."""
        self._tokenizer = own_tokenizer(tokenizer)
        self._unknown_token = getattr(self._tokenizer, "unk_token_id", None)
        self._unknown: dict[str, bool] = {}
        self._encoded: dict[tuple[str, bool], list[int]] = {}
        self._parts = _parts_of_added(self._tokenizer)
        self.known = _whole_words(self._tokenizer)

    def unknown(self, text: str) -> list[str]:
        """Return the phrases of a text that the tokenizer replaces by its unknown token.

        >>> Vocabulary(pollen.pipe.tokenizer).unknown("a zebra at a gas station")
        ['zebra', 'gas station']
        """
        phrases: list[list[str]] = []
        continues = False
        for word in text.split():
            if not self._is_unknown(word):
                continues = False
                continue
            if not continues:
                phrases.append([])
            phrases[-1].append(word.strip(_PUNCTUATION) or word)
            continues = not word.endswith(_BREAKS)
        return list(dict.fromkeys(" ".join(words) for words in phrases))

    def encode_ahead(self, texts: Iterable[str], *, specials: bool = True) -> None:
        """Encode many texts that `cut_off` and `read` will be asked about at once, which is faster.

        Args:
            texts: The texts.
            specials: Whether special tokens are added.
        """
        left = [text for text in dict.fromkeys(texts) if (text, specials) not in self._encoded]
        if left:
            found = self._tokenizer(left, add_special_tokens=specials, verbose=False).input_ids
            self._encoded.update(
                {(t, specials): self._expanded(ids) for t, ids in zip(left, found, strict=True)}
            )

    def nearest(self, word: str) -> str | None:
        """Return the known word that is most like a word, or None if none is like it."""
        if len(word) < _SHORTEST:
            return None
        found = difflib.get_close_matches(word.lower(), self.known, n=1, cutoff=_SIMILAR)
        return found[0] if found else None

    def cut_off(self, text: str, limit: int, *, specials: bool = True) -> list[str]:
        """Return the last words of a text, from the first one that isn't read completely.

        Args:
            text: The text.
            limit: The number of tokens that the encoder reads.
            specials: Whether the tokenizer's special tokens are among them.
        """
        if self._count(text, specials=specials) <= limit:
            return []
        words = text.split()

        def tokens(count: int) -> int:
            return self._count(" ".join(words[:count]), specials=specials)

        fitting = bisect.bisect_right(range(len(words) + 1), limit, key=tokens) - 1
        return words[max(0, fitting) :]

    def read(self, text: str, limit: int, *, specials: bool = True) -> tuple[int, ...]:
        """Return the tokens of a text that an encoder reads: texts with equal ones are one to it.

        Args:
            text: The text.
            limit: The number of tokens that the encoder reads.
            specials: Whether the tokenizer's special tokens are among them.
        """
        tokens = self._tokens(text, specials=specials)
        if len(tokens) <= limit:
            return tuple(tokens)
        ends = specials and tokens[-1] in self._tokenizer.all_special_ids
        return (*tokens[: limit - 1], tokens[-1]) if ends else tuple(tokens[:limit])

    def _count(self, text: str, *, specials: bool) -> int:
        return len(self._tokens(text, specials=specials))

    def _is_unknown(self, word: str) -> bool:
        if self._unknown_token is None:
            return False
        if word not in self._unknown:
            self._unknown[word] = self._unknown_token in self._tokens(word, specials=False)
        return self._unknown[word]

    def _tokens(self, text: str, *, specials: bool) -> list[int]:
        if (text, specials) in self._encoded:
            return self._encoded[text, specials]
        # Not verbose: a text over the limit is what is looked for.
        found = self._tokenizer(text, add_special_tokens=specials, verbose=False)
        return self._expanded(found.input_ids)

    def _expanded(self, tokens: list[int]) -> list[int]:
        if not self._parts:
            return tokens
        return [part for one in tokens for part in self._parts.get(one, (one,))]


def _parts_of_added(tokenizer: Any) -> dict[int, tuple[int, ...]]:
    """Return the tokens that pipelines put in the place of a word with several embeddings.

    Those of a textual inversion are named "<cat>", "<cat>_1", "<cat>_2" and so on.
    """
    added: dict[str, int] = getattr(tokenizer, "get_added_vocab", dict)()
    found = {}
    for word, token in added.items():
        more = itertools.takewhile(added.__contains__, (f"{word}_{i}" for i in itertools.count(1)))
        if others := tuple(added[name] for name in more):
            found[token] = (token, *others)
    return found


def _whole_words(tokenizer: Any) -> tuple[str, ...]:
    """Return the words of a tokenizer whose tokens are all whole words; none for others."""
    fast = getattr(tokenizer, "backend_tokenizer", None)
    if fast is None or type(fast.model).__name__ != "WordLevel":
        return ()
    return tuple(sorted(set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens)))


def quoted(words: list[str] | tuple[str, ...], limit: int = 8) -> str:
    """Return words as messages list them: `'zebra', 'gas station'`; the first few of many."""

    def each() -> Iterator[str]:
        yield from (repr(word) for word in words[:limit])
        if len(words) > limit:
            yield f"and {len(words) - limit:,} more"

    return ", ".join(each())
