"""Classifiers: what they see, how they are trained, and their files."""

import itertools
from collections import Counter
from types import SimpleNamespace

import pytest
import torch

from beecam.models.pollen.evaluation import __main__ as program
from beecam.models.pollen.evaluation import classifiers as classifier_files
from beecam.models.pollen.evaluation.__main__ import main as evaluate
from beecam.models.pollen.evaluation.classifiers import FILE, ClassifierLoss
from beecam.models.pollen.evaluation.classifiers import load as load_classifiers
from beecam.models.pollen.networks.classifier import (
    MOTION,
    MOTION_FRAMES,
    MOTION_PIXELS,
    STILL,
    VALUES,
    VIEWS,
    Classifier,
    MotionFeatures,
    View,
    prepare,
    reduce_for_motion,
    select_frames,
)
from beecam.models.pollen.training.data import augmentation
from beecam.models.pollen.training.data import clips as clip_files
from beecam.models.pollen.world.rendering.render import render_all
from beecam.models.pollen.world.scene import ACCIDENTS
from beecam.models.pollen.world.splits import accident_scenes, scenes

pytestmark = pytest.mark.slow


def test_the_classifier_of_accidents_gets_the_difference_from_the_mirror_image():
    classifier = Classifier("accident")
    inputs = []
    classifier.body.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    video = torch.randn(2, 3, 6, 48, 48, generator=torch.Generator().manual_seed(0))
    half = video[..., :24]
    for seen in (video, torch.cat([half, half.flip(-1)], -1)):
        classifier(seen)
        assert torch.equal(inputs[-1][:, :3], seen)
    assert inputs[0][:, 3:].abs().mean() > 0.5
    assert not inputs[1][:, 3:].any()


@pytest.mark.parametrize(("attribute", "share"), [("place", 0.25), ("light", 0)])
def test_some_clips_are_in_black_and_white_where_that_helps(monkeypatch, attribute, share):
    monkeypatch.setattr(augmentation, "_GREY", 0.0)
    monkeypatch.setattr(augmentation, "degrade", lambda video, *_: video)
    plain = [s for s in itertools.islice(scenes(0), 40) if s.style == "plain"]
    clips = torch.zeros(len(plain), 3, 24, 24, 3, dtype=torch.uint8)
    clips[..., 0] = torch.arange(24).mul(8).byte()
    loss = ClassifierLoss(attribute, clips, plain)
    loss._batch = 800
    inputs = []

    def classifier(seen):
        inputs.append(seen)
        return torch.zeros(len(seen), len(VALUES[attribute]))

    loss(
        SimpleNamespace(
            generator=torch.Generator().manual_seed(0),
            device_generator=lambda: None,
            device="cpu",
            modules={"classifier": classifier},
        )
    )
    grey = [bool((one[0] - one[1]).abs().max() < 0.05) for one in inputs[0]]
    assert sum(grey) / len(grey) == pytest.approx(share, abs=0.05)


def test_accidents_are_needed_to_classify_them():
    plain = [s for s in itertools.islice(scenes(0), 9) if s.accident is None]
    clips = torch.zeros(len(plain), 1, 1, 1, 3, dtype=torch.uint8)
    with pytest.raises(ValueError, match=f"none of {len(plain)} clips has an accident"):
        ClassifierLoss("accident", clips, plain)
    ClassifierLoss("place", clips, plain)._draw(torch.Generator())


def test_damaged_files_of_classifiers_are_reported(tmp_path):
    file = tmp_path / "classifiers.safetensors"
    file.write_bytes(FILE.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=rf"{file}: no classifiers can be read from it \("):
        load_classifiers(file)
    each = load_classifiers()
    classifier_files.save({name: one for name, one in each.items() if name != "style"}, file)
    with pytest.raises(ValueError, match=rf"{file}: it has no classifier of style"):
        load_classifiers(file)
    classifier_files.save({**each, "style": each["light"]}, file)
    with pytest.raises(ValueError, match=rf"{file}: its classifier of style is another network"):
        load_classifiers(file)
    # and before anything is rendered
    with pytest.raises(ValueError, match="its classifier of style"):
        evaluate(["classifiers", "--folder", str(tmp_path), "--from-classifiers", str(file)])
    assert list(tmp_path.iterdir()) == [file]


def test_classifiers_of_a_file_are_fine_tuned(tmp_path, monkeypatch):
    chosen = list(itertools.islice(scenes(7), 6))
    (tmp_path / "clips").mkdir()
    clip_files.save(tmp_path / "clips" / "clips-00000.pt", chosen, render_all(chosen))
    shipped = load_classifiers()["light"].state_dict()
    view = VIEWS["light"]
    monkeypatch.setitem(VIEWS, "light", View(view.pixels, view.frames, view.width, 2))
    # it renders hundreds of clips
    monkeypatch.setattr(program, "score_classifiers", lambda *_: {})
    usual = ["classifiers", "--folder", str(tmp_path), "--only", "light", "--stills", "0"]
    far = {}
    for name, rate, more in (
        ("classifier-light", 3e-3, []),
        ("classifier-light-fine-tuned", 1e-3, ["--from-classifiers", str(FILE)]),
    ):
        evaluate([*usual, *more])
        learnt = torch.load(tmp_path / f"{name}.pt", weights_only=True)
        assert learnt["step"] == 2
        assert learnt["rates"][0] == rate
        now = learnt["modules"]["classifier"]
        far[name] = max(float((now[key] - shipped[key]).abs().max()) for key in shipped)
        # with those of the file it has all, and writes them
        assert (tmp_path / FILE.name).exists() == bool(more)
    assert 0 < far["classifier-light-fine-tuned"] < 0.01
    assert far["classifier-light"] > 0.1
    written, shipped = load_classifiers(tmp_path / FILE.name), load_classifiers()
    for name in VALUES:
        same = all(map(torch.equal, *(one[name].parameters() for one in (written, shipped))))
        assert same == (name != "light"), name


def test_stills_have_the_first_the_middle_and_the_last_frame():
    clips = torch.arange(17).view(1, 17, 1, 1, 1).byte()
    assert select_frames(clips, "place").flatten().tolist() == [0, 8, 16]
    # selecting from selected frames changes nothing
    selected = select_frames(clips, "accident")
    assert torch.equal(select_frames(selected, "accident"), selected)
    assert set(STILL) == {"place", "light", "style"}


@pytest.mark.parametrize(
    ("attribute", "share"), [("accident", 0.5), ("place", 0.25), ("camera", 0), ("insect", 0)]
)
def test_each_kind_of_accident_is_drawn_at_its_rate_in_the_world(attribute, share):
    """All kinds are rendered equally often, but few clips can have a second sun."""
    usual = [s for s in itertools.islice(scenes(0), 3000) if s.accident is None]
    with_accidents = list(itertools.islice(accident_scenes(5), 220))
    clips = torch.zeros(len(usual) + len(with_accidents), 1, 1, 1, 3, dtype=torch.uint8)
    loss = ClassifierLoss(attribute, clips, [*usual, *with_accidents])
    loss._batch = 60_000
    which = loss._draw(torch.Generator().manual_seed(0))
    kinds = Counter((usual + with_accidents)[i].accident for i in which.tolist())
    assert (kinds.total() - kinds.pop(None)) / 60_000 == pytest.approx(share, abs=0.02)
    if not share:
        return
    wild = Counter(s.accident for s in itertools.islice(scenes(10**6), 30_000) if s.accident)
    for name in ACCIDENTS:
        share_drawn, expected = kinds[name] / kinds.total(), wild[name] / wild.total()
        assert share_drawn == pytest.approx(expected, rel=0.2, abs=0.01), name


def test_correlations_show_where_cells_moved():
    g = torch.Generator().manual_seed(0)
    motion = MotionFeatures(4)
    cells = torch.nn.functional.normalize(torch.randn(1, 32, 16, 16, generator=g), dim=1)
    across, down = motion._REACH
    like = motion._correlation(cells, cells.roll((2, -3), (2, 3)))
    assert like.shape == (1, (2 * across + 1) * (2 * down + 1), 16, 16)
    # Offsets count row by row, from the upper left.
    went = (2 + down) * (2 * across + 1) + (-3 + across)
    inner = like[0, :, 5:11, 5:11].flatten(1)
    assert bool((inner.argmax(0) == went).all())
    assert torch.allclose(inner[went], torch.ones(36), atol=1e-5)


def test_clips_reduced_for_motion_look_the_same_to_the_classifier():
    clips = torch.randint(0, 256, (2, 17, 96, 96, 3), generator=torch.Generator().manual_seed(0))
    clips = clips.byte()
    small = reduce_for_motion(clips)
    assert small.shape == (2, MOTION_FRAMES, MOTION_PIXELS, MOTION_PIXELS, 3)
    pooled = clips[1, 16, :2, 2:4].float().mean((0, 1))
    assert (small[1, -1, 0, 1].float() - pooled).abs().max() <= 0.5
    view = VIEWS[MOTION]
    assert (prepare(small, view) - prepare(clips, view)).abs().max() < 0.1
