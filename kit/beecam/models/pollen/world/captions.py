"""Captions of scenes: a random grammar with synonyms, word orders and omissions.

Captions name a scene's attributes and never its accident.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from beecam.models.pollen.world.caption_words import PHRASES
from beecam.models.pollen.world.scene import ATTRIBUTES

_OVER = ("over", "over", "above", "flying over", "hovering above", "hovers over", "flies across")
_VERBS = ("hovers over", "flies across")
# Probability that an attribute is omitted: higher for what people rarely mention.
_OMITTED = {
    "insect": 0.08,
    "place": 0.06,
    "light": 0.12,
    "weather": 0.12,
    "camera": 0.2,
    "style": 0.1,
    "speed": 0.4,
}
# Default values, and the probability that they are omitted.
_DEFAULTS = {
    "insect": ("none", 0.4),
    "weather": ("clear", 0.6),
    "style": ("plain", 0.6),
    "speed": ("normal", 0.8),
}
_ORDERS = (
    "{insect} {place} {light} {weather}, {camera}, {speed}, {style}",
    "{insect} {place} {light} {weather}, {camera}, {speed}, {style}",
    "{insect} {place}, {light}, {weather}, {style}, {speed}, {camera}",
    "{light}, {insect} {place} {weather}, {camera}, {speed}, {style}",
    "{style}: {insect} {place} {light}, {weather}, {camera}, {speed}",
    "{style}, {camera} of {insect} {place} {light} {weather}, {speed}",
    "{camera}, {speed}: {insect} {place} {weather} {light}, {style}",
    "{place} {light} {weather}, {insect}, {camera}, {style}, {speed}",
    "{weather}, {place} {light}, {insect}, {speed}, {camera}, {style}",
)
_OPENINGS = ("a video of", "a film of", "footage of", "cinematic", "beautiful", "a scene with")
_RARE = 0.1
UNKNOWN = "qx"  # a word outside the vocabulary, which the tokenizer maps to <unk>


def caption(attributes: Mapping[str, str], rng: random.Random) -> str:
    """Return a random caption of a scene.

    >>> from beecam.models.pollen.world.scene import draw_scene
    >>> text = caption(draw_scene(3).attributes, random.Random(0))

    Args:
        attributes: As in `Scene.attributes`.
        rng: Chooses words, order and omissions.
    """
    chosen: dict[str, str] = {}
    for name, phrases in PHRASES.items():
        omitted = _OMITTED[name]
        if name in _DEFAULTS and attributes[name] == _DEFAULTS[name][0]:
            omitted = _DEFAULTS[name][1]
        chosen[name] = "" if rng.random() < omitted else rng.choice(phrases[attributes[name]])
    order = rng.choice(_ORDERS)
    over = chosen["insect"] and chosen["place"] and order.index("{insect}") < order.index("{place}")
    place = chosen["place"]
    if over:
        place = f"{_preposition(rng.choice(_OVER), attributes)} {place}"
    subject = (chosen["insect"] or place) and not place.startswith(_VERBS)
    if not (subject and chosen["camera"].endswith("shot")):
        order = order.replace(" of {insect}", ": {insect}")
    text = _tidy(order.format(**{**chosen, "place": place}))
    if rng.random() < _RARE:
        text = _with_opening(rng.choice(_OPENINGS), text, chosen)
    if rng.random() < _RARE:
        words = text.split()
        words.insert(rng.randrange(len(words) + 1), " ".join([UNKNOWN] * rng.randint(1, 3)))
        text = " ".join(words)
    return _tidy(text)


def _preposition(words: str, attributes: Mapping[str, str]) -> str:
    """Return "over" where there is no insect: "nobody hovers over" is not English."""
    return "over" if attributes["insect"] == "none" else words


def _with_opening(opening: str, text: str, chosen: Mapping[str, str]) -> str:
    """Prepend an opening: "a film of a bee" is English, "a film of at night" is not."""
    things = tuple(chosen[name] for name in ("insect", "place") if chosen[name])
    noun_first = text.startswith(things) and not any(f" {verb} " in text for verb in _VERBS)
    if noun_first and opening.endswith((" of", " with")):
        return f"{opening} {text}"
    return f"{opening.removesuffix(' of').removesuffix(' with')}: {text}"


def plain_caption(attributes: Mapping[str, str]) -> str:
    """Return a caption that names all attributes in their plainest words.

    >>> from beecam.models.pollen.world.scene import draw_scene
    >>> text = plain_caption(draw_scene(3).attributes)
    """
    first = {name: PHRASES[name][attributes[name]][0] for name in PHRASES}
    return (
        f"{first['insect']} over {first['place']} {first['light']} {first['weather']}, "
        f"{first['camera']}, {first['speed']}, {first['style']}"
    )


def named_values(attributes: Mapping[str, str], text: str) -> list[int]:
    """Return which attributes a caption names.

    Unknown words change nothing, wherever they are in the caption.

    Args:
        attributes: As in `Scene.attributes`.
        text: A caption of them.

    Returns:
        For each attribute the index of its value, or one past the last if the caption omits it.
    """
    words = " ".join(re.findall(r"[\w-]+", text.replace(UNKNOWN, " ")))
    return [
        values.index(attributes[name])
        if any(f" {phrase} " in f" {words} " for phrase in PHRASES[name][attributes[name]])
        else len(values)
        for name, values in ATTRIBUTES.items()
    ]


def vocabulary() -> list[str]:
    """Return all words that a caption may contain, sorted."""
    texts = [text for values in PHRASES.values() for phrases in values.values() for text in phrases]
    texts += [*_OVER, *_OPENINGS, "of the a an in on with and one two style shot"]
    return sorted({word for text in texts for word in text.lower().split()})


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"^(of|,|:|\s)+|(\s|,|:)+$", "", text)
    text = re.sub(r"(\s*,)+\s*", ", ", text)
    return re.sub(r"[\s,]*:[\s,:]*(of )?", ": ", text).strip(" ,:")
