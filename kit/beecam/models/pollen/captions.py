"""What is said about a scene: a grammar with synonyms, several word orders and things left out.

Captions name a scene's attributes and never its accident.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "insect": {
        "bee": ("a bee", "a bee", "a bumblebee", "a honeybee", "a honey bee", "one bee"),
        "butterfly": ("a butterfly", "a butterfly", "an orange butterfly", "a monarch butterfly",
                      "a monarch"),
        "ladybug": ("a ladybug", "a ladybug", "a ladybird", "a red beetle", "a lady beetle"),
        "dragonfly": ("a dragonfly", "a dragonfly", "a blue dragonfly", "a damselfly"),
        "none": ("no insects", "no insect", "nothing flying", "an empty view", "nobody"),
    },
    "place": {
        "meadow": ("a meadow", "a meadow", "a green meadow", "a flower meadow", "grassland",
                   "a field of flowers", "the grass"),
        "desert": ("a desert", "a desert", "the desert", "dunes", "sand dunes", "warm dunes",
                   "the sahara", "the sand"),
        "ocean": ("the ocean", "the ocean", "an ocean", "the sea", "open water", "the waves"),
        "mountains": ("snowy mountains", "snowy mountains", "mountains", "the mountains",
                      "snowy peaks", "the alps", "the snow"),
        "lavender": ("a lavender field", "a lavender field", "lavender", "lavender fields",
                     "rows of lavender", "purple fields"),
        "forest": ("a forest", "a forest", "the forest", "the woods", "a dark forest", "treetops",
                   "a jungle"),
    },
    "light": {
        "dawn": ("at dawn", "at dawn", "at daybreak", "in the early morning", "at sunrise",
                 "in the morning mist"),
        "noon": ("at noon", "at noon", "at midday", "in bright daylight", "on a sunny day",
                 "under a blue sky", "by day"),
        "sunset": ("at sunset", "at sunset", "at dusk", "in the evening", "in golden light",
                   "under an orange sky"),
        "night": ("at night", "at night", "by night", "at midnight", "under the stars",
                  "in moonlight", "under a full moon"),
    },
    "camera": {
        "drone": ("drone shot", "seen from a drone", "aerial shot", "flying forward",
                  "a slow drone flight", "filmed by a drone"),
        "pan left": ("pan left", "panning left", "the camera pans left", "a pan to the left",
                     "camera turning left"),
        "pan right": ("pan right", "panning right", "the camera pans right", "a pan to the right",
                      "camera turning right"),
        "rising": ("rising shot", "the camera rises", "camera rising", "crane shot",
                   "the camera moves up", "going up"),
        "static": ("static shot", "a static camera", "still camera", "fixed camera",
                   "tripod shot", "the camera stands still"),
    },
}  # fmt: skip
_OVER = ("over", "over", "above", "flying over", "hovering above", "hovers over", "flies across")
_NO_INSECT_SAID = 0.6
_LEFT_OUT = {"insect": 0.08, "place": 0.08, "light": 0.12, "camera": 0.3}
_ORDERS = (
    "{insect} {place} {light}, {camera}",
    "{insect} {place} {light}, {camera}",
    "{insect} {place}, {light}, {camera}",
    "{light}, {insect} {place}, {camera}",
    "{camera}: {insect} {place} {light}",
    "{camera} of {insect} {place} {light}",
    "{place} {light}, {insect}, {camera}",
)
_BEFORE = ("a video of", "a film of", "footage of", "cinematic", "beautiful")
_STRANGE = 0.1


def caption(attributes: Mapping[str, str], lot: random.Random) -> str:
    """Say something about a scene.

    Args:
        attributes: Insect, place, light and camera, as in `Scene.attributes`.
        lot: Chooses words, order and what is left out.
    """
    said: dict[str, str] = {}
    for name, kinds in WORDS.items():
        out = _LEFT_OUT[name]
        if attributes[name] == "none":
            out = 1 - _NO_INSECT_SAID
        said[name] = "" if lot.random() < out else lot.choice(kinds[attributes[name]])
    order = lot.choice(_ORDERS)
    over = said["insect"] and said["place"] and order.index("{insect}") < order.index("{place}")
    place = f"{lot.choice(_OVER)} {said['place']}" if over else said["place"]
    text = order.format(**{**said, "place": place})
    if lot.random() < _STRANGE:
        text = f"{lot.choice(_BEFORE)} {text}"
    if lot.random() < _STRANGE:
        # What no grammar has foreseen is one unknown word to the tokenizer.
        words = text.split()
        words.insert(lot.randrange(len(words) + 1), lot.choice(("qx", "qx qx", "qx qx qx")))
        text = " ".join(words)
    return _tidy(text)


def plain(attributes: Mapping[str, str]) -> str:
    """Say everything about a scene in the plainest words, as an evaluation asks for it."""
    first = {name: WORDS[name][attributes[name]][0] for name in WORDS}
    return f"{first['insect']} over {first['place']} {first['light']}, {first['camera']}"


def vocabulary() -> list[str]:
    """Return every word that a caption may have, sorted."""
    texts = [text for kinds in WORDS.values() for many in kinds.values() for text in many]
    texts += [*_OVER, *_BEFORE, "of the a an in on with and one two"]
    return sorted({word for text in texts for word in text.lower().split()})


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"^(of|,|:|\s)+|(\s|,|:)+$", "", text)
    text = re.sub(r"(\s*,)+\s*", ", ", text)
    return re.sub(r"\s*:\s*[,:]*\s*(of )?", ": ", text).strip(" ,:")
