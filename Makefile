# Every target sets up what it needs, and is quick when nothing is missing.
.DEFAULT_GOAL := help
BIN := .venv/bin
PYTEST := $(BIN)/pytest
SKIPS ?= allow
PYTEST_FLAGS := $(if $(filter forbid,$(SKIPS)),--forbid-skips)

.PHONY: help setup setup-dev demo demo-real test thorough check nodes contracts bench bench-ipfs bench-chain scenes pictures security-table fees requirements clean

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## The virtual environment and the Debian packages that Blender needs
	@tools/setup

setup-dev: ## The same, and what the tests and linters need
	@tools/setup --dev

demo: setup ## The whole system at work: a job posted, rendered, proved and paid
	@$(BIN)/veriframe demo

demo-real: setup ## The same on real parts: a StarkNet devnet, two IPFS nodes, a worker of its own
	@tools/nodes >/dev/null
	@$(BIN)/python -m tools.demo_real

check: setup-dev ## Lint, types, floors and the quick tests: about two minutes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
	$(PYTEST) -q -m "not slow" tests/unit tests/ports $(PYTEST_FLAGS)

test: setup-dev ## Everything that this machine can run
	$(PYTEST) -m "not thorough" $(PYTEST_FLAGS)

thorough: setup-dev nodes ## All bugs planted in the contract, and all else that takes minutes
	$(PYTEST) -m thorough $(PYTEST_FLAGS)

nodes: ## The real nodes that tests run against: found, or built from the registries
	@tools/nodes

contracts: setup-dev ## The Cairo contracts whose source has changed, compiled anew
	@contracts/build --all

bench: setup ## What is fast, against the plain way, in one run
	@$(BIN)/python benchmarks/run.py
	@echo "Against the ipfs command: make bench-ipfs (some minutes, 10 GB of disk). On a chain: make bench-chain"

bench-chain: setup-dev nodes ## RPC calls of a poll and seconds to a claim, on a development chain: some minutes
	@$(BIN)/python benchmarks/starknet.py

bench-ipfs: setup-dev nodes ## 2 GiB and 10 000 files over IPFS, against the ipfs command: some minutes
	@$(BIN)/python benchmarks/ipfs.py

scenes: setup ## The example scenes, into build/scenes
	@$(BIN)/python examples/make_all.py build/scenes

pictures: setup ## The pictures of the README and of examples/, rendered anew
	@$(BIN)/python examples/thumbnails.py

security-table: setup-dev ## The table in docs/security.md, from a run of the attacks
	@$(BIN)/python tools/security_table.py

fees: setup-dev ## contracts/FEES.md, from a run on a chain of its own: a few minutes
	@$(BIN)/python tools/measure_fees.py

requirements: setup-dev ## The hashed pins, made anew from pyproject.toml
	@tools/pin

clean: ## Forget what was built; scenes, stores and jobs of yours stay
	rm -rf .venv build demo-output .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
