# `make dev` and `make test` are all that a newcomer needs: each makes .venv itself.
# Written for make 3.81 (macOS) as well as GNU make 4.

BIN := .venv/bin

# make dev PORT=9001        make dev ARGS=--reload
PORT ?=
ARGS ?=

# make test PYTEST_ARGS='tests/listing -x'
# Four processes, even on two cores: one mostly waits for a browser. Whoever is done early takes over.
PYTEST_ARGS ?= -n 4 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help dev test check fmt bench bench-check bench-counts bench-scale soak replay openapi
.PHONY: constraints clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

dev: ## the service and the offline Facebook on http://localhost:8000 (PORT=9001, ARGS=--reload)
	@sh scripts/setup.sh run
	@exec $(BIN)/igauth dev $(if $(PORT),--port $(PORT)) $(ARGS)

test: check ## every check, then every test (PYTEST_ARGS='tests/listing -x'); what failed is named, and run alone once more
	$(BIN)/python -m pytest $(PYTEST_ARGS) || $(BIN)/python -m pytest $(PYTEST_ARGS) -n 0 --last-failed --last-failed-no-failures=none

check: ## format, lint, types, the arrows between the rooms, and the project's own rules
	@sh scripts/setup.sh dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/checks.py
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml compose.override.yaml

fmt: ## format, and mend what the linter can mend
	@sh scripts/setup.sh dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: ## what logins and listings cost, beside floors of the same minute (ARGS='--only login')
	@sh scripts/setup.sh dev
	@exec $(BIN)/python -m benchmarks.run $(ARGS)

soak: ## mixed requests with 1 % of faults; what becomes of memory (ARGS='--requests 50000 --replicas 2')
	@sh scripts/setup.sh dev
	@exec $(BIN)/python -m tests.faults.soak $(ARGS)

bench-check: bench ## the same, and whether every figure is under its bar (benchmarks/bars.toml)
	@exec $(BIN)/python -m benchmarks.bars

bench-counts: ## statements, thread hops, round trips, Graph calls: what doesn't vary
	@sh scripts/setup.sh dev
	@exec $(BIN)/python -m benchmarks.counts --check $(ARGS)

bench-scale: ## whether a million people cost more than none (ARGS='--people 100000')
	@sh scripts/setup.sh dev
	@exec $(BIN)/python -m benchmarks.scale $(ARGS)

replay: ## the steps of the Dockerfile's first stage, without an engine (ARGS='--python python3.13')
	@sh scripts/setup.sh dev
	@exec $(BIN)/python scripts/replay_image.py $(ARGS)

COMPILE = uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --no-header --no-annotate pyproject.toml

openapi: ## write docs/openapi.json anew
	@sh scripts/setup.sh run
	@cd $$(mktemp -d) && $(CURDIR)/$(BIN)/igauth openapi > $(CURDIR)/docs/openapi.json

constraints: ## take the newest versions into constraints.txt and the two requirements files
	@sh scripts/setup.sh dev
	@command -v uv >/dev/null || $(BIN)/python -m pip install --quiet uv
	@export PATH="$$PATH:$(CURDIR)/$(BIN)"; set -e; \
	echo "# Every version that the tests were run with; for pip's and uv's -c. Made by: make constraints" > constraints.new; \
	$(COMPILE) --upgrade --extra dev >> constraints.new; \
	echo "# What the image installs: the run-time and the postgres extra, by hash. Made by: make constraints" > requirements.new; \
	$(COMPILE) --generate-hashes --extra postgres -c constraints.new >> requirements.new; \
	echo "# What builds the wheel inside the image, by hash. Made by: make constraints" > build.new; \
	echo "hatchling>=1.27" | $(COMPILE:pyproject.toml=-) --upgrade --generate-hashes -c constraints.new >> build.new; \
	mv constraints.new constraints.txt; mv requirements.new requirements.txt; mv build.new requirements-build.txt
	@sh scripts/setup.sh dev

clean: ## remove .venv, caches and build output; databases and .igauth/ stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	rm -rf .coverage htmlcov build dist
	find src tests benchmarks scripts alembic -name __pycache__ -type d -prune -exec rm -rf {} +
