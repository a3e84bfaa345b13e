"""A run as quick as it can be: what the page shows in the end is what is."""

import measure_busy
import pytest

pytestmark = pytest.mark.browser


def test_rapid_events_lose_no_final_state(notebook):
    found = measure_busy.storm(notebook, seeds=30)
    assert (found["events"], found["cells"], found["wrong"]) == (1500, 300, 0)
