"""Notes on words that don't reach a model: unknown ones, and those beyond an encoder's limit."""

import pytest

import beecam as bc
from beecam.models.capabilities import known_words, notes_of
from beecam.models.text.vocabulary import Vocabulary, quoted
from tiny import SHAPES, make

LONG = " ".join(f"w{i}" for i in range(400))
SHAPE = {"width": 32, "height": 32, "num_frames": 9}


@pytest.fixture(scope="module")
def pollen():
    return bc.load()


def test_unknown_words_are_noted_once_for_all_cells_with_the_nearest_known_ones(pollen):
    sweep = bc.sweep(
        "a {animal} over a medow, at a gas station", animal=["zebra", "bee"], seed=range(3)
    )
    (note,) = sweep.check(pollen)
    assert note.argument == "prompt"
    assert note.words == ("zebra", "medow", "gas station")
    assert str(note).startswith("prompt: pollen ignores 'zebra', 'medow', 'gas station'; the")
    assert "'meadow' for 'medow'" in note.message
    assert "zebra'" not in note.message.split(";")[1], "nothing is like it"


def test_two_unknown_words_may_have_one_nearest_word(pollen):
    (note,) = bc.sweep("a bee over a medow, a meadw, a medow").check(pollen)
    assert note.message.endswith(
        "the nearest that it knows: 'meadow' for 'medow' and 'meadow' for 'meadw'."
    )


def test_other_texts_of_a_shot_are_noted_under_their_arguments(pollen):
    shot = bc.shot(
        "a bee", negative_prompt="a zebra", switch_at=5, then_prompt="a butterfly in Oslo"
    )
    notes = notes_of(pollen, [pollen.resolve(shot)])
    assert {note.argument: note.words for note in notes} == {
        "negative_prompt": ("zebra",),
        "then_prompt": ("Oslo",),
    }
    assert "which it doesn't know" in notes[0].message
    unguided = pollen.resolve(bc.shot("a bee", negative_prompt="a zebra", guidance_scale=1.0))
    assert not notes_of(pollen, [unguided]), "it isn't encoded"
    mixed = pollen.resolve(bc.shot([("a bee", 0.5), ("a zebra", 0.5)]))
    assert notes_of(pollen, [mixed])[0].words == ("zebra",)


def test_punctuation_and_case_do_not_make_a_word_unknown(pollen):
    assert not bc.sweep("A Bee, over: dunes! (night)").check(pollen)
    assert "meadow" in known_words(pollen)
    assert not [word for word in known_words(pollen) if word.startswith("<")]


def test_models_of_a_set_note_their_own_shots(pollen, ltx):
    notes = bc.sweep("a zebra", num_frames=9).check({"one": pollen, "other": ltx})
    assert [note.words for note in notes] == [("zebra",)]
    assert "pollen" in notes[0].message
    assert known_words(ltx) == (), "it can read any word"


def test_the_end_of_a_long_text_is_noted(ltx):
    words = "a bee over the sea " * 40
    (note,) = bc.sweep(words, seed=[1, 2], max_sequence_length=16, **SHAPE).check(ltx)
    assert note.message == (
        "prompt: tiny-ltx reads at most 16 tokens; the end of the text is cut off, from "
        "'a bee over the sea a bee over the sea a bee over the sea a… on."
    )
    several = bc.sweep([words, "a moth " + words], max_sequence_length=16, **SHAPE).check(ltx)
    assert "of 2 texts the end is cut off, such as" in several[0].message
    assert not bc.sweep("a bee", max_sequence_length=16, **SHAPE).check(ltx)


@pytest.mark.parametrize(
    "name",
    [
        "LTXPipeline",
        "WanPipeline",
        "CogVideoXPipeline",
        "MochiPipeline",
        "AnimateDiffPipeline",
        "LattePipeline",
        "HunyuanVideoPipeline",
        "HunyuanVideo15Pipeline",
        "Kandinsky5T2VPipeline",
        "SanaVideoPipeline",
        "AllegroPipeline",
        "CosmosTextToWorldPipeline",
        "LTX2Pipeline",
    ],
)
def test_the_first_lost_word_is_where_the_pipeline_cuts(name, monkeypatch):
    """Each tokenizer of the family is observed while the pipeline encodes a long text."""
    model = bc.wrap(make(name), name=name)
    task = model.tasks[0]
    renamed = {"frames": "num_frames", "video_length": "num_frames", "frame_rate": "fps"}
    shape = {
        renamed.get(k, k): v for k, v in SHAPES[name].items() if not isinstance(v, (list, dict))
    }
    count = 400
    text = " ".join(f"w{i}" for i in range(count))
    shot = model.resolve(bc.shot(text, **{**shape, "guidance_scale": 1.0}))
    notes = notes_of(model, [shot])
    limits = task.text_limits(shot)
    assert len(notes) == len(limits) == 1 + bool(task.family.second_text_limit)
    seen = {}
    for limit in limits:
        one = getattr(limit.tokenizer, "tokenizer", limit.tokenizer)
        kind = type(one)
        for method in ("__call__", "apply_chat_template"):
            original = getattr(kind, method)

            def observed(self, *args, original=original, **more):
                found = original(self, *args, **more)
                if more.get("truncation"):
                    ids = found["input_ids"] if hasattr(found, "keys") else found
                    seen.setdefault(id(self), []).append(ids[0])
                return found

            monkeypatch.setattr(kind, method, observed)
    model._resources.encode_ahead(task, shot)
    for limit, note in zip(limits, notes, strict=True):
        one = getattr(limit.tokenizer, "tokenizer", limit.tokenizer)
        read = "".join(one.decode(seen[id(one)][0], skip_special_tokens=True).split())
        words = text.split()
        complete = next(n for n in range(count, 0, -1) if "".join(words[:n]) in read)
        assert note.words == tuple(words[complete:])


def test_quoted_lists_the_first_few():
    assert quoted(["a", "b c"]) == "'a', 'b c'"
    assert quoted([str(i) for i in range(12)], 3) == "'0', '1', '2', and 9 more"


def test_a_text_of_one_long_word_is_lost_completely(ltx):
    vocabulary = Vocabulary(ltx.pipe.tokenizer)
    assert vocabulary.cut_off("x" * 50, 16) == ["x" * 50]
    assert vocabulary.cut_off("", 16) == []
