"""The panel from code and from its front end; the model is real."""

import copy
import gc
import sys
import threading
import time
from dataclasses import replace

import comm
import numpy as np
import pytest
from front_end import FrontEnd, RecordingComm

import beecam as bc
import beecam_widgets as bw
from beecam.errors import BeecamError, DeckError, LibraryError
from beecam_widgets._panel.form import SweepForm
from beecam_widgets._panel.protocol import form_to_json
from helpers import error_message, wait_until

FEW = {"num_inference_steps": 1}


@pytest.fixture(scope="module")
def model():
    return bc.load()


@pytest.fixture
def explore(monkeypatch, library, model):
    monkeypatch.setattr(comm, "create_comm", RecordingComm)
    created = []

    def create(**arguments):
        created.append(bw.explore(model, library=library, **arguments))
        return created[-1]

    yield create
    for one in created:
        one.close()


def run_code(panel, model, library):
    """Run `panel.code`; return its variables."""
    variables = {"model": model}
    exec(panel.code, variables)
    return variables


def summary_of(panel):
    """Return the summary of the current form."""
    return wait_until(lambda: panel._summarized_serial == panel._serial and panel._summary)


class PanelFrontEnd(FrontEnd):
    """A front end of a panel: it edits the state that it received, as the real one does."""

    def edit(self, act):
        state = {k: v for k, v in self.widget._state.items() if k not in ("serial", "edit", "undo")}
        state = copy.deepcopy(state)
        act(state)
        self.number = getattr(self, "number", 0) + 1
        problems = len(self.received("problem"))
        self.send("edit", edit=[self.name, self.number], state=state)
        wait_until(
            lambda: (
                self.widget._state["edit"] == [self.name, self.number]
                or len(self.received("problem")) > problems
            )
        )


# --- from code -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_attributes_give_one_sweep(explore, model, library):
    panel = explore(template="a {insect} over {place}, {view}")
    panel.axes = {"insect": ["bee", "moth"], "place": "the sea"}
    panel.axes |= {"view": {"near": "close up", "far": "from a drone"}}
    panel.seeds = range(4, 6)
    panel.arguments = FEW | {"guidance_scale": [1, 3]}
    assert panel.sweep.shape == (2, 2, 2, 2)
    assert [a.name for a in panel.sweep.axes] == ["insect", "view", "guidance_scale", "seed"]
    assert str(panel.estimate).startswith("16 cells, 0 in the library")
    assert panel.axes["view"].labels == ("near", "far")
    panel.sample = 3
    assert len(panel.sweep) == 3
    panel.sample, panel.layout = None, "zip"
    assert panel.sweep.shape == (2, 2)
    panel.seeds = 7
    panel.name = "bees at dusk"
    run = panel.run_now().wait()
    assert panel.current_run is run
    assert panel.grid.run is run
    assert [one.name for one in panel.history] == ["bees at dusk"]
    assert "2 cells" in repr(panel)


@pytest.mark.parametrize(
    "change",
    [
        {"template": "a plain bee"},
        {
            "template": "{a|b} {x}",
            "axes": {"x": bc.Axis("x", ('"', "it's", "\\n{y}\n", "ب\U0001f98b"))},
        },
        {"layout": "zip", "seeds": (3, 9, 4)},
        {"sample": 2, "seeds": tuple(range(100, 108))},
        {
            "template": "{class} {seed} {guidance_scale}",
            "seeds": (1, 2),
            "axes": {
                "class": bc.Axis("class", ("bee",)),
                "guidance_scale": bc.Axis("guidance_scale", (1, 2.5)),
            },
        },
        {
            "axes": {
                "insect": bc.Axis("insect", ("a", "b"), ("same", "same")),
                "place": bc.Axis("place", ("c",), notes=("a note",)),
            }
        },
        {
            "name": 'bees "at" dusk\'s',
            "arguments": {
                "negative_prompt": "blurred",
                "guidance_scale": bc.Axis("guidance_scale", (1.0, 4.5)),
            },
        },
    ],
)
@pytest.mark.slow
def test_code_gives_the_same_sweep(explore, model, library, change):
    panel = explore()
    form = SweepForm(
        template="a {insect} over {place}",
        arguments=FEW,
        axes={
            "insect": bc.Axis("insect", ("bee", "moth")),
            "place": bc.Axis("place", ("sea", "ice")),
        },
    )
    panel.form = replace(form, **change)
    variables = run_code(panel, model, library)
    assert variables["sweep"].key == panel.sweep.key
    assert [(a.labels, a.notes) for a in variables["sweep"].axes] == [
        (a.labels, a.notes) for a in panel.sweep.axes
    ]
    assert variables["run"].library is library
    assert variables["run"].name == (panel.name or variables["run"].name)
    variables["run"].wait()
    assert {c.status for c in panel.run_now().wait().changes().cells} == {"cached"}


TEMPLATES = [
    "a {insect} {by|over {the sea|a lake}} {2$$a|b|c}",
    "a [{insect}:{moth|fly}:0.5] {3::at dawn|1::at night}",
    r"a {insect} \(big\) in __place__",
]


@pytest.mark.slow
@pytest.mark.parametrize("template", TEMPLATES)
def test_the_panel_reads_templates_as_bc_sweep_does(explore, model, library, tmp_path, template):
    (tmp_path / "place.txt").write_text("dunes\nfog\n")
    panel = explore(template=template, wildcards=tmp_path)
    panel.axes, panel.arguments = {"insect": ["bee", "ant"]}, {"num_inference_steps": 2}
    axes = {"insect": ["bee", "ant"], "seed": 0, "num_inference_steps": 2}
    expected = bc.sweep(template, wildcards=tmp_path, **axes)
    assert panel.sweep.key == expected.key
    assert summary_of(panel)["cells"] == len(expected)
    variables = run_code(panel, model, library)
    assert variables["sweep"].key == expected.key
    variables["run"].cancel()
    front_end = PanelFrontEnd(panel)
    front_end.edit(lambda state: state.update(sample=2))
    assert len(panel.sweep) == 2
    assert not summary_of(panel)["problems"]
    panel.restore(panel.history[0])
    assert panel.template == template
    panel.template = "a (bee:1.4)"
    (problem,) = summary_of(panel)["problems"]
    assert problem["argument"] == "prompt"


def test_a_plain_sweep_is_restored_with_escapes(explore, model, library):
    texts = {"negative_prompt": "((ugly))", "plain": True, **FEW}
    bc.run(bc.sweep("a {bee|moth} (big:1.4)", **texts), model, library=library, name="p").cancel()
    panel = explore()
    panel.restore("p")
    assert panel.template == r"a \{bee\|moth\} \(big\:1.4\)"
    assert [c.shot.prompt for c in panel.sweep] == ["a {bee|moth} (big:1.4)"]
    assert panel.sweep[0].shot.negative_prompt == "((ugly))"


def test_code_of_every_deck_runs(explore, model, library):
    panel = explore()
    for deck in bc.decks():
        panel.deck = deck.name
        assert panel.deck == deck
        variables = {"model": model}
        exec(panel.code.replace("run = ", "# "), variables)
        assert variables["sweep"].key == panel.sweep.key == deck.sweep(model).key
        panel.sweep.check(model)


@pytest.mark.slow
def test_code_refers_to_images_by_digest(explore, model, library):
    red = np.full((64, 64, 3), (200, 30, 30), np.uint8)
    panel = explore(template="a bee")
    panel.arguments = FEW | {
        "image": [bc.read_media(red, name="red"), bc.read_media(255 - red, name="cyan")]
    }
    assert panel._state["arguments"]["image"]["values"] == [
        [{"object": 0}, "red", ""],
        [{"object": 1}, "cyan", ""],
    ]
    panel.run_now().wait()
    assert "library.inputs[" in panel.code
    variables = run_code(panel, model, library)
    assert [c.shot for c in variables["sweep"].cells] == [c.shot for c in panel.sweep.cells]
    front_end = PanelFrontEnd(panel)
    front_end.edit(lambda state: state["arguments"]["image"]["values"].reverse())
    assert [str(v) for v in panel.arguments["image"].values] == ["cyan", "red"]
    before = panel.form
    for index in (-1, 2, "0", None):
        front_end.edit(
            lambda state, index=index: state["arguments"].update(image={"value": {"object": index}})
        )
    assert panel.form == before


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("template", 3, "template=3: a string is needed"),
        ("axes", {"insekt": ["bee"]}, "Did you mean {insect}?"),
        ("axes", {"guidance_scale": [1]}, "It is an argument: panel.arguments"),
        ("seeds", (), "at least one seed"),
        ("seeds", [1, "2"], "seeds='2': an integer"),
        ("arguments", {"guidance_scal": 3}, "Did you mean guidance_scale?"),
        ("layout", "zipp", "Did you mean zip?"),
        ("sample", 0, "sample=0: an integer of 1 or more"),
        ("name", 3, "a string is needed"),
    ],
)
def test_invalid_value_is_rejected_on_assignment(explore, name, value, message):
    panel = explore()
    before = panel.form
    assert message in error_message(lambda: setattr(panel, name, value))
    assert panel.form == before


def test_invalid_arguments_are_rejected(explore, library):
    assert "model=3" in error_message(lambda: bw.explore(3, library=library))
    assert "template=5" in error_message(lambda: bw.explore(None, 5, library=library))
    assert "library=" in error_message(lambda: bw.explore(library="bees"))
    assert "Did you mean product shot" in error_message(
        lambda: explore(deck="produkt shot"), DeckError
    )
    assert "panel.form" in error_message(lambda: setattr(explore(), "form", {}), BeecamError)


def test_values_return_with_their_slot(explore):
    panel = explore(template="a {insect}, {view}")
    panel.axes = {"insect": ["bee"], "view": ["close up", "far"]}
    panel.template = "a {insect}"
    assert [*panel.axes] == ["insect"]
    assert len(panel.sweep) == 1
    panel.template = "{view} of a {insect}"
    assert [(n, len(a)) for n, a in panel.axes.items()] == [("view", 2), ("insect", 1)]
    panel.axes = {"view": ["above"]}
    assert panel.axes["insect"].values == ()


def test_decks_intents_and_undo(explore, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("name: ponds\ntemplate: a {insect}\naxes:\n  insect: [a bee]\n")
    panel = explore(template="by hand")
    panel.intent = "hand-drawn butterflies"
    assert panel.deck.name == "2D animation"
    assert "hand" in panel.intent.reason
    panel.deck = own
    assert panel.deck.name == "ponds"
    assert [one["name"] for one in panel._choices["decks"]][-1] == "ponds"
    panel.undo()
    assert panel.template == "by hand", "deck after deck: undo restores the form edited by hand"
    panel.undo()
    assert panel.template == "by hand"
    panel.intent = "qqq"
    assert panel.intent.deck is None
    assert panel.template == "by hand"


@pytest.mark.slow
def test_restored_sweep_is_complete(explore, model, library):
    panel = explore(template="a {insect} over {place}")
    panel.axes = {"insect": {"the bee": "bee", "moth": "moth"}, "place": ["sea", "ice"]}
    panel.arguments, panel.layout, panel.seeds = FEW | {"fps": [8, 9]}, "zip", (5, 2)
    panel.name = "pairs"
    first, before = panel.run_now().wait(), panel.form
    panel.deck, panel.name = "product shot", ""
    panel.restore("pairs")
    assert panel.form == replace(before, axes=panel.form.axes)
    assert panel.axes == dict(before.axes)
    assert [c.key for c in panel.grid.clips] == [c.key for c in first.clips]
    assert panel.grid.clips.axes == first.sweep.axes
    assert len(bc.run(panel.sweep, model, library=library).wait().clips) == len(first.clips)


def test_sweep_without_a_form_is_shown_in_the_grid(explore, model, library):
    picked = bc.sweep("a bee", seed=range(4), **FEW).where(lambda cell: cell.values["seed"] != 1)
    bc.run(picked, model, library=library, name="picked").wait()
    panel = explore(template="mine")
    assert "a panel can't edit this sweep" in error_message(
        lambda: panel.restore("picked"), BeecamError
    )
    assert panel.template == "mine"
    assert len(panel.grid.clips) == 3
    assert "no sweep of that name" in error_message(lambda: panel.restore("nothing"), LibraryError)
    two = bc.sweep("{a} {b} {c} {d}", bc.zip(a=["x", "y"], b=["x", "y"]), bc.zip(c=["1"], d=["2"]))
    assert SweepForm.from_sweep(two) is not None
    pairs = bc.zip(a=["x", "y"], b=["x", "y"])
    for c in (["1", "2"], ["1", "2", "3"]):
        assert SweepForm.from_sweep(bc.sweep("{a}{b}{c}", pairs, c=c)) is None


@pytest.mark.slow
def test_pause_resume_and_stop(explore, library):
    panel = explore(template="a bee")
    assert "No run was started" in error_message(panel.pause, BeecamError)
    panel.seeds = range(40)
    run = panel.run_now()
    panel.pause()
    wait_until(lambda: panel._run["status"] == "paused")
    panel.resume()
    wait_until(lambda: panel._run["status"] == "running")
    panel.stop()
    wait_until(lambda: panel._run["finished"])
    assert run.status == "cancelled"
    finished = len(run.clips)
    assert summary_of(panel)["cached"] == finished
    second = panel.run_now()
    assert second is not run
    second.cancel()
    second.wait()


def test_same_call_in_same_cell_returns_same_panel(explore, monkeypatch, model, library):
    # The package has the function under the name of the module.
    panels = sys.modules["beecam_widgets.explore"]
    monkeypatch.setattr(panels, "_panels", {})
    assert explore() is not explore(), "without a cell id every call returns a new panel"
    monkeypatch.setattr(panels, "current_cell_id", lambda: "cell-1")
    first = explore()
    first.template = "by hand"
    assert explore() is first
    assert explore(deck="product shot") is not first
    monkeypatch.setattr(panels, "current_cell_id", lambda: "cell-2")
    assert explore() is not first
    monkeypatch.setattr(panels, "current_cell_id", lambda: "cell-1")
    first.close()
    assert explore() is not first


# --- from the front end --------------------------------------------------------------------------


def test_typed_text_is_parsed_by_the_controls(explore):
    panel = explore()
    front_end = PanelFrontEnd(panel)

    def act(state):
        state["template"] = "a {insect}, {fps}"
        state["axes"] = {"insect": [["bee", "", ""], ["7", "seven", "odd"]], "fps": [["8", "", ""]]}
        state["arguments"] = {
            "num_inference_steps": {"value": "2"},
            "guidance_scale": {"values": [["1", "", ""], ["2.5", "", ""]]},
            "negative_prompt": {"value": "3"},
            "decode_timestep": {"value": ""},
            "width": {"value": "wide"},
        }
        state["seeds"] = {"first": 10, "count": 2}

    front_end.edit(act)
    assert panel.axes["insect"].values == ("bee", "7")
    assert panel.axes["insect"].labels == ("bee", "seven")
    assert panel.axes["fps"].values == (8,), "a slot named like an argument is parsed as one"
    assert panel.arguments["num_inference_steps"] == 2
    assert panel.arguments["guidance_scale"].values == (1, 2.5)
    assert panel.arguments["negative_prompt"] == "3"
    assert "decode_timestep" not in panel.arguments
    assert panel.seeds == (10, 11)
    problems = summary_of(panel)["problems"]
    assert [one["argument"] for one in problems] == ["width"]
    assert "width='wide'" in problems[0]["message"]
    assert panel._state["arguments"]["width"] == {"value": "wide"}, "invalid text must not be lost"


def test_front_end_gets_estimate_and_problems(explore):
    panel = explore(template="a {insect} over {place}")
    first = summary_of(panel)
    assert {one["argument"] for one in first["problems"]} == {"insect", "place"}
    front_end = PanelFrontEnd(panel)
    front_end.edit(
        lambda s: s.update(
            template="a {insect}",
            axes={"insect": [["bee", "", ""]]},
            arguments={"num_frames": {"value": "20"}},
            name="x" * 200,
        )
    )
    (problem,) = summary_of(panel)["problems"]
    assert problem["argument"] == "num_frames"
    assert "nearest are 17 and 25" in problem["message"]
    front_end.edit(
        lambda s: s.update(arguments={"num_inference_steps": {"value": "1"}}, name="bees")
    )
    summary = summary_of(panel)
    assert (summary["cells"], summary["cached"], summary["problems"]) == (1, 0, [])
    assert summary["code"] == panel.code
    front_end.send("run")
    wait_until(lambda: panel._run.get("finished"))
    assert wait_until(lambda: summary_of(panel)["cached"] == 1)
    assert summary_of(panel)["seconds"] == 0
    assert [one["name"] for one in panel._history] == ["bees"]


@pytest.mark.slow
def test_buttons_call_methods(explore):
    panel = explore(template="a bee")
    front_end = PanelFrontEnd(panel)
    front_end.edit(lambda state: state.update(seeds={"first": 0, "count": 30}))
    front_end.send("run")
    wait_until(lambda: panel._run.get("status") == "running")
    front_end.send("pause")
    wait_until(lambda: panel._run["status"] == "paused")
    run = panel.current_run
    front_end.send("run")
    wait_until(lambda: panel._run["status"] == "running")
    assert panel.current_run is run
    front_end.send("stop")
    wait_until(lambda: panel._run["finished"])
    front_end.send("deck", name="product shot")
    wait_until(lambda: panel.deck is not None)
    front_end.send("undo")
    wait_until(lambda: panel.template == "a bee")
    front_end.send("intent", text="qqq")
    wait_until(lambda: front_end.received("intent"))
    assert "no deck shares a word" in front_end.received("intent")[0][0]["text"]
    front_end.send("restore", key=panel._history[0]["key"])
    wait_until(lambda: panel.seeds == tuple(range(30)))
    wait_until(lambda: panel._run == {"status": "", "shown": True})


@pytest.mark.slow
def test_panel_controls_a_run_started_in_its_grid(explore):
    panel = explore(template="a bee")
    panel.seeds = range(40)
    run = panel.run_now()
    panel.stop()
    wait_until(lambda: panel._run["finished"])
    page = FrontEnd(panel.grid)
    page.send("run", action="run", token=run.key)
    wait_until(lambda: panel.current_run is not run)
    wait_until(lambda: panel._run["status"] == "running")
    panel.stop()
    wait_until(lambda: panel._run["finished"])
    assert panel.current_run.status == "cancelled"


@pytest.mark.parametrize(
    "change",
    [
        {"template": 3},
        {"template": "x" * 5_000},
        {"axes": 3},
        {"axes": {"a": 3}},
        {"axes": {"insect": [["b"]]}},
        {"axes": {"insect": [[["b"], "", ""]]}},
        {"axes": {str(i): [] for i in range(100)}},
        {"axes": {"insect": [[str(i), "", ""] for i in range(3_000)]}},
        {"axes": {"insect": [[{"object": 3}, "", ""]]}},
        {"axes": {"insect": [[{"object": -1}, "", ""]]}},
        {"axes": {"insect": [[float("nan"), "", ""]]}},
        {"axes": {str(j): [["x" * 3_900 + str(i), "", ""] for i in range(40)] for j in range(4)}},
        {"seeds": []},
        {"seeds": ["a"]},
        {"seeds": {"first": "0", "count": 1}},
        {"seeds": None},
        {"layout": "all"},
        {"sample": -1},
        {"sample": "3"},
        {"arguments": {"fps": {}}},
        {"arguments": []},
        {"name": None},
    ],
)
def test_invalid_edits_change_nothing(explore, change):
    panel = explore()
    front_end = PanelFrontEnd(panel)
    before = panel.form
    front_end.edit(lambda state: state.update(change))
    assert panel.form == before
    assert len(front_end.received("problem")[0][0]["text"]) <= 1_000
    for kind in ("", "nope", "take", "put"):
        front_end.send(kind)
    for kind in ("edit", "deck", "intent", "restore"):
        front_end.send(kind)
    wait_until(lambda: not panel._worker.running or panel._worker.idle)
    time.sleep(0.1)
    front_end.edit(lambda state: state.update(template="still here"))
    assert panel.template == "still here"


def test_seeds_of_front_end_are_clipped(explore):
    panel = explore()
    front_end = PanelFrontEnd(panel)
    front_end.edit(lambda state: state.update(seeds={"first": -5, "count": 10**9}))
    assert (panel.seeds[0], len(panel.seeds)) == (0, 10_000)


def test_concurrent_edits_end_in_one_state(explore):
    panel = explore()
    front_end = PanelFrontEnd(panel)

    def type_(n):
        for i in range(15):
            state = form_to_json(panel.form) | {"template": f"page {n} {i}"}
            front_end.send("edit", edit=[f"page{n}", i], state=state)

    threads = [threading.Thread(target=type_, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for i in range(30):
        panel.seeds = i
    for thread in threads:
        thread.join()
    summary_of(panel)
    assert panel._state["template"] == panel.template
    assert panel._state["seeds"]["first"] == panel.seeds[0]
    assert panel._summary["serial"] == panel._serial


def test_idle_thread_ends(explore):
    panel = explore(template="a bee")
    summary_of(panel)
    wait_until(lambda: not panel._worker.running)
    panel.close()
    gc.collect()
    assert panel.comm is None


def test_reason_why_a_run_cannot_start_is_sent(explore):
    panel = explore(template="a bee")
    front_end = PanelFrontEnd(panel)
    panel.name = "x" * 200
    front_end.send("run")
    wait_until(lambda: front_end.received("problem"))
    assert "name=" in front_end.received("problem")[0][0]["text"]
    assert panel.current_run is None


def test_active_run_can_be_stopped_while_another_is_shown(explore, library, model):
    bc.run(bc.sweep("a moth", seed=[1], **FEW), model, library=library, name="moth").wait()
    panel = explore(template="a bee")
    panel.seeds = range(60)
    run = panel.run_now()
    panel.restore("moth")
    assert panel.grid.run is None
    assert panel.current_run is run
    panel.stop()
    wait_until(lambda: panel._run["finished"])
    assert run.status == "cancelled"


def test_invalid_decks_are_reported(explore, library):
    folder = library.folder / "decks"
    folder.mkdir()
    (folder / "bad.yaml").write_text("name: [")
    (folder / "good.yaml").write_text("name: ponds\ntemplate: a pond\n")
    panel = explore(deck="ponds")
    assert panel.template == "a pond"
    assert "bad.yaml, line 1" in panel._choices["problems"][0]


def test_closed_library_is_reported(explore, library):
    panel = explore(template="a bee")
    summary_of(panel)
    library.close()
    panel.seeds = 5
    problem = wait_until(lambda: summary_of(panel)["problems"])[0]
    assert "is closed" in problem["message"]


def test_code_escapes_any_text(explore, model, library):
    hostile = "<img src=x onerror=alert(1)> {{x}} \u202e\U0001f98b\0"
    panel = explore(template="a {insect}")
    panel.axes = {"insect": [hostile, "'''\"\"\"\\"]}
    panel.arguments, panel.name = FEW, "<b>bees</b>"
    variables = run_code(panel, model, library)
    assert variables["sweep"].cells[0].shot.prompt == f"a {hostile}"
    variables["run"].cancel()


# --- notes on words --------------------------------------------------------------------------------


class Reader:
    """A model, as pollen, that counts how often its notes are requested."""

    def __init__(self, model, *, error=None, limit=6):
        self.model, self.error, self.limit, self.calls = model, error, limit, 0

    def __getattr__(self, name):
        return getattr(self.model, name)

    def notes(self, shots):
        self.calls += 1
        if self.error is not None:
            raise self.error
        yield from self.model.notes(shots)
        for text in dict.fromkeys(str(shot.prompt) for shot in shots):
            if ends := text.split()[self.limit :]:
                yield bc.Note("prompt", f"prompt: cut off from {ends[0]!r} on.", tuple(ends))

    def known_words(self):
        return [f"w{i:05}" for i in reversed(range(3_000))]


def test_words_that_the_model_passes_over_are_noted(explore, model):
    panel = explore(template="a zebra, over a {place}")
    panel.axes = {"place": {"pumps": "gas station", "sea": "sea"}}
    assert panel.notes == tuple(panel.sweep.check(model))
    assert [(note.argument, note.words) for note in panel.notes] == [
        ("prompt", ("zebra", "gas station"))
    ]
    assert panel.unknown_words == {"zebra", "gas", "station"}
    (note,) = summary_of(panel)["notes"]
    assert note["message"] == panel.notes[0].message
    assert note["words"] == ["zebra", "gas", "station"]
    assert {"bee", "meadow"} <= {*panel._choices["words"]}
    panel.template = "a bee over the sea"
    assert panel.notes == ()
    assert summary_of(panel)["notes"] == []


@pytest.mark.parametrize(
    "template", ["a zebra over {place}", "a {dunes|zebra} {place", "a zebra }"]
)
def test_notes_come_while_the_form_has_problems(explore, template):
    panel = explore(template=template)
    panel.arguments = {"num_frames": 20, "guidance_scale": [1, 3]}
    summary = summary_of(panel)
    assert summary["problems"]
    assert [note["words"] for note in summary["notes"]] == [["zebra"]]


def test_notes_are_limited_and_computed_once_per_text(explore, model, library, monkeypatch):
    reader = Reader(model)
    panel = bw.explore(reader, template="a bee over the old sea with a zebra", library=library)
    try:
        assert len(panel._choices["words"]) == 2_000
        assert panel._choices["words"] == sorted(panel._choices["words"])
        unknown, cut = summary_of(panel)["notes"]
        assert unknown["words"] == ["zebra"]
        assert cut["words"] == ["zebra"], "'with' and 'a' are only cut off"
        assert len(cut["message"]) < 100
        before = reader.calls
        panel.seeds, panel.name = range(500), "many"
        summary_of(panel)
        assert panel.notes[1].message == cut["message"]
        assert reader.calls == before
        panel.template = " ".join(f"{{{i}a|{i}b}}" for i in range(3)) + " z" * 20
        reader.limit = 0
        monkeypatch.setattr("beecam_widgets._panel.descriptions._MAX_NOTES", 5)
        assert len(summary_of(panel)["notes"]) == 5
        assert len(panel.notes) == 10, "the last says that unknown words make equal clips"
    finally:
        panel.close()


def test_model_that_fails_to_note_can_still_generate(explore, model, library):
    panel = bw.explore(Reader(model, error=RuntimeError("no")), template="a bee", library=library)
    try:
        summary = summary_of(panel)
        assert (summary["cells"], summary["problems"]) == (1, [])
        assert "can't report unknown words" in summary["notes"][0]["message"]
    finally:
        panel.close()
