# One way to do each thing. Works with make 3.81 and BSD tools. `make help` lists it.
PYTHON ?= python3
BIN = .venv/bin
STAMP = .venv/stamp

.DEFAULT_GOAL := help
.PHONY: help demo up test check tests unit bench mutants chaos soak lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The environment: versions and hashes from requirements.txt, then this package itself.
$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Hookstream needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) -V 2>&1`."; \
	  echo "Name another: make PYTHON=/path/to/python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP) ## everything started, events sent to receivers that fail, what arrived checked (EVENTS=path)
	@exec $(BIN)/hookstream demo $(if $(EVENTS),--events "$(EVENTS)")

up: $(STAMP) ## everything started, until Ctrl-C
	@exec $(BIN)/hookstream up

check: $(STAMP) ## lint, format, types, imports, tests without I/O: fast
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=libs:. $(BIN)/lint-imports --no-logo
	$(BIN)/pytest tests/unit -n 2
	@echo "== check: passed =="

# Three at a time on two cores: tests wait a lot. By file, in the order that tests/conftest.py says.
BY_FILE = --dist loadfile --no-loadscope-reorder
QUIET = tests/products/test_schedules_first_minute.py tests/system/test_faults.py
ALONE = $(filter-out $(QUIET),$(shell grep -rl 'pytest.mark.alone' tests --include='test_*.py'))

tests: $(STAMP)
	$(BIN)/python -m hookstream.embedded.archive
	$(BIN)/pytest --ignore=tests/unit -m "not alone" -n 3 $(BY_FILE)
	$(BIN)/pytest $(ALONE) -n 2 $(BY_FILE)
	$(BIN)/pytest $(QUIET)
	@echo "== tests on real Kafka and PostgreSQL: passed =="

test: ## all of it: check, tests on real Kafka and PostgreSQL, the demo once
	@$(MAKE) check
	@$(MAKE) tests
	@$(MAKE) demo
	@echo "== make test: passed =="

bench: $(STAMP) ## throughput, CPU and delays on this machine (ARGS="--json FILE row …")
	@exec $(BIN)/hookstream bench $(ARGS)

chaos: $(STAMP) ## faults by a plan, under load, on three brokers; the end is checked (ARGS="--minutes 10 --seed 7")
	@exec $(BIN)/python -m tests.chaos $(ARGS)

soak: $(STAMP) ## half of capacity for long: is anything growing? (ARGS="--minutes 30")
	@exec $(BIN)/python -m bench.soak $(ARGS)

# What the image is made of, and made with: parts of requirements.txt.
LOCK_IMAGE = --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header \
  --no-annotate -c requirements.txt

mutants: $(STAMP) ## the system broken on purpose, one way at a time: which test notices (ARGS="word …")
	@exec $(BIN)/python -m tests.mutants $(ARGS)

lock: ## newest versions that fit, with hashes, into requirements.txt (needs uv)
	uv pip compile --universal --generate-hashes --python-version 3.11 --all-extras \
	  --no-emit-index-url --no-header pyproject.toml -o requirements.txt
	uv pip compile $(LOCK_IMAGE) pyproject.toml -o requirements-image.txt
	echo hatchling | uv pip compile $(LOCK_IMAGE) - -o requirements-build.txt

clean: ## forget the environment and all data of `make up` and `make demo`
	rm -rf .venv .hookstream dist .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
