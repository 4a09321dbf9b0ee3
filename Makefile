# make run    the workbench with its demo, on http://127.0.0.1:8501 until Ctrl-C
# make test   everything that proves it; TESTS=tests/store runs a part, TESTS="-k name" a choice
PYTHON ?= python3
VENV ?= .venv
PORT ?= 8501
TESTS ?= tests

python := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_ROOT_USER_ACTION = ignore
.DEFAULT_GOAL := help
.PHONY: help run test lint demo-data clean

help:
	@echo "make run        the workbench with its demo, on http://127.0.0.1:$(PORT) until Ctrl-C (PORT=… for another port)"
	@echo "make test       everything that proves it, browser tests included (TESTS=… for a part)"
	@echo "make lint       ruff"
	@echo "make demo-data  writes data/demo again"
	@echo "make clean      removes the virtual environment and what tests leave; your data stay"

run: $(VENV)/.has-requirements
	@exec $(python) -m w365core up --demo --port $(PORT)

test: $(VENV)/.has-requirements-test
	@exec $(python) -m tests.machine --numprocesses 3 --dist loadfile --no-loadscope-reorder $(TESTS)

lint: $(VENV)/.has-requirements-test
	@$(python) -m ruff check . && $(python) -m ruff format --check .

demo-data: $(VENV)/.has-requirements
	@$(python) data/demo/generate.py

clean:
	rm -rf "$(VENV)" .pytest_cache .ruff_cache .hypothesis test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Installs again only when the list has changed.
$(VENV)/.has-requirements $(VENV)/.has-requirements-test: $(VENV)/.has-%: %.txt requirements.txt $(python)
	@echo "installing what $< names; the first time takes some minutes"
	@$(python) -m pip install --quiet --no-compile -r $< || \
	  { echo "What $< names could not be installed; see above, and check the network or pip's configuration." >&2; exit 3; }
	@touch $(VENV)/.has-requirements $@

# Made anew where its Python has gone since, or its making was broken off.
ifneq ($(shell $(python) -c 'import pip' 2>/dev/null && echo works),works)
.PHONY: $(python)
endif
$(python):
	@command -v $(PYTHON) >/dev/null || \
	  { echo "There is no $(PYTHON); install Python 3.11 or newer, or name yours: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 4; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is too old; install Python 3.11 or newer and name it: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 4; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make a virtual environment; install its venv module (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 4; }
	@echo "making the virtual environment $(VENV)"
	@$(PYTHON) -m venv --clear "$(VENV)" || { echo "The virtual environment $(VENV) could not be made; see above." >&2; exit 4; }
