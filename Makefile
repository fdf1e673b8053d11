# Everything is installed into .venv; nothing else is touched.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNS := mappertune-runs
KERNEL := $(wildcard legion_bridge/kernel/*)
LEGATE := $(shell sed -n 's/^legion = \["\(legate==[^;]*\);.*/\1/p' pyproject.toml)
SOURCES := dsl legion_bridge tuners studies mappertune packaging tests

.DEFAULT_GOAL := help
# On two cores a third process fills the time in which others wait for runs and servers. Long
# tests wait more, and each takes longer than what those of its file would share.
PYTEST := $(BIN)/python -m pytest --durations 15
SHORT := --numprocesses 3 --dist loadfile
LONG := --numprocesses 4 --dist worksteal -m long
.PHONY: help study legion test test-long lint types dev bench clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "mappertune needs Python 3.11 or later: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# pip installs without the simulator where it cannot be compiled. Here it must be, and anew: what an
# earlier compiler made does not stand for what this one cannot. $(1): what to install.
define install
	@rm -f legion_bridge/_kernel$$($(BIN)/python -c \
	  'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '$(1)'
	@$(BIN)/python -c 'import legion_bridge._kernel' 2>/dev/null || \
	  { echo "the simulator could not be compiled; what the C compiler says:" \
	    "$(BIN)/python -m pip install -v --no-deps --editable ." >&2; exit 1; }
	@touch $@
endef

# A stamp a set of extras: installed again when the project file or the kernel changes.
$(VENV)/.installed-%: pyproject.toml $(KERNEL) | $(BIN)/python
	$(call install,.[$*])

$(VENV)/.installed: pyproject.toml $(KERNEL) | $(BIN)/python
	$(call install,.)

# The Legion runtime alone: the libraries for GPUs that legate asks for are not needed. A platform
# without the wheel goes without, and the tests of the real runtime skip.
$(VENV)/.legate: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps '$(LEGATE)' || \
	  echo "the package $(LEGATE) cannot be had: the real Legion runtime is left out" >&2
	@touch $@

study: $(VENV)/.installed ## Install, then tune the stencil and compare three tuners with the expert
	$(BIN)/mappertune compare stencil --machine p100x4 --tuners guided,tpe,random --trials 100 \
	  --seeds 5 --output $(RUNS)

legion: $(VENV)/.installed $(VENV)/.legate ## Install the Legion runtime, and say what there is
	$(BIN)/mappertune doctor --build

test: $(VENV)/.installed-test $(VENV)/.legate ## Install what the tests need, and run them
	$(PYTEST) $(SHORT) $(PYTEST_ARGS)

test-long: $(VENV)/.installed-test $(VENV)/.legate ## Run long searches, and suites of many programs
	$(PYTEST) $(LONG) $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev ## Check style and formatting
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: $(VENV)/.installed-dev ## Check types
	$(BIN)/mypy

dev: $(VENV)/.installed-dev ## Prepare a developer's environment
	@echo "ready: source $(BIN)/activate"

bench: $(VENV)/.installed-test ## Run the benchmarks; they print, and judge nothing
	@for script in tests/benchmarks/bench_*.py; do \
	  echo "== $$script"; $(BIN)/python -m tests.benchmarks.$$(basename $$script .py) || exit 1; done

clean: ## Remove what these targets made
	rm -rf $(VENV) $(RUNS) build dist *.egg-info .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f legion_bridge/_kernel*.so
