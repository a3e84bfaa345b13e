"""All tasks of one checkpoint, with the weights that ship: conditions, continuing, restyling."""

from itertools import islice

import numpy as np
import pytest
import torch

import beecam as bc
from beecam.models.pollen.evaluation.classifiers import classify, labels
from beecam.models.pollen.evaluation.classifiers import load as load_classifiers
from beecam.models.pollen.networks.classifier import SCORED, VALUES
from beecam.models.pollen.world.captions import plain_caption
from beecam.models.pollen.world.rendering.render import render_all
from beecam.models.pollen.world.scene import draw_scene
from beecam.models.pollen.world.splits import UNSEEN, scenes
from helpers import generate_frames

NEAR = 22.0  # dB; first and last frames are reproduced at least so well
# The same is promised for frames within a clip, and not reached: 20.9 to 23.9 with guidance, which
# makes the colours of given frames stronger.
NEAR_WITHIN = 20.5
# A quarter of the usual steps shows most of it; one test takes them all.
FEW = 5


@pytest.fixture(scope="module")
def model():
    return bc.load()


@pytest.fixture(scope="module")
def chosen():
    """Some scenes of the world, without accidents."""
    attributes = [
        {"place": "meadow", "insect": "bee", "camera": "drone", "light": "noon"},
        {"place": "city", "insect": "none", "camera": "pan left", "light": "sunset"},
        {"place": "desert", "insect": "ladybug", "camera": "static", "light": "noon"},
        {"place": "islands", "insect": "dragonfly", "camera": "orbit", "light": "dawn"},
    ]
    usual = {"weather": "clear", "style": "plain", "speed": "normal", "accident": None}
    return [draw_scene(UNSEEN * 6 + i, **usual, **one) for i, one in enumerate(attributes)]


@pytest.fixture(scope="module")
def videos(chosen):
    """The scenes, rendered: (clips, frames, height, width, 3)."""
    return render_all(chosen).numpy()


@pytest.fixture(scope="module")
def others(model, chosen):
    """Clips of the scenes' prompts and seeds alone."""
    return generated(model, chosen, [{} for _ in chosen])


def psnr(one, other):
    error = np.mean((one.astype(float) - other) ** 2)
    return 10 * np.log10(255**2 / max(error, 1e-9))


def generated(model, scenes, conditions, **arguments):
    """Return a clip of each scene with conditions of its own."""
    arguments = {"num_inference_steps": FEW, **arguments}
    shots = [
        bc.shot(plain_caption(s.attributes), seed=s.seed % 1000, **own, **arguments)
        for s, own in zip(scenes, conditions, strict=True)
    ]
    return [generate_frames(model, [model.resolve(shot)])[0] for shot in shots]


def keyframes_at(places, videos):
    return [{"keyframes": {place: video[place] for place in places}} for video in videos]


@pytest.mark.slow
@pytest.mark.parametrize("places", [(0,), (-1,), (8,), (0, -1), (0, 8, -1), (4,)])
def test_keyframes_are_reproduced_at_their_positions(model, chosen, videos, others, places):
    steps = 20 if places == (0, 8, -1) else FEW
    clips = generated(model, chosen, keyframes_at(places, videos), num_inference_steps=steps)
    for scene, clip, video, other in zip(chosen, clips, videos, others, strict=True):
        for place in places:
            near = NEAR if place in (0, -1) else NEAR_WITHIN
            assert psnr(clip[place], video[place]) > near, (scene.place, place)
            assert psnr(clip[place], video[place]) > psnr(other[place], video[place]) + 3


@pytest.mark.slow
@pytest.mark.parametrize("place", [4, 8])
def test_frames_within_a_clip_are_reproduced_better_without_guidance(model, chosen, videos, place):
    clips = generated(model, chosen, keyframes_at([place], videos), guidance_scale=1.0)
    near = [psnr(clip[place], video[place]) for clip, video in zip(clips, videos, strict=True)]
    assert min(near) > NEAR - 0.5
    assert sum(near) / len(near) > NEAR


@pytest.mark.slow
def test_frames_of_any_style_and_within_latent_frames_are_reproduced(model):
    """Not each at 22 dB, since grain and rain are lost, but on average."""
    chosen = [s for s in islice(scenes(UNSEEN * 11), 16) if s.accident is None][:8]
    videos = render_all(chosen).numpy()
    assert len({s.style for s in chosen}) >= 3
    for place, least in ((-1, NEAR + 1), (5, NEAR - 1.5)):
        clips = generated(model, chosen, keyframes_at([place], videos))
        near = [psnr(clip[place], video[place]) for clip, video in zip(clips, videos, strict=True)]
        assert sum(near) / len(near) > least, place


@pytest.mark.slow
def test_a_first_frame_determines_the_rest_of_the_clip(model, chosen, videos, others):
    """The rest of the clip continues from the image, and moves."""
    clips = generated(model, chosen, [{"image": video[0]} for video in videos])
    for clip, video, other in zip(clips, videos, others, strict=True):
        assert psnr(clip[0], video[0]) > NEAR
        assert psnr(clip[4], video[4]) > psnr(other[4], video[4]) + 1
        assert np.abs(clip[0].astype(int) - clip[-1]).mean() > 2


def steps_of(clip):
    """Return the mean difference of each frame from the one before."""
    return np.abs(np.diff(clip.astype(int), axis=0)).mean((1, 2, 3))


@pytest.mark.slow
def test_a_clip_can_be_continued_four_times(model, chosen, videos):
    each = load_classifiers()
    clips = videos
    for _ in range(4):
        last = [clip[-9:] for clip in clips]
        clips = generated(model, chosen, [{"keyframes": {0: frames}} for frames in last])
        for clip, given in zip(clips, last, strict=True):
            assert psnr(clip[:9], given) > NEAR
            # The first new frame differs from the last given one no more than any two frames do.
            steps = steps_of(clip)
            assert steps[8] < 2 * max(steps[:8].max(), steps[9:].max()) + 2
    for clip, video in zip(clips, videos, strict=True):
        assert 0.6 * video.std() < clip.std() < 1.5 * video.std()
        assert abs(clip.mean() - video.mean()) < 30
    right = classify(each["place"], torch.from_numpy(np.stack(clips))) == labels(chosen, "place")
    assert int(right.sum()) >= len(right) - 1


@pytest.mark.slow
def test_a_video_changes_more_with_more_strength(model, chosen, videos):
    near = []
    for share in (0.2, 0.5, 0.9):
        given = [{"video": video, "denoise_strength": share} for video in videos]
        clips = generated(model, chosen, given, num_inference_steps=2 * FEW)
        near.append([psnr(clip, video) for clip, video in zip(clips, videos, strict=True)])
    for little, half, much in zip(*near, strict=True):
        assert little > half > much
        assert little > NEAR - 2


@pytest.mark.slow
def test_a_video_takes_another_style_and_keeps_its_place(model, chosen, videos):
    each = load_classifiers()
    found = []
    for scene, video in zip(chosen, videos, strict=True):
        prompt = plain_caption({**scene.attributes, "style": "pencil"})
        shot = model.resolve(
            bc.shot(prompt, seed=1, video=video, denoise_strength=0.85, num_inference_steps=2 * FEW)
        )
        clip = torch.from_numpy(generate_frames(model, [shot])[0])[None]
        found.append(
            [
                int(classify(each["style"], clip)) == VALUES["style"].index("pencil"),
                int(classify(each["place"], clip)) == int(labels([scene], "place")),
            ]
        )
    styles, places = zip(*found, strict=True)
    assert sum(styles) >= len(found) - 1
    assert sum(places) >= len(found) - 2


@pytest.mark.slow
def test_four_steps_show_what_the_prompt_asks_for(model):
    """With the LoRA that ships: without it four steps show mist."""
    quick, each = model.at_speed("fast"), load_classifiers()
    requested = [s for s in islice(scenes(UNSEEN * 7), 40) if s.accident is None][:32]
    shots = [
        quick.resolve(bc.shot(plain_caption(s.attributes), seed=i)) for i, s in enumerate(requested)
    ]
    assert {quick.steps(shot) for shot in shots} == {4}
    clips = torch.from_numpy(np.stack(generate_frames(quick, shots)))
    for name in ("place", "light", "weather"):
        right = classify(each[name], clips) == labels(requested, name)
        assert int(right.sum()) >= 27, name


@pytest.mark.slow
def test_negative_prompts_are_left_out(model):
    """Clips whose prompt leaves the light open are never at night with that negative prompt."""
    each = load_classifiers()
    night = VALUES["light"].index("night")

    def nights(negative):
        usual = {"negative_prompt": negative, "num_inference_steps": FEW}
        shots = [
            model.resolve(bc.shot("a meadow, realistic", seed=seed, **usual)) for seed in range(8)
        ]
        clips = torch.from_numpy(np.stack(generate_frames(model, shots)))
        return int((classify(each["light"], clips) == night).sum())

    assert nights("at night") == 0
    assert nights("at noon, at dawn, at sunset") >= 3


@pytest.mark.slow
def test_guidance_makes_clips_follow_their_prompts(model):
    each = load_classifiers()
    requested = list(islice(scenes(UNSEEN * 7), 12))

    def right(guidance):
        usual = {"guidance_scale": guidance, "num_inference_steps": FEW}
        shots = [
            model.resolve(bc.shot(plain_caption(s.attributes), seed=s.seed % 997, **usual))
            for s in requested
        ]
        seen = torch.from_numpy(np.stack(generate_frames(model, shots)))
        return sum(
            int((classify(each[name], seen) == labels(requested, name)).sum()) for name in SCORED
        )

    assert right(3.0) > right(1.0) + 4


@pytest.mark.slow
def test_unknown_words_are_ignored(model):
    each = load_classifiers()
    texts = [
        "please, could I have a really gorgeous ladybug above endless dunes by day?",
        "Ultra-detailed 8K masterpiece: a ladybug over a desert at noon!!! trending",
    ]
    shots = [
        model.resolve(bc.shot(text, seed=seed, num_inference_steps=2 * FEW))
        for text in texts
        for seed in range(4)
    ]
    clips = torch.from_numpy(np.stack(generate_frames(model, shots)))
    for name, value in (("place", "desert"), ("insect", "ladybug"), ("light", "noon")):
        seen = classify(each[name], clips) == VALUES[name].index(value)
        assert int(seen.sum()) >= 6, name
