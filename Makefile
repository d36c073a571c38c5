# Every target makes .venv by itself if it is missing or older than what it is made from.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# what some tests put under monit; without npm those tests are skipped
NODE := $(if $(shell command -v npm),tests/node/node_modules/.package-lock.json)
# four for two cores: more than half of the time a test waits
PYTEST = $(BIN)/python -m pytest -n 4 --dist loadgroup

.PHONY: demo test test-full test-rest chaos fuzz server-table check man bench format screenshots clean

demo: $(READY)
	@$(BIN)/monit demo

# every promise at least once
test: $(READY) $(NODE)
	$(PYTEST) -m "not full"

# what only the full matrices add to it
test-rest: $(READY) $(NODE)
	$(PYTEST) -m full

test-full: test test-rest

# five minutes of random faults under load, and then an account of everything
chaos: $(READY)
	PYTHONPATH=tests $(BIN)/python -m chaos --seconds 300 $(if $(SEED),--seed $(SEED))

# messages, files and sockets against many more random inputs than `make test` uses; FUZZ=N of each
FUZZ ?= 20000
fuzz: $(READY)
	MONIT_FUZZ=$(FUZZ) $(PYTEST) tests/agent/test_fuzz.py tests/agent/keeper/test_keeper_fuzz.py

# docs/servers.md, from what the servers did
server-table: $(READY) $(NODE)
	MONIT_WRITE_SERVER_TABLE=1 $(BIN)/python -m pytest tests/e2e/test_server_table.py

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright

# docs/man, from the commands
man: $(READY)
	$(BIN)/python tests/support/man_pages.py

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
