# Every target makes .venv by itself if it is missing or older than what it is made from.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# what some tests put under monit; without npm those tests are skipped
NODE := $(if $(shell command -v npm),tests/node/node_modules/.package-lock.json)

.PHONY: demo test check bench format screenshots clean

demo: $(READY)
	@$(BIN)/monit demo

test: $(READY) $(NODE)
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright

bench: $(READY)
	$(BIN)/python benchmarks/run.py

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

screenshots: $(READY)
	$(BIN)/python screenshots/make.py

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "monit needs Python 3.11 or newer; say which: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo "Making $(VENV) (once, well under a minute)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "No venv module here; on Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@$(BIN)/python -m compileall -q agent tui
	@touch $(READY)

tests/node/node_modules/.package-lock.json: tests/node/package-lock.json
	@cd tests/node && npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

clean:
	rm -rf $(VENV) tests/node/node_modules .pytest_cache .ruff_cache .hypothesis .coverage* dist build
