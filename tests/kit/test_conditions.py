"""Images, videos and keyframes: read, stored, and passed to pollen and to tiny pipelines."""

import re
import threading

import numpy as np
import pytest
import torch
from PIL import Image

import beecam as bc
from beecam.media import formats
from beecam.shots.conditions import Condition
from beecam.shots.inputs import Input, digest_of
from helpers import generate_frames
from tiny import make
from tiny.inputs import image, video


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def distance(a, b):
    return np.abs(a.astype(int) - b.astype(int)).mean()


@pytest.fixture(scope="module")
def model():
    return bc.load()


@pytest.fixture(scope="module")
def clip(model, tmp_path_factory):
    with bc.library(tmp_path_factory.mktemp("first")) as library:
        yield bc.run(bc.shot("a bee over a meadow", seed=3), model, library=library).wait().clips[0]


# --- reading ---------------------------------------------------------------------------------


def test_equal_pixels_are_the_same_input_whatever_their_type(tmp_path):
    array = pixels(12, 20, 3)
    Image.fromarray(array).save(tmp_path / "bee.png")
    inputs = [
        array,
        array / 255,
        torch.from_numpy(array),
        Image.fromarray(array),
        tmp_path / "bee.png",
        str(tmp_path / "bee.png"),
    ]
    read = [bc.read_media(item) for item in inputs]
    assert len({item.digest for item in read}) == 1
    assert np.array_equal(read[0].frames, array[None])
    assert str(read[-1]) == "bee"
    assert bc.read_media(array, name="mine") == read[0]
    assert bc.read_media(array[:, ::-1]) != read[0]
    assert bc.read_media(array.reshape(20, 12, 3)) != read[0]


@pytest.mark.slow
def test_videos_are_read_from_files_lists_arrays_and_clips(tmp_path, clip):
    array = pixels(5, 16, 24, 3)
    formats.write_lossless(tmp_path / "video.mkv", array)
    inputs = [array, [Image.fromarray(item) for item in array], tmp_path / "video.mkv"]
    assert {bc.read_media(item).digest for item in inputs} == {digest_of(array)}
    assert bc.read_media(clip).count == clip.shot.num_frames
    assert bc.read_media(clip.path).count == clip.shot.num_frames


def test_an_image_is_rotated_by_its_exif_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    Image.fromarray(pixels(12, 20, 3)).save(tmp_path / "bee.png", exif=exif)
    assert bc.read_media(tmp_path / "bee.png").frames.shape == (1, 20, 12, 3)


def test_all_unreadable_inputs_are_reported_at_once(tmp_path):
    (tmp_path / "notes.txt").write_text("bees")
    image().save(tmp_path / "meadow.png")
    sweep = bc.sweep(
        "a bee",
        image=str(tmp_path / "meadoow.png"),
        last_image=tmp_path / "notes.txt",
        video=[pixels(4, 4, 4)],
        mask="https://bees.org/a.png",
        keyframes={"first": image()},
        reference_images=np.full((4, 4, 3), 2.0),
    )
    text = "\n".join(str(problem) for problem in sweep.problems)
    assert "meadow.png'" in text
    assert "neither an image nor a video" in text
    assert "an array of shape (4, 4, 4)" in text
    assert "download it first" in text
    assert "a mapping of frame indices to images" in text
    assert "floats: pixels must be from 0 to 1" in text
    with pytest.raises(bc.CheckError, match="it has 3 frames; one image is needed"):
        bc.shot("a bee", image=bc.read_media(video(3)))


# --- in sweeps and libraries -------------------------------------------------------------------


def test_an_axis_of_images_has_their_names_and_a_key_for_each(tmp_path, model):
    for name, at in (("bee", 0), ("moth", 5)):
        image(at=at).save(tmp_path / f"{name}.png")
    sweep = bc.sweep(
        "a {insect}",
        insect=["bee"],
        seed=[1, 2],
        image=[tmp_path / "bee.png", tmp_path / "moth.png"],
    )
    axis = next(axis for axis in sweep.axes if axis.name == "image")
    assert axis.labels == ("bee", "moth")
    assert len(sweep) == 4
    shots = [model.resolve(cell.shot) for cell in sweep.cells]
    assert len({shot.key for shot in shots}) == 4
    repeated = bc.shot("a bee", seed=1, image=image(at=0))
    assert model.resolve(repeated).key == shots[0].key
    assert len(bc.sweep("a bee", image=video(3))) == 3, "a list of images is an axis"
    assert len(bc.sweep("a bee", video=video(3))) == 1, "a video is one value"


@pytest.mark.slow
def test_a_library_stores_inputs_and_regenerates_from_them(tmp_path, model, clip):
    frame = clip.frames()[-1]
    with bc.library(tmp_path / "kept") as library:
        shot = bc.shot("a bee over a meadow", seed=5, image=frame, num_inference_steps=4)
        run = bc.run(shot, model, library=library)
        stored = run.wait().clips[0]
        assert not run.errors
        key, digest = stored.key, stored.facts["digest"]
        assert (library.folder / "inputs" / f"{digest_of(frame[None])}.png").exists()
    (library.folder / "library.sqlite").unlink()
    with bc.library(tmp_path / "kept") as library:
        stored = library[key]
        assert np.array_equal(stored.shot.conditions[0].input.frames[0], frame)
        repeated = stored.regenerate(model)
        assert digest_of(repeated) == digest_of(generate_frames(model, [stored.shot])[0])
        assert stored.facts["digest"] == digest
        code = stored.shot.code()
        assert "image=library.inputs[" in code
        shot = eval(code, {"bc": bc, "library": library})
        assert model.resolve(shot).key == key
        file = next((library.folder / "inputs").iterdir())
        file.unlink()
        with pytest.raises(bc.MediaError, match="is missing from its library"):
            library[key].regenerate(model)
        Image.fromarray(frame[::-1]).save(file)
        with pytest.raises(bc.MediaError, match="is damaged"):
            library[key].regenerate(model)


def test_two_threads_can_store_the_same_video_at_once(library, monkeypatch):
    # One thread stores it for the sweep's record while another one writes clips.
    stored_input = bc.read_media(video(5, 16, 16))
    barrier = threading.Barrier(2, timeout=20)
    write = formats.write_lossless

    def write_together(path, pixels):
        write(path, pixels)
        barrier.wait()

    monkeypatch.setattr(formats, "write_lossless", write_together)
    errors = []

    def store():
        try:
            library.inputs.store([Condition("video", stored_input)])
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=store) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert np.array_equal(library.inputs[stored_input.digest].frames, stored_input.frames)
    assert len(list((library.folder / "inputs").iterdir())) == 1


def test_an_input_without_a_library_is_reported():
    with pytest.raises(bc.MediaError, match="open the library of the clip"):
        _ = Input("0" * 32).frames


# --- generation --------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_first_frame_of_pollens_clip_is_the_image(model, clip):
    first_frame = clip.frames()[0]
    shot = model.resolve(bc.shot("a bee over a meadow", seed=9, image=first_frame))
    generated = generate_frames(model, [shot])[0]
    reference = generate_frames(model, [model.resolve(bc.shot("a bee over a meadow", seed=9))])[0]
    assert distance(generated[0], first_frame) < distance(reference[0], first_frame) / 2
    assert model.tasks[0].description == "text to video"
    assert any("image" in task.description for task in model.tasks)


@pytest.mark.slow
def test_clips_of_one_batch_have_images_of_their_own(model, clip):
    first, last = clip.frames()[0], np.full((96, 96, 3), 200, np.uint8)
    shots = [
        model.resolve(bc.shot("a bee", seed=2, image=item, num_inference_steps=4))
        for item in (first, last)
    ]
    assert model.batch_key(shots[0]) == model.batch_key(shots[1])
    together = generate_frames(model, shots)
    alone = [generate_frames(model, [shot])[0] for shot in shots]
    for item, reference in zip(together, alone, strict=True):
        assert np.abs(item.astype(int) - reference).max() <= 1


@pytest.mark.slow
def test_keyframes_are_reproduced_at_their_positions(model, clip):
    first, last = clip.frames()[0], clip.frames()[-1]
    keyframes = {0: first, -1: last}
    shot = model.resolve(bc.shot("a bee over a meadow", seed=1, keyframes=keyframes))
    assert [condition.frame for condition in shot.conditions] == [0, 16]
    same = model.resolve(bc.shot("a bee over a meadow", seed=1, keyframes={0: first, 16: last}))
    assert same.key == shot.key
    generated = generate_frames(model, [shot])[0]
    reference = generate_frames(model, [model.resolve(bc.shot("a bee over a meadow", seed=1))])[0]
    for index, frame in ((0, first), (16, last)):
        assert distance(generated[index], frame) < distance(reference[index], frame)
    with pytest.raises(bc.CheckError, match="frame 17 is not in a clip of 17 frames"):
        bc.sweep("a bee", keyframes={17: first}).check(model)
    with pytest.raises(bc.CheckError, match=r"a video of 5 frames; LTX takes 8k\+1"):
        bc.sweep("a bee", keyframes={0: clip.frames()[:5]}).check(model)
    with pytest.raises(bc.CheckError, match="set twice"):
        bc.sweep("a bee", image=first, keyframes={0: last}).check(model)


@pytest.mark.slow
def test_a_video_changes_with_the_strength(model, clip):
    source_video = clip.frames()
    shots = [
        model.resolve(
            bc.shot("a moth over a desert", seed=4, video=source_video, denoise_strength=strength)
        )
        for strength in (0.2, 0.9)
    ]
    slightly, strongly = (generate_frames(model, [shot])[0] for shot in shots)
    assert distance(slightly, source_video) < distance(strongly, source_video) / 2
    assert [model.steps(shot) for shot in shots] == [4, 18]


@pytest.mark.parametrize(
    ("strength", "message"),
    [
        (
            2,
            "denoise_strength=2: a share of the steps is needed, over 0 and at most 1; the nearest is 1.",
        ),
        (-0.5, "denoise_strength=-0.5: a share of the steps is needed, over 0 and at most 1."),
        (0.01, "denoise_strength=0.01: of 20 steps none would run; the nearest is 0.05."),
    ],
)
def test_an_invalid_strength_is_reported(model, clip, strength, message):
    with pytest.raises(bc.CheckError) as error:
        bc.sweep("a bee", video=clip.frames(), denoise_strength=strength).check(model)
    assert message in str(error.value)


def test_a_strength_is_reported_by_the_pipelines_own_name():
    model = bc.wrap(make("CogVideoXVideoToVideoPipeline"), name="cog")
    for strength, message in ((0.001, "none would run"), (1.5, "the nearest is 1")):
        with pytest.raises(bc.CheckError, match=rf"^strength={strength}: .*{message}"):
            bc.sweep(
                "a bee",
                video=bc.read_media(video(9)),
                num_frames=9,
                width=32,
                height=32,
                strength=strength,
            ).check(model)
    with pytest.raises(bc.CheckError, match=r"^strength=0.8: of 1 steps none would run"):
        bc.sweep(
            "a bee",
            video=bc.read_media(video(9)),
            num_frames=9,
            width=32,
            height=32,
            num_inference_steps=1,
        ).check(model)


@pytest.mark.parametrize("steps", [3, 7, 20, 30, 49, 999])
def test_the_nearest_strength_runs_a_step(model, steps):
    def check_strength(strength):
        bc.sweep(
            "a bee",
            video=bc.read_media(video(17)),
            num_inference_steps=steps,
            denoise_strength=strength,
        ).check(model)

    with pytest.raises(bc.CheckError) as error:
        check_strength(0.0002)
    check_strength(float(re.search(r"the nearest is ([\d.]+)\.$", str(error.value))[1]))


def test_a_folder_in_place_of_a_file_is_reported(model, tmp_path):
    with pytest.raises(bc.CheckError, match="it is a folder; a file is needed"):
        bc.sweep("a bee", image=str(tmp_path)).check(model)


def test_an_argument_that_needs_a_video_names_it(model):
    with pytest.raises(
        bc.CheckError, match=r"pollen has it together with .* as in video='bee.mp4'"
    ):
        bc.sweep("a bee", denoise_strength=0.5).check(model)


def test_a_clip_from_a_video_is_as_long_as_the_video():
    model = bc.wrap(make("CogVideoXPipeline"), name="cog")
    resolved = model.resolve(bc.shot("a bee", video=video(11), width=32, height=32))
    assert resolved.num_frames == 9, "the largest valid number of frames up to eleven"
    with pytest.raises(
        bc.CheckError, match="it has 11 frames, but the clip should have num_frames=13"
    ):
        bc.sweep("a bee", video=bc.read_media(video(11)), num_frames=13).check(model)


def test_unsupported_inputs_are_reported_before_any_compute(model):
    mochi = bc.wrap(make("MochiPipeline"), name="mochi")
    with pytest.raises(bc.CheckError, match="mochi can't use that; MochiPipeline makes text"):
        bc.sweep("a bee", image=image()).check(mochi)
    with pytest.raises(bc.CheckError, match="pollen can't use these together"):
        bc.sweep("a bee", image=image(), mask=image()).check(model)
    svd = bc.wrap(make("StableVideoDiffusionPipeline"), name="svd")
    with pytest.raises(bc.CheckError) as error:
        bc.sweep("a bee").check(svd)
    assert "image: svd needs it, as in image='bee.png'" in str(error.value)
    with pytest.raises(bc.CheckError, match="takes no prompt"):
        bc.sweep("a bee", image=image()).check(svd)


def test_tasks_with_the_same_weights_share_their_networks():
    pipe = make("WanPipeline")
    model = bc.wrap(pipe)
    assert [type(task.pipe).__name__ for task in model.tasks] == [
        "WanPipeline",
        "WanVideoToVideoPipeline",
    ]
    assert all(task.pipe.transformer is pipe.transformer for task in model.tasks)
    assert len(bc.wrap(make("WanImageToVideoPipeline")).tasks) == 1, (
        "image-to-video has weights of its own"
    )
