"""What IPython shows of an error: the user's lines and our sentence first, all frames on demand."""

import pytest
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell

SETUP = """
import beecam as bc, tempfile
from beecam.errors import MediaError
def inner(): return bc.sweep("a {insekt}", insect=["bee"]).cells
library = bc.library(tempfile.mkdtemp())
def with_cause():
    try:
        {}["a"]
    except KeyError as error:
        raise MediaError("it is damaged.") from error
"""
MISTAKES = {
    "keyword": ("bc.run(bc.sweep('a bee'), None, libary=1)", "Did you mean library?"),
    "value": ("bc.sweep('a {insekt}', insect=['bee']).cells", "{insekt}"),
    "name": ("bc.deck('insekts')", "insekts"),
    "argument": ("library.clips(stars=9)", "stars=9"),
    "file": ("bc.read_media('no.png')", "no.png"),
    "in a function": ("inner()", "{insekt}"),
}


@pytest.fixture
def shell(monkeypatch, capsys, tmp_path):
    """A shell of IPython; runs a cell and returns what it printed."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setattr(HistoryManager, "enabled", False)  # it would write when Python ends
    InteractiveShell.clear_instance()
    one = InteractiveShell.instance()
    one.run_line_magic("colors", "nocolor")

    def run(cell):
        capsys.readouterr()
        one.run_cell(cell)
        return "".join(capsys.readouterr())

    assert run(SETUP) == ""
    yield run
    InteractiveShell.clear_instance()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_cell_shows_its_line_and_the_sentence_only(shell, name):
    cell, sentence = MISTAKES[name]
    shown = shell(cell)
    assert cell in shown
    assert sentence in shown
    assert "beecam/" not in shown, "a frame of ours"
    assert "%tb" in shown


@pytest.mark.parametrize("name", MISTAKES)
def test_tb_shows_all_frames_of_a_mistake(shell, name):
    shell(MISTAKES[name][0])
    for _ in range(2):
        assert "beecam/" in shell("%tb")


def test_functions_of_the_user_are_among_the_lines_that_are_shown(shell):
    assert "in inner()" in shell("inner()")


def test_an_error_with_a_cause_is_shown_whole(shell):
    shown = shell("with_cause()")
    assert "KeyError" in shown
    assert "%tb" not in shown


def test_a_user_who_asks_for_verbose_tracebacks_gets_all_frames(shell):
    shell("%xmode Verbose")
    assert "beecam/" in shell(MISTAKES["keyword"][0])
