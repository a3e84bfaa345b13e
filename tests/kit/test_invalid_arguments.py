"""Calls with arguments of the wrong type raise beecam's own errors and change nothing."""

import inspect
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import beecam as bc
import beecam_widgets as bw
from beecam._util.attributes import NearestAttributes
from beecam.clips.sweep_records import SweepRecord
from beecam.errors import CheckError, LibraryError, ModelError, nearest_match
from beecam.models.diffusers.adapter import DiffusersModel
from beecam.models.model_set import ModelSet, as_model
from beecam_widgets.live import LiveControls
from helpers import PATIENCE, error_message, fill

SWEEP = bc.sweep("a bee", seed=range(2))


@pytest.fixture
def clips(library):
    return fill(library)


# --- arguments of the wrong type -------------------------------------------------------------------


def test_a_run_names_every_wrong_argument_at_once(ltx):
    message = error_message(lambda: bc.run("x", "pollen", library="bees", exact="no"))
    for word in (
        "sweep='x'",
        "model='pollen'",
        "library='bees'",
        "library=bc.library('bees')",
        "exact='no': True or False",
    ):
        assert word in message


def test_an_argument_that_is_not_a_model_is_named(ltx, library, clips):
    sweep = bc.sweep("a bee")
    for call in (
        lambda: sweep.check("pollen"),
        lambda: bc.estimate(sweep, 5),
        lambda: clips[0].regenerate(5),
        lambda: bc.promote(clips, 5),
    ):
        assert "a loaded model is needed, from bc.load() or bc.wrap(pipe)" in error_message(call)
    assert "library='x'" in error_message(lambda: bc.estimate(sweep, ltx, "x"))
    assert "load(5): a name, as in bc.load()" in error_message(lambda: bc.load(5))


def test_vary_needs_a_resolved_shot(ltx):
    message = error_message(lambda: bc.vary(bc.shot("a bee", seed=3), n=0))
    assert "clip=bc.shot('a bee', seed=3)" in message
    assert "bc.vary(model.resolve(shot))" in message
    assert "n=0: an integer from 1 to 10,000" in message
    assert len(bc.vary(ltx.resolve(bc.shot("a bee")), 2)) == 3


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda c: c.contact_sheet(frames=0), "frames=0: an integer of 1 or more"),
        (lambda c: c.contact_sheet(columns=0, frames="x"), "frames='x'"),
        (lambda c: c.contact_sheet(columns=0), "columns=0: an integer from 1 to 100"),
        (lambda c: c.show(columns=0), "columns=0"),
        (lambda c: c.show(width=None), "width=None"),
        (lambda c: c[:"x"], "a number, a slice, a list of numbers or a mask"),
        (lambda c: c.filter(5), "filter(5): a function of a clip is needed, as in filter(lambda"),
        (lambda c: c.sort(None), "sort(None): a function of a clip"),
        (lambda c: c.where(prompt="a mothh"), "where(prompt='a mothh'): no such value"),
        (lambda c: c[{"x": 1}], "clips[{'x': 1}]: a number, a slice"),
        (lambda c: c.export_html(str(c.library.folder)), "is a folder: name a file in it"),
        (lambda c: c.export_html(5), "path=5: a path"),
        (lambda c: c.export_html("x.pdf"), "path='x.pdf': the suffix is one of .html, .htm."),
        (lambda c: c[0].save("x.webm"), ".png, .jpg, .jpeg."),
        (lambda c: c.export_html(c[0].path / "page.html"), "a part of it is a file"),
        (lambda c: c.export_html("page.html", title=3), "title=3: a string"),
    ],
)
def test_clip_sets_name_wrong_arguments(clips, call, words):
    assert words in error_message(lambda: call(clips))
    assert not Path("page.html").exists()


def test_a_contact_sheet_with_one_frame_and_with_more_than_exist(clips):
    for frames in (1, 10**6):
        figure = clips.contact_sheet(columns=100, frames=frames)
        assert len(figure.axes) == 6
        assert figure.axes[0].get_images()


# --- the library -----------------------------------------------------------------------------------


def test_a_library_can_be_opened_by_a_string(tmp_path):
    with bc.Library(str(tmp_path / "x")) as library:
        assert library.folder == tmp_path / "x"


@pytest.mark.parametrize("make", [bc.library, bc.Library])
@pytest.mark.parametrize(
    ("folder", "words"), [("", "library(''): the path"), ("a\0b", "\\0"), (3, "library(3)")]
)
def test_wrong_folders_are_named(make, folder, words):
    assert words in error_message(lambda: make(folder), LibraryError)


def test_searches_name_all_wrong_arguments(library):
    message = error_message(
        lambda: library.clips(limit="x", sort=None, stars=9, rejected="no", tag=3, prompt=b"x"),
    )
    for word in (
        "limit='x'",
        "sort=None: one of created, stars",
        "stars=9",
        "rejected='no'",
        "tag=3",
        "prompt=b'x'",
    ):
        assert word in message
    assert "limit=118059" in error_message(lambda: library.clips(limit=2**70))
    assert "library[0]: a clip's key is needed" in error_message(lambda: library[0], LibraryError)


@pytest.mark.parametrize(
    ("name", "value"),
    [("rejected", "no"), ("rejected", None), ("stars", None), ("tags", None), ("tags", [["a"]])],
)
def test_annotations_of_the_wrong_type_change_nothing(clips, name, value):
    clip = clips[0]
    clip.stars, clip.tags = 3, ["keep"]
    words = f"{name}={value!r}" if value != [["a"]] else "tags: ['a'] is not a string"
    assert words in error_message(lambda: setattr(clip, name, value))
    assert (clip.stars, clip.rejected, clip.tags) == (3, False, ("keep",))


def test_a_numpy_bool_is_accepted(clips):
    clips[0].rejected = np.bool_(True)
    assert clips[0].rejected is True
    assert clips.library.clips(rejected=np.bool_(True)).keys == clips.keys[:1]


def test_where_accepts_several_values(clips):
    assert [c.shot.seed for c in clips.where(prompt="a moth", seed=[0, 2])] == [0, 2]
    assert len(clips.where()) == 6


def test_prompts_are_found_ignoring_case_in_any_alphabet(library):
    fill(library, ["Über den Wolken", "ПЧЕЛА", "a Bee"], seeds=1)

    def found(text):
        return [clip.shot.prompt for clip in library.clips(prompt=text)]

    assert found("über") == ["Über den Wolken"]
    assert found("пчела") == ["ПЧЕЛА"]
    assert found("BEE") == ["a Bee"]
    assert found("WOLKEN") == ["Über den Wolken"]


# --- runs ------------------------------------------------------------------------------------------


def test_a_clip_that_is_not_generated_yet_names_wait(ltx, library, monkeypatch):
    import threading

    gate = threading.Event()
    original = ltx.generate

    def generate(*args, **kwargs):
        assert gate.wait(PATIENCE)
        return original(*args, **kwargs)

    monkeypatch.setattr(ltx, "generate", generate)
    run = bc.run(bc.sweep("a bee", seed=range(4)), ltx, library=library)
    with pytest.raises(
        IndexError, match=r"clip 2: the run has generated 0 of 4 clips so far; run\.wait"
    ):
        run.clips[2]
    with pytest.raises(IndexError, match="clip 4: there are 0"):
        run.clips[4]
    gate.set()
    run.wait(PATIENCE)
    with pytest.raises(IndexError, match="clip 4: there are 4"):
        run.clips[4]


def test_a_run_resolves_each_cell_once(ltx, library, monkeypatch):
    """100,000 cells are checked, resolved and hashed within seconds."""
    counts = {"resolve": 0, "to_dict": 0}
    resolve, to_dict = ltx.resolve, bc.Shot.to_dict

    def counting(name, call):
        def counted(*args):
            counts[name] += 1
            return call(*args)

        return counted

    bc.run(bc.sweep("a bee", seed=range(4)), ltx, library=library).wait(PATIENCE)
    monkeypatch.setattr(ltx, "resolve", counting("resolve", resolve))
    monkeypatch.setattr(bc.Shot, "to_dict", counting("to_dict", to_dict))
    bc.run(bc.sweep("a bee", seed=range(4)), ltx, library=library)
    assert counts["to_dict"] <= 4
    # The model's check resolves its shot, too, and its notes compare with one default shot.
    assert counts["resolve"] <= 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": "float9"}, "dtype='float9': one of float32, bfloat16 and float16. Did you mean"),
        ({"quantize": "int3"}, "quantize='int3': one of none and float8"),
        ({"offload": "maybe"}, "offload='maybe': one of none, model and sequential"),
        ({"dtype": "bfloat16"}, "pollen is small and ships inside, and has no such choice. Leave"),
        ({"revision": "main"}, "Leave revision out"),
        ({"batch_size": 0}, "batch_size=0: an integer of 1 or more"),
        ({"speed": "fats"}, "speed='fats': one of exact, balanced and fast. Did you mean fast?"),
        ({"device": 5}, "device=5: torch has no such device"),
        ({"dtype": 5}, "dtype=5: one of float32"),
        ({"revision": 5}, "revision=5: a string"),
        ({"base": 5}, "base=5: a string"),
    ],
)
@pytest.mark.parametrize("name", ["pollen", "owner/name"])
def test_arguments_of_load_are_checked_before_anything_is_read(
    arguments, message, name, monkeypatch
):
    monkeypatch.setattr("beecam.models.loading.hub._find", None)
    if name != "pollen" and message.startswith(("pollen", "Leave")):
        pytest.skip("other models have these choices")
    with pytest.raises(CheckError, match=re.escape(message)):
        bc.load(name, **arguments)


def test_all_wrong_arguments_of_load_are_reported_at_once():
    message = error_message(lambda: bc.load("owner/name", batch_size=0, speed="fats", dtype="half"))
    assert message.startswith("3 problems")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"device": "mps:7"}, "it can't be moved to mps:7: torch finds no Apple GPU"),
        ({"name": "./nowhere"}, "the folder or file does not exist"),
    ],
)
def test_what_is_not_there_is_a_model_error(given, said):
    with pytest.raises(ModelError, match=re.escape(said)):
        bc.load(**given)


@pytest.mark.parametrize(
    ("call", "wrong", "meant"),
    [
        (bc.run, "libary", "library"),
        (bc.run, "drafts", "draft"),
        (bc.load, "dtpe", "dtype"),
        (bc.estimate, "modell", "model"),
        (bc.ClipSet.export_html, "row", "rows"),
        (bc.ClipSet.sort, "revers", "reverse"),
        (bc.Clip.save, "fram", "frame"),
    ],
)
def test_a_wrong_keyword_is_named_with_the_nearest(call, wrong, meant):
    message = error_message(lambda: call(**{wrong: 1}))
    assert f"{call.__name__}({wrong}=...): no such argument. Did you mean {meant}?" in message


def test_every_public_function_explains_its_keywords():
    for name in bc.__all__:
        function = getattr(bc, name)
        if inspect.isfunction(function):
            parameters = inspect.signature(function).parameters.values()
            if not any(one.kind is one.VAR_KEYWORD for one in parameters):
                assert f"{function.__name__}(xyzzy=" in error_message(lambda f=function: f(xyzzy=1))
            assert function.__doc__


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bc.run(SWEEP), "run(): model is missing, as in run(sweep, model)."),
        (bc.sweep, "sweep(): prompt is missing, as in sweep(prompt)."),
        (SWEEP.check, "check(): model is missing, as in check(model)."),
        (bw.ClipGrid, "ClipGrid(): clips is missing, as in ClipGrid(clips)."),
        (
            lambda: bc.run(SWEEP, None, "library"),
            (
                "run(): 3 values without a name, and 2 at most are taken. "
                "Name the others: library, exact, draft or name."
            ),
        ),
        (
            lambda: SWEEP.check(None, None),
            "check(): 2 values without a name, and 1 at most are taken.",
        ),
    ],
)
def test_missing_arguments_and_unnamed_values_are_explained(call, message):
    assert error_message(call) == message


def test_a_misspelled_keyword_is_not_missing_too():
    message = error_message(lambda: bc.run(SWEEP, modl=1))
    assert message.startswith("run(modl=...): no such argument. Did you mean model?")


def test_every_public_function_and_method_explains_what_is_missing():
    functions = [getattr(bc, name) for name in bc.__all__]
    methods = [param.values[0] for param in methods_of_exported_classes()]
    seen = 0
    for function in (*filter(inspect.isfunction, functions), *methods):
        parameters = list(inspect.signature(function).parameters.values())
        needed = [
            one.name
            for one in parameters
            if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        ]
        owner = [None] if needed[:1] == ["self"] else []
        for name in needed[len(owner) :]:
            seen += 1
            message = error_message(lambda f=function, o=owner: f(*o))
            assert f"{function.__name__}(): {name} is missing" in message
    assert seen > 20


@pytest.mark.parametrize("given", [{"batch_size": 0}, {"speed": "fats"}, {"name": 5}])
def test_arguments_of_wrap_are_checked(ltx_pipe, given):
    assert f"{next(iter(given))}=" in error_message(lambda: bc.wrap(ltx_pipe, **given))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: m.at_speed("fats"), "speed='fats': one of"),
        (lambda m: m.with_lora("nowhere.safetensors"), "nowhere.safetensors"),
        (lambda m: m.with_lora(5), "5"),
        (lambda m: m.with_lora("x.safetensors", "strong"), "weight='strong': a finite number"),
    ],
)
def test_arguments_of_a_models_variants_are_checked(ltx, call, words):
    assert words in error_message(lambda: call(ltx))


def test_arguments_that_belong_together():
    assert "switch_at: from which step on" in error_message(
        lambda: bc.shot("a bee", then_prompt="a moth")
    )
    assert "lora_weight=0.5: of which LoRA" in error_message(
        lambda: bc.shot("a bee", lora_weight=0.5)
    )
    assert "lora=5: a file" in error_message(lambda: bc.sweep("a bee", lora=5).cells)
    address = "https://bees.org/a.png"
    message = error_message(lambda: bc.sweep("a bee", image=address).cells)
    assert f"{address!r}: a file on this machine" in message


def test_a_video_limits_the_length_of_a_clip(library):
    model = bc.load()
    video = np.zeros((12, 64, 64, 3), np.uint8)
    shot = model.resolve(bc.shot("a bee", video=video))
    assert shot.num_frames == 9
    assert (
        model.resolve(bc.shot("a bee", video=np.zeros((40, 64, 64, 3), np.uint8))).num_frames == 17
    )
    with pytest.raises(CheckError, match="it has 3 frames, but the clip should have num_frames=17"):
        bc.run(bc.sweep("a bee", video=video[:3]), model, library=library)
    with pytest.raises(
        CheckError, match="it has 12 frames, but the clip should have num_frames=17"
    ):
        bc.run(bc.sweep("a bee", video=video, num_frames=17), model, library=library)


def test_values_of_a_missing_clip(library):
    with pytest.raises(IndexError, match="clip 99: there are 0"):
        library.clips().values(99)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(
    ("shots", "words"),
    [
        ("a bee", "shots='a bee': a list of resolved shots is needed"),
        (bc.shot("a bee"), "model.generate([model.resolve(shot)])"),
        ([], "shots=[]: a list of resolved shots is needed"),
        ([bc.shot("a bee")], "resolve"),
        (5, "shots=5: a list of resolved shots is needed"),
    ],
)
def test_generate_names_what_it_takes(ltx, shots, words, several):
    model = as_model([ltx]) if several else ltx
    assert words in error_message(lambda: model.generate(shots))


# --- every exported function -----------------------------------------------------------------------

WRONG = [3, object(), [object()], b"x", 1.5, True, {}]
CALLS = {
    "Axis.name": lambda clips, v: bc.Axis(v, [1]),
    "Axis.notes": lambda clips, v: bc.Axis("a", [1], notes=[v]),
    "deck.folder": lambda clips, v: bc.deck("product shot", v),
    "deck.name": lambda clips, v: bc.deck(v),
    "decks.folder": lambda clips, v: bc.decks(v),
    "doctor.library": lambda clips, v: bc.doctor(_Loaded(), library=v),
    "doctor.model": lambda clips, v: bc.doctor(v),
    "estimate.model": lambda clips, v: bc.estimate(bc.sweep("a bee"), v),
    "find_deck.folder": lambda clips, v: bc.find_deck("a bee", v),
    "find_deck.text": lambda clips, v: bc.find_deck(v),
    "library.folder": lambda clips, v: bc.library(v),
    "load.name": lambda clips, v: bc.load(v),
    "lora.name": lambda clips, v: bc.lora(__file__, name=v),
    "lora.source": lambda clips, v: bc.lora(v),
    "promote.clips": lambda clips, v: bc.promote(v),
    "promote.model": bc.promote,
    "read_media.name": lambda clips, v: bc.read_media(np.zeros((2, 2, 3)), name=v),
    "read_media.source": lambda clips, v: bc.read_media(v),
    "run.model": lambda clips, v: bc.run(bc.sweep("a bee"), v),
    "run.sweep": lambda clips, v: bc.run(v, _Loaded()),
    "sample.n": lambda clips, v: bc.sample(v),
    "sample.seed": lambda clips, v: bc.sample(2, v),
    "shot.image": lambda clips, v: bc.shot("a bee", image=v),
    "shot.lora": lambda clips, v: bc.shot("a bee", lora=v),
    "shot.noise": lambda clips, v: bc.shot("a bee", noise=v),
    "shot.prompt": lambda clips, v: bc.shot(v),
    "shot.seed": lambda clips, v: bc.shot("a bee", seed=v),
    "shot.width": lambda clips, v: bc.shot("a bee", width=v),
    "sweep.layout": lambda clips, v: len(bc.sweep("a bee", v)),
    "sweep.prompt": lambda clips, v: len(bc.sweep(v)),
    "vary.clip": lambda clips, v: bc.vary(v),
    "vary.n": lambda clips, v: bc.vary(clips[0], v),
    "vary.seed": lambda clips, v: bc.vary(clips[0], seed=v),
    "vary.strength": lambda clips, v: bc.vary(clips[0], strength=v),
    "wrap.pipe": lambda clips, v: bc.wrap(v),
    "zip.axes": lambda clips, v: bc.zip(v),
}
RIGHT = dict.fromkeys(
    ("sample.n", "sample.seed", "shot.seed", "shot.width", "vary.n", "vary.seed"), 3
)


class _Loaded:
    """Has the members of a loaded model."""

    name = revision = ""
    pipe = check = resolve = batch_key = generate = task_for = None


@pytest.mark.parametrize("name", CALLS)
def test_every_exported_function_refuses_what_it_can_not_take(clips, name, monkeypatch, tmp_path):
    monkeypatch.setenv("BEECAM_LIBRARY", str(tmp_path / "default"))
    for value in WRONG:
        if RIGHT.get(name) is not value and (name, value) != ("vary.strength", True):
            assert error_message(lambda v=value: CALLS[name](clips, v), bc.BeecamError)


def test_the_table_has_every_exported_function():
    functions = {name for name in bc.__all__ if inspect.isfunction(getattr(bc, name))}
    assert functions <= {name.split(".")[0] for name in CALLS}


def test_lists_of_decks_and_records_name_an_index_that_does_not_exist(library):
    for found, noun in ((bc.decks(), "deck"), (library.sweeps(), "record")):
        with pytest.raises(IndexError, match=rf"{noun} 99: there are {len(found)}, counted from 0"):
            found[99]
        assert f"{noun}s['x']: a number or a slice is needed" in error_message(
            lambda f=found: f["x"]
        )


def test_inputs_are_looked_up_by_a_digest(library):
    for wrong in (3, None, "", "*", b"x"):
        with pytest.raises(KeyError, match="no input"):
            library.inputs[wrong]


def methods_of_exported_classes():
    """Return the public methods of the objects that a user holds."""
    for kind in (bc.Clip, bc.ClipSet, bc.Library, bc.Run, bc.Sweep, SweepRecord):
        for name, value in inspect.getmembers(kind, inspect.isfunction):
            kinds = {one.kind for one in inspect.signature(value).parameters.values()}
            own = value.__module__.startswith("beecam")
            if own and not name.startswith("_") and inspect.Parameter.VAR_KEYWORD not in kinds:
                yield pytest.param(value, id=f"{kind.__name__}.{name}")


@pytest.mark.parametrize("method", methods_of_exported_classes())
def test_each_method_names_a_wrong_keyword(method):
    message = error_message(lambda: method(None, no_such=1))
    assert f"{method.__name__}(no_such=...): no such argument." in message


@pytest.mark.parametrize("kind", [bc.Clip, bc.ClipSet, bc.Library, bc.Run])
def test_no_object_takes_an_attribute_that_it_does_not_have(kind):
    one = object.__new__(kind)
    with pytest.raises(AttributeError, match=f"{kind.__name__} has no attribute 'colums'"):
        one.colums = 3


def classes_that_users_hold():
    exported = [value for value in map(partial(getattr, bc), bc.__all__) if inspect.isclass(value)]
    kinds = [
        one
        for one in exported
        if not issubclass(one, BaseException)
        and not getattr(one, "_is_protocol", False)
        and one is not bc.Problem  # below all helpers
    ]
    return [*kinds, DiffusersModel, ModelSet, LiveControls]


def nearly(name):
    """The name without a letter in its middle."""
    return name[: len(name) // 2] + name[len(name) // 2 + 1 :]


@pytest.mark.parametrize("kind", classes_that_users_hold())
def test_a_missing_attribute_gets_the_nearest_of_its_class(kind):
    one = object.__new__(kind)
    fields = {name for base in kind.__mro__ for name in vars(base).get("__annotations__", {})}
    vars(one).update(dict.fromkeys(name for name in fields if not hasattr(kind, name)))
    public = [name for name in dir(one) if not name.startswith("_")]
    assert public
    for name in public:
        wrong = nearly(name)
        if wrong in public or wrong.startswith("_"):
            continue
        nearest = nearest_match(wrong, public)
        with pytest.raises(AttributeError) as error:
            getattr(one, wrong)
        hint = f" Did you mean {nearest}?" if nearest else ""
        assert str(error.value) == f"{kind.__name__} has no attribute {wrong!r}.{hint}"


def test_an_attribute_error_within_a_property_stays_itself():
    class Broken(NearestAttributes):
        @property
        def size(self):
            return None.nothing

    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'nothing'"):
        _ = Broken().size
    assert not hasattr(Broken(), "_repr_png_")


@pytest.mark.parametrize(("module", "name"), [(bc, "Clps"), (bw, "ClipGri"), (bw, "exlore")])
def test_a_missing_name_of_a_module_gets_the_nearest(module, name):
    with pytest.raises(AttributeError, match=rf"no attribute '{name}'\. Did you mean b[cw]\.\w+\?"):
        getattr(module, name)


@pytest.mark.parametrize("kind", [bc.Library, bw.ClipGrid, bw.ClipTable])
def test_a_wrong_keyword_of_a_class_names_the_class_that_was_called(kind):
    message = error_message(lambda: kind(foldr=1))
    assert f"{kind.__name__}(foldr=...): no such argument." in message


NO_PATHS = ["~no-such-user/bee", "b" * 300, "half \ud83d", "/".join(["b" * 200] * 30), "a\0b"]


@pytest.mark.parametrize("name", NO_PATHS)
@pytest.mark.parametrize("take", [bc.library, bc.read_media, bc.lora, bc.load, bc.deck])
def test_a_name_that_no_file_can_have_gets_a_sentence(take, name):
    with pytest.raises(bc.BeecamError) as error:
        take(name)
    assert str(error.value).encode()
