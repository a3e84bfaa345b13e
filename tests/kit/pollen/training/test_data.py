"""Clips, latents and logs on disk."""

import shutil

import pytest
import torch

from beecam.models.pollen.networks import components
from beecam.models.pollen.training.command_line.plan import last_step
from beecam.models.pollen.training.data import clips as clip_files
from beecam.models.pollen.training.data import latents, saved
from beecam.models.pollen.world.scene import ACCIDENTS


@pytest.mark.slow
def test_processes_render_what_one_alone_renders(tmp_path):
    """Each shard once, the same clips in any process, and no shard twice."""
    assert clip_files.render_in_processes(tmp_path / "two", 4, 2, shard=2) == 2
    assert clip_files.render_shards(tmp_path / "one", 4, shard=2) == 2
    both = [clip_files.load(tmp_path / name) for name in ("one", "two")]
    assert torch.equal(both[0][0], both[1][0])
    assert both[0][1] == both[1][1]
    assert len({scene.seed for scene in both[0][1]}) == 4
    times = [path.stat().st_mtime_ns for path in sorted((tmp_path / "two").iterdir())]
    clip_files.render_in_processes(tmp_path / "two", 4, 2, shard=2)
    assert times == [path.stat().st_mtime_ns for path in sorted((tmp_path / "two").iterdir())]


def test_clips_of_two_worlds_are_not_mixed(tmp_path, monkeypatch):
    clip_files.render_shards(tmp_path, 1, shard=1, frames=3, size=24)
    clip_files.render_shards(tmp_path, 2, shard=1, frames=3, size=24)
    monkeypatch.setattr(clip_files, "_WORLD", clip_files._WORLD[:3])
    for _ in range(2):
        with pytest.raises(ValueError, match=r"another version of the world: move them away"):
            clip_files.render_shards(tmp_path, 3, shard=1, frames=3, size=24)
        # clips without a record may be of any world
        (tmp_path / "world.txt").unlink(missing_ok=True)
    assert len(list(tmp_path.glob("*.pt"))) == 2


def test_damaged_files_are_reported(tmp_path):
    path = tmp_path / "tensors.pt"
    torch.save({"a": torch.zeros(1000)}, path)
    assert len(saved.tensors(path)["a"]) == 1000
    for content in (b"", path.read_bytes()[:900], b"something else"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"tensors.pt: it can't be read .*; remove it"):
            saved.tensors(path)
    with pytest.raises(FileNotFoundError):
        saved.tensors(tmp_path / "none.pt")


def test_incomplete_lines_of_a_log_are_skipped(tmp_path):
    log = tmp_path / "a.jsonl"
    assert saved.log_lines(log) == []
    log.write_text('{"step": 50, "loss": 1}\n{"step": 100, "lo')
    assert saved.log_lines(log) == [{"step": 50, "loss": 1}]
    assert last_step(log) == 50


@pytest.mark.slow
def test_new_shards_get_latents_and_existing_latents_are_not_rewritten(rendered, tmp_path):
    shutil.copytree(rendered, tmp_path / "more")
    folder = tmp_path / "more"
    clips, of_clips = clip_files.load(folder / "clips")
    clip_files.save(folder / "clips" / "clips-00001.pt", of_clips[:2], clips[:2].flip(0))
    before = latents.load(folder)
    times = (folder / "latents" / "latents-00000.pt").stat().st_mtime_ns
    fitted = components.Components.load(folder / components.FILE)
    assert latents.write(folder, fitted) == 2
    assert times == (folder / "latents" / "latents-00000.pt").stat().st_mtime_ns
    after = latents.load(folder)
    count = len(before.clips)
    assert len(after.clips) == count + 2
    assert len(after.latents) == len(after.texts) == 2 * count + 4
    assert torch.equal(after.latents[:count], before.latents[:count])
    # latents of mirror images come after those of all clips
    assert torch.equal(after.latents[count + 2 : -2], before.latents[count:])
    mirrored = fitted.encode(after.clips[count:].flip(3))
    assert torch.allclose(after.latents[-2:].float(), mirrored, atol=0.02)
    assert len(latents.load(folder, 1).clips) == count, "full shards"


@pytest.mark.slow
def test_latents_of_other_components_are_refused_and_rewritten(rendered, tmp_path):
    shutil.copytree(rendered, tmp_path / "more")
    folder = tmp_path / "more"
    fitted = components.Components.load(folder / components.FILE)
    other = components.Components(fitted.mean, -fitted.basis, fitted.deviation)
    other.save(folder / components.FILE)
    with pytest.raises(ValueError, match=r"outdated, of other components.*`components` again"):
        latents.load(folder)
    before = latents.load(rendered).latents
    assert latents.write(folder, other) == 1
    assert torch.equal(latents.load(folder).latents, -before)


def test_without_latents_the_stage_that_writes_them_is_reported(tmp_path):
    with pytest.raises(FileNotFoundError, match="run the stage `components` first"):
        latents.load(tmp_path)


@pytest.mark.slow
def test_each_accident_is_drawn_as_often_as_guidance_needs(rendered):
    known = latents.load(rendered)
    _, of_clips = clip_files.load(rendered / "clips")
    assert set(latents.OVERSAMPLING) == set(ACCIDENTS)
    found = torch.bincount(known.accidents, minlength=len(known.latents)).tolist()
    assert found == [
        latents.OVERSAMPLING.get(scene.accident or "", 0) for scene in [*of_clips, *of_clips]
    ]
    assert sum(found) > 0
