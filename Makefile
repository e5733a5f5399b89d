# All chores of the project. `make demo` and `make test` set everything up by themselves.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= examples/minisql
OUT ?= $(DEMO)/out

.PHONY: help setup demo test check format roles bench bench-real experiment stress docs wheel clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.ready  ## Make the virtual environment

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "The venv module is missing. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: setup  ## Run a real plan with the offline model, then the example's own tests
	rm -rf $(OUT)
	$(BIN)/python -m orchestrator run $(DEMO)/plan.yaml --into $(OUT) --workers 4 \
	  -M mistakes=0.5 -M latency=0.1-0.4 --seed 1
	cd $(OUT) && $(abspath $(BIN))/python -m pytest -q -p no:cacheprovider

test: setup  ## Run the test-suite
	$(BIN)/python -m pytest -n auto --dist worksteal

check: setup  ## Format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## Put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

roles:  ## Lint the role documents with redocly (needs npx)
	npx --yes @redocly/cli@2 lint roles/*.yaml

bench: setup  ## Measure against peers; prints ratios
	$(BIN)/python -m pip install --quiet '.[bench]'
	$(BIN)/python benchmarks/scopes.py
	$(BIN)/python benchmarks/sandbox.py
	$(BIN)/python benchmarks/gate.py
	$(BIN)/python benchmarks/codegraph.py networkx click
	$(BIN)/python benchmarks/lint_mutations.py
	$(BIN)/python benchmarks/simulate.py
	$(BIN)/python benchmarks/error_rates.py
	$(BIN)/python benchmarks/coordinator.py

bench-real: setup  ## Rewrite real libraries by each decomposition; their own tests judge
	$(BIN)/python benchmarks/real.py

experiment: setup  ## Compare modes and decompositions; writes docs/results.md (an hour or more)
	$(BIN)/python benchmarks/experiment.py $(EXPERIMENT)

stress: setup  ## Long tests: 100,000 simulated schedules, 100 kills, many workers
	HYPOTHESIS_PROFILE=stress $(BIN)/python -m pytest -m "stress or not stress" tests/core tests/hostile tests/simulation tests/stress

docs: setup  ## Redraw what is generated from the code
	$(BIN)/python docs/diagram.py
	$(BIN)/python docs/planreference.py

clean:  ## Remove what the targets made
	rm -rf $(VENV) $(OUT) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
