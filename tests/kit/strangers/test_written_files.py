"""Writing into a library's folder: whatever lies there makes way, and what was written stays."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import beecam as bc
from beecam.clips.library import Library
from beecam.models.model import Checkpoint
from beecam.runs.engines import local
from beecam.shots.conditions import Condition
from beecam.shots.inputs import Input
from beecam.storage.checkpoints import Checkpoints
from beecam.storage.index_file import NAME
from helpers import PlainModel, fill
from strangers import KEY, content, opened, six_clips

STATE = Checkpoint(3, 2, 0, {"a": np.zeros((2, 3), np.float32)}, {})
IMAGE = Input.of(np.full((1, 16, 16, 3), 9, np.uint8))
needs_names = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no names of files")
SHOT = PlainModel().resolve(bc.shot("a bee", seed=7))


def write_all(library):
    """Write a file of each kind; return where they are."""
    library.checkpoints.store(KEY, STATE)
    library.inputs.store([Condition("image", IMAGE)])
    sweep = bc.sweep("a bee", seed=[7])
    run = bc.run(sweep, PlainModel(), library=library).wait()
    assert not run.errors
    assert "not recorded" not in str(run.changes().run.message)
    clip = library[SHOT.key]
    clip.stars = clip.stars % 5 + 1
    return [
        library.folder / "checkpoints" / f"{KEY}-3-2.safetensors",
        library.folder / "inputs" / f"{IMAGE.digest}.png",
        next((library.folder / "sweeps").glob("*.json")),
        library.mp4_path(SHOT.key),
        library.sheet_path(SHOT.key),
        library.folder / "annotations.jsonl",
    ]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """The names of the files that `write_all` writes."""
    with Library(tmp_path_factory.mktemp("names") / "library") as library:
        return [path.relative_to(library.folder) for path in write_all(library)]


def place(path, kind, outside):
    """Place something that isn't ours at a path."""
    path.parent.mkdir(exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
        (path / "theirs").write_text("theirs")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(outside / {"link": "notes.txt", "dangling": "no"}[kind])


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "dangling"])
def test_what_lies_where_a_file_is_written_makes_way_and_is_named(folder, outside, names, kind):
    before = content(outside)
    with opened(folder) as library:  # open already: its folder is not looked at again
        for name in names:
            place(folder / name, kind, outside)
        paths = write_all(library)
        for path in paths:
            assert stat.S_ISREG(path.lstat().st_mode), path.name
            (kept,) = path.parent.glob(f"{path.name}.not-plain-*")
            assert kept.is_symlink() or kept.is_fifo() or (kept / "theirs").read_text()
            assert any(path.name in line and kept.name in line for line in library.healed)
        assert library[SHOT.key].frames().shape
        assert library.checkpoints.load(KEY) is not None
        assert content(outside) == before
    with opened(folder) as library:
        assert len(library) == 7
        assert library[SHOT.key].stars > 0


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
@pytest.mark.parametrize("name", ["checkpoints", "inputs", "sweeps", f"media/{SHOT.key[:2]}"])
def test_what_lies_where_a_folder_is_needed_makes_way(folder, outside, name, kind):
    if kind == "folder" or (kind == "link" and "media" in name):
        return  # that is ours; clips that were moved elsewhere meanwhile are waited for
    with opened(folder) as library:
        place(folder / name, kind, outside)
        before = content(outside)
        write_all(library)
        assert (folder / name).is_dir()
        assert not (folder / name).is_symlink()
        assert any(name.rpartition("/")[2] in line for line in library.healed)
        assert content(outside) == before


def name_of(descriptor):
    """Return the path of an open file."""
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


@needs_names
def test_a_file_or_its_name_never_reaches_the_disk_after_what_depends_on_it(library, monkeypatch):
    """A power failure keeps what was flushed: each file before its rename, its folder after it."""
    events = []
    flush, move = os.fsync, os.rename

    def record_flush(descriptor):
        events.append(("flush", name_of(descriptor)))
        flush(descriptor)

    def record_move(function):
        def moved(source, target, **more):
            function(source, target, **more)
            if str(target).startswith(str(library.folder)):
                events.append(("move", os.fspath(source), os.fspath(target)))

        return moved

    monkeypatch.setattr(os, "fsync", record_flush)
    monkeypatch.setattr(os, "rename", record_move(move))
    monkeypatch.setattr(os, "replace", record_move(os.replace))
    write_all(library)
    moves = [(i, *event[1:]) for i, event in enumerate(events) if event[0] == "move"]
    assert len(moves) == 5
    for at, source, target in moves:
        assert ("flush", source) in events[:at], target
        assert ("flush", os.path.dirname(target)) in events[at:], target  # noqa: PTH120


@needs_names
def test_each_new_folder_is_flushed_too(library, monkeypatch):
    flushed = []
    flush = os.fsync
    monkeypatch.setattr(os, "fsync", lambda one: (flushed.append(name_of(one)), flush(one)))
    write_all(library)
    assert str(library.folder) in flushed
    assert str(library.folder / "media") in flushed


def test_no_clip_looks_through_all_checkpoints(tmp_path, monkeypatch):
    stored = Checkpoints(tmp_path)
    for i in range(50):
        (tmp_path / f"{i:032x}-3-2.safetensors").write_bytes(b"x")
    assert len(stored.find()) == 50
    listed = []

    def record(function):
        return lambda *args: (listed.append(args), function(*args))[1]

    monkeypatch.setattr(os, "scandir", record(os.scandir))
    monkeypatch.setattr(os, "listdir", record(os.listdir))
    for i in range(5):
        stored.store(f"{i:032x}", STATE)
        assert stored.load(f"{i:032x}") is not None
        stored.remove(f"{i:032x}")
    stored.store(KEY, STATE)
    stored.store(KEY, Checkpoint(4, 2, 0, STATE.arrays, {}))
    assert listed == []
    monkeypatch.undo()
    assert set(stored.find()) == {KEY, *(f"{i:032x}" for i in range(5, 50))}
    assert stored.find([KEY])[KEY].step == 4


# --- logs that other programs have saved -----------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_log_that_an_editor_has_saved_keeps_its_marks(folder, encoding, end):
    log = folder / "annotations.jsonl"
    lines = log.read_text().splitlines()
    text = (end or "\n").join(lines) + end
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    log.write_bytes((mark + text).encode(encoding))
    (folder / NAME).unlink()
    with opened(folder) as library:
        six_clips(library)
        first = library.clips(stars=5)[0]
        first.stars = 4
    (folder / NAME).unlink()
    with opened(folder) as library:
        assert library[first.key].stars == 4
        assert not any("damaged line" in line for line in library.healed)


# --- what is closed to a user ----------------------------------------------------------------------

USE = """
import sys, numpy as np, beecam as bc
from pathlib import Path
from beecam.clips.library import Library
from beecam.models.model import Checkpoint, Generated
from beecam.storage.folder import LibraryUnavailableError
from helpers import PlainModel
class Model(PlainModel):
    defaults = {**PlainModel.defaults, "num_inference_steps": 4}
    def steps(self, shot):
        return 4
    def generate(self, shots, on_step=None, *, pad_to=0, starts=()):
        state = Checkpoint(1, 1, 0, {"a": np.zeros(2, np.float32)}, {})
        found = super().generate(shots, on_step)
        return [Generated(one.frames, checkpoint=state) for one in found]
with Library(sys.argv[1]) as library:
    library.clips().to_frame()
    if "media" not in sys.argv[2]:
        run = bc.run(bc.sweep("a bee", seed=[7]), Model(), library=library, draft=0.5)
        run.wait(60)
        print(run.status, len(run.clips), run.changes().run.message)
    library.clips()[0].stars = 3
    print(len(library), *library.healed, *library.sweeps().problems)
"""


@pytest.fixture
def using(folder):
    """Return a function that uses the library in a process that permissions apply to."""
    command = [sys.executable, "-c", USE]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("permissions don't apply to this user")
        dropped = "--bounding-set=-dac_override,-dac_read_search,-fowner"
        command = ["setpriv", dropped, "--inh-caps=-all", *command]

    def use(name):
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            [*command, str(folder), name],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=env,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return use


CLOSED = [
    ("media", 0),
    ("checkpoints", 0),
    ("checkpoints", 0o500),
    ("sweeps", 0),
    ("locks", 0),
    ("locks", 0o300),
    (NAME, 0),
    (NAME, 0o400),
    (f"{NAME}-wal", 0),
    (f"{NAME}-shm", 0o400),
    ("annotations.jsonl", 0o400),
]


@pytest.mark.parametrize(("name", "mode"), CLOSED)
def test_what_is_closed_costs_its_own_part_and_is_named(folder, using, name, mode):
    path = folder / name
    if "." not in name:
        path.mkdir(exist_ok=True)
    elif not path.exists():
        path.touch()
    path.chmod(mode)
    output = using(name)
    assert name == "locks" or name in output, output
    if name != "media":
        assert output.startswith("done 1"), output
    if path.exists():
        path.chmod(0o700)
    with opened(folder) as library:
        assert len(library) == (6 if name == "media" else 7)


# --- processes that are forked ---------------------------------------------------------------------

FORK = """
import os, sys, threading, av, beecam as bc
from beecam.clips.library import Library, open_library
from helpers import PlainModel, Gate, fill
class Model(PlainModel):
    def generate(self, shots, on_step=None):
        reached.set()
        assert go.wait(60)
        return super().generate(shots, on_step)
reached, go = threading.Event(), threading.Event()
library = open_library(sys.argv[1])
run = bc.run(bc.sweep("a bee", seed=range(3)), Model(), library=library, name="bees")
assert reached.wait(60)
lock = library._lock
child = os.fork()
if not child:
    # Whatever it does with what it has of its parent.
    assert run.finished and run.status == "cancelled", run.status
    run.wait(10)
    try:
        run.remember("stolen")
    except bc.LibraryError:
        pass
    assert library.closed
    library.close()
    go.set()
    own = open_library(sys.argv[1])
    assert own is not library
    assert lock.name in [one.stem for one in (own.folder / "locks").iterdir()]
    assert own._lock.is_alive(lock.name)
    assert own.sweep("bees")
    again = bc.run(bc.sweep("a moth", seed=[1]), PlainModel(), library=own)
    assert len(again.wait(30).clips) == 1
    sys.exit()  # with its exit functions
assert os.waitpid(child, 0)[1] == 0
go.set()
run.wait(60)
print(len(run.clips), run.name, [one.name for one in library.sweeps()])
with Library(sys.argv[1]) as other:
    assert other._lock.is_alive(lock.name)
    print(other.healed)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_forked_process_leaves_runs_and_locks_to_its_parent(tmp_path):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-W", "ignore", "-c", FORK, str(tmp_path / "library")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=240, env=env
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["3 bees ['a moth', 'bees']", "[]"]


# --- an index that another program holds -----------------------------------------------------------


def test_marks_of_a_clip_that_cannot_get_a_row_are_in_the_log(folder):
    with opened(folder) as library:
        starred = library.clips(stars=5)[0]
        library.log_annotations(KEY, starred.key)
        assert library._annotations.read()[0][KEY] == {"stars": 5}


def test_leaving_a_locked_index_tries_once(folder, monkeypatch):
    """Each of 200 accesses would wait for ten seconds."""
    monkeypatch.setattr("beecam.storage.index._LAST_PATIENCE", 0.05)
    with opened(folder) as library, closing(sqlite3.connect(folder / NAME)) as other:
        other.execute("BEGIN IMMEDIATE")
        library.hurry()
        clip = library.clips()[0]
        for _ in range(200):
            with pytest.raises(bc.LibraryError, match="has locked the index"):
                clip.stars = 2
        timeout = library._index._db.execute("PRAGMA busy_timeout").fetchone()[0]
        assert timeout == 0
        other.rollback()
        clip.stars = 2
        assert clip.stars == 2


def test_closing_and_exit_hurry(library):
    fill(library)
    run = bc.run(bc.sweep("a bee"), PlainModel(), library=library).wait()
    local._running.add(run._engine)
    local._finish_writing()
    local._running.discard(run._engine)
    assert library._index._patience is not None
    other = Library(library.folder)
    other.close()
    assert other._index._patience is not None


@pytest.mark.parametrize("damage", [b"", b"torn", "half"])
@pytest.mark.parametrize("count", [1, 3])
def test_an_input_of_a_torn_copy_is_written_again(folder, damage, count):
    pixels = np.arange(count * 16 * 16 * 3, dtype=np.uint8).reshape(count, 16, 16, 3)
    one = Input.of(pixels)
    with opened(folder) as library:
        library.inputs.store([Condition("video", one)])
        (path,) = (folder / "inputs").glob(f"{one.digest}.*")
        whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage == "half" else damage)
    with opened(folder) as library:
        library.inputs.store([Condition("video", one)])
        assert (library.inputs[one.digest].frames == pixels).all()
