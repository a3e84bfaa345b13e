"""The garbage collector rests while libraries are imported, and is afterwards as it was."""

import gc
import threading

import pytest

from beecam._util.collector import collection_paused
from helpers import PATIENCE


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_afterwards_as_it_was(enabled):
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with collection_paused(), collection_paused():
            assert not gc.isenabled()
        with pytest.raises(KeyError), collection_paused():
            raise KeyError
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_the_last_of_several_threads_ends_the_pause():
    entered, leave = threading.Event(), threading.Event()

    def pause():
        with collection_paused():
            entered.set()
            leave.wait(PATIENCE)

    thread = threading.Thread(target=pause)
    thread.start()
    assert entered.wait(PATIENCE)
    with collection_paused():
        pass
    assert not gc.isenabled()
    leave.set()
    thread.join(PATIENCE)
    assert gc.isenabled()
