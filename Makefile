# Everything a person does here, in one place. `make` alone lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Three workers for the two cores that CI has: many tests wait for processes of their own.
WORKERS ?= 3
FUZZ_SECONDS ?= 600
SOAK_SECONDS ?= 600
SIMULATE_RUNS ?= 2000
.DEFAULT_GOAL := help

.PHONY: help setup demo test check bench fuzz soak simulate sample format lint types lock compat clean

help:  ## list what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(VENV)/ready  ## make .venv with the locked versions

$(VENV)/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "tailgate needs Python 3.11 or later; say which: make PYTHON=python3.12 setup"; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup  ## run the main job on the sample: receive, land, baseline, SQL
	$(BIN)/tailgate demo

test: setup  ## run the tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

check: lint types test  ## format, lint, types and tests, as CI does

format: setup  ## format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup  ## measure speed against peers and limits, in one run
	$(BIN)/python tests/bench/run.py

fuzz: setup  ## send spoilt requests for FUZZ_SECONDS; keep what breaks in tests/fuzz/corpus
	$(BIN)/python -m tests.fuzz.run --seconds $(FUZZ_SECONDS)

soak: setup  ## load for SOAK_SECONDS, with kills and a full disk: nothing lost, nothing doubled
	$(BIN)/python -m tests.soak.run --seconds $(SOAK_SECONDS)

simulate: setup  ## how often the judge is wrong and what it finds, over many simulated releases
	$(BIN)/python -m tests.simulate.run --runs $(SIMULATE_RUNS) --workers $(WORKERS)
	$(BIN)/python -m tests.simulate.sequential
	$(BIN)/python -m tests.simulate.changes

sample: setup  ## record data/sample/ anew from data/shop.py
	$(BIN)/python data/shop.py record --out data/sample/otlp --seconds 720 --rate 11.4 \
	  --fault slow-operation --fault n-plus-one
	$(BIN)/python data/shop.py profile --out data/sample/profiles --seconds 5 --rate 24 \
	  --instances 1 --compute 16 --fault hot-function

lock: setup  ## write requirements.txt anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --python-version 3.11 --group dev \
	  --output-file requirements.txt pyproject.toml

compat: setup  ## run the tests on the newest DuckDB, in an environment of its own
	$(PYTHON) -m venv --clear .venv-compat
	.venv-compat/bin/python -m pip install --quiet --require-hashes -r requirements.txt
	.venv-compat/bin/python -m pip install --quiet --no-deps --upgrade 'duckdb>=2,<3'
	.venv-compat/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	.venv-compat/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

clean:  ## take away what was made here
	rm -rf $(VENV) .venv-compat build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-lake
