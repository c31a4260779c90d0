# What one does with Carillon, from a fresh clone: make run, make test. Needs Python 3.11 or newer, its venv, and a C compiler.

PYTHON ?= python3
VENV := .venv
# Tests at once. More than two want more than two cores.
WORKERS ?= 2
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup run test lint browser bench campaign bench-truth lock assets clean

setup: $(STAMP)
	@$(BIN)/carillon warm

# The stamp names what was installed, so that a second run has nothing to do, and a changed lock is noticed.
$(STAMP): requirements.lock pyproject.toml
	@./.ci/machine $(PYTHON)
	@test -x $(BIN)/python || { echo "setup: making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@if ! cmp -s requirements.lock $(VENV)/.requirements.lock; then \
	  echo "setup: installing what requirements.lock names, checked against its hashes (a few minutes the first time)"; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock \
	  && cp requirements.lock $(VENV)/.requirements.lock; fi
	@echo "setup: installing carillon itself, in place"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

run: setup
	@$(BIN)/carillon up --demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# For the tests of the portal; running Carillon needs no browser here.
browser:
	@./.ci/browser

test: browser lint
	$(BIN)/python -m pytest -q -n $(WORKERS)

bench: setup
	$(BIN)/python -m bench.run

# Break it on purpose, in full: kills, cuts, full disks, stores away. The better part of an hour. SEED repeats a campaign.
SEED ?= 1
campaign: setup
	$(BIN)/python -m bench.faults --seed $(SEED) --json

# How often detection is right, on traffic of SUMO (some 800 MB, for this bench alone). SET=held-out is the last word.
SET ?= tuning
bench-truth: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r bench/truth/requirements.lock
	$(BIN)/python -m bench.truth --set $(SET)

# No package index, link or host may stand in the lock: whoever installs uses their own.
lock:
	$(BIN)/pip-compile -q --generate-hashes --extra dev --strip-extras --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --no-header --allow-unsafe --no-annotate -o requirements.lock pyproject.toml
	echo eclipse-sumo | $(BIN)/pip-compile -q --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --no-header --allow-unsafe --no-annotate -o bench/truth/requirements.lock -

# The portal's scripts and styles. Only whoever changes api/portal/islands needs node; what is built is committed.
assets:
	cd api/portal/islands && npm ci --no-audit --no-fund --loglevel=error && node build.mjs

# Leaves data alone.
clean:
	rm -rf $(VENV) build bench/build .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
