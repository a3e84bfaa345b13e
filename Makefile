# Every target does its own set-up: a clean clone with Python 3.11 and make is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export BEECAM_LIBRARY ?= $(CURDIR)/out/library
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help setup demo lab test quick bench lint types unit browser notebooks clean

help:
	@echo "make demo   install, make real clips with the embedded model, open out/gallery.html"
	@echo "make lab    open the first notebook in JupyterLab"
	@echo "make test   everything: unit, property, browser, notebooks, lint, types"
	@echo "make quick  unit tests, lint and types in under 90 s"
	@echo "make bench  the promised figures, measured here"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "beecam needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "installing into $(VENV) (once; a few minutes) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --upgrade pip
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@

quick: lint types unit

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP)
	$(BIN)/pytest -m "not browser and not notebook and not slow"

test: lint types
	$(BIN)/pytest

clean:
	rm -rf out dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
