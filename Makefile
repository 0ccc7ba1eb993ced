# Tieout: every command a person or CI runs. Works with GNU make 3.81 (macOS) and later.
#
# The environment is .venv, installed from hash-locked files with plain pip, so that a company's own
# mirror, proxy and certificates (pip's configuration) are honoured. A stamp file names what is
# installed: the place of the checkout (scripts hold absolute paths) and the content of the locks.

BIN := .venv/bin
PACKAGES := tieout assets checks pipelines
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check --no-input install
PYTEST := $(BIN)/python -m pytest

place := $(shell pwd | cksum | cut -d ' ' -f 1)
key = $(place)-$(shell cat pyproject.toml $(1) | cksum | cut -d ' ' -f 1)
VENV := .venv/.at-$(place)
RUNTIME := .venv/.runtime-$(call key,requirements.lock)
DEV := .venv/.dev-$(call key,requirements.lock requirements-dev.lock)

export PYTHONUNBUFFERED := 1

.PHONY: help
help:  ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

.PHONY: demo
demo: $(RUNTIME)  ## a month of a sample company, reconciled through Dagster, with the report
	@$(BIN)/tieout demo

.PHONY: dev
dev: $(RUNTIME)  ## the Dagster UI on 127.0.0.1:3000
	@$(BIN)/tieout dev

.PHONY: test
test: $(DEV)  ## all tests
	@sh tests/browser/install.sh
	@sh tests/debian.sh
	@# What waits for real processes goes first, so that no worker is left with it at the end, and
	@# three workers keep two cores at work while one of them waits.
	@$(PYTEST) -n 3 --dist loadfile --no-loadscope-reorder \
	  tests/integration tests/faults tests/browser tests/unit

.PHONY: check
check: $(DEV)  ## format, lint, strict types, import contracts, SQL style, Dagster definitions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(addprefix --package ,$(PACKAGES))
	$(BIN)/lint-imports --no-cache
	$(BIN)/sqlfluff lint sql
	@home=$$(mktemp -d) && cp dagster.yaml "$$home" && export DAGSTER_HOME="$$home" && \
	  echo "$(BIN)/dagster definitions validate" && \
	  PYTHONWARNINGS=ignore $(BIN)/dagster definitions validate --log-level warning; \
	  status=$$?; rm -rf "$$home"; exit $$status

.PHONY: format
format: $(DEV)  ## rewrite Python and SQL in the house's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/sqlfluff fix sql

.PHONY: bench-small
bench-small: $(RUNTIME)  ## 1M x 1M lines against a bare full outer join, in one run
	@$(BIN)/python -m tests.bench.reconcile --lines 1000000

.PHONY: bench
bench: $(RUNTIME)  ## the same with 10M x 10M lines
	@$(BIN)/python -m tests.bench.reconcile --lines 10000000

.PHONY: bench-intake
bench-intake: $(DEV)  ## events acknowledged a second against single-row commits of the bare database
	@$(BIN)/python -W ignore -m tests.bench.intake

.PHONY: bench-backfill
bench-backfill: $(DEV)  ## 365 days in one range against one partition, and what one more day costs
	@$(BIN)/python -W ignore -m tests.bench.backfill --days 365 --daily 3

.PHONY: faults
faults: $(DEV)  ## two hundred injected faults of each kind (make test injects a few)
	@TIEOUT_FAULTS=200 $(PYTEST) tests/faults --timeout 3600

.PHONY: fuzz
fuzz: $(DEV)  ## property tests with a random seed and many more examples
	@HYPOTHESIS_PROFILE=fuzz $(PYTEST) -n 2 tests/unit -m 'not slow' --timeout 3600

.PHONY: proof
proof: $(DEV)  ## precision and recall of every class on five samples of 100,000 rows
	@$(BIN)/python -m tests.proof.sample --seeds 5

.PHONY: proof-events
proof-events: $(DEV)  ## 100,000 events shuffled and with duplicates against the same ones once, in order
	@$(BIN)/python -m tests.proof.live_state --events 100000
	@$(BIN)/python -m tests.proof.events --events 100000

.PHONY: proof-time
proof-time: $(DEV)  ## 90 days in one range, in a run a day and hour by hour: the same bytes
	@$(BIN)/python -W ignore -m tests.proof.ranges --days 90

.PHONY: lock
lock: $(DEV)  ## resolve the dependencies anew (Linux and macOS, Python 3.11 to 3.13), keeping pins that fit
	@$(UV) --group build --output-file requirements.lock
	@$(UV) --group dev --output-file requirements-dev.lock
UV := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras --no-emit-index-url --no-header --no-annotate

.PHONY: clean
clean:  ## remove the environment and caches; data in .tieout/ stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	@find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A name such as python3.13 may be there and still not run (version managers leave such shims), so
# each is tried.
$(VENV):
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	  if $$python -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	      >/dev/null 2>&1; then \
	    echo "Creating .venv with $$($$python --version)"; \
	    $$python -m venv --clear .venv && touch $@; exit $$?; \
	  fi; \
	done; \
	echo "Python 3.11, 3.12 or 3.13 with venv is needed (on Debian: apt-get install python3-venv);" \
	  "name one with make PYTHON=/path/to/python3" >&2; exit 1

# Older stamps go first: an installation that is cut short leaves none.
$(RUNTIME): $(VENV)
	@echo "Installing what requirements.lock names"
	@rm -f .venv/.runtime-* .venv/.dev-*
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): $(VENV)
	@echo "Installing what requirements-dev.lock names"
	@rm -f .venv/.runtime-* .venv/.dev-*
	@$(PIP) --require-hashes -r requirements-dev.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@ $(RUNTIME)
