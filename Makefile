# Everything a checkout can do. `make` alone lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
STAMP_DEV := .venv/.stamp-dev
STAMP_LOCAL := .venv/.stamp-local
NODE_STAMP := frontend/node_modules/.stamp
TAB := frontend/dist/index.html
TAB_SOURCES := $(shell find frontend/src frontend/public -type f | grep -v '[[:space:]]') \
	$(wildcard frontend/index.html frontend/vite.config.ts frontend/tsconfig.json)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# -- Python ---------------------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(STAMP_DEV) ## a Python environment in .venv, with all that tests and linters need

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Python 3.11 or newer is needed: make PYTHON=python3.11 ...' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(STAMP_DEV): requirements/dev.txt | $(BIN)/uv
	$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements/dev.txt
	touch $@

# The development set holds the local one, so an environment that has it needs nothing more.
$(STAMP_LOCAL): requirements/local.txt | $(BIN)/uv
	@if [ -e $(STAMP_DEV) ] && [ ! requirements/dev.txt -nt $(STAMP_DEV) ] \
		&& [ ! requirements/local.txt -nt $(STAMP_DEV) ]; then \
		echo 'The development environment serves.'; \
	else \
		rm -f $(STAMP_DEV); \
		$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements/local.txt; \
	fi
	touch $@

# -- the Cloud tab --------------------------------------------------------------------------------------------------

.PHONY: frontend
frontend: $(TAB) ## build the Cloud tab

$(NODE_STAMP): frontend/package-lock.json frontend/package.json
	@command -v npm >/dev/null || { echo 'npm is needed (Node.js 20.19 or newer)' >&2; exit 1; }
	cd frontend && npm ci --no-audit --no-fund
	touch $@

$(TAB): $(TAB_SOURCES) $(NODE_STAMP)
	cd frontend && npm run build
	touch $@

# -- running --------------------------------------------------------------------------------------------------------

# As it was typed: make would read the $ in a folder's name, and the shell its quotes.
override DATA := $(value DATA)
export DATA

.PHONY: demo dev
demo: $(STAMP_LOCAL) $(TAB) ## the whole product against an emulated vendor (DATA=folder of images, STAY=1, TRAINER=real)
	@$(if $(TRAINER),$(BIN)/python -m emulators.replicate.real --newest)
	@$(BIN)/python -m local.demo $(if $(DATA),--data "$$DATA") $(if $(STAY),--stay) $(if $(TRAINER),--trainer $(TRAINER))

dev: $(STAMP_LOCAL) $(TAB) ## local mode: the tab, the API, storage and the schedules in one process
	$(BIN)/python -m local

# -- checking -------------------------------------------------------------------------------------------------------

.PHONY: test lint chromium engines bench real
test: $(STAMP_DEV) $(TAB) chromium engines ## linters, types and every test
	# Fetched while the linters run. The test that needs it waits for it; a run without it says so at its end.
	mkdir -p .cache
	$(BIN)/python -m emulators.replicate.real --newest > .cache/real-trainer.log 2>&1 &
	$(MAKE) lint
	cd frontend && npm test
	# More at once than there are cores: many tests wait for a server or a lease most of their time.
	$(BIN)/python -m pytest -n 4 --dist worksteal --ignore tests/browser
	# Apart, because Playwright keeps an event loop running in its process for as long as a browser lives.
	$(BIN)/python -m pytest -n 3 --dist worksteal tests/browser

lint: $(STAMP_DEV) $(NODE_STAMP) ## ruff, mypy, eslint and tsc
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd frontend && npm run lint

chromium:
	@if [ ! -x /usr/bin/chromium ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
		else \
			echo 'Without /usr/bin/chromium the browser tests are skipped.' >&2; \
		fi; \
	fi

engines: $(STAMP_DEV)
	$(BIN)/python -m tests.engines fetch

real: $(STAMP_DEV) $(TAB) engines ## the release check: SimpleTuner itself trains our jobs (2.3 GB, once)
	$(BIN)/python -m emulators.replicate.real
	$(BIN)/python -m pytest -n 2 --dist loadfile -m '' tests/real --results

bench: $(STAMP_DEV) engines ## measure packaging, storage, the table, ticks, cold starts, and how estimates hold
	$(BIN)/python -m bench.packaging
	$(BIN)/python -m bench.resubmit --kills 6
	$(BIN)/python -m bench.storage
	$(BIN)/python -m bench.tables
	$(BIN)/python -m bench.ticks
	$(BIN)/python -m bench.spend
	$(BIN)/python -m bench.coldstart
	$(BIN)/python -m bench.estimates

.PHONY: clean
clean: ## remove all that was built or fetched here
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis test-results build frontend/dist frontend/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- the cloud ------------------------------------------------------------------------------------------------------

STAGE ?= prod

.PHONY: package deploy teardown
package: $(STAMP_DEV) ## what Lambda gets, in build/STAGE
	$(BIN)/python -m infra package --stage $(STAGE)

deploy: package $(TAB) ## make or update STAGE in your AWS account (docs/deploy.md)
	$(BIN)/python -m infra deploy --stage $(STAGE)

teardown: $(STAMP_DEV) ## remove STAGE from your AWS account; the data stays
	$(BIN)/python -m infra teardown --stage $(STAGE)
