# `make demo` and `make test` do everything: they make .venv where it is missing or out of date, install, and run.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
# The first interpreter that runs and is one of the supported versions; `make PYTHON=... setup` overrides.
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && { echo $$p; exit; }; done)

.PHONY: help setup setup-export demo test format clean

help: ## say what each target does
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

setup: $(VENV)/.ready ## make .venv and install what the commands and the tests need

$(VENV)/.ready: requirements.txt requirements-test.txt
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or 3.12 found; give one as PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-test.txt
	@touch $@

setup-export: $(VENV)/.export-ready ## install what tools/export.py needs too; `make test` then tests it

$(VENV)/.export-ready: $(VENV)/.ready requirements-export.txt
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-export.txt
	@touch $@

demo: setup ## draw a small data set, choose tiles, train, evaluate; about 5 minutes on 2 CPU cores
	$(VENV)/bin/python tools/demo.py

test: setup ## lint, types and tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile

format: setup ## format the code and mend what the linter can
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

clean: ## remove .venv and what the demo made
	rm -rf $(VENV) runs/demo
