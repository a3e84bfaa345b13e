"""How judges learn: from clips that look otherwise and mean the same."""

import itertools
from collections import Counter
from types import SimpleNamespace

import pytest
import torch

from beecam.models.pollen.evaluation import classifiers as judges
from beecam.models.pollen.evaluation import score as evaluate
from beecam.models.pollen.training.data import clips as data
from beecam.models.pollen.world.rendering import render as world
from beecam.models.pollen.world.scene import ACCIDENTS, CAMERAS, draw_scene


def test_time_backwards_turns_pans_round_and_leaves_flights_alone():
    g = torch.Generator().manual_seed(0)
    video = torch.randn(len(CAMERAS), 1, 17, 8, 8, generator=g).repeat(40, 1, 1, 1, 1)
    wanted = torch.arange(len(CAMERAS)).repeat(40)
    back = judges.backwards("camera")
    seen, meant = judges.unlike(video, wanted, back, g)
    kinds = {}
    for one, other, before, after in zip(video, seen, wanted, meant, strict=True):
        ways = {
            (s, b): torch.equal(other, s * (one.flip(1) if b else one))
            for s in (1, -1)
            for b in (False, True)
        }
        (way,) = [key for key, same in ways.items() if same]
        kinds.setdefault(CAMERAS[int(before)], set()).add((way, CAMERAS[int(after)]))
    for name in ("drone", "rise", "dive"):
        assert kinds[name] == {((1, False), name), ((-1, False), name)}, name
    other = {"pan left": "pan right", "pan right": "pan left"}
    for name in ("static", "orbit", "tracking", "handheld", "pan left", "pan right"):
        assert kinds[name] == {
            ((s, b), other.get(name, name) if b else name) for s in (1, -1) for b in (False, True)
        }, name


def test_a_part_of_a_picture_is_shown_as_large_as_the_whole():
    g = torch.Generator().manual_seed(0)
    axis = torch.linspace(-1, 1, 40)
    video = (axis.view(1, -1) + 2 * axis.view(-1, 1)).expand(2, 3, 5, 40, 40)
    seen = [judges.shifted(video, g) for _ in range(30)]
    assert all(one.shape == video.shape for one in seen)
    assert any(torch.equal(one, video) for one in seen)
    # What is cut off is at most a tenth, and the same of all frames.
    widths = [float(one[0, 0, 0, 20, -1] - one[0, 0, 0, 20, 0]) for one in seen]
    assert 1.75 < min(widths) < 1.9
    assert max(widths) <= 2.001
    assert all(torch.equal(one[0, 0, 0], one[1, 2, 4]) for one in seen)


def test_what_is_cut_off_can_leave_the_middle_where_it_was():
    g = torch.Generator().manual_seed(0)
    axis = torch.linspace(-1, 1, 40)
    video = axis.view(1, -1).expand(2, 3, 5, 40, 40)
    middles = [float(judges.shifted(video, g, aside=False).mean()) for _ in range(30)]
    assert max(map(abs, middles)) < 0.03, "half a pixel"
    assert max(abs(float(judges.shifted(video, g).mean())) for _ in range(30)) > 0.04


def test_a_judge_of_accidents_is_told_whether_both_halves_are_alike():
    judge = judges.Judge("accident")
    told = []
    judge.body.register_forward_pre_hook(lambda _, given: told.append(given[0]))
    video = torch.randn(2, 3, 6, 48, 48, generator=torch.Generator().manual_seed(0))
    half = video[..., :24]
    for seen in (video, torch.cat([half, half.flip(-1)], -1)):
        judge(seen)
        assert torch.equal(told[-1][:, :3], seen)
    assert told[0][:, 3:].abs().mean() > 0.5
    assert not told[1][:, 3:].any()


@pytest.mark.parametrize(("attribute", "share"), [("place", 0.25), ("light", 0)])
def test_some_clips_of_a_judge_that_needs_it_are_put_on_film(monkeypatch, attribute, share):
    monkeypatch.setattr(judges, "_GREYED", 0.0)
    monkeypatch.setattr(judges, "_worn", lambda video, *_: video)
    scenes = [s for s in itertools.islice(data.scenes(0), 40) if s.style == "plain"]
    clips = torch.zeros(len(scenes), 3, 24, 24, 3, dtype=torch.uint8)
    clips[..., 0] = torch.arange(24).mul(8).byte()
    loss = judges.JudgeLoss(attribute, clips, scenes)
    loss._batch = 800
    asked = []

    def judge(seen):
        asked.append(seen)
        return torch.zeros(len(seen), len(judges.VALUES[attribute]))

    loss(
        SimpleNamespace(
            generator=torch.Generator().manual_seed(0),
            lots=lambda: None,
            device="cpu",
            modules={"judge": judge},
        )
    )
    grey = [bool((one[0] - one[1]).abs().max() < 0.05) for one in asked[0]]
    assert sum(grey) / len(grey) == pytest.approx(share, abs=0.05)


def test_a_judge_of_accidents_must_see_some():
    scenes = [s for s in itertools.islice(data.scenes(0), 9) if s.accident is None]
    clips = torch.zeros(len(scenes), 1, 1, 1, 3, dtype=torch.uint8)
    with pytest.raises(ValueError, match=f"none of {len(scenes)} clips has an accident"):
        judges.JudgeLoss("accident", clips, scenes)
    judges.JudgeLoss("place", clips, scenes)._drawn(torch.Generator())


def test_a_file_without_judges_is_named(tmp_path):
    file = tmp_path / "judges.safetensors"
    file.write_bytes(judges.FILE.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=rf"{file}: no judges can be read from it \("):
        judges.load(file)
    each = judges.load()
    judges.save({name: one for name, one in each.items() if name != "style"}, file)
    with pytest.raises(ValueError, match=rf"{file}: it has no judge of style"):
        judges.load(file)
    judges.save({**each, "style": each["light"]}, file)
    with pytest.raises(ValueError, match=rf"{file}: its judge of style is another network"):
        judges.load(file)
    # and before anything is rendered
    with pytest.raises(ValueError, match="its judge of style"):
        evaluate.main(["judges", "--folder", str(tmp_path), "--from-judges", str(file)])
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.slow
def test_judges_learn_on_from_those_of_a_file(tmp_path, monkeypatch):
    scenes = list(itertools.islice(data.scenes(7), 6))
    (tmp_path / "clips").mkdir()
    data.save(tmp_path / "clips" / "clips-00000.pt", scenes, data.render_all(scenes))
    kept = judges.load()["light"].state_dict()
    view = judges._VIEWS["light"]
    monkeypatch.setitem(
        judges._VIEWS, "light", judges._View(view.pixels, view.frames, view.width, 2)
    )
    monkeypatch.setattr(evaluate, "judge_the_judges", lambda *_: {})  # which renders hundreds
    usual = ["judges", "--folder", str(tmp_path), "--only", "light", "--stills", "0"]
    far = {}
    for name, rate, more in (
        ("judge-light", 3e-3, []),
        ("judge-light-on", 1e-3, ["--from-judges", str(judges.FILE)]),
    ):
        evaluate.main([*usual, *more])
        learnt = torch.load(tmp_path / f"{name}.pt", weights_only=True)
        assert learnt["step"] == 2
        assert learnt["rates"][0] == rate
        now = learnt["modules"]["judge"]
        far[name] = max(float((now[key] - kept[key]).abs().max()) for key in kept)
        # with those of the file all are there, and are written
        assert (tmp_path / judges.FILE.name).exists() == bool(more)
    assert 0 < far["judge-light-on"] < 0.01
    assert far["judge-light"] > 0.1
    written, shipped = judges.load(tmp_path / judges.FILE.name), judges.load()
    for name in judges.VALUES:
        same = all(map(torch.equal, *(one[name].parameters() for one in (written, shipped))))
        assert same == (name != "light"), name


def test_a_still_shows_the_first_the_middle_and_the_last_frame():
    clips = torch.arange(17).view(1, 17, 1, 1, 1).byte()
    assert judges.looked_at(clips, "place").flatten().tolist() == [0, 8, 16]
    # of those that it looks at it looks at all again
    some = judges.looked_at(clips, "accident")
    assert torch.equal(judges.looked_at(some, "accident"), some)
    assert set(judges.STILL) == {"place", "light", "style"}


def test_some_clips_lose_their_colours_and_keep_their_shapes():
    g = torch.Generator().manual_seed(0)
    video = torch.randn(200, 3, 2, 4, 4, generator=g)
    seen = judges._greyed(video, g)
    grey = torch.tensor([bool((one == one[:1]).all()) for one in seen])
    assert 0.15 < grey.float().mean() < 0.35
    assert torch.equal(seen[~grey], video[~grey])
    assert torch.allclose(seen[grey].mean(1), video[grey].mean(1), atol=1e-6)


def test_what_is_turned_round_or_filmed_looks_as_the_world_renders_it():
    fixed = {
        "place": "meadow",
        "light": "noon",
        "weather": "clear",
        "insect": "bee",
        "camera": "static",
    }
    ways = [
        (None, "plain"),
        ("upside down", "plain"),
        ("mirror", "plain"),
        (None, "black and white"),
    ]
    usual, *others = (
        world.render([draw_scene(4, accident=accident, style=style, **fixed)], frames=2)
        for accident, style in ways
    )
    g = torch.Generator().manual_seed(0)
    many = usual.expand(300, -1, -1, -1, -1)
    turned, wanted = judges._turned_round(many, torch.zeros(300, dtype=torch.long), g)
    names = judges.VALUES["accident"]
    for name, rendered in zip(("upside down", "mirror"), others[:2], strict=True):
        some = wanted == names.index(name)
        assert 0.06 < some.float().mean() < 0.2
        assert torch.equal(turned[some], rendered.expand(int(some.sum()), -1, -1, -1, -1))
    assert torch.equal(turned[wanted == 0], many[wanted == 0])
    # What has an accident keeps it.
    odd = torch.full((300,), names.index("petal"))
    assert torch.equal(judges._turned_round(many, odd, g)[1], odd)
    film = judges._filmed(many, g)
    grey = (film[..., 0] == film[..., 2]).flatten(1).all(1)
    assert 0.15 < grey.float().mean() < 0.35
    assert torch.equal(film[~grey], many[~grey])
    assert (film[grey].float() - others[2].float()).abs().mean() < 2


@pytest.mark.parametrize(
    ("attribute", "share"), [("accident", 0.5), ("place", 0.25), ("camera", 0), ("insect", 0)]
)
def test_each_kind_of_accident_is_shown_as_often_as_it_happens(attribute, share):
    """Of all kinds as many were rendered, but few clips can have a second sun."""
    usual = [s for s in itertools.islice(data.scenes(0), 3000) if s.accident is None]
    odd = list(itertools.islice(data.odd_scenes(5), 220))
    clips = torch.zeros(len(usual) + len(odd), 1, 1, 1, 3, dtype=torch.uint8)
    loss = judges.JudgeLoss(attribute, clips, [*usual, *odd])
    loss._batch = 60_000
    which = loss._drawn(torch.Generator().manual_seed(0))
    kinds = Counter((usual + odd)[i].accident for i in which.tolist())
    assert (kinds.total() - kinds.pop(None)) / 60_000 == pytest.approx(share, abs=0.02)
    if not share:
        return
    wild = Counter(s.accident for s in itertools.islice(data.scenes(10**6), 30_000) if s.accident)
    for name in ACCIDENTS:
        found, wanted = kinds[name] / kinds.total(), wild[name] / wild.total()
        assert found == pytest.approx(wanted, rel=0.2, abs=0.01), name


def test_what_a_judge_learns_from_is_worn_and_still_the_same_clip():
    g = torch.Generator().manual_seed(0)
    lots = torch.Generator().manual_seed(1)
    side = torch.arange(48)
    board = ((side.view(1, -1) // 12 + side.view(-1, 1) // 12) % 2 * 2.0 - 1).expand(
        2, 3, 5, 48, 48
    )
    flat = torch.zeros(2, 3, 5, 48, 48)
    steepest, rough, patchy = [], [], []
    for _ in range(40):
        seen = judges._worn(board, g, lots)
        assert seen.shape == board.shape
        assert ((seen > 0) == (board > 0)).float().mean() > 0.8
        steepest.append(float(seen.mean((0, 1, 2)).diff(dim=-1).abs().max()))
        grain = judges._worn(flat, g, lots)
        rough.append(float(grain.std()))
        near = torch.corrcoef(torch.stack([grain[..., 1:].flatten(), grain[..., :-1].flatten()]))
        patchy.append(float(near[0, 1]))
    assert max(steepest) > 1.8, "some are as sharp as they were"
    assert min(steepest) < 1.1, "some are soft"
    assert min(rough) < 0.03
    assert 0.07 < max(rough) < 0.13
    assert max(patchy) > 0.5, "blotches are wider than a pixel"


def test_a_judge_of_motion_is_told_where_cells_went():
    g = torch.Generator().manual_seed(0)
    motion = judges._Motion(4)
    cells = torch.nn.functional.normalize(torch.randn(1, 32, 16, 16, generator=g), dim=1)
    across, down = motion._REACH
    like = motion._likeness(cells, cells.roll((2, -3), (2, 3)))
    assert like.shape == (1, (2 * across + 1) * (2 * down + 1), 16, 16)
    # Offsets count row by row, from the upper left.
    went = (2 + down) * (2 * across + 1) + (-3 + across)
    inner = like[0, :, 5:11, 5:11].flatten(1)
    assert bool((inner.argmax(0) == went).all())
    assert torch.allclose(inner[went], torch.ones(36), atol=1e-5)


def test_moving_clips_are_those_that_are_judged_made_small():
    clips = torch.randint(0, 256, (2, 17, 96, 96, 3), generator=torch.Generator().manual_seed(0))
    clips = clips.byte()
    small = judges.moving(clips)
    assert small.shape == (2, judges.MOVING_FRAMES, judges.MOVING_PIXELS, judges.MOVING_PIXELS, 3)
    pooled = clips[1, 16, :2, 2:4].float().mean((0, 1))
    assert (small[1, -1, 0, 1].float() - pooled).abs().max() <= 0.5
    view = judges._VIEWS[judges.MOVING]
    assert (judges.shown(small, view) - judges.shown(clips, view)).abs().max() < 0.1
