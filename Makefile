# Every target sets up what it needs, and is fast if nothing is missing.
.DEFAULT_GOAL := help
BIN := .venv/bin
PYTEST := $(BIN)/pytest
SKIPS ?= allow
PYTEST_FLAGS := $(if $(filter forbid,$(SKIPS)),--forbid-skips)
# Tests wait for other programs as often as they work: two at a time, on two cores.
JOBS ?= 2
SIDE_BY_SIDE := -n $(JOBS) --dist worksteal
# Both must find the tests in one order, whatever sets they come from.
export PYTHONHASHSEED := $(shell date +%s)

.PHONY: help setup setup-dev demo demo-real demo-film test thorough check lint nodes contracts bench bench-ipfs bench-chain bench-against image wheel scenes pictures screen-picture security-table fees requirements clean bench-estimates bench-verification production calibration cheats honest

help: ## List all targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Set up the virtual environment and the Debian packages that Blender needs
	@tools/setup

setup-dev: ## Set up also what the tests and linters need
	@tools/setup --dev

demo: setup ## Run the whole system once: post, render, validate and pay a job
	@$(BIN)/veriframe demo

demo-real: setup ## Run the demo on a StarkNet devnet and two IPFS nodes, with a separate worker
	@tools/nodes >/dev/null
	@$(BIN)/python -m tools.demo_real

demo-film: setup ## Pack a production, have three workers render its 24 frames, and make the film
	@$(BIN)/python -m tools.demo_film

check: lint ## Run linters, type checks, import rules and the fast tests: about two minutes
	$(PYTEST) -q $(SIDE_BY_SIDE) -m "not slow" tests/unit tests/ports $(PYTEST_FLAGS)

lint: setup-dev ## Run linters, type checks and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/ci.yml

test: setup-dev ## Run every test that this machine can run
	$(PYTEST) $(SIDE_BY_SIDE) -m "not thorough and not alone" --durations=10 $(PYTEST_FLAGS)
	$(PYTEST) -m "alone and not thorough" $(PYTEST_FLAGS)

thorough: setup-dev nodes ## Run all mutants of the contract, the image, and everything else that takes minutes
	$(PYTEST) -n $(JOBS) --dist loadgroup -m thorough --durations=10 $(PYTEST_FLAGS)

nodes: ## Find the real nodes for the tests, or build them from the package registries
	@tools/nodes

contracts: setup-dev ## Compile the Cairo contracts whose source has changed
	@contracts/build --all

bench: setup ## Measure rendering, the sandbox and a job against the plain way
	@$(BIN)/python benchmarks/run.py
	@echo "Compared with the ipfs command: make bench-ipfs (a few minutes, 10 GB of disk). On a chain: make bench-chain"

bench-chain: setup-dev nodes ## Measure RPC calls of a poll and seconds to a claim on a devnet: a few minutes
	@$(BIN)/python benchmarks/starknet.py

bench-ipfs: setup-dev nodes ## Measure 2 GiB and 10 000 files over IPFS, against the ipfs command: a few minutes
	@$(BIN)/python benchmarks/ipfs.py

bench-verification: setup-dev ## Measure what a verification costs against the render: ten minutes
	@$(BIN)/python -m benchmarks.verification

bench-estimates: setup-dev ## Compare estimates of orders with what they take, over examples/: some minutes
	@$(BIN)/python -m benchmarks.estimates

calibration: setup-dev scenes ## Measure the rule of verification over all scenes and update docs/verification.md: hours
	@$(BIN)/python -m benchmarks.calibration
	@$(BIN)/python -m benchmarks.calibration --small

cheats: setup-dev nodes ## Publish cheats on a devnet, count the tiles that find them, and update docs/verification.md: minutes
	@$(BIN)/python -m tests.integration.verification.table

honest: setup-dev ## Verify honest results of many kinds, and update docs/verification.md: minutes
	@$(BIN)/python -m tests.integration.verification.honest_table

bench-against: setup-dev ## Compare this worker with that of REV=…, an earlier revision: an hour, or minutes with FLAGS=--quick
	@tools/nodes >/dev/null
	@$(BIN)/python -m benchmarks.against $(FLAGS) $(REV)

image: ## Build the container image, and those of the nodes, with buildah and Debian's packages
	@tools/image
	@tools/nodes >/dev/null
	@tools/image nodes

wheel: setup ## Build the wheel, install it in an environment of its own, and run the demo there
	@rm -rf build/wheels build/wheel-environment
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheels .
	@$(BIN)/python -m venv build/wheel-environment
	@build/wheel-environment/bin/python -m pip install --quiet build/wheels/*.whl
	@build/wheel-environment/bin/veriframe demo --output build/wheel-demo
	@ls -l build/wheels

scenes: setup ## Make the example scenes in build/scenes
	@$(BIN)/python examples/make_all.py build/scenes

production: setup ## Make the example production in build/production
	@$(BIN)/python examples/production.py build/production

pictures: setup ## Render the pictures of the README and of examples/
	@$(BIN)/python examples/thumbnails.py

screen-picture: setup-dev ## Draw the picture of the worker's screen in docs/operations.md
	@$(BIN)/python -m tools.worker_picture

security-table: setup-dev ## Run the attacks and update the table in docs/security.md
	@$(BIN)/python tools/security_table.py

fees: setup-dev ## Measure the fees on a private chain and update contracts/FEES.md: a few minutes
	@$(BIN)/python tools/measure_fees.py

requirements: setup-dev ## Update the hashed pins from pyproject.toml
	@tools/pin

clean: ## Delete everything that was built; your scenes, stores and jobs stay
	rm -rf .venv build demo-output .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
