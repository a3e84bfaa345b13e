"""Decks: those that ship, a user's own, problems of deck files, and matching a description."""

import pytest

import beecam as bc
from beecam.errors import DeckError
from beecam.models.pollen.world.captions import vocabulary
from beecam.sweeps.deck_files.find import own_folder
from beecam.sweeps.deck_files.match import match_intent

NAMED = ("first-person flight", "2D animation", "3D short film", "product shot")
GOOD = """\
name: ponds
note: Look at the water.
template: "{insect} over {water}, {{still}}"
axes:
  insect:
    - a bee
    - {value: a moth, label: moth, note: Loud wings.}
  water: [a pond, 7]
arguments:
  guidance_scale: [2, 4.5]
  fps: {value: 12, note: Slow.}
seeds: 3
"""


@pytest.fixture
def write(tmp_path):
    def make(text, name="own.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make


def deck_error(path):
    with pytest.raises(DeckError) as error:
        bc.deck(path)
    return str(error.value)


def test_the_decks_that_ship_can_be_laid_out_and_have_notes():
    there = bc.decks()
    assert {*NAMED} < {deck.name for deck in there}
    assert len(there) >= 6
    assert there.problems == ()
    for deck in there:
        assert 0 < len(deck.sweep()) <= 40, deck.name
        assert deck.note
        assert deck.title
        for axis in deck.axes:
            assert all(axis.notes), f"{deck.name}: a value of {axis.name} has no note"


def test_the_decks_for_pollen_use_only_its_vocabulary():
    words = {*vocabulary()}
    for name in ("insects over landscapes", "one place, one day", "weather and style"):
        for cell in bc.deck(name).sweep(every=True).cells:
            assert {*cell.shot.prompt.replace(",", "").split()} <= words


def test_decks_suggest_only_arguments_that_a_model_takes():
    model = bc.load()
    for deck in bc.decks():
        deck.sweep(model).check(model)
    assert bc.deck("2D animation").arguments_for(model) == {"fps": 12}
    arguments = {
        "num_frames": 20,
        "height": bc.Axis("height", (64, 65)),
        "width": 96,
        "colour": "red",
        "negative_prompt": 3,
    }
    deck = bc.Deck("odd", "", "", "a bee", (), arguments)
    assert deck.arguments_for(model) == {"width": 96}
    assert deck.sweep(model).constants["width"] == 96


def test_a_users_own_deck(write):
    deck = bc.deck(write(GOOD))
    assert (deck.name, deck.title, deck.note, deck.seeds) == (
        "ponds",
        "Ponds",
        "Look at the water.",
        3,
    )
    insect, water = deck.axes
    assert (insect.values, insect.labels) == (("a bee", "a moth"), ("a bee", "moth"))
    assert insect.notes == (None, "Loud wings.")
    assert water.values == ("a pond", 7)
    assert deck.arguments["guidance_scale"].values == (2, 4.5)
    assert (deck.arguments["fps"], deck.argument_notes) == (12, {"fps": "Slow."})
    laid = deck.sweep(insect="a wasp", seed=[9])
    assert len(laid) == 4
    assert laid.cells[0].shot.prompt == "a wasp over a pond, {still}"
    assert laid.cells[0].shot.seed == 9
    assert laid.axes[-1].name == "seed"


def test_own_decks_add_to_and_replace_those_that_ship(write, monkeypatch):
    folder = write(GOOD).parent
    write("name: Product Shot\ntemplate: a jar\n", "a.yml")
    write("name: [1]\ntemplate: x\n", "broken.yaml")
    write("name: ponds\ntemplate: x\n", "twice.yaml")
    there = bc.decks(folder)
    assert bc.deck("product shot", folder).template == "a jar"
    assert bc.deck("ponds", folder).name == "ponds"
    assert [deck.name.casefold() for deck in there].count("product shot") == 1
    broken, twice = there.problems
    assert "broken.yaml, line 1: name: a string is needed" in broken
    assert "own.yaml has the name 'ponds', too" in twice
    assert broken in repr(there)
    monkeypatch.setenv("BEECAM_LIBRARY", str(folder))
    assert own_folder() == folder / "decks"
    assert len(bc.decks()) == len(bc.decks(folder / "nowhere"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: x\ntemplat: y\n", "line 2: templat: not a key of the deck. Did you mean template?"),
        ("name: x\n", "line 1: template: it is missing"),
        ("name: x\ntemplate: '{insekt}'\naxes:\n  insect: [a]\n", "Did you mean insect?"),
        ("name: x\ntemplate: '{insect}'\naxes:\n  insect: [a]\n  b: [c]\n", "no slot {b}"),
        ("name: x\ntemplate: '{a'\n", "line 2: template: the brace at character 0"),
        ("name: x\ntemplate: '{a}'\naxes:\n  a: one\n", "line 4: axes: a: a list of values"),
        ("name: x\ntemplate: '{a}'\naxes:\n  a: [no]\n", "in quotes it is a string: 'no'"),
        ("name: x\ntemplate: '{a}'\naxes:\n  a: [b, b]\n", "the value 'b' occurs twice"),
        ("name: x\ntemplate: '{a}'\naxes:\n  a: []\n", "0 values; from 1 to 200"),
        ("name: x\ntemplate: '{a}'\naxes:\n  a: [{label: b}]\n", "value: is missing"),
        ("name: x\ntemplate: y\nname: z\n", "line 3: name: it is given twice"),
        ("name: x\ntemplate: y\nseeds: 0\n", "line 3: seeds: an integer from 1 to 1,000"),
        ("name: x\ntemplate: y\narguments:\n  seed: 3\n", "use the key seeds"),
        ("name: x\ntemplate: y\narguments:\n  image: a.png\n", "a deck can't set it"),
        ("name: x\ntemplate: y\narguments:\n  fps: .inf\n", "line 4: arguments: fps"),
        ("name: x\ntemplate: y\narguments:\n  fps: 2026-01-01\n", "line 4: arguments: fps"),
        ("name: x\n  template: y\n", "line 2: mapping values are not allowed here"),
        ("- a\n", "line 1: the deck: keys with values"),
        ("# nothing", "line 1: the deck: it is empty"),
        (b"\xff\xfe\x00x", "UTF-8"),
        ("x" * 70_000, "at most 64,000 bytes"),
        ("[" * 20_000 + "]" * 20_000, "lists within lists"),
        ("a: &a [1]\nb: *a\n", "aliases"),
        ("name: x\ntemplate: " + "y" * 5_000, "at most 4,000 are allowed"),
        ("name: x\ntemplate: !!python/object/apply:os.getcwd []\n", "line 2: template"),
        ("!!python/object/apply:os.getcwd\nname: x\ntemplate: y\n", "keys with values"),
        ("name: x\ntemplate: y\nseeds: " + "9" * 6_000, "an integer"),
    ],
)
def test_problems_of_a_deck_name_file_and_line(write, text, words):
    message = deck_error(write(text))
    assert words in message
    assert "own.yaml" in message
    assert len(message) < 2_000


def test_all_problems_of_a_deck_are_reported_at_once(write):
    message = deck_error(write("name: 3\ntemplate: [a]\ncolour: x\nseeds: many\n"))
    assert [line.split("line ")[1][0] for line in message.splitlines()] == ["3", "2", "1", "4"]


def test_an_unknown_name_gets_the_nearest(tmp_path):
    with pytest.raises(DeckError, match="Did you mean product shot") as error:
        bc.deck("produkt shot")
    assert "bc.find_deck('produkt shot') finds the nearest" in str(error.value)
    with pytest.raises(DeckError, match=r"can't be read: No such file"):
        bc.deck(tmp_path / "none.yaml")
    with pytest.raises(DeckError, match="a deck's name"):
        bc.deck(3)


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("a hand-drawn butterfly", "2D animation", ("drawn", "hand", "butterfly")),
        ("sell my watch", "product shot", ("watch",)),
        ("dragonflies in first person", "first-person flight", ("first", "person", "dragonflies")),
    ],
)
def test_the_best_match_lists_the_words_it_shares(text, name, words):
    found = match_intent(text)
    assert found.deck.name == name
    assert {*words} <= {*found.words}
    assert all(word in found.reason for word in words)
    assert match_intent(text) == found


def test_a_word_that_many_decks_have_counts_less():
    first, second = (bc.Deck(f"bee {n}", "", "", "x", ()) for n in "ab")
    third = bc.Deck("c", "", "", "a moth", ())
    assert match_intent("bee moth", [first, second, third]).deck is third
    found = match_intent("bee", [first, second, third])
    assert found.deck is first
    assert "'bee b' would do as well" in found.reason


def test_without_a_word_in_common_there_is_no_match():
    found = match_intent("the zzz of qqq")
    assert (found.deck, found.words) == (None, ())
    assert "no deck shares a word" in found.reason
    with pytest.raises(DeckError, match="a string of at most"):
        match_intent(" ")
    with pytest.raises(DeckError, match="no deck shares a word with it"):
        bc.find_deck("the zzz of qqq")
    assert bc.find_deck("a hand-drawn butterfly").name == "2D animation"


def test_neither_case_nor_spaces_of_a_name_matter(write):
    path = write(GOOD.replace("ponds", "My  Ponds", 1))
    folder = path.parent
    for name in ("My  Ponds", "my ponds", " MY PONDS "):
        assert bc.deck(name, folder).path == path
