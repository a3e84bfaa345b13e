"""The quiet bar: never more pictures than eyes can follow, and always the last word."""

import importlib
import threading
import time

import comm
import pytest
from page import RecordingComm

import beecam_widgets as bw
from beecam.errors import CheckError

# `bw.progress` is the function.
module = importlib.import_module("beecam_widgets.progress")


@pytest.fixture
def states(monkeypatch):
    """What a front end is told."""
    monkeypatch.setattr(comm, "create_comm", RecordingComm)
    made = []

    def bar():
        made.append(module._Bar())
        return made[-1]

    monkeypatch.setattr(module, "_bar", bar)
    monkeypatch.setattr(module.Progress, "_show", lambda *_, **__: None)
    yield lambda: [
        data["state"]["_state"]
        for _, kind, data, _ in made[-1].comm.sent
        if kind == "comm_msg" and "_state" in data.get("state", {})
    ]
    for one in made:
        one.close()


def test_a_loop_is_told_seldom_and_to_the_end(states):
    assert list(bw.progress(range(5_000), "counting")) == list(range(5_000))
    told = states()
    assert len(told) < 50
    assert (told[-1]["done"], told[-1]["total"], told[-1]["status"]) == (5_000, 5_000, "done")
    assert told[-1]["label"] == "counting"


def test_the_last_of_a_burst_is_told_though_nothing_follows(states):
    bar = bw.progress(total=9)
    bar.step()
    bar.step(note="now")
    end = time.monotonic() + 240
    while states()[-1]["done"] != 2 and time.monotonic() < end:
        time.sleep(0.02)
    assert (states()[-1]["done"], states()[-1]["note"]) == (2, "now")


def test_threads_may_tell_at_once(states):
    with bw.progress(total=4_000) as bar:
        threads = [
            threading.Thread(target=lambda: [bar.step() for _ in range(1_000)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert states()[-1]["done"] == 4_000


def test_what_is_left_early_is_stopped_where_it_was(states):
    for i in bw.progress(range(10)):
        if i == 5:
            break
    assert (states()[-1]["done"], states()[-1]["status"]) == (5, "stopped")
    bar = bw.progress(total=9)
    with pytest.raises(KeyboardInterrupt), bar:
        raise KeyboardInterrupt
    assert states()[-1]["status"] == "stopped"


def test_the_rate_is_that_of_late(states, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    bar = bw.progress(total=1_000)
    assert bar.rate is None
    for _ in range(10):  # quick: what was cached
        now[0] += 1
        bar.step(50)
    assert bar.rate == pytest.approx(50)
    for _ in range(60):
        now[0] += 1
        bar.step(2)
    assert bar.rate == pytest.approx(2, rel=0.05)
    assert bar.seconds_left == pytest.approx(380 / 2, rel=0.05)
    assert "about 190 s left" in repr(bar)


def test_without_a_front_end_it_is_text(capsys):
    for _ in bw.progress(["a", "b"], "letters"):
        pass
    with bw.progress(label="unknown") as bar:
        bar.step(3, note="so far")
    text = capsys.readouterr().err
    assert "letters: 2 of 2" in text
    assert "unknown: 3, so far" in text
    assert "\r" not in text, "lines, where they can't be overwritten"


def test_where_nobody_draws_it_the_last_word_stands_there(monkeypatch):
    shown = []
    monkeypatch.setattr(module, "_bar", module._Bar)
    monkeypatch.setattr(
        "IPython.display.display",
        lambda data, **how: shown.append((data["text/plain"], how["display_id"], how["update"])),
    )
    with bw.progress(total=3, label="measuring") as bar:
        bar.step(3)
    (first, one, _), (last, other, update) = shown
    assert first == "measuring: 0 of 3"
    assert last.startswith("measuring: 3 of 3")
    assert one == other
    assert update


@pytest.mark.parametrize("total", [-1, 1.5, "many", True])
def test_a_total_is_a_whole_number(total):
    with pytest.raises(CheckError, match="a whole number of 0 or more"):
        bw.progress(total=total)
