# Few verbs. Each sets up .venv first; nothing is installed by hand.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Small models are fastest on one thread, and two cores are soon oversubscribed.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

.PHONY: help setup dft demo test check bench bench-science promises wheel clean

help:            ## this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/: .*## /\t/' | expand -t 16

setup: $(VENV)/ready  ## .venv with everything that tests and checks need

# torch first and through the constraints file: elsewhere an unbounded torch pulls gigabytes of CUDA.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

dft: .dft/ready  ## GPAW, a real DFT code, in an environment of its own: its licence is GPL

.dft/ready: drivers/labelers/workers/gpaw_siteconfig.py
	$(PYTHON) -m venv .dft
	GPAW_CONFIG=$(CURDIR)/drivers/labelers/workers/gpaw_siteconfig.py .dft/bin/pip install --quiet gpaw
	touch $@

demo: setup      ## run the thin-film campaign in its simulated laboratory, to a report
	@run=runs/demo-$$(date +%Y%m%d-%H%M%S) && \
	$(BIN)/alquimia run thin_film --store sqlite:///$$run/log.db && \
	$(BIN)/alquimia status --store sqlite:///$$run/log.db && \
	echo "report: $$($(BIN)/alquimia report --store sqlite:///$$run/log.db)"

# Where GPAW cannot be built its tests say so and all others run.
test: setup      ## every test, warnings as errors
	@$(MAKE) --no-print-directory dft || echo "GPAW could not be built: the tests of its labeler are left out"
	$(BIN)/pytest -n 2 --dist worksteal

check: setup     ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup     ## the benchmarks that README and docs quote; prints tables
	$(BIN)/python benchmarks/cold_start.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/replay_p3ht.py
	$(BIN)/python benchmarks/planner.py
	$(BIN)/python benchmarks/makespan.py
	$(BIN)/python benchmarks/stop_latency.py
	$(BIN)/python benchmarks/isolation.py
	$(BIN)/python benchmarks/ada.py
	$(BIN)/python benchmarks/soak.py --minutes 3
	$(BIN)/python benchmarks/contract.py

bench-science: setup  ## the figures of the science pages, at the sizes that they name; needs ../shared/data
	$(BIN)/python benchmarks/science/bias.py
	$(BIN)/python benchmarks/science/derived.py
	$(BIN)/python benchmarks/science/superhard.py --crystals 1000 --labels 260 --members 3 --width 24 --epochs 30
	$(BIN)/python benchmarks/science/elastic_labels.py
	$(BIN)/python benchmarks/science/synthesizability.py --classifier trees
	$(BIN)/python benchmarks/science/synthesizability.py --classifier cgcnn --bags 8
	$(BIN)/python benchmarks/science/debye.py --code emt
	$(BIN)/python benchmarks/science/funnel.py
	$(BIN)/python benchmarks/science/funnel_campaign.py --first 10
	$(BIN)/python benchmarks/science/unsure.py
	$(BIN)/python benchmarks/science/transfer.py
	$(BIN)/python benchmarks/science/transfer_search.py
	$(BIN)/python benchmarks/science/attacks.py --seeds 6 --first 200
	$(BIN)/python benchmarks/science/glass_pool.py --checks
	$(BIN)/python benchmarks/science/glass.py
	$(BIN)/python benchmarks/science/depth.py
	$(BIN)/python benchmarks/science/depth_full.py

promises: setup  ## the promises at full size: kills, sabotaged builds, constrained spaces; prints a table
	$(BIN)/python benchmarks/promises.py
	$(BIN)/python benchmarks/out_of_limits.py
	$(BIN)/python benchmarks/host_kills.py

wheel: setup     ## build the wheel, install it in an empty environment, run the demo from outside the tree
	benchmarks/wheel.sh

clean:           ## remove what was built
	rm -rf $(VENV) .dft build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
