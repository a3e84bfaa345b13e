"""Find the deck that shares the most words with a description; words are only compared."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from beecam._util.checks import path_argument, raise_problems
from beecam.errors import DeckError, join_words, shorten
from beecam.sweeps.deck_files.deck import Deck
from beecam.sweeps.deck_files.find import decks as all_decks

MAX_TEXT = 1_000
# The weight of a shared word, by its place in the deck.
_IN_NAME, _IN_VALUES, _IN_NOTE = 3.0, 2.0, 1.0
_WORD = re.compile(r"[^\W_]+")
_STOP_WORDS = frozenset(
    _WORD.findall(
        "a an and are as at be but by for from has i in into is it its like make me my of on one "
        "or over please so some something that the them there they this to under want we what "
        "which will with would you your"
    )
)


@dataclass(frozen=True)
class DeckMatch:
    """The deck that matches a description, and why.

    >>> match_intent("sell my watch").reason
    "'product shot' was taken: it shares the words watch and sell."

    Attributes:
        text: The description.
        deck: The best match, or None if no deck shares a word with the description.
        words: The shared words, those with the highest weight first.
        reason: A sentence on why the deck was taken.
    """

    text: str
    deck: Deck | None
    words: tuple[str, ...]
    reason: str

    def __repr__(self) -> str:
        return f"DeckMatch {shorten(self.text)}: {self.reason}"


def find_deck(text: str, folder: str | os.PathLike[str] | None = None) -> Deck:
    """Return the deck that shares the most words with a description.

    Words are only compared: "bug" does not find a deck of insects.

    >>> bc.find_deck("a hand-drawn butterfly").name
    '2D animation'

    Args:
        text: What the clips should show or look like.
        folder: A folder with decks of your own; as in `bc.decks`.

    Raises:
        DeckError: No deck shares a word with the description, or it is empty or too long.
        CheckError: The folder is not a path.
    """
    if folder is not None:
        raise_problems(path_argument("folder", folder, "'lessons'"))
    match = match_intent(text, folder=None if folder is None else Path(folder))
    if match.deck is None:
        raise DeckError(f"find_deck({shorten(text)}): {match.reason}")
    return match.deck


def match_intent(
    text: str, decks: Sequence[Deck] | None = None, folder: Path | None = None
) -> DeckMatch:
    """Return the deck that shares the most words with a description, and why.

    Rare words count more than words that many decks have.

    >>> match_intent("a hand-drawn butterfly").deck.name
    '2D animation'

    Args:
        text: What the clips should show or look like.
        decks: The decks to choose from; by default `bc.decks(folder)`.
        folder: A folder with decks of your own; as in `bc.decks`.

    Raises:
        DeckError: The description is empty, too long, or not a string.
    """
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_TEXT:
        raise DeckError(
            f"find_deck({shorten(text)}): a string of at most {MAX_TEXT:,} characters is needed, "
            'as in bc.find_deck("a hand-drawn moth at night").'
        )
    candidates = tuple(all_decks(folder) if decks is None else decks)
    spelled = {_stem(word): word for word in reversed(_words(text))}
    scores = _scores(spelled, candidates)
    totals = [sum(score.values()) for score in scores]
    best = max(range(len(candidates)), key=lambda i: (totals[i], -i), default=None)
    if best is None or not scores[best]:
        names = join_words([repr(deck.name) for deck in candidates]) or "none"
        return DeckMatch(text, None, (), f"no deck shares a word with it. The decks are {names}.")
    ranked = sorted(scores[best], key=lambda word: (-scores[best][word], word))
    words = tuple(spelled[word] for word in ranked)
    others = [
        repr(candidates[i].name)
        for i, total in enumerate(totals)
        if i != best and math.isclose(total, totals[best])
    ]
    ties = f"; {join_words(others)} would do as well" if others else ""
    noun = "word" if len(words) == 1 else "words"
    return DeckMatch(
        text,
        candidates[best],
        words,
        f"{candidates[best].name!r} was taken: it shares the {noun} {join_words(words[:6])}{ties}.",
    )


def _scores(stems: Iterable[str], decks: Sequence[Deck]) -> list[dict[str, float]]:
    """Return for each deck the scores of the stems that it has."""
    weights = [_weights(deck) for deck in decks]
    frequencies = Counter(word for each in weights for word in each)
    # As in tf-idf, a word that all decks have does not tell them apart.
    return [
        {w: each[w] * math.log(1 + len(decks) / frequencies[w]) for w in stems if w in each}
        for each in weights
    ]


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
    weights: dict[str, float] = {}
    for weight, text in texts:
        for word in _words(text):
            weights[_stem(word)] = max(weight, weights.get(_stem(word), 0.0))
    return weights


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.casefold()) if word not in _STOP_WORDS]


def _stem(word: str) -> str:
    """Return the singular of a regular plural; other forms are not changed."""
    for ending, singular in (
        ("ies", "y"),
        ("sses", "ss"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("s", ""),
    ):
        if word.endswith(ending) and not word.endswith("ss") and len(word) > len(ending) + 2:
            return word[: -len(ending)] + singular
    return word
