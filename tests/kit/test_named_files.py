"""Every route that takes a path: what is not a regular file, or has no end, gets a sentence at once."""

import json
import os
import threading
from pathlib import Path

import pytest

import beecam as bc
from beecam.errors import BeecamError, MediaError
from beecam.media.mp4_tables import check_tables
from helpers import PATIENCE, fill

ENDLESS = Path("/proc/kmsg")  # a plain file of no size, which is waited for


def model_folder(path):
    """Return the folder of a pipeline whose configuration is at a path."""
    folder = path.parent / "model"
    (folder / "transformer").mkdir(parents=True)
    parts = {
        "_class_name": "LTXPipeline",
        "transformer": ["diffusers", "LTXVideoTransformer3DModel"],
    }
    (folder / "model_index.json").write_text(json.dumps(parts))
    path.rename(folder / "transformer" / "config.json")
    return folder


def index_folder(path):
    """Return the folder of a pipeline whose index is at a path."""
    folder = path.parent / "model"
    folder.mkdir()
    path.rename(folder / "model_index.json")
    return folder


ROUTES = {
    "media.png": lambda path, _: bc.read_media(path),
    "media.mp4": lambda path, _: bc.read_media(path),
    "sweep.png": lambda path, _: bc.sweep("a bee", image=[path]).check(bc.load()),
    "clip.mp4": lambda path, library: library.take(path),
    "folder.mp4": lambda path, library: library.take(path.parent),
    "deck.yaml": lambda path, _: bc.deck(path),
    "lora.safetensors": lambda path, _: bc.lora(path),
    "single.safetensors": lambda path, _: bc.load(path),
    "config.json": lambda path, _: bc.load(model_folder(path)),
    "model_index.json": lambda path, _: bc.load(index_folder(path)),
    "library": lambda path, _: bc.library(path),
    "words.txt": lambda path, _: bc.sweep("__words__", wildcards=path.parent).check(bc.load()),
}


@pytest.mark.parametrize("kind", ["pipe", "endless", "circle", "pipe in the link"])
@pytest.mark.parametrize("name", ROUTES)
def test_what_is_no_regular_file_gets_a_sentence_at_once(library, tmp_path, name, kind):
    (tmp_path / "there").mkdir()
    path = tmp_path / "there" / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        if not ENDLESS.exists():
            pytest.skip("no such file here")
        path.symlink_to(ENDLESS)
    elif kind == "circle":
        path.symlink_to(path)
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe")
    found = []

    def call():
        try:
            ROUTES[name](path, library)
        except BaseException as error:  # noqa: BLE001  (looked at below)
            found.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(PATIENCE / 10)
    assert not thread.is_alive(), "it hangs"
    assert isinstance(found[0], BeecamError), found


@pytest.mark.parametrize("kind", ["link", "pipe", "closed circle"])
def test_a_deck_that_leaves_its_folder_is_named_and_not_read(tmp_path, kind):
    lessons = tmp_path / "lessons"
    lessons.mkdir()
    (lessons / "own.yaml").write_text("name: own\ntemplate: a bee")
    (lessons / "same.yaml").symlink_to("own.yaml")
    private = tmp_path / "private.yaml"
    private.write_text("name: private\ntemplate: my password")
    path = lessons / "theirs.yaml"
    if kind == "link":
        path.symlink_to(private)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path)
    found = bc.decks(lessons)
    assert "own" in [one.name for one in found]
    assert "private" not in [one.name for one in found]
    assert any("theirs.yaml" in problem for problem in found.problems)


def test_a_file_of_terabytes_is_not_read_through(tmp_path):
    path = tmp_path / "large.mp4"
    path.write_bytes((16).to_bytes(4, "big") + b"free" + bytes(8))
    os.truncate(path, 2**41)  # takes no room on the disk
    with path.open("rb") as file, pytest.raises(MediaError, match="it is damaged"):
        check_tables(file)


@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_what_is_exported_replaces_no_device(library, tmp_path, kind):
    clips = fill(library)
    for name, write in (("page.html", clips.export_html), ("bee.gif", clips[0].save)):
        path = tmp_path / name
        if kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to(os.devnull)
        with pytest.raises(BeecamError, match="is a device or a pipe"):
            write(path)
        assert path.is_fifo() or path.is_symlink()
