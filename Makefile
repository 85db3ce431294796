# Everything here works in a fresh clone: each target first brings what it needs (bin/setup).
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
python := .venv/bin/python
ARGS :=

.PHONY: help demo test setup check format bench campaign schema lock runtime dev system static clean

##@ Start here
demo: runtime ## the whole service beside a world of pretend carriers; prints where to look (ARGS="--speed 60 --port 8080")
	@exec $(python) -m tracker demo $(ARGS)

test: system dev static ## every check that CI runs (TIER=stories for one tier; BROWSER=no without a browser)
	@$(python) -m tests.support.tiers $(TIER) $(if $(filter no,$(BROWSER)),--without browser)

help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Working on it
setup: dev ## the virtual environment with all tools, in .venv
	@echo "ready: .venv/bin/tracker --help"

check: dev static ## the quick loop: format, lint, types, contracts, pure tests
	@$(python) -m tests.support.tiers pure

format: dev ## put the code in form, and mend what the linter can
	@$(python) -m ruff check --fix --quiet . || true
	@$(python) -m ruff format .

bench: dev ## measurements, each beside a limit taken in the same run
	@$(python) -m bench $(ARGS)

campaign: system dev ## full matrices and long runs of faults; takes long
	@TEST_EFFORT=campaign $(python) -m tests.support.tiers $(TIER) --pytest -o faulthandler_timeout=0

schema: dev ## bring sql/schema.sql up to date with the migrations
	@$(python) -m tracker.store.schema --write

lock: dev ## bring the lock files up to date with pyproject.toml
	@$(python) -m pip install --quiet --disable-pip-version-check 'uv>=0.13'
	@set -e; resolve="$(python) -m uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header"; \
		$$resolve pyproject.toml --group build $(ARGS) --output-file requirements.lock; \
		$$resolve pyproject.toml --group dev $(ARGS) --constraint requirements.lock --output-file requirements-dev.lock

clean: ## remove what make and the tools have made here; keeps data/
	@rm -rf .venv .test-results .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

runtime dev system:
	@bin/setup $@

static:
	@echo "--- format, lint, types, contracts"
	@$(python) -m ruff format --check --quiet . || { echo "Run: make format"; exit 1; }
	@$(python) -m ruff check --quiet .
	@$(python) -m mypy --no-error-summary
	@.venv/bin/lint-imports --no-logo
