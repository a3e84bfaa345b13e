"""Atomic file writes."""

import os
import time

import pytest

from beecam._util.files import atomic_write, remove_partial_files


def test_a_file_is_replaced_at_the_end_and_not_before(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with atomic_write(path) as file:
        file.write_text("one")
        assert not path.exists()
    with atomic_write(path) as first, atomic_write(path) as second:
        assert first != second
        first.write_text("two")
        second.write_text("three")
        assert path.read_text() == "one"
    assert path.read_text() == "two", "the block that ended last wins"
    assert list(path.parent.iterdir()) == [path]


def _fail(file):
    file.write_text("half")
    raise OSError("full")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one")
    with pytest.raises(OSError, match="full"), atomic_write(path) as file:
        _fail(file)
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_partial_files_are_removed_after_an_hour(tmp_path):
    unfinished = []
    for name in ("old", "new"):
        with atomic_write(tmp_path / name) as file:
            file.write_text("half")
        (tmp_path / name).rename(file)  # as if the process had been killed
        unfinished.append(file)
    (tmp_path / "mine.part").write_text("a user's own file")
    os.utime(tmp_path / "mine.part", (0, 0))
    os.utime(unfinished[0], (time.time() - 4000,) * 2)
    remove_partial_files(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {unfinished[1].name, "mine.part"}
    remove_partial_files(tmp_path / "not there")
