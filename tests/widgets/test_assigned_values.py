"""Values that code assigns to a surface: each is taken, or refused with a message and no effect."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beecam.errors import BeecamError

ANYTHING = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.binary()
    ),
    lambda some: (
        st.lists(some, max_size=2) | st.dictionaries(st.text(max_size=2), some, max_size=2)
    ),
    max_leaves=3,
)
PARTS = ["rows", "columns", "fixed", "size", "playing", "speed", "filter", "sort"]


@pytest.fixture(scope="module")
def grid(finished):
    from beecam_widgets import ClipGrid

    opened = ClipGrid(finished)
    yield opened
    opened.close()


@settings(deadline=None, max_examples=60)
@given(name=st.sampled_from(["current", "selection"]), value=ANYTHING)
def test_a_cell_is_assigned_or_refused_with_its_name(grid, name, value):
    grid.current, grid.selection = 0, [1, 2]
    before = grid.view
    refusal = ""
    try:
        setattr(grid, name, value)
    except BeecamError as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith((f"{name}=", f"{name}: "))
        assert " is needed." in refusal
        assert grid.view == before
    assert grid.current is None or grid.current in grid.clips
    assert len(grid.selection) == len(set(grid.view["selected"]))


@settings(deadline=None, max_examples=150)
@given(part=st.sampled_from([*PARTS, "current", "selected"]), value=ANYTHING)
def test_a_view_is_assigned_or_refused_as_a_whole(grid, part, value):
    grid.view = {"filter": "bee", "sort": "", "rows": [], "columns": [], "fixed": {}}
    before = grid.view
    try:
        grid.view = {"filter": "moth", part: value}
    except BeecamError:
        assert grid.view == before
    else:
        assert all(0 <= cell < 12 for cell in grid.view["selected"])
        assert -1 <= grid.view["current"] < 12


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("x", "current: 'x': a clip of this widget or a cell number from 0 to 11 is needed."),
        (1.5, "current: 1.5: a clip of this widget or a cell number from 0 to 11 is needed."),
        (12, "current: 12: a clip .* 0 to 11 is needed. The nearest is 11."),
        (-1, "current: -1: a clip .* 0 to 11 is needed. The nearest is 0."),
    ],
)
def test_a_message_names_the_value_and_the_nearest_cell(grid, value, message):
    with pytest.raises(BeecamError, match=message):
        grid.current = value


@pytest.mark.parametrize("name", ["filter", "sort", "rows", "size"])
def test_a_surface_is_created_with_fitting_values_only(finished, name):
    from beecam_widgets import ClipGrid

    with pytest.raises(BeecamError, match=f"^{name}=3.5: "):
        ClipGrid(finished, **{name: 3.5})
