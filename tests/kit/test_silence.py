"""What one thread tries in silence takes nothing from what others say, and ends with it."""

import contextlib
import logging
import threading

import pytest

import beecam as bc
from beecam._util.silence import silent_loggers
from beecam.models.diffusers.arguments import controls_of
from beecam.models.revision.set_values import set_values
from helpers import PATIENCE


@pytest.fixture
def said(caplog):
    """Return what the library's loggers have said."""
    logging.getLogger("diffusers").propagate = True
    caplog.set_level(logging.WARNING)
    yield lambda: [record.getMessage() for record in caplog.records]
    logging.getLogger("diffusers").propagate = False


def overlapping(context, speak):
    """Speak in a thread while another one, which began first and ends last, is in a context."""
    inside, spoken = threading.Event(), threading.Event()

    def silent():
        with context():
            speak("silent")
            inside.set()
            spoken.wait(PATIENCE)
            speak("silent")

    thread = threading.Thread(target=silent)
    thread.start()
    inside.wait(PATIENCE)
    speak("heard")
    spoken.set()
    thread.join(PATIENCE)
    speak("after")


@pytest.mark.parametrize("name", ["diffusers", "diffusers.models.some", "diffusers.pipelines"])
def test_only_the_own_thread_is_silent(said, name):
    overlapping(lambda: silent_loggers("diffusers"), logging.getLogger(name).warning)
    assert said() == ["heard", "after"]


def test_one_inside_another_ends_alone(said):
    logger = logging.getLogger("diffusers.some")
    with silent_loggers("diffusers"):
        with silent_loggers("transformers", "diffusers"):
            logger.warning("silent")
        logger.warning("silent")
        logging.getLogger("diffusersome").warning("of another library")
    with contextlib.suppress(ZeroDivisionError), silent_loggers("diffusers"):
        raise ZeroDivisionError
    logger.warning("heard")
    assert said() == ["of another library", "heard"]


def test_what_is_printed_while_a_shot_is_checked_is_seen(ltx, monkeypatch, capsys):
    original = type(ltx.pipe).check_inputs

    def check_inputs(*args, **more):
        print("heard")  # noqa: T201
        return original(*args, **more)

    monkeypatch.setattr(type(ltx.pipe), "check_inputs", check_inputs)
    list(ltx.check(bc.shot("a bee", guidance_rescale=0.25)))
    assert "heard" in capsys.readouterr().out


@pytest.mark.parametrize("ask", [lambda model: set_values(model.pipe), controls_of])
def test_levels_of_loggers_stay_while_a_model_is_asked(ltx, ask, said, monkeypatch):
    levels = []
    logger = logging.getLogger("diffusers")
    monkeypatch.setattr(logger, "setLevel", levels.append)
    ask(ltx)
    assert not levels
