"""A notebook that is executed without a page, whose run is in the last cell."""

import re
import time

import pytest
from kernel import Kernel

from helpers import PATIENCE

pytestmark = pytest.mark.slow
COUNT = re.compile(r"(\d+) of 60 clips")


@pytest.fixture
def kernel(tmp_path):
    started = Kernel(tmp_path)
    yield started
    started.close()


def wait_for_clips(kernel, count):
    end = time.monotonic() + PATIENCE
    while kernel.value("len(run.clips)") < count:
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("last", ["run", "bw.ClipTable(run)", "bw.ClipGrid(run)"])
def test_a_kernel_that_ends_renews_the_sheet_of_its_last_cell(kernel, last):
    slow = "run = bc.run(bc.sweep('a bee', seed=range(60)), DrawnModel(0.15, batch=1), library=library)"
    kernel.run("last", f"{slow}\n{last}")
    assert COUNT.search(kernel.html()[-1])[1] == "0"
    # No cell follows, whose end would renew it.
    wait_for_clips(kernel, 2)
    assert COUNT.search(kernel.html()[-1])[1] == "0"
    kernel.end()
    sheet = kernel.html()[-1]
    assert int(COUNT.search(sheet)[1]) >= 2
    assert sheet.count("<img") >= 2


def test_the_sheet_of_a_run_that_was_stopped_says_what_is_missing(kernel):
    kernel.run(
        "last",
        "run = bc.run(bc.sweep('a bee', seed=range(60)), DrawnModel(0.05, batch=1), library=library)\n"
        "while not run.clips: threading.Event().wait(0.05)\n"
        "run.cancel(); run.wait(); run",
    )
    count = kernel.value("len(run.clips)")
    assert f"a bee · drawn: {count} of 60 clips<" in kernel.html()[-1]
