# Every line of a target can be typed by hand. On Windows, without make, the README has the same commands.
PYTHON ?= python3
BIN := .venv/bin
DEMO := demo/study
# The Python versions that the folders of `make wheels` are for.
WHEELS_FOR ?= 3.11 3.12 3.13 3.14
LOCK := uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help setup check test test-all demo reproduce wheels lock

help: ## this list
	@grep -E '^[a-z-]+: .*##' Makefile | sed -e 's/:.*##/\t/' | sort | expand -t 14

setup: .venv/installed .venv/tested ## make .venv with everything at the versions of the two lock files

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --no-deps --no-build-isolation --editable .
	touch .venv/installed

# What tests, linters and the other engines need on top; a plain run needs none of it.
.venv/tested: .venv/installed requirements-dev.lock
	$(BIN)/python -m pip install --require-hashes -r requirements-dev.lock
	touch .venv/tested

check: .venv/tested ## lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: .venv/tested ## all tests but the slow ones
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "not slow" -n auto --dist loadfile

test-all: .venv/tested ## all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile

demo: .venv/installed ## simulate hospitals with a known effect, analyse them, and say where the report is
	test -e $(DEMO)/truth.json || $(BIN)/aaot-eval simulate $(DEMO) --scenario effect --seed 1
	$(BIN)/aaot-eval analyze configs/demo.toml
	@echo "The report is release/report.html in the folder named above."

reproduce: .venv/installed ## the field's published figures, recomputed where their inputs are published
	$(BIN)/aaot-eval reproduce

wheels: .venv/installed ## folders from which Windows, macOS and Linux install without a network
	$(BIN)/python -m pip wheel --no-deps --no-build-isolation --wheel-dir wheels/own .
	$(BIN)/python tools/wheels.py $(WHEELS_FOR)

lock: ## make the two lock files again (needs uv and a package index)
	$(LOCK) --group dev --extra spark --extra postgres --extra patients --output-file requirements-dev.lock pyproject.toml
	$(LOCK) --group build --constraints requirements-dev.lock --output-file requirements.lock pyproject.toml
