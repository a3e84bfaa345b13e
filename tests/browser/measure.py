"""What the grid promises, measured in chromium: called by the tests and by `make bench`."""

LIBRARY_CODE = """\
from filled import filled
clips = filled({name!r}, {count})
"""
