"""Images, videos and keyframes: read, stored, and passed to pollen and to tiny pipelines."""

import re
import threading

import numpy as np
import pytest
import torch
from PIL import Image

import beecam as bc
from beecam.media import formats
from beecam.shots.conditions import Condition, Input, digest_of
from helpers import generate_frames
from tiny import make
from tiny.inputs import image, video


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def distance(one, other):
    return np.abs(one.astype(int) - other.astype(int)).mean()


@pytest.fixture(scope="module")
def model():
    return bc.load()


@pytest.fixture(scope="module")
def clip(model, tmp_path_factory):
    with bc.library(tmp_path_factory.mktemp("first")) as library:
        yield bc.run(bc.shot("a bee over a meadow", seed=3), model, library=library).wait().clips[0]


# --- reading ---------------------------------------------------------------------------------


def test_the_same_pixels_are_the_same_input_however_they_are_given(tmp_path):
    array = pixels(12, 20, 3)
    Image.fromarray(array).save(tmp_path / "bee.png")
    given = [
        array,
        array / 255,
        torch.from_numpy(array),
        Image.fromarray(array),
        tmp_path / "bee.png",
        str(tmp_path / "bee.png"),
    ]
    made = [bc.read_media(one) for one in given]
    assert len({one.digest for one in made}) == 1
    assert np.array_equal(made[0].frames, array[None])
    assert str(made[-1]) == "bee"
    assert bc.read_media(array, name="mine") == made[0]
    assert bc.read_media(array[:, ::-1]) != made[0]
    assert bc.read_media(array.reshape(20, 12, 3)) != made[0]


def test_films_are_read_from_files_lists_arrays_and_clips(tmp_path, clip):
    array = pixels(5, 16, 24, 3)
    formats.write_lossless(tmp_path / "video.mkv", array)
    given = [array, [Image.fromarray(one) for one in array], tmp_path / "video.mkv"]
    assert {bc.read_media(one).digest for one in given} == {digest_of(array)}
    assert bc.read_media(clip).count == clip.shot.num_frames
    assert bc.read_media(clip.path).count == clip.shot.num_frames


def test_a_picture_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    Image.fromarray(pixels(12, 20, 3)).save(tmp_path / "bee.png", exif=exif)
    assert bc.read_media(tmp_path / "bee.png").frames.shape == (1, 20, 12, 3)


def test_what_cannot_be_read_is_named_at_once(tmp_path):
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


def test_an_axis_of_pictures_has_their_names_and_each_has_its_key(tmp_path, model):
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
    again = bc.shot("a bee", seed=1, image=image(at=0))
    assert model.resolve(again).key == shots[0].key
    assert len(bc.sweep("a bee", image=video(3))) == 3, "a list of images is an axis"
    assert len(bc.sweep("a bee", video=video(3))) == 1, "a video is one value"


@pytest.mark.slow
def test_a_library_keeps_inputs_and_remakes_from_them(tmp_path, model, clip):
    given = clip.frames()[-1]
    with bc.library(tmp_path / "kept") as library:
        run = bc.run(bc.shot("a bee over a meadow", seed=5, image=given), model, library=library)
        made = run.wait().clips[0]
        assert not run.errors
        key, digest = made.key, made.facts["digest"]
        assert (library.folder / "inputs" / f"{digest_of(given[None])}.png").exists()
    (library.folder / "library.sqlite").unlink()
    with bc.library(tmp_path / "kept") as library:
        made = library[key]
        assert np.array_equal(made.shot.conditions[0].input.frames[0], given)
        again = made.regenerate(model)
        assert digest_of(again) == digest_of(generate_frames(model, [made.shot])[0])
        assert made.facts["digest"] == digest
        code = made.shot.code()
        assert "image=library.inputs[" in code
        shot = eval(code, {"bc": bc, "library": library})
        assert model.resolve(shot).key == key
        file = next((library.folder / "inputs").iterdir())
        file.unlink()
        with pytest.raises(bc.MediaError, match="is missing from its library"):
            library[key].regenerate(model)
        Image.fromarray(given[::-1]).save(file)
        with pytest.raises(bc.MediaError, match="is damaged"):
            library[key].regenerate(model)


def test_a_run_and_its_record_may_keep_the_same_film_at_once(library, monkeypatch):
    # The thread that started a run keeps it for the sweep's record while another writes clips.
    one = bc.read_media(video(5, 16, 16))
    both = threading.Barrier(2, timeout=20)
    write = formats.write_lossless

    def slow(path, pixels):
        write(path, pixels)
        both.wait()

    monkeypatch.setattr(formats, "write_lossless", slow)
    failed = []

    def keep():
        try:
            library.inputs.store([Condition("video", one)])
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=keep) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert np.array_equal(library.inputs[one.digest].frames, one.frames)
    assert len(list((library.folder / "inputs").iterdir())) == 1


def test_an_input_alone_says_where_its_pixels_are_to_be_found():
    with pytest.raises(bc.MediaError, match="open the library of the clip"):
        _ = Input("0" * 32).frames


# --- what models make of them ------------------------------------------------------------------


@pytest.mark.slow
def test_the_first_frame_of_pollens_clip_is_the_picture(model, clip):
    given = clip.frames()[0]
    shot = model.resolve(bc.shot("a bee over a meadow", seed=9, image=given))
    made = generate_frames(model, [shot])[0]
    other = generate_frames(model, [model.resolve(bc.shot("a bee over a meadow", seed=9))])[0]
    assert distance(made[0], given) < distance(other[0], given) / 2
    assert model.tasks[0].description == "text to video"
    assert any("image" in task.description for task in model.tasks)


@pytest.mark.slow
def test_clips_of_one_call_have_each_their_own_picture(model, clip):
    first, last = clip.frames()[0], np.full((96, 96, 3), 200, np.uint8)
    shots = [model.resolve(bc.shot("a bee", seed=2, image=one)) for one in (first, last)]
    assert model.batch_key(shots[0]) == model.batch_key(shots[1])
    together = generate_frames(model, shots)
    alone = [generate_frames(model, [shot])[0] for shot in shots]
    for one, other in zip(together, alone, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1


@pytest.mark.slow
def test_keyframes_are_where_they_were_put(model, clip):
    first, last = clip.frames()[0], clip.frames()[-1]
    given = {0: first, -1: last}
    shot = model.resolve(bc.shot("a bee over a meadow", seed=1, keyframes=given))
    assert [one.frame for one in shot.conditions] == [0, 16]
    same = model.resolve(bc.shot("a bee over a meadow", seed=1, keyframes={0: first, 16: last}))
    assert same.key == shot.key
    made = generate_frames(model, [shot])[0]
    other = generate_frames(model, [model.resolve(bc.shot("a bee over a meadow", seed=1))])[0]
    for place, wanted in ((0, first), (16, last)):
        assert distance(made[place], wanted) < distance(other[place], wanted)
    with pytest.raises(bc.CheckError, match="frame 17 is not in a clip of 17 frames"):
        bc.sweep("a bee", keyframes={17: first}).check(model)
    with pytest.raises(bc.CheckError, match=r"a video of 5 frames; LTX takes 8k\+1"):
        bc.sweep("a bee", keyframes={0: clip.frames()[:5]}).check(model)
    with pytest.raises(bc.CheckError, match="set twice"):
        bc.sweep("a bee", image=first, keyframes={0: last}).check(model)


def test_a_film_is_redrawn_as_far_as_is_asked(model, clip):
    film = clip.frames()
    shots = [
        model.resolve(bc.shot("a moth over a desert", seed=4, video=film, denoise_strength=share))
        for share in (0.2, 0.9)
    ]
    near, far = (generate_frames(model, [shot])[0] for shot in shots)
    assert distance(near, film) < distance(far, film) / 2
    assert [model.steps(shot) for shot in shots] == [4, 18]


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (
            2,
            "denoise_strength=2: a share of the steps is needed, over 0 and at most 1; the nearest is 1.",
        ),
        (-0.5, "denoise_strength=-0.5: a share of the steps is needed, over 0 and at most 1."),
        (0.01, "denoise_strength=0.01: of 20 steps none would run; the nearest is 0.05."),
    ],
)
def test_a_share_of_the_steps_is_one(model, clip, share, said):
    with pytest.raises(bc.CheckError) as raised:
        bc.sweep("a bee", video=clip.frames(), denoise_strength=share).check(model)
    assert said in str(raised.value)


def test_a_share_is_named_as_its_pipeline_names_it():
    model = bc.wrap(make("CogVideoXVideoToVideoPipeline"), name="cog")
    for share, said in ((0.001, "none would run"), (1.5, "the nearest is 1")):
        with pytest.raises(bc.CheckError, match=rf"^strength={share}: .*{said}"):
            bc.sweep(
                "a bee",
                video=bc.read_media(video(9)),
                num_frames=9,
                width=32,
                height=32,
                strength=share,
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
def test_the_nearest_share_does_a_step(model, steps):
    def check(share):
        bc.sweep(
            "a bee",
            video=bc.read_media(video(17)),
            num_inference_steps=steps,
            denoise_strength=share,
        ).check(model)

    with pytest.raises(bc.CheckError) as error:
        check(0.0002)
    check(float(re.search(r"the nearest is ([\d.]+)\.$", str(error.value))[1]))


def test_a_folder_is_no_file(model, tmp_path):
    with pytest.raises(bc.CheckError, match="it is a folder; a file is needed"):
        bc.sweep("a bee", image=str(tmp_path)).check(model)


def test_what_needs_a_film_says_so(model):
    with pytest.raises(
        bc.CheckError, match=r"pollen has it together with .* as in video='bee.mp4'"
    ):
        bc.sweep("a bee", denoise_strength=0.5).check(model)


def test_a_redrawn_film_is_as_long_as_the_film():
    model = bc.wrap(make("CogVideoXPipeline"), name="cog")
    resolved = model.resolve(bc.shot("a bee", video=video(11), width=32, height=32))
    assert resolved.num_frames == 9, "of eleven frames, as many as the model can make"
    with pytest.raises(
        bc.CheckError, match="it has 11 frames, but the clip should have num_frames=13"
    ):
        bc.sweep("a bee", video=bc.read_media(video(11)), num_frames=13).check(model)


def test_what_a_model_cannot_be_given_is_said_before_any_compute(model):
    mochi = bc.wrap(make("MochiPipeline"), name="mochi")
    with pytest.raises(bc.CheckError, match="mochi can't use that; MochiPipeline makes text"):
        bc.sweep("a bee", image=image()).check(mochi)
    with pytest.raises(bc.CheckError, match="pollen can't use these together"):
        bc.sweep("a bee", image=image(), mask=image()).check(model)
    svd = bc.wrap(make("StableVideoDiffusionPipeline"), name="svd")
    with pytest.raises(bc.CheckError) as said:
        bc.sweep("a bee").check(svd)
    assert "image: svd needs it, as in image='bee.png'" in str(said.value)
    with pytest.raises(bc.CheckError, match="takes no prompt"):
        bc.sweep("a bee", image=image()).check(svd)


def test_classes_that_share_weights_share_their_networks():
    pipe = make("WanPipeline")
    model = bc.wrap(pipe)
    assert [type(task.pipe).__name__ for task in model.tasks] == [
        "WanPipeline",
        "WanVideoToVideoPipeline",
    ]
    assert all(task.pipe.transformer is pipe.transformer for task in model.tasks)
    assert len(bc.wrap(make("WanImageToVideoPipeline")).tasks) == 1, "other weights"
