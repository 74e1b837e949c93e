# Everything here works on a fresh clone with Python 3.11 to 3.13, pip and make; uv is used when it is there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: install quickstart test test-long lint types format lock wheel-check clean

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "Python 3.11 to 3.13 is needed; '$(PYTHON)' is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Installing pinned dependencies into $(VENV) (one to three minutes the first time)"
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --seed --allow-existing --python "$$(command -v $(PYTHON))" $(VENV) && \
	  uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock && \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e . ; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . ; \
	fi
	@touch $(INSTALLED)

quickstart: install
	$(BIN)/oversight run experiments/quickstart.yaml

test: install
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

# What takes long: processes that are killed, clusters, servers, browsers, whole experiments.
test-long: install
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m long

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy src/oversight
	MYPYPATH=src $(BIN)/mypy protocols
	MYPYPATH=src:. $(BIN)/mypy dashboard

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The lock holds versions and hashes, and names no registry. Needs uv.
lock:
	uv lock --quiet --upgrade
	uv export --quiet --format requirements-txt --no-emit-project --all-groups --no-header --no-annotate -o requirements.lock
	rm uv.lock

# Build the wheel, install it alone into an empty environment, and run an experiment from there.
wheel-check: install
	PYTHON=$(PYTHON) BIN=$(BIN) bash .ci/wheel-check

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
