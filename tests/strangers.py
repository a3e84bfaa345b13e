"""What tests of libraries from strangers share: damage, and a use of everything."""

import math
import threading
from contextlib import contextmanager

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from beecam.clips.library import Library
from helpers import fill

KEY = "0123456789abcdef" * 2
ONCE = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["\ud83d", "../../x", "<b>", "a" * 5_000, KEY, math.inf, 10**400]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=8) | st.sampled_from(["shot", "facts"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@contextmanager
def opened(folder):
    """Open a library within a minute, or fail: nothing in it may hang."""
    library = []
    thread = threading.Thread(target=lambda: library.append(Library(folder)), daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "opening hangs"
    assert library, "opening failed"
    yield library[0]
    library[0].close()


def use(library, tmp_path):
    """Do everything with a library that reads or writes its files."""
    clips = library.clips()
    clips.to_frame()
    clips.query("bee")
    clips.sort("-stars")
    clips.starred  # noqa: B018
    repr(library.sweeps())
    library.known(clips.keys)
    library.checkpoints.find([KEY])
    library.checkpoints.remove(KEY)
    fill(library)
    for clip in library.clips():
        clip.stars = 3
    library.clips()[:6].export_html(tmp_path / "page.html")


def six_clips(library):
    assert len(library) == 6
    assert sorted(clip.stars for clip in library.clips()) == [0, 0, 0, 0, 0, 5]
    assert max(clip.tags for clip in library.clips()) == ("keep",)
