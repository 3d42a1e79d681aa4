# Everything that is done with the project. `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null)
TESTS  ?= tests
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: demo test corpus pythons chaos bench up dev setup check format lock help clean

demo: setup ## import 100,000 contacts on this machine and look at the result
	$(BIN)/python -m local demo

test: setup ## run all the tests (TESTS=tests/unit for some of them, WORKERS=0 in one process)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

corpus: setup ## import the real files of tests/corpus and show by category what became of them
	$(BIN)/python -m tests.corpus

pythons: setup ## run the unit tests on each Python that this machine has, from the oldest on
	$(BIN)/python .ci/pythons.py

chaos: setup ## break everything on purpose, and count (CHAOS_RUNS=3, CHAOS_SEED=... to replay)
	$(BIN)/python -m pytest tests/chaos tests/contract/test_slow_readers.py -m "slow or not slow"

bench: setup ## measure it beside what one would use instead (ROWS=100000 ROUNDS=3 BENCH="import upload")
	$(BIN)/python -m benchmarks $(BENCH) $(if $(ROWS),--rows $(ROWS)) $(if $(ROUNDS),--rounds $(ROUNDS))

up: setup ## run Supabase, the service and two worker processes here until Ctrl-C
	$(BIN)/python -m local up

dev: setup ## like up, but reload the service and the workers when code changes
	$(BIN)/python -m local up --reload

check: setup ## lint, format, types, import layers, known vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	$(BIN)/python .ci/audit.py

format: setup ## put the code into the form that check wants
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(VENV)/.ready node_modules/.ready ## what the others need: Python and npm packages

$(VENV)/.ready: requirements-dev.txt client/pyproject.toml
	@$(PYTHON) core/python_version.py || { echo "Name another one: make PYTHON=python3.12 ..." >&2; exit 2; }
	@echo "Installing Python packages into $(VENV) ..."
ifdef UV
	@uv venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	@uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.txt
else
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
endif
	@$(if $(UV),uv pip install --python $(BIN)/python,$(BIN)/python -m pip install --disable-pip-version-check) \
		--quiet --no-deps --no-build-isolation --editable ./client
	@touch $@

node_modules/.ready: package-lock.json
	@echo "Installing PostgREST and the OpenAPI linter into node_modules ..."
	@npm ci --silent --no-audit --no-fund
	@touch $@

lock: ## write the requirements files anew from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

clean: ## remove all that was installed and kept here
	rm -rf $(VENV) .venvs node_modules .embedded .benchmarks .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
