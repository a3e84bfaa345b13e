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
        "butterfly": (
            "a butterfly",
            "a butterfly",
            "an orange butterfly",
            "a monarch butterfly",
            "a monarch",
        ),
        "ladybug": ("a ladybug", "a ladybug", "a ladybird", "a lady beetle", "a spotted ladybug"),
        "dragonfly": ("a dragonfly", "a dragonfly", "a blue dragonfly", "a damselfly"),
        "firefly": (
            "a firefly",
            "a firefly",
            "a glow worm",
            "a lightning bug",
            "a glowing firefly",
        ),
        "beetle": ("a beetle", "a beetle", "a stag beetle", "a green beetle", "a scarab"),
        "none": ("no insects", "no insect", "nothing flying", "an empty view", "nobody"),
    },
    "place": {
        "meadow": (
            "a meadow",
            "a meadow",
            "a green meadow",
            "a flower meadow",
            "grassland",
            "a field of flowers",
            "the grass",
        ),
        "desert": (
            "a desert",
            "a desert",
            "the desert",
            "dunes",
            "sand dunes",
            "warm dunes",
            "the sahara",
            "the sand",
        ),
        "ocean": ("the ocean", "the ocean", "an ocean", "the sea", "open water", "the waves"),
        "mountains": (
            "snowy mountains",
            "snowy mountains",
            "mountains",
            "the mountains",
            "snowy peaks",
            "the alps",
            "a mountain range",
        ),
        "lavender": (
            "a lavender field",
            "a lavender field",
            "lavender",
            "lavender fields",
            "rows of lavender",
            "purple fields",
        ),
        "forest": (
            "a forest",
            "a forest",
            "the forest",
            "the woods",
            "a dark forest",
            "treetops",
            "a jungle",
        ),
        "city": (
            "a city",
            "a city",
            "the city",
            "rooftops",
            "skyscrapers",
            "a town",
            "the streets",
            "tall buildings",
        ),
        "canyon": (
            "a canyon",
            "a canyon",
            "the canyon",
            "red rocks",
            "a red canyon",
            "a gorge",
            "the badlands",
        ),
        "islands": (
            "tropical islands",
            "islands",
            "an island",
            "a lagoon",
            "the archipelago",
            "a tropical beach",
        ),
        "volcano": (
            "a volcano",
            "a volcano",
            "the volcano",
            "lava",
            "lava fields",
            "rivers of lava",
            "black rock and lava",
        ),
    },
    "light": {
        "dawn": (
            "at dawn",
            "at dawn",
            "at daybreak",
            "in the early morning",
            "at sunrise",
            "in pale morning light",
        ),
        "noon": (
            "at noon",
            "at noon",
            "at midday",
            "in bright daylight",
            "in full daylight",
            "by day",
        ),
        "sunset": (
            "at sunset",
            "at sunset",
            "at dusk",
            "in the evening",
            "in golden light",
            "under an orange sky",
        ),
        "night": (
            "at night",
            "at night",
            "by night",
            "at midnight",
            "under the stars",
            "in moonlight",
            "under a full moon",
        ),
    },
    "weather": {
        "clear": (
            "in clear weather",
            "in clear weather",
            "under a clear sky",
            "in fine weather",
            "on a clear day",
        ),
        "rain": (
            "in the rain",
            "in the rain",
            "while it rains",
            "in a downpour",
            "in rainy weather",
            "in heavy rain",
        ),
        "snow": (
            "in the snow",
            "in falling snow",
            "while it snows",
            "in a snowstorm",
            "in snowy weather",
            "with snowflakes",
        ),
        "fog": (
            "in fog",
            "in fog",
            "in the fog",
            "in thick mist",
            "in foggy weather",
            "in a haze",
            "in the mist",
        ),
    },
    "camera": {
        "static": (
            "static shot",
            "a static camera",
            "still camera",
            "fixed camera",
            "tripod shot",
            "the camera stands still",
        ),
        "drone": (
            "drone shot",
            "seen from a drone",
            "aerial shot",
            "flying forward",
            "a drone flight",
            "filmed by a drone",
        ),
        "pan left": (
            "pan left",
            "panning left",
            "the camera pans left",
            "a pan to the left",
            "camera turning left",
        ),
        "pan right": (
            "pan right",
            "panning right",
            "the camera pans right",
            "a pan to the right",
            "camera turning right",
        ),
        "orbit": (
            "orbit shot",
            "orbiting camera",
            "the camera orbits",
            "circling shot",
            "the camera circles around",
        ),
        "rise": (
            "rising shot",
            "the camera rises",
            "camera rising",
            "crane shot",
            "the camera moves up",
            "going up",
        ),
        "dive": (
            "diving shot",
            "the camera dives",
            "a dive",
            "swooping down",
            "camera diving",
            "going down steeply",
        ),
        "tracking": (
            "tracking shot",
            "the camera tracks sideways",
            "side tracking",
            "a dolly shot",
            "moving sideways",
        ),
        "handheld": (
            "handheld camera",
            "handheld shot",
            "shaky camera",
            "shaky footage",
            "filmed by hand",
        ),
    },
    "style": {
        "plain": ("realistic", "realistic", "as a photograph", "natural colours", "3d render"),
        "watercolour": (
            "watercolour",
            "watercolour",
            "a watercolour painting",
            "watercolor",
            "painted in watercolours",
            "aquarelle",
        ),
        "pixel art": (
            "pixel art",
            "pixel art",
            "8 bit",
            "like an old video game",
            "pixelated",
            "retro game graphics",
        ),
        "neon": (
            "neon",
            "neon style",
            "neon lights",
            "glowing neon lines",
            "synthwave",
            "cyberpunk neon",
        ),
        "black and white": (
            "black and white film",
            "black and white",
            "an old film",
            "monochrome",
            "film noir",
            "silent film",
        ),
        "pencil": (
            "pencil drawing",
            "pencil sketch",
            "a sketch",
            "drawn in pencil",
            "hand drawn with pencil",
        ),
    },
    "speed": {
        "slow": ("slowly", "slow motion", "slow", "in slow motion", "calm"),
        "normal": ("at normal speed", "steady", "steadily"),
        "fast": ("fast", "quickly", "very fast", "rushing", "at high speed"),
    },
}
_OVER = ("over", "over", "above", "flying over", "hovering above", "hovers over", "flies across")
_VERBS = ("hovers over", "flies across")
# What is said least often is what a person leaves out; a clip that is like any other isn't named.
_LEFT_OUT = {
    "insect": 0.08,
    "place": 0.06,
    "light": 0.12,
    "weather": 0.12,
    "camera": 0.2,
    "style": 0.1,
    "speed": 0.4,
}
_USUAL = {
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
_BEFORE = ("a video of", "a film of", "footage of", "cinematic", "beautiful", "a scene with")
_STRANGE = 0.1
UNKNOWN = "qx"  # stands for words that no grammar has foreseen


def caption(attributes: Mapping[str, str], lot: random.Random) -> str:
    """Say something about a scene.

    Args:
        attributes: As in `Scene.attributes`.
        lot: Chooses words, order and what is left out.
    """
    said: dict[str, str] = {}
    for name, kinds in WORDS.items():
        out = _LEFT_OUT[name]
        if name in _USUAL and attributes[name] == _USUAL[name][0]:
            out = _USUAL[name][1]
        said[name] = "" if lot.random() < out else lot.choice(kinds[attributes[name]])
    order = lot.choice(_ORDERS)
    over = said["insect"] and said["place"] and order.index("{insect}") < order.index("{place}")
    place = f"{_above(lot.choice(_OVER), attributes)} {said['place']}" if over else said["place"]
    seen = (said["insect"] or place) and not place.startswith(_VERBS)
    if not (seen and said["camera"].endswith("shot")):
        order = order.replace(" of {insect}", ": {insect}")
    text = _tidy(order.format(**{**said, "place": place}))
    if lot.random() < _STRANGE:
        text = _begun(lot.choice(_BEFORE), text, said)
    if lot.random() < _STRANGE:
        # What no grammar has foreseen is one unknown word to the tokenizer.
        words = text.split()
        words.insert(lot.randrange(len(words) + 1), " ".join([UNKNOWN] * lot.randint(1, 3)))
        text = " ".join(words)
    return _tidy(text)


def _above(words: str, attributes: Mapping[str, str]) -> str:
    """Let nobody be over a place, but neither hover nor fly there."""
    return "over" if attributes["insect"] == "none" else words


def _begun(words: str, text: str, said: Mapping[str, str]) -> str:
    """Begin a text with further words: there is a film of a bee, but none of at night."""
    things = tuple(said[name] for name in ("insect", "place") if said[name])
    whole = text.startswith(things) and not any(f" {verb} " in text for verb in _VERBS)
    if whole and words.endswith((" of", " with")):
        return f"{words} {text}"
    return f"{words.removesuffix(' of').removesuffix(' with')}: {text}"


def plain(attributes: Mapping[str, str]) -> str:
    """Say everything about a scene in the plainest words, as an evaluation asks for it."""
    first = {name: WORDS[name][attributes[name]][0] for name in WORDS}
    return (
        f"{first['insect']} over {first['place']} {first['light']} {first['weather']}, "
        f"{first['camera']}, {first['speed']}, {first['style']}"
    )


def vocabulary() -> list[str]:
    """Return every word that a caption may have, sorted."""
    texts = [text for kinds in WORDS.values() for many in kinds.values() for text in many]
    texts += [*_OVER, *_BEFORE, "of the a an in on with and one two style shot"]
    return sorted({word for text in texts for word in text.lower().split()})


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"^(of|,|:|\s)+|(\s|,|:)+$", "", text)
    text = re.sub(r"(\s*,)+\s*", ", ", text)
    return re.sub(r"[\s,]*:[\s,:]*(of )?", ": ", text).strip(" ,:")
