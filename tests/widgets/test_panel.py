"""The panel as code sees it, and as its page does; the model is real."""

import copy
import gc
import threading
import time
from dataclasses import replace

import comm
import numpy as np
import pytest
from page import Page, RecordingComm

import beecam as bc
import beecam_widgets as bw
from beecam.errors import BeecamError, DeckError, LibraryError
from beecam_widgets import panel as panels
from beecam_widgets.asking import Asking, asking_of
from beecam_widgets.paging import page_of
from helpers import said

FEW = {"num_inference_steps": 1}


@pytest.fixture(scope="module")
def model():
    return bc.load()


@pytest.fixture
def explore(monkeypatch, library, model):
    monkeypatch.setattr(comm, "create_comm", RecordingComm)
    made = []

    def make(**arguments):
        made.append(bw.explore(model, library=library, **arguments))
        return made[-1]

    yield make
    for one in made:
        one.close()


def run_code(panel, model, library):
    """What `panel.code` makes when it is run."""
    space = {"model": model}
    exec(panel.code, space)
    return space


def until(check, seconds=240):
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return found


def counted(panel):
    """The summary of what is asked for now."""
    return until(lambda: panel._said_of == panel._serial and panel._summary)


class PanelPage(Page):
    """A page of a panel: it edits what it was told, as the real one does."""

    def edit(self, act):
        state = {k: v for k, v in self.grid._state.items() if k not in ("serial", "edit", "undo")}
        state = copy.deepcopy(state)
        act(state)
        self.number = getattr(self, "number", 0) + 1
        said = len(self.heard("problem"))
        self.say("edit", edit=[self.name, self.number], state=state)
        until(
            lambda: (
                self.grid._state["edit"] == [self.name, self.number]
                or len(self.heard("problem")) > said
            )
        )


# --- as code sees it -----------------------------------------------------------------------------


def test_everything_can_be_set_and_makes_one_sweep(explore, model, library):
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
def test_the_code_makes_the_same_sweep(explore, model, library, change):
    panel = explore()
    usual = Asking(
        template="a {insect} over {place}",
        arguments=FEW,
        axes={
            "insect": bc.Axis("insect", ("bee", "moth")),
            "place": bc.Axis("place", ("sea", "ice")),
        },
    )
    panel.asking = replace(usual, **change)
    space = run_code(panel, model, library)
    assert space["sweep"].key == panel.sweep.key
    assert [(a.labels, a.notes) for a in space["sweep"].axes] == [
        (a.labels, a.notes) for a in panel.sweep.axes
    ]
    assert space["run"].library is library
    assert space["run"].name == (panel.name or space["run"].name)
    space["run"].wait()
    assert {c.status for c in panel.run_now().wait().changes().cells} == {"cached"}


def test_the_code_of_every_deck_runs(explore, model, library):
    panel = explore()
    for deck in bc.decks():
        panel.deck = deck.name
        assert panel.deck == deck
        space = {"model": model}
        exec(panel.code.replace("run = ", "# "), space)
        assert space["sweep"].key == panel.sweep.key == deck.sweep(model).key
        panel.sweep.check(model)


def test_pictures_are_in_the_code_by_their_content(explore, model, library):
    red = np.full((64, 64, 3), (200, 30, 30), np.uint8)
    panel = explore(template="a bee")
    panel.arguments = FEW | {
        "image": [bc.read_media(red, name="red"), bc.read_media(255 - red, name="cyan")]
    }
    assert panel._state["arguments"]["image"]["many"] == [
        [{"object": 0}, "red", ""],
        [{"object": 1}, "cyan", ""],
    ]
    panel.run_now().wait()
    assert "library.inputs[" in panel.code
    space = run_code(panel, model, library)
    assert [c.shot for c in space["sweep"].cells] == [c.shot for c in panel.sweep.cells]
    page = PanelPage(panel)
    page.edit(lambda state: state["arguments"]["image"]["many"].reverse())
    assert [str(v) for v in panel.arguments["image"].values] == ["cyan", "red"]
    before = panel.asking
    for odd in (-1, 2, "0", None):
        page.edit(lambda state, odd=odd: state["arguments"].update(image={"one": {"object": odd}}))
    assert panel.asking == before


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("template", 3, "template=3: a text is needed"),
        ("axes", {"insekt": ["bee"]}, "Did you mean {insect}?"),
        ("axes", {"guidance_scale": [1]}, "It is an argument: panel.arguments"),
        ("seeds", (), "at least one seed"),
        ("seeds", [1, "2"], "seeds='2': a whole number"),
        ("arguments", {"guidance_scal": 3}, "Did you mean guidance_scale?"),
        ("layout", "zipp", "Did you mean zip?"),
        ("sample", 0, "sample=0: a whole number of 1 or more"),
        ("name", 3, "a text is needed"),
    ],
)
def test_what_is_wrong_is_said_when_it_is_set(explore, name, value, message):
    panel = explore()
    before = panel.asking
    assert message in said(lambda: setattr(panel, name, value))
    assert panel.asking == before


def test_what_cant_be_made_is_no_panel(explore, library):
    assert "model=3" in said(lambda: bw.explore(3, library=library))
    assert "library=" in said(lambda: bw.explore(library="bees"))
    assert "Did you mean product shot" in said(lambda: explore(deck="produkt shot"), DeckError)
    assert "panel.asking" in said(lambda: setattr(explore(), "asking", {}), BeecamError)


def test_values_come_back_with_their_slot(explore):
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
    assert [one["name"] for one in panel._about["decks"]][-1] == "ponds"
    panel.undo()
    assert panel.template == "by hand", "going from deck to deck is no work of one's own"
    panel.undo()
    assert panel.template == "by hand"
    panel.intent = "qqq"
    assert panel.intent.deck is None
    assert panel.template == "by hand"


def test_an_earlier_sweep_comes_back_whole(explore, model, library):
    panel = explore(template="a {insect} over {place}")
    panel.axes = {"insect": {"the bee": "bee", "moth": "moth"}, "place": ["sea", "ice"]}
    panel.arguments, panel.layout, panel.seeds = FEW | {"fps": [8, 9]}, "zip", (5, 2)
    panel.name = "pairs"
    first, before = panel.run_now().wait(), panel.asking
    panel.deck, panel.name = "product shot", ""
    panel.bring_back("pairs")
    assert panel.asking == replace(before, axes=panel.asking.axes)
    assert panel.axes == dict(before.axes)
    assert [c.key for c in panel.grid.clips] == [c.key for c in first.clips]
    assert panel.grid.clips.axes == first.sweep.axes
    assert len(bc.run(panel.sweep, model, library=library).wait().clips) == len(first.clips)


def test_what_no_panel_can_ask_for_is_shown_all_the_same(explore, model, library):
    picked = bc.sweep("a bee", seed=range(4), **FEW).where(lambda cell: cell.values["seed"] != 1)
    bc.run(picked, model, library=library, name="picked").wait()
    panel = explore(template="mine")
    assert "a panel can't ask for it" in said(lambda: panel.bring_back("picked"), BeecamError)
    assert panel.template == "mine"
    assert len(panel.grid.clips) == 3
    assert "no sweep of that name" in said(lambda: panel.bring_back("nothing"), LibraryError)
    two = bc.sweep("{a} {b} {c} {d}", bc.zip(a=["x", "y"], b=["x", "y"]), bc.zip(c=["1"], d=["2"]))
    assert asking_of(two) is not None
    pairs = bc.zip(a=["x", "y"], b=["x", "y"])
    for c in (["1", "2"], ["1", "2", "3"]):
        assert asking_of(bc.sweep("{a}{b}{c}", pairs, c=c)) is None


def test_pause_stop_and_go_on(explore, library):
    panel = explore(template="a bee")
    assert "nothing was run" in said(panel.pause, BeecamError)
    panel.seeds = range(40)
    run = panel.run_now()
    panel.pause()
    until(lambda: panel._run["status"] == "paused")
    panel.resume()
    until(lambda: panel._run["status"] == "running")
    panel.stop()
    until(lambda: panel._run["finished"])
    assert run.status == "cancelled"
    made = len(run.clips)
    assert counted(panel)["cached"] == made
    again = panel.run_now()
    assert again is not run
    again.cancel()
    again.wait()


def test_the_same_call_in_the_same_cell_is_the_same_panel(explore, monkeypatch, model, library):
    monkeypatch.setattr(panels, "_panels", {})
    assert explore() is not explore(), "where no cell is known, each call is its own"
    monkeypatch.setattr(panels, "_cell", lambda: "cell-1")
    first = explore()
    first.template = "by hand"
    assert explore() is first
    assert explore(deck="product shot") is not first
    monkeypatch.setattr(panels, "_cell", lambda: "cell-2")
    assert explore() is not first
    monkeypatch.setattr(panels, "_cell", lambda: "cell-1")
    first.close()
    assert explore() is not first


# --- as its page sees it -------------------------------------------------------------------------


def test_what_is_typed_becomes_values_of_their_kind(explore):
    panel = explore()
    page = PanelPage(panel)

    def act(state):
        state["template"] = "a {insect}, {fps}"
        state["axes"] = {"insect": [["bee", "", ""], ["7", "seven", "odd"]], "fps": [["8", "", ""]]}
        state["arguments"] = {
            "num_inference_steps": {"one": "2"},
            "guidance_scale": {"many": [["1", "", ""], ["2.5", "", ""]]},
            "negative_prompt": {"one": "3"},
            "decode_timestep": {"one": ""},
            "width": {"one": "wide"},
        }
        state["seeds"] = {"first": 10, "count": 2}

    page.edit(act)
    assert panel.axes["insect"].values == ("bee", "7")
    assert panel.axes["insect"].labels == ("bee", "seven")
    assert panel.axes["fps"].values == (8,), "a slot that is an argument has values of its kind"
    assert panel.arguments["num_inference_steps"] == 2
    assert panel.arguments["guidance_scale"].values == (1, 2.5)
    assert panel.arguments["negative_prompt"] == "3"
    assert "decode_timestep" not in panel.arguments
    assert panel.seeds == (10, 11)
    problems = counted(panel)["problems"]
    assert [one["argument"] for one in problems] == ["width"]
    assert "width='wide'" in problems[0]["message"]
    assert panel._state["arguments"]["width"] == {"one": "wide"}, "what was typed is not lost"


def test_the_page_is_told_what_it_costs_and_what_is_wrong(explore):
    panel = explore()
    first = counted(panel)
    assert {one["argument"] for one in first["problems"]} == {"insect", "place"}
    page = PanelPage(panel)
    page.edit(
        lambda s: s.update(
            template="a {insect}",
            axes={"insect": [["bee", "", ""]]},
            arguments={"num_frames": {"one": "20"}},
            name="x" * 200,
        )
    )
    (problem,) = counted(panel)["problems"]
    assert problem["argument"] == "num_frames"
    assert "nearest are 17 and 25" in problem["message"]
    page.edit(lambda s: s.update(arguments={"num_inference_steps": {"one": "1"}}, name="bees"))
    found = counted(panel)
    assert (found["cells"], found["cached"], found["problems"]) == (1, 0, [])
    assert found["code"] == panel.code
    page.say("run")
    until(lambda: panel._run.get("finished"))
    assert until(lambda: counted(panel)["cached"] == 1)
    assert counted(panel)["seconds"] == 0
    assert [one["name"] for one in panel._history] == ["bees"]


def test_buttons_do_what_methods_do(explore):
    panel = explore(template="a bee")
    page = PanelPage(panel)
    page.edit(lambda state: state.update(seeds={"first": 0, "count": 30}))
    page.say("run")
    until(lambda: panel._run.get("status") == "running")
    page.say("pause")
    until(lambda: panel._run["status"] == "paused")
    run = panel.current_run
    page.say("run")
    until(lambda: panel._run["status"] == "running")
    assert panel.current_run is run
    page.say("stop")
    until(lambda: panel._run["finished"])
    page.say("deck", name="product shot")
    until(lambda: panel.deck is not None)
    page.say("undo")
    until(lambda: panel.template == "a bee")
    page.say("intent", text="qqq")
    until(lambda: page.heard("intent"))
    assert "no deck shares a word" in page.heard("intent")[0][0]["text"]
    page.say("history", key=panel._history[0]["key"])
    until(lambda: panel.seeds == tuple(range(30)))
    until(lambda: panel._run == {"status": "", "shown": True})


def test_the_panel_steers_what_its_grid_goes_on_with(explore):
    panel = explore(template="a bee")
    panel.seeds = range(40)
    run = panel.run_now()
    panel.stop()
    until(lambda: panel._run["finished"])
    panel.grid._publisher.receive({"kind": "run", "do": "run", "client": "page"})
    until(lambda: panel.current_run is not run)
    until(lambda: panel._run["status"] == "running")
    panel.stop()
    until(lambda: panel._run["finished"])
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
def test_a_page_that_says_nonsense_changes_nothing(explore, change):
    panel = explore()
    page = PanelPage(panel)
    before = panel.asking
    page.edit(lambda state: state.update(change))
    assert panel.asking == before
    assert len(page.heard("problem")[0][0]["text"]) <= 1_000
    for odd in ("", "nope", "take", "put"):
        page.say(odd)
    for kind in ("edit", "deck", "intent", "history"):
        page.say(kind)
    until(lambda: panel._worker._thread is None or panel._worker._inbox.empty())
    time.sleep(0.1)
    page.edit(lambda state: state.update(template="still here"))
    assert panel.template == "still here"


def test_seeds_of_a_page_are_brought_into_range(explore):
    panel = explore()
    page = PanelPage(panel)
    page.edit(lambda state: state.update(seeds={"first": -5, "count": 10**9}))
    assert (panel.seeds[0], len(panel.seeds)) == (0, 10_000)


def test_edits_and_code_from_many_threads_end_in_one_state(explore):
    panel = explore()
    page = PanelPage(panel)

    def type_(n):
        for i in range(15):
            state = page_of(panel.asking) | {"template": f"page {n} {i}"}
            page.say("edit", edit=[f"page{n}", i], state=state)

    threads = [threading.Thread(target=type_, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for i in range(30):
        panel.seeds = i
    for thread in threads:
        thread.join()
    counted(panel)
    assert panel._state["template"] == panel.template
    assert panel._state["seeds"]["first"] == panel.seeds[0]
    assert panel._summary["serial"] == panel._serial


def test_the_thread_ends_when_nothing_is_left_to_do(explore):
    panel = explore(template="a bee")
    counted(panel)
    until(lambda: panel._worker._thread is None)
    panel.close()
    gc.collect()
    assert panel.comm is None


def test_what_keeps_a_run_from_starting_is_said(explore):
    panel = explore(template="a bee")
    page = PanelPage(panel)
    panel.name = "x" * 200
    page.say("run")
    until(lambda: page.heard("problem"))
    assert "name=" in page.heard("problem")[0][0]["text"]
    assert panel.current_run is None


def test_a_run_that_goes_on_can_be_stopped_while_others_are_looked_at(explore, library, model):
    bc.run(bc.sweep("a moth", seed=[1], **FEW), model, library=library, name="moth").wait()
    panel = explore(template="a bee")
    panel.seeds = range(60)
    run = panel.run_now()
    panel.bring_back("moth")
    assert panel.grid.run is None
    assert panel.current_run is run
    panel.stop()
    until(lambda: panel._run["finished"])
    assert run.status == "cancelled"


def test_decks_that_are_none_are_said_on_the_page(explore, library):
    folder = library.folder / "decks"
    folder.mkdir()
    (folder / "bad.yaml").write_text("name: [")
    (folder / "good.yaml").write_text("name: ponds\ntemplate: a pond\n")
    panel = explore(deck="ponds")
    assert panel.template == "a pond"
    assert "bad.yaml, line 1" in panel._about["problems"][0]


def test_a_library_that_was_closed_is_said(explore, library):
    panel = explore(template="a bee")
    counted(panel)
    library.close()
    panel.seeds = 5
    problem = until(lambda: counted(panel)["problems"])[0]
    assert "is closed" in problem["message"]


def test_hostile_texts_are_data(explore, model, library):
    nasty = "<img src=x onerror=alert(1)> {{x}} \u202e\U0001f98b\0"
    panel = explore(template="a {insect}")
    panel.axes = {"insect": [nasty, "'''\"\"\"\\"]}
    panel.arguments, panel.name = FEW, "<b>bees</b>"
    space = run_code(panel, model, library)
    assert space["sweep"].cells[0].shot.prompt == f"a {nasty}"
    space["run"].cancel()
