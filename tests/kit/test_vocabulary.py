"""Notes on words that don't reach a model: unknown ones, and those beyond an encoder's limit."""

import bisect
import functools
import threading

import pytest
import torch

import beecam as bc
from beecam.models.capabilities import known_words, notes_of
from beecam.models.text.vocabulary import Vocabulary, quoted
from helpers import PATIENCE
from tiny import NEEDS, SHAPES, make

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
    assert "zebra'" not in note.message.split(";")[1], "no known word is similar"


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
    (note,) = notes_of(pollen, [unguided])
    assert "clips are generated without guidance; set guidance_scale=3, too" in note.message
    assert not note.words, "it isn't encoded"
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
    assert known_words(ltx) == (), "its tokenizer encodes any word"


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


@pytest.mark.slow
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
                output = original(self, *args, **more)
                if more.get("truncation"):
                    ids = output["input_ids"] if hasattr(output, "keys") else output
                    seen.setdefault(id(self), []).append(ids[0])
                return output

            monkeypatch.setattr(kind, method, observed)
    model._resources.encode_ahead(task, shot)
    for limit, note in zip(limits, notes, strict=True):
        one = getattr(limit.tokenizer, "tokenizer", limit.tokenizer)
        encoded = "".join(one.decode(seen[id(one)][0], skip_special_tokens=True).split())
        words = text.split()
        complete = next(n for n in range(count, 0, -1) if "".join(words[:n]) in encoded)
        assert note.words == tuple(words[complete:])


# Guidance has another name there, or its text isn't encoded: nothing can be observed.
UNGUIDED = ("HunyuanVideoPipeline", "HunyuanVideoImageToVideoPipeline", "HunyuanVideo15Pipeline")
# The classes with another encoder, limit or template; the rest share those of one of these.
ENCODERS = (
    "LTXPipeline",
    "WanPipeline",
    "SanaVideoPipeline",
    "AnimateDiffPipeline",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in (
            "CogVideoXPipeline",
            "MochiPipeline",
            "LattePipeline",
            "AllegroPipeline",
            "AnyFlowPipeline",
            "SkyReelsV2Pipeline",
            "CosmosTextToWorldPipeline",
            "LTX2Pipeline",
            "HunyuanVideoPipeline",
            "HunyuanVideo15Pipeline",
            "Kandinsky5T2VPipeline",
        )
    ),
)


def tensors_of(value):
    """All tensors in what an encoder returns."""
    if isinstance(value, torch.Tensor):
        return [value.clone()]
    inner = list(value.values()) if isinstance(value, dict) else value
    return [t for one in inner for t in tensors_of(one)] if isinstance(inner, (list, tuple)) else []


@pytest.mark.parametrize("argument", ["prompt", "negative_prompt"])
@pytest.mark.parametrize("name", ENCODERS)
def test_the_note_comes_with_the_first_word_that_is_lost(name, argument, monkeypatch):
    """The word before it changes an embedding that the first lost one doesn't change."""
    if argument == "negative_prompt" and name in UNGUIDED:
        pytest.skip("its negative prompt isn't encoded")
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    model = bc.wrap(make(name), name=name)
    renamed = {"frames": "num_frames", "video_length": "num_frames", "frame_rate": "fps"}
    shape = {
        renamed.get(k, k): v for k, v in SHAPES[name].items() if not isinstance(v, (list, dict))
    }
    shape.pop("max_sequence_length", None)

    def shot(count):
        texts = {"prompt": "an bee", argument: "a " * count}
        return model.resolve(bc.shot(**texts, **{**shape, "guidance_scale": 3.0}))

    def notes(count):
        return [n for n in notes_of(model, [shot(count)]) if n.argument == argument]

    seen = []
    kind = type(model.pipe)
    original = kind.encode_prompt

    @functools.wraps(original)
    def observed(*args, **more):
        found = original(*args, **more)
        seen.extend(tensors_of(found))
        return found

    monkeypatch.setattr(kind, "encode_prompt", observed)

    def embeddings(count):
        seen.clear()
        model._resources.prompts.clear()
        model._resources.encode_ahead(model.tasks[0], shot(count))
        return list(seen)

    def changed(one, other):
        pairs = enumerate(zip(one, other, strict=True))
        return {i for i, (a, b) in pairs if a.shape != b.shape or not torch.equal(a, b)}

    limits = model.tasks[0].text_limits(shot(1), argument)
    for number in range(1, len(limits) + 1):
        longest = bisect.bisect_left(range(1, 1900), number, key=lambda n: len(notes(n)))
        first = notes(longest + 1)
        assert ("a",) in [note.words for note in first]
        before, at, after = (embeddings(n) for n in range(longest - 1, longest + 2))
        lost = changed(before, at) - changed(at, after)
        assert lost, "a word that is read changes what a word that is lost leaves"
        assert number < len(limits) or not changed(at, after)


def test_quoted_lists_the_first_few():
    assert quoted(["a", "b c"]) == "'a', 'b c'"
    assert quoted([str(i) for i in range(12)], 3) == "'0', '1', '2', and 9 more"


def test_a_text_of_one_long_word_is_lost_completely(ltx):
    vocabulary = Vocabulary(ltx.pipe.tokenizer)
    assert vocabulary.cut_off("x" * 50, 16) == ["x" * 50]
    assert vocabulary.cut_off("", 16) == []


def test_a_run_warns_once_of_words_that_do_not_reach_the_model(library):
    pollen = bc.load()
    sweep = bc.sweep("a zebra over {place}", place=["a meadow", "medow"], num_inference_steps=1)
    with pytest.warns(bc.BeecamWarning) as caught:
        runs = [bc.run(sweep, pollen, library=library) for _ in range(2)]
    # Others, as of a file that is found open then, may come from anywhere.
    (warning,) = (one for one in caught if one.category is bc.BeecamWarning)
    run = runs[0]
    run.cancel()
    assert warning.filename == __file__
    assert str(warning.message) == "\n".join(map(str, run.notes))
    assert {word for note in run.notes for word in note.words} == {"zebra", "medow"}


def test_notes_do_not_change_what_a_pipeline_encodes_meanwhile():
    """A tokenizer keeps the padding of a call as its state until the call has ended."""
    tokenizer = make("LTXPipeline").tokenizer
    vocabulary = Vocabulary(tokenizer)
    stop = threading.Event()

    def read():
        while not stop.is_set():
            vocabulary.cut_off("a bee over a meadow", 3)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(2_000):
            found = tokenizer("a bee", padding="max_length", max_length=32, truncation=True)
            assert len(found.input_ids) == 32
    finally:
        stop.set()
        reader.join(PATIENCE)


def test_a_vocabulary_has_words_that_are_added_later():
    tokenizer = make("LTXPipeline").tokenizer
    before = len(Vocabulary(tokenizer).read("zzbee", 9))
    tokenizer.add_tokens(["zzbee"])
    assert len(Vocabulary(tokenizer).read("zzbee", 9)) < before


def test_each_embedding_of_an_added_word_counts_as_a_token():
    """Pipelines replace a word of textual inversion by as many tokens as it has embeddings."""
    pipe = make("AnimateDiffPipeline")
    size = pipe.text_encoder.get_input_embeddings().weight.shape[1]
    pipe.load_textual_inversion(torch.randn(3, size), token="<cat>")
    model = bc.wrap(pipe, name="tiny")
    texts = ["<cat> " * 30 + end for end in ("bee", "moth")]
    notes = bc.sweep(texts, **SHAPES["AnimateDiffPipeline"]).check(model)
    assert "the end is cut off" in str(notes[0])
    assert "will be equal to another" in str(notes[1])
    assert not bc.sweep(["<cat> " * 20 + "bee"], **SHAPES["AnimateDiffPipeline"]).check(model)
