# Every target does its own set-up: a clean clone with Python 3.11 and make is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Tests start many interpreters, each of which would compile the code again where this is set.
export PYTHONDONTWRITEBYTECODE =
# What make does is kept apart from the library of the person who works here (~/beecam).
demo test everything quick unit coverage browser notebooks bench: export BEECAM_LIBRARY := $(CURDIR)/out/library

.PHONY: help setup demo lab test everything quick coverage bench docs lint types unit js browser notebooks chromium clean

help:
	@echo "make demo   install, make real clips with the embedded model, leave a page with their grid under out/"
	@echo "make lab    open the first notebook in JupyterLab"
	@echo "make test   everything: unit, property, browser, notebooks, lint, types"
	@echo "make quick  unit tests, lint and types in under 90 s"
	@echo "make coverage   the share of lines that tests without a browser run, by file"
	@echo "make bench  the promised figures, measured here"
	@echo "make docs   the API reference, built from the docstrings"

demo: $(STAMP)
	@$(BIN)/python notebooks/execute.py notebooks/01_first_flight.ipynb --out out
	@echo
	@echo "24 clips that pollen made just now:  file://$(CURDIR)/out/first_flight.html"
	@echo "the notebook as it ran:              $(CURDIR)/out/01_first_flight.ipynb"
	@echo "Open the page in a browser. For the live grid:  make lab"

lab: $(STAMP)
	$(BIN)/jupyter lab notebooks/01_first_flight.ipynb

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "beecam needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "installing into $(VENV) (once; a few minutes) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --upgrade pip
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@

# mypy uses one core only, so it runs beside the tests.
quick: lint
	@$(MAKE) --no-print-directory --jobs 2 types unit

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

# Two files at once, a thread each: threads that wait for each other burn what the other could use.
# Each of the two has a browser, a JupyterLab and models of its own, for all of its files; those
# that take longest begin (tests/conftest.py).
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

unit: $(STAMP)
	$(PYTEST) --ignore tests/browser -m "not browser and not notebook and not slow"

coverage: $(STAMP)
	$(PYTEST) -m "not browser and not notebook" --cov beecam --cov beecam_widgets --cov-report term:skip-covered

js: $(STAMP)
	@if command -v npm >/dev/null; then npm --prefix widgets ci --silent --no-audit --no-fund && npm --prefix widgets run --silent types && npm --prefix widgets test --silent; \
	elif [ -n "$$CI" ]; then echo "the tests of the widgets' JavaScript need node 20 or newer"; exit 1; \
	else echo "node is not installed: the tests of the widgets' JavaScript were skipped"; fi

# The browser tests drive Debian's chromium; where it can't be installed they say so.
chromium:
	@if ! command -v chromium >/dev/null && [ -z "$$BEECAM_CHROMIUM" ]; then \
		echo "installing chromium for the browser tests ..."; \
		if [ "$$(id -u)" = 0 ]; then SUDO=; else SUDO="sudo -n"; fi; \
		{ $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } >/dev/null 2>&1 \
		|| { echo "chromium could not be installed here. Install it (Debian: apt-get install chromium), or set BEECAM_CHROMIUM to a browser's path."; [ -z "$$CI" ]; }; \
	fi

browser: $(STAMP) chromium
	$(PYTEST) -m browser

notebooks: $(STAMP)
	$(PYTEST) -m notebook

test: lint js chromium
	@$(MAKE) --no-print-directory --jobs 2 types everything

everything: $(STAMP)
	$(PYTEST)

docs: $(STAMP)
	$(BIN)/pdoc --docformat google --no-show-source --output-directory out/docs beecam beecam_widgets '!beecam_widgets._'
	@echo "the API reference: file://$(CURDIR)/out/docs/index.html"

bench: $(STAMP) chromium
	$(BIN)/python tests/bench/bench.py

clean:
	rm -rf out dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
