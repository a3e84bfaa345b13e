"""Prompt templates: what is parsed, what is escaped, and what other tools write differently."""

import itertools
import json
import math
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import beecam as bc
from beecam.errors import CheckError
from beecam.shots.templates import template as parts
from beecam.shots.templates.parse import parse
from beecam.shots.templates.template import Slot, escape, source_of
from beecam.shots.templates.wildcards import WildcardFolder
from helpers import error_message

# Text with all characters and words that mean something to a template or to another tool.
SYNTAX = (
    "{{ }} :: $$ __ -- (( [[ \\| AND BREAK <lora:a:1> [a:b:0.5] (a:1.4) __a__ {a|b} {2$$a|b} {3:: "
    "{insect} Steps: 20 {a} embedding:a bee ${a} a=b"
)
fragments = st.sampled_from(
    [*"{}[]()<>|:#$@~!_-+\\ ,\n0159aé", *SYNTAX.split(), "Negative prompt:", "! {a}", "Steps: 2"]
)
odd_texts = st.lists(fragments, max_size=12).map("".join) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=40
)
words = st.text("abcé ", min_size=1, max_size=5).map(str.strip).filter(bool)


def prompts_of(*args, **kwargs):
    return [cell.shot.prompt for cell in bc.sweep(*args, **kwargs).cells]


def check_sweep(sweep):
    """Return the prompts of a sweep; None if it has problems."""
    try:
        return [cell.shot.text for cell in sweep.cells[:50]]
    except CheckError:
        return None


# --- texts that mean themselves --------------------------------------------------------------------


@given(odd_texts)
def test_an_escaped_text_is_itself_wherever_it_stands(text):
    written = escape(text)
    assert parse(written).render({}) == text
    assert not parse(written).problems
    inside = bc.sweep(f"a {{{written}|other}} at [{written}:x:0.5] {{insect}}", insect="bee")
    assert not parse(inside.template).problems
    first, second = (text.strip(), "other")
    if first != second:
        assert [c.shot.prompt for c in inside.cells] == [
            f"a {first} at {text} bee",
            f"a {second} at {text} bee",
        ]
        assert {c.shot.switch.prompt for c in inside.cells} == {
            f"a {first} at x bee",
            f"a {second} at x bee",
        }


@given(odd_texts, odd_texts)
def test_a_plain_sweep_has_its_texts_unchanged(text, negative):
    sweep = bc.sweep([text, text + "!"], plain=True, negative_prompt=negative)
    assert [(c.shot.prompt, c.shot.negative_prompt) for c in sweep.cells] == [
        (text, negative),
        (text + "!", negative),
    ]
    weighted = bc.sweep([(text, 3), (text + "!", 1)], plain=True)
    assert dict(weighted.cells[0].shot.prompt) == {text: 0.75, text + "!": 0.25}


@given(odd_texts, st.sampled_from(["prompt", "negative_prompt", "then_prompt", "axis", "weighted"]))
def test_any_text_gives_cells_or_a_check_error(text, where):
    values = {"insect": "bee", "seed": [1, 2]}
    if where == "prompt":
        sweep = bc.sweep(text, bc.sample(2), **values)
    elif where == "axis":
        sweep = bc.sweep([text, "snow", "{a|b} snow"], **values)
    elif where == "weighted":
        sweep = bc.sweep([(text, 1), ("{insect}", 2)], **values)
    else:
        sweep = bc.sweep(
            "a {insect}", switch_at=0.5, then_guidance_scale=2, **values, **{where: text}
        )
    check_sweep(sweep)
    repr(sweep)


@given(odd_texts)
def test_parts_survive_their_source(text):
    template = parse(text)
    if not template.problems and not template.choices:
        again = parse(source_of(template.parts))
        assert again.parts == template.parts
        assert not again.problems


@given(odd_texts)
def test_a_value_is_text_and_never_parsed_again(value):
    assert prompts_of("see {insect}, bee", insect=value) == [f"see {value}, bee"]


@given(st.text(alphabet="ab{}| 1é", max_size=30))
def test_an_odd_brace_is_always_a_problem(text):
    if (text.count("{") + text.count("}")) % 2:
        assert parse(text).problems


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["1", " ", "\n", "__a", "{a|b}", "(a:", "[a:", "$${", "1-"])
def test_long_repetitions_take_linear_work(unit):
    # With a square of it, each of these took minutes.
    for text in (unit * 15_000, f"{{{unit * 15_000}|b}}", f"{unit * 15_000}]):1])}}"):
        template = parse(text)
        assert template.problems or template.parts


def test_slots_are_found_in_order():
    template = parse("a {insect} over [{place}:{dunes|a lake}:0.5] by {insect}")
    assert template.slots == ("insect", "place")
    assert template.parts[1] == Slot("insect")
    assert [choice.name for choice in template.choices] == ["dunes|a lake"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a {insect over dunes", ["character 2", "never closed", "{{"]),
        ("a insect} over dunes", ["character 8", "closes nothing", "}}"]),
        ("a {in{sect}}", ["character 2", "another brace"]),
        ("a {in{sect}|fly}", ["another brace", "one slot"]),
        ("a {} b", ["character 2", "a slot is a name"]),
        ("a {1st} b", ["{1st}", "a slot is a name"]),
        ("a {plain} b", ["{plain}", "an argument of bc.sweep", "rename it"]),
        ("{a|b}{" * 9_000, ["never closed"]),
        ("{a|" * 20 + "b" + "}" * 20, ["is within 8 others"]),
        ("x" * 200_000, ["200,000 characters", "at most 100,000"]),
    ],
)
def test_syntax_errors_name_their_position(source, words):
    message = " ".join(str(p) for p in parse(source).problems)
    for word in words:
        assert word in message


# --- choices ---------------------------------------------------------------------------------------


@given(st.lists(words, min_size=1, max_size=5, unique=True), st.data())
def test_a_count_gives_every_combination_once(options, data):
    low = data.draw(st.integers(0, len(options)))
    high = data.draw(st.integers(low, len(options)))
    separator = data.draw(st.sampled_from([", ", " and ", " "]))
    between = "" if separator == ", " else f"{separator}$$"
    sweep = bc.sweep(f"a {{{low}-{high}$${between}{'|'.join(options)}}}.")
    expected = [
        f"a {separator.join(some)}."
        for size in range(low, high + 1)
        for some in itertools.combinations(options, size)
    ]
    if len(set(expected)) == len(expected):
        assert [cell.shot.prompt for cell in sweep.cells] == expected


@given(st.lists(st.lists(words, min_size=1, max_size=3, unique=True), min_size=1, max_size=3))
def test_each_choice_is_an_axis_and_equal_choices_are_several(lists):
    sweep = bc.sweep(" ".join(f"{{{'|'.join(one)}|}}" for one in lists))
    assert sweep.shape == tuple(len(one) + 1 for one in lists)
    assert len({axis.name for axis in sweep.axes}) == len(lists)
    product = itertools.product(*([*one, ""] for one in lists))
    assert [cell.shot.prompt for cell in sweep.cells] == [" ".join(some) for some in product]


def test_choices_are_nested():
    assert prompts_of("a {moth|{big|small} {fly|ant}|}") == [
        "a moth",
        "a big fly",
        "a big ant",
        "a small fly",
        "a small ant",
        "a ",
    ]
    # Two braces are a plain one, unless the first of them holds a bar.
    assert prompts_of("a {{big|small} fly|moth}") == ["a big fly", "a small fly", "a moth"]
    assert prompts_of("{{{a|b}|{c|d}}|e}") == ["a", "b", "c", "d", "e"]
    assert prompts_of("{{x}} {{{a|b}}}") == ["{x} {a}", "{x} {b}"]


def test_weights_are_probabilities_of_a_sample_and_a_whole_sweep_ignores_them():
    whole = bc.sweep("{9::bee|1::moth}", seed=range(100))
    assert len(whole) == 200
    drawn = bc.sweep("{9::bee|1::moth}", bc.sample(60, seed=2), seed=range(100))
    counts = Counter(cell.shot.prompt for cell in drawn)
    assert counts["bee"] > 45
    assert counts["moth"] > 0
    assert len(drawn) == len({(c.shot.prompt, c.shot.seed) for c in drawn}) == 60
    again = bc.sweep("{9::bee|1::moth}", bc.sample(60, seed=2), seed=range(100))
    assert again.key == drawn.key
    everything = bc.sweep("{9::bee|1::moth}", bc.sample(200), seed=range(100))
    assert everything.key == whole.key
    # An option keeps its weight, however many texts it stands for.
    nested = bc.sweep("{bee|{a|b|c|d|e|f|g|h|i} moth}", bc.sample(100), seed=range(400))
    assert 30 < Counter(c.shot.prompt for c in nested)["bee"] < 70


def test_samples_of_more_places_than_memory_holds_are_weighted_and_distinct():
    axes = {f"x{i}": range(60) for i in range(5)}
    template = "{1000::bee|1::moth} " + " ".join(f"{{{name}}}" for name in axes)
    sweep = bc.sweep(template, bc.sample(50), **axes)
    assert len({cell.shot.prompt for cell in sweep}) == 50
    assert sum(cell.shot.prompt.startswith("bee") for cell in sweep) > 45
    # Nearly all places of the heavy value are drawn first, then the others.
    few = bc.sweep("{1000000::bee|0.000001::moth}", bc.sample(150), seed=range(100))
    assert Counter(cell.shot.prompt for cell in few)["bee"] == 100


def test_templates_of_which_only_some_hold_a_choice_expand_line_by_line():
    sweep = bc.sweep(["a {bee|moth}", "snow", "{2$$a|b|c}"], seed=range(2))
    assert [axis.name for axis in sweep.axes] == ["prompt", "seed"]
    assert sweep.axes[0].values == ("a bee", "a moth", "snow", "a, b", "a, c", "b, c")
    assert len(sweep) == 12
    labelled = bc.sweep({"insects": "a {bee|moth} {n}", "winter": "snow {n}"}, n=[1])
    assert labelled.axes[0].labels == ("insects, bee", "insects, moth", "winter")
    assert [c.shot.prompt for c in labelled] == ["a bee 1", "a moth 1", "snow 1"]
    mixed = bc.sweep([[("a {bee|moth}", 3), ("fog", 1)], "snow"])
    assert [c.shot.text for c in mixed] == [
        "0.75 a bee + 0.25 fog",
        "0.75 a moth + 0.25 fog",
        "snow",
    ]


def test_templates_that_all_hold_the_same_choices_keep_them_as_axes():
    sweep = bc.sweep(["a {bee|moth}", "two {bee|moth}"])
    assert [axis.name for axis in sweep.axes] == ["bee|moth", "prompt"]
    assert len(sweep) == 4
    paired = bc.sweep(bc.zip(prompt=["a {bee|moth}", "two {bee|moth}"], seed=[1, 2]))
    assert len(paired) == 4


def test_a_paired_line_cannot_become_several():
    message = error_message(
        lambda: bc.sweep(bc.zip(prompt=["a {bee|moth}", "snow"], seed=[1, 2])).cells
    )
    assert "'bee|moth' makes several texts of one, but it is paired with seed" in message


def test_negative_prompts_and_the_prompts_after_a_switch_are_templates():
    sweep = bc.sweep(
        "a {insect}",
        insect=["bee", "moth"],
        negative_prompt=[None, "{no|two} {insect}s"],
        switch_at=0.5,
        then_prompt=r"a {insect} \{at night\}",
    )
    assert [(c.shot.negative_prompt, c.shot.switch.prompt) for c in sweep.where(insect="bee")] == [
        (None, "a bee {at night}"),
        ("no bees", "a bee {at night}"),
        ("two bees", "a bee {at night}"),
    ]
    message = error_message(lambda: bc.sweep("a bee", negative_prompt="a {insekt}").cells)
    assert "slot {insekt} is not filled" in message


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{5$$a|b}", ["5 of 2 options", "the nearest is 2"]),
        ("{3-2$$a|b|c}", ["from 3 to 2 options", "{2-3$$...}"]),
        ("{0::a|b}", ["the weight 0", "0.000001 to 1,000,000"]),
        ("{-1::a|b}", ["the weight -1"]),
        ("{x::a|b}", ["'x::a'", "{3::a|1::b}"]),
        ("{a$$b|c}", ["{2$$a|b|c}"]),
        ("{a|a}", ["the value 'a' twice"]),
        ("{8$$" + "|".join(map(str, range(60))) + "}", ["over 100,000 values"]),
        ("{1-$$" + "|".join(map(str, range(400))) + "}", ["over 100,000 values"]),
        ("{" + "{a|b|c|d|e|f|g|h} " * 9 + "|x}", ["over 100,000 values"]),
        (["{a|b}" * 17, "snow"], ["131,073 texts", "100,000"]),
    ],
)
def test_choices_that_cannot_be_made_are_named(source, words):
    message = error_message(lambda: bc.sweep(source).cells)
    for word in words:
        assert word in message


# --- what other tools write ------------------------------------------------------------------------

FOREIGN = [
    ("a {@bee|moth}", "{a|b} has all of them, bc.sample(n) draws some"),
    ("a {~bee|moth}", "bc.sample(n)"),
    ("a {!bee|moth}", "bc.sample(n)"),
    ("a ${insect=!{bee|moth}} ${insect}", "{season}"),
    ("a (bee:1.4)", '[("a bee over dunes", 0.7)'),
    ("a (big (bee):1.4)", "mix whole prompts"),
    ("a (bee over {dunes|a lake}:0.8)", "mix whole prompts"),
    ("a ((bee))", "mix whole prompts"),
    ("a (bee:{1.1|1.3})", "mix whole prompts"),
    ("a (bee:{3::1.1|1::1.3})", "mix whole prompts"),
    ("a (bee)1.4, (moth)++", "mix whole prompts"),
    ("a (bee)--", "mix whole prompts"),
    ("(a bee, a moth).blend(0.7, 0.3)", "mix whole prompts"),
    ("{a (bee|moth:1.4)|fly}", "which a bar of the braces divides"),
    ("{a [bee|moth]|fly}", "which a bar of the braces divides"),
    ("{2$$ AND $$bee|moth}", "a command"),
    ("{2$$ (($$bee|moth}", "mix whole prompts"),
    ("{2$$ # $$bee|moth}", "a comment"),
    ("{2$$ <lora:pencil:1> $$bee|moth}", "LoRAs are an axis"),
    ("{2$$ __and__ $$bee|moth}", "not a separator"),
    ("{2$$|$$bee|moth}", "a bar of the separator"),
    ("a bee // striped", "a comment"),
    ("a bee /* striped */ lands", "a comment"),
    ("a bee Negative prompt: blurry Steps: 20, Sampler: Euler", "negative_prompt="),
    ("a [[bee]]", "mix whole prompts"),
    ("a [bee|moth]", "{a|b}"),
    ("a [bee:moth:soon]", "[from:to:when]"),
    ("a [x:[bee:moth:0.2]:0.5]", "a switch"),
    ("[00:05] a bee", "[from:to:when]"),
    ("a bee BREAK a moth", "mix whole prompts"),
    ("a bee AND a moth", "write it in small letters"),
    ("a bee, ADDCOMM a moth", "a command"),
    ("a bee # striped", "a comment"),
    ("# bees\na bee", "a comment"),
    ("a bee|a moth", "{a|b}"),
    ("a bee <lyco:pencil:0.8>", "<lora:name:weight>"),
    ("a bee <hypernet:pencil:0.8>", "<lora:name:weight>"),
    ("a bee <lora:pencil:0.8:0.6>", "<lora:name:weight>"),
    ("{<lora:pencil:1> bee|moth}", 'lora=[None, "pencil.safetensors"]'),
    ("a embedding:pencil bee", "a textual inversion"),
    ("a bee --steps 20 --ar 16:9", "num_inference_steps=20"),
    ("a bee\nNegative prompt: blurry\nSteps: 20, CFG scale: 7", "negative_prompt="),
    ('! {Insect}="bee","moth"\na {Insect}', "insect=['bee', 'moth']"),
    ("a __insect__", "wildcards="),
    ("a {2$$__insect__}", "wildcards="),
    ("a __insect(size=big)__", "the path of a text file"),
    ("a __../insect__", "no path leaves that folder"),
    ("a __/etc/passwd__", "no path leaves that folder"),
]


def test_a_choice_within_a_choice_has_a_count_and_a_separator_of_its_own():
    assert prompts_of("{{2$$bee|moth}|fly}") == ["bee, moth", "fly"]
    assert prompts_of("{a {1-2$$ and $$bee|moth}|fly}") == [
        "a bee",
        "a moth",
        "a bee and moth",
        "fly",
    ]
    assert prompts_of("{2$${2$$ or $$a|b}|{3::c|d}}") == ["a or b, c", "a or b, d", "c, d"]


@given(odd_texts)
def test_any_text_is_a_separator_once_it_is_escaped(text):
    assert prompts_of(f"{{2$${escape(text)}$$a|b}}") == [f"a{text}b"]


@pytest.mark.parametrize("text", ["https://a.b/c", "a (bee). C++ (1) [2] -- 3-2", "a/b", "(a)-b"])
def test_texts_that_only_look_like_syntax_are_plain(text):
    assert prompts_of(text) == [text]


@pytest.mark.parametrize("value", [1.4, "1.4", 2])
def test_a_slot_that_makes_syntax_with_its_template_is_noted(value, ltx):
    shape = {"height": 32, "width": 32, "num_frames": 9}
    (note,) = bc.sweep("a (bee:{weight})", weight=value, **shape).check(ltx)
    assert note.argument == "weight"
    assert "a weight of words" in str(note)
    assert not bc.sweep(r"a \(bee:{weight}\)", weight=value, **shape).check(ltx)
    assert not bc.sweep("a (bee: {kind})", kind="honey", **shape).check(ltx)


@pytest.mark.parametrize(("source", "form"), FOREIGN)
def test_what_other_tools_write_is_never_plain_text(source, form):
    sweep = bc.sweep(source, Insect="bee")
    assert form in " ".join(map(str, sweep.problems))
    assert not any(text in source for text in check_sweep(sweep) or [])
    assert prompts_of(source, plain=True) == [source]
    assert prompts_of(escape(source)) == [source]
    for name in ("negative_prompt", "then_prompt"):
        assert bc.sweep("a bee", switch_at=0.5, then_guidance_scale=2, **{name: source}).problems


@pytest.mark.parametrize(
    "text",
    [
        "a bee (big) [sic]",
        "A BEE AND A MOTH",
        "bees: a film-maker's guide",
        "a 50/50 mix, C# & F#",
        "a bee -- and a moth",
        "[wide shot: a bee]",
        "at 16:30, 100% $ ~ @ !",
        "snake_case ____ x",
        "a <b> c",
        "1 < 2 > 0",
        "back\\slash and \\n",
        "so (: smile",
        "Steps: many",
        "{{a}} }}{{",
    ],
)
def test_prose_is_plain_text(text):
    template = parse(text)
    assert not template.problems
    assert template.render({}) == text.replace("{{", "{").replace("}}", "}")


# --- switches --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "before", "after", "at"),
    [
        ("a bee at [dawn:night:0.5]", "a bee at dawn", "a bee at night", 0.5),
        ("a bee[ in snow:10]", "a bee", "a bee in snow", 10),
        ("a bee[ in snow::.25]", "a bee in snow", "a bee", 0.25),
        ("[a:b:3] and [c:d:3]", "a and c", "b and d", 3),
        (r"[a\:b:c:3]", "a:b", "c", 3),
    ],
)
def test_a_switch_in_the_prompt_is_switch_at(ltx, source, before, after, at):
    (cell,) = bc.sweep(source, num_inference_steps=20).cells
    (same,) = bc.sweep(before, switch_at=at, then_prompt=after, num_inference_steps=20).cells
    assert cell.shot == same.shot
    assert ltx.resolve(cell.shot).key == ltx.resolve(same.shot).key


def test_switches_hold_slots_and_choices():
    sweep = bc.sweep("[{insect}:{moth|wasp}:0.5] over dunes", insect=["bee", "fly"])
    assert [(c.shot.prompt, c.shot.switch.prompt) for c in sweep] == [
        ("bee over dunes", "moth over dunes"),
        ("fly over dunes", "moth over dunes"),
        ("bee over dunes", "wasp over dunes"),
        ("fly over dunes", "wasp over dunes"),
    ]
    lines = bc.sweep(["a [bee:{moth|wasp}:2]", "snow"])
    assert [(c.shot.prompt, c.shot.switch and c.shot.switch.prompt) for c in lines] == [
        ("a bee", "a moth"),
        ("a bee", "a wasp"),
        ("snow", None),
    ]


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        (["[a:b:0.2] [c:d:0.5]"], {}, "it switches at 0.2 and 0.5; a clip has one switch"),
        (["[a:b:0.2]"], {"then_prompt": "c"}, "then_prompt: the prompt '[a:b:0.2]' has a switch"),
        (["[a:b:0.2]"], {"switch_at": [0.2, 0.4]}, "keep one of the two"),
        ([[("[a:b:0.2]", 1), ("c", 1)]], {}, "can't be used within weighted prompts"),
        (["a"], {"negative_prompt": "[a:b:0.2]"}, "then_negative_prompt="),
        (["{[a:b:0.2]|c}"], {}, "write it outside of the braces"),
        (["[a:b:0]"], {}, "over 0 and below 1"),
        (["[a:b:99]"], {"num_inference_steps": 20}, "the nearest is 19"),
    ],
)
def test_switches_that_cannot_be_made_are_named(ltx, args, kwargs, words):
    assert words in error_message(lambda: bc.sweep(*args, **kwargs).check(ltx))


# --- LoRAs -----------------------------------------------------------------------------------------


@pytest.fixture
def lora_file(tmp_path, monkeypatch):
    from safetensors.numpy import save_file

    monkeypatch.chdir(tmp_path)
    (tmp_path / "loras").mkdir()
    import numpy as np

    for name in ("crayon", "loras/charcoal"):
        data = np.array([len(name)], np.float32)
        save_file({f"{name}.lora_A.weight": data}, tmp_path / f"{name}.safetensors")
    return tmp_path


def test_a_tag_is_the_argument_lora(lora_file):
    (cell,) = bc.sweep("a bee <lora:crayon:0.8> over dunes <lora:loras/charcoal>").cells
    (same,) = bc.sweep(
        "a bee over dunes", lora=(("crayon.safetensors", 0.8), "loras/charcoal.safetensors")
    ).cells
    assert cell.shot == same.shot
    bc.lora("loras/charcoal.safetensors", name="coal")
    assert prompts_of("a bee <lora:coal:0.5>") == ["a bee"]


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        (["a <lora:crayn:1>"], {}, "Did you mean 'crayon.safetensors'?"),
        (["a <lora:owner/name:1>"], {}, "the file does not exist"),
        (["a <lora:crayon:1>"], {"lora": "crayon.safetensors"}, "keep one of the two"),
        ([["a <lora:crayon:1>", "b"]], {}, "bc.zip(prompt="),
        (["a"], {"negative_prompt": "b <lora:crayon:1>"}, "or as lora="),
    ],
)
def test_tags_that_cannot_be_read_are_named(lora_file, args, kwargs, words):
    assert words in error_message(lambda: bc.sweep(*args, **kwargs).cells)


# --- wildcards -------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    files = {
        "insect": "# insects\nbee\n3::moth  # at night\n\n{big|small} fly\nbee\n",
        "places/wet": "a lake\nthe ocean",
        "places/dry": "dunes\r\na canyon",
        "where": "over __places/wet__\n\\# nine",
        "loop": "__loop__",
        "empty": "# nothing\n",
        "slot": "a {insect}",
        "tag": "a bee\n(moth:1.4)",
        "bar": "a|b",
    }
    for name, text in files.items():
        path = tmp_path / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode())
    (tmp_path / "latin.txt").write_bytes(b"\xe9t\xe9")
    (tmp_path / "large.txt").write_bytes(b"x\n" * 2_100_000)
    return tmp_path


@pytest.mark.parametrize("lines", [lambda i: f"line {i} of", lambda _: "x" * 100_000])
def test_reading_wildcards_ends_with_what_a_choice_can_have(tmp_path, monkeypatch, lines):
    for i in range(60):
        text = "".join(f"{lines(i)} {n}\n" for n in range(6_000)) if i < 20 else ""
        (tmp_path / f"{i:02}.txt").write_text(text[:3_000_000])
    read = []
    text_of = WildcardFolder._text
    monkeypatch.setattr(
        WildcardFolder, "_text", lambda self, name: read.append(name) or text_of(self, name)
    )
    with pytest.raises(CheckError, match="name fewer of them"):
        len(bc.sweep("a __*__", wildcards=tmp_path))
    assert len(read) < 20


def test_wildcards_are_axes_of_the_lines_of_files(folder):
    sweep = bc.sweep("a __insect__ over {place}", wildcards=folder, place=["dunes"])
    assert [axis.name for axis in sweep.axes] == ["__insect__", "place"]
    assert sweep.axes[0].values == ("bee", "moth", "big fly", "small fly")
    assert prompts_of("__places/wet__", wildcards=str(folder)) == ["a lake", "the ocean"]
    assert prompts_of("__where__", wildcards=folder) == ["over a lake", "over the ocean", "# nine"]
    assert len(prompts_of("__places/*__", wildcards=folder)) == 4
    assert len(prompts_of("{2$$__insect__}", wildcards=folder)) == math.comb(4, 2)
    assert len(bc.sweep("__insect__ __insect__", wildcards=folder)) == 16
    assert prompts_of(["x {a|__places/wet__}", "b"], wildcards=folder)[1:] == [
        "x a lake",
        "x the ocean",
        "b",
    ]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("__insekt__", ["no insekt.txt", "Did you mean __insect__?"]),
        ("__loop__", ["__loop__ in __loop__", "without an end"]),
        ("__empty__", ["no values: empty.txt"]),
        ("__slot__", ["slot.txt, line 1", "slots can't be nested"]),
        ("__tag__", ["tag.txt, line 2", "(moth:1.4)"]),
        ("__bar__", ["bar.txt, line 1", "within braces"]),
        ("__latin__", ["latin.txt is not UTF-8"]),
        ("__large__", ["large.txt has over 4,000,000 bytes"]),
        ("__insect__ " * 12, ["16,777,216 cells"]),
    ],
)
def test_wildcards_that_cannot_be_read_are_named(folder, source, words):
    message = error_message(lambda: bc.sweep(source, wildcards=folder).cells)
    for word in words:
        assert word in message


def test_nothing_outside_of_the_folder_is_read(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.txt").write_text("secret\n")
    (folder / "link.txt").symlink_to(outside / "secret.txt")
    (folder / "sub").symlink_to(outside)
    os.mkfifo(folder / "pipe.txt")
    (folder / "dir.txt").mkdir()
    for name in ("link", "sub/secret", "pipe", "dir", "../outside0/secret"):
        problems = bc.sweep(f"__{name}__", wildcards=folder).problems
        assert problems
        assert "secret\n" not in str(problems)
        assert any(w in str(problems[0]) for w in ("link", "there is no", "regular", "path"))


@given(st.lists(odd_texts, max_size=4))
def test_any_wildcard_file_gives_cells_or_a_check_error(tmp_path_factory, lines):
    folder = tmp_path_factory.getbasetemp() / "any_wildcards"
    folder.mkdir(exist_ok=True)
    (folder / "a.txt").write_text("\n".join(lines), "utf-8")
    check_sweep(bc.sweep("x __a__", wildcards=folder))


# --- elsewhere -------------------------------------------------------------------------------------


def test_values_that_look_like_templates_are_noted(ltx):
    values = ["(bee:1.4)", "moth", "{a|b}"]
    (note,) = bc.sweep("a {insect}", insect=values, seed=range(2)).check(ltx)
    assert note.argument == "insect"
    assert "insect='(bee:1.4)', and 1 more values" in note.message
    for sweep in (bc.sweep("a {insect} (big)", insect="bee"), bc.sweep("(a:1.4)", plain=True)):
        assert sweep.check(ltx) == []


def test_a_deck_reads_no_files_by_its_template(tmp_path):
    for source in ("a __insect__", "a {b|{2$$__insect__}}", "a bee <lora:x:1>"):
        path = tmp_path / "deck.yaml"
        path.write_text(f"name: x\ntemplate: {json.dumps(source)}\n")
        message = error_message(lambda p=path: bc.deck(p), bc.DeckError)
        assert "a deck can't" in message


def test_the_arguments_of_a_sweep_are_checked():
    assert "plain=1: True or False" in str(bc.sweep("a", plain=1).problems[0])
    assert "wildcards=3: a path" in str(bc.sweep("a", wildcards=3).problems[0])
    message = str(bc.sweep("__a__", wildcards="no such folder").problems[0])
    assert "there is no such folder" in message


CASES = json.loads((Path(__file__).parents[1] / "js" / "templates.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["template"])
def test_the_slots_are_those_that_the_panel_finds(case):
    template = parse(case["template"])
    assert [slot for slot in template.slots if slot != "seed"] == case["slots"]
    assert len(template.choices) == case["choices"]
    assert all(isinstance(p, parts.Part.__args__) for p in template.parts)
