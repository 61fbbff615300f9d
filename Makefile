# Every target sets itself up: the first run makes .venv and installs the pinned dependencies.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DATA := $(or $(TENANTRY_SHARED),../shared)

.DEFAULT_GOAL := help
.PHONY: help setup demo test testbed e2e check format layers docs bench lock clean

help:  ## List the targets
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## Make .venv and install everything

$(STAMP): pyproject.toml requirements/dev.txt $(wildcard hatch_build.py)
	@echo "setting up $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

test: $(STAMP)  ## Run the tests
	$(BIN)/python -m pytest -n auto --dist loadfile

testbed: $(STAMP)  ## Build a Kubernetes control plane for make e2e (Go needed; minutes, once)
	$(BIN)/python -m testbed build

e2e: $(STAMP)  ## Hold what is said of Kubernetes against a real control plane
	$(BIN)/python -m pytest -n 2 --dist loadfile -m e2e tests/e2e --counts benchmarks/results/testbed.json

check: $(STAMP)  ## Format, lint, types, layers, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory test

format: $(STAMP)  ## Format the code and apply safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(STAMP)  ## Renew requirements/dev.txt
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --no-header --no-annotate --no-emit-index-url -q -o requirements/dev.txt

clean:  ## Remove what the targets made
	rm -rf $(VENV) out .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

docs: $(STAMP)  ## Renew the pages written from code
	$(BIN)/python -c "from tenantry.app.reference import spec_markdown; print(spec_markdown(), end='')" > docs/spec.md
	$(BIN)/python -c "from tenantry.lint import rules_markdown; print(rules_markdown(), end='')" > docs/rules.md
	$(BIN)/python -c "from tenantry.efficient.fit import fit_markdown; print(fit_markdown(), end='')" > docs/fit-rules.md
	$(BIN)/python -c "from tenantry.safe.catalogue import channels_markdown; print(channels_markdown(), end='')" > docs/channels.md
	$(BIN)/python -c "from tenantry.plan import effects_markdown; print(effects_markdown(), end='')" > docs/effects.md
	$(BIN)/python -c "from tenantry.fair.measures.reference import measures_markdown; print(measures_markdown(), end='')" > docs/measures.md

demo: $(STAMP)  ## Compile, lint and draw the Dell AI Factory example into out/demo
	$(BIN)/tenantry demo --out out/demo

bench: $(STAMP)  ## Measure, print ratios and compare with the budgets
	$(BIN)/python benchmarks/compile.py --json benchmarks/results/compile.json
	$(BIN)/python benchmarks/verify.py --json benchmarks/results/verify.json
	$(BIN)/python benchmarks/traces.py --json benchmarks/results/traces.json
	$(BIN)/python benchmarks/packing.py --json benchmarks/results/packing.json
	$(BIN)/python benchmarks/cycle.py --json benchmarks/results/cycle.json
	$(BIN)/python benchmarks/replay.py --json benchmarks/results/replay.json
	$(BIN)/python benchmarks/fit.py --json benchmarks/results/fit.json
	$(BIN)/python benchmarks/waits.py --json benchmarks/results/waits.json
	$(BIN)/python benchmarks/partition.py --json benchmarks/results/partition.json
	$(BIN)/python benchmarks/rates.py --json benchmarks/results/rates.json
	$(BIN)/python benchmarks/plan.py --json benchmarks/results/plan.json
	$(BIN)/python benchmarks/advise.py --json benchmarks/results/advise.json

layers: $(STAMP)  ## Prove that imports go down
	$(BIN)/lint-imports
