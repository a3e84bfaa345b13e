"""A real JupyterLab in a real chromium: one server, page and kernel for all tests of a worker."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "widgets")]

import labpage  # noqa: E402

FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def browser():
    with labpage.launched() as opened:
        yield opened


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A JupyterLab server; gives its address and its folder."""
    folder = tmp_path_factory.mktemp("lab")
    with labpage.served(folder) as address:
        yield address, folder


@pytest.fixture(scope="session")
def desks(browser, lab):
    from desks import Desks

    opened = Desks(browser, *lab)
    yield opened
    opened.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.failed:
        item.stash[FAILED] = True
        # The page of a test that failed on another machine can't be looked at afterwards.
        opened = getattr(item, "funcargs", {}).get("browser")
        for context in opened.contexts if opened else ():
            report.sections += [("page", labpage.described(page)) for page in context.pages]
    return report


@pytest.fixture
def notebook(desks, browser, lab, request):
    """A function that opens a notebook with given cells.

    With `opened=False` it has a page and a kernel of its own, and isn't opened yet; what a test
    does to the page before it is loaded, as to break its connections, is then its own as well.
    """

    def make(name, *sources, opened=True, **how):
        if opened:
            return lent(name, *sources, **how)
        return alone(name, *sources, opened=False, **how)

    with (
        labpage.notebooks(browser, *lab) as alone,
        desks.lent(lambda: request.node.stash.get(FAILED, False)) as lent,
    ):
        yield make
