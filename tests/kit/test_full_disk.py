"""A disk that is full while PyAV writes is one error of the system, and nothing is printed."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from beecam.media import formats, mp4

folder, what, room = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
frames = np.random.default_rng(0).integers(0, 255, (9, 64, 64, 3), np.uint8)
mp4.write_mp4(folder / "source.mp4", frames, 8, {})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
try:
    if what == "a clip":
        mp4.write_mp4(folder / "full.mp4", frames, 8, {})
    elif what == "a copy":
        mp4.copy_mp4(folder / "source.mp4", folder / "full.mp4", {})
    elif what == "a video":
        formats.write_lossless(folder / "full.mkv", frames)
    else:
        formats.write_lossless(folder / "full.png", frames[:1])
except OSError as error:
    print(type(error).__name__, error.errno)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit of a file's size")
@pytest.mark.parametrize("room", [0, 3_000, 9_000])
@pytest.mark.parametrize("what", ["a clip", "a copy", "a video", "an image"])
def test_a_full_disk_is_one_error_of_the_system(tmp_path, what, room):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), what, str(room)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "OSError 27\n"
    assert not done.stderr
