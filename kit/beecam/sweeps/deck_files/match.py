"""The deck that shares most words with what somebody wants to make; it understands nothing."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from beecam.errors import DeckError, join_words, shorten
from beecam.sweeps.deck_files.deck import Deck
from beecam.sweeps.deck_files.find import decks as all_decks

MAX_TEXT = 1_000
# How much a shared word counts by where a deck has it.
_IN_NAME, _IN_VALUES, _IN_NOTE = 3.0, 2.0, 1.0
_WORD = re.compile(r"[^\W_]+")
_SMALL = frozenset(
    _WORD.findall(
        "a an and are as at be but by for from has i in into is it its like make me my of on "
        "one or "
        "over please so some something that the them there they this to under want we what "
        "which will "
        "with would you your"
    )
)


@dataclass(frozen=True)
class DeckMatch:
    """Which deck was taken for a text, and why.

    Attributes:
        text: What was asked for.
        deck: The nearest, or None where no deck shares a word with the text.
        words: The words that it shares, those that say most first.
        reason: A sentence on how it was chosen.
    """

    text: str
    deck: Deck | None
    words: tuple[str, ...]
    reason: str

    def __repr__(self) -> str:
        return f"Intent {shorten(self.text)}: {self.reason}"


def match_intent(
    text: str, decks: Sequence[Deck] | None = None, folder: Path | None = None
) -> DeckMatch:
    """Find the deck that shares most words with a text. Words are compared, not understood.

    >>> bc.intent("a hand-drawn moth at night").deck

    Args:
        text: What somebody wants to make.
        decks: Those to choose from; by default `bc.decks(folder)`.
        folder: As in `bc.decks`.

    Raises:
        DeckError: The text is none, or too long.
    """
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_TEXT:
        raise DeckError(
            f"intent({shorten(text)}): a text of at most {MAX_TEXT:,} characters is needed, as in "
            'bc.intent("a hand-drawn moth at night").'
        )
    known = tuple(all_decks(folder) if decks is None else decks)
    weights = [_weights(deck) for deck in known]
    having = Counter(word for each in weights for word in each)
    spelled = {_stem(word): word for word in reversed(_words(text))}
    scores: list[dict[str, float]] = [
        # A word that all decks have says nothing about which to take.
        {w: each[w] * math.log(1 + len(known) / having[w]) for w in spelled if w in each}
        for each in weights
    ]
    best = max(range(len(known)), key=lambda i: (sum(scores[i].values()), -i), default=None)
    if best is None or not scores[best]:
        names = join_words([repr(deck.name) for deck in known]) or "none"
        return DeckMatch(text, None, (), f"no deck shares a word with it. The decks are {names}.")
    ranked = sorted(scores[best], key=lambda word: (-scores[best][word], word))
    words = tuple(spelled[word] for word in ranked)
    others = [
        repr(known[i].name)
        for i, score in enumerate(scores)
        if i != best and math.isclose(sum(score.values()), sum(scores[best].values()))
    ]
    equal = f"; {join_words(others)} would do as well" if others else ""
    noun = "word" if len(words) == 1 else "words"
    return DeckMatch(
        text,
        known[best],
        words,
        f"{known[best].name!r} was taken: it shares the {noun} {join_words(words[:6])}{equal}.",
    )


def _weights(deck: Deck) -> dict[str, float]:
    texts = [
        (_IN_NAME, f"{deck.name} {deck.title}"),
        (_IN_NOTE, deck.note),
        (_IN_VALUES, deck.template),
    ]
    for axis in deck.axes:
        texts += [
            (_IN_VALUES, f"{axis.name} {v} {label}")
            for v, label in zip(axis.values, axis.labels, strict=True)
        ]
        texts += [(_IN_NOTE, note) for note in axis.notes if note]
    found: dict[str, float] = {}
    for weight, text in texts:
        for word in _words(text):
            found[_stem(word)] = max(weight, found.get(_stem(word), 0.0))
    return found


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.casefold()) if word not in _SMALL]


def _stem(word: str) -> str:
    """Put singular and plural together, and nothing else."""
    for ending, instead in (
        ("ies", "y"),
        ("sses", "ss"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("s", ""),
    ):
        if word.endswith(ending) and not word.endswith("ss") and len(word) > len(ending) + 2:
            return word[: -len(ending)] + instead
    return word


def find_deck(text: str, folder: str | os.PathLike[str] | None = None) -> Deck:
    """Return the deck that shares the most words with a text. Words are compared, not understood.

    >>> bc.find_deck("a hand-drawn moth at night").name
    'animation'

    Args:
        text: What the clips should show or look like.
        folder: A folder with decks of your own; as in `bc.decks`.

    Raises:
        DeckError: No deck shares a word with the text, or the text is empty or too long.
    """
    found = match_intent(text, folder=None if folder is None else Path(folder))
    if found.deck is None:
        names = join_words([one.name for one in all_decks(folder)])
        raise DeckError(
            f"find_deck({shorten(text)}): no deck shares a word with it; there are {names}."
        )
    return found.deck
