# make run [ONCE=1] [PORT=N]   set up what is missing, start the service, run and show the demonstration
# make test                    everything that is tested, the quick things first
# make check                   format, lint, types, import contracts
# make bench-strategies        every strategy for the same simulated dollars, into BENCHMARK.md
# make sky [CLOUDS=a,b]         SkyPilot in an environment of its own, to rent machines of other providers
# make test-skypilot           SkyPilot for real, on a Slurm cluster of its own (root, Debian)
# make bench-gpu [BENCH=...]   this machine's GPU: tokens a second and memory, into bench/measured
# make bench-cost ROWS=...      the cost model against published measurements, into BENCHMARK.md

.DEFAULT_GOAL := run
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/bash

# The first that runs and is new enough.
PYTHON ?= $(shell for each in python3.11 python3; do \
	"$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$each"; break; }; done)
BIN := .venv/bin
SERVICE := .venv/.made
TRAINER := .trainer/.made
FITTING := .bench/.made
SKY := .sky/.made
SKY_NODE := .sky/node/wheel_hash
# Twice quiet: errors are shown, progress and remarks are not.
PIP := -m pip install -qq --disable-pip-version-check --no-input

JOBS ?= 2
TORCH := torch==2.13.0
TRAINERS := axolotl==0.19.0 galore_torch
CLOUDS ?= slurm
SKYPILOT = skypilot[$(CLOUDS)]==0.14.1

QUICK_TESTS := $(wildcard tests/unit tests/architecture tests/contract tests/simulation)
SLOW_TESTS := $(wildcard tests/integration)
WHOLE_TESTS := $(wildcard tests/e2e)

.PHONY: run test test-gpu check setup trainer sky test-skypilot bench-strategies bench-gpu bench-cost clean

run: $(SERVICE) $(TRAINER)
	@exec $(BIN)/latticeforge up --demo $(if $(filter-out 0,$(ONCE)),--once) $(if $(PORT),--port $(PORT))

# Two at a time: most of a slow test's time is the start of a trainer, which uses one core. Where tests share trainings,
# they stay together.
test: $(SERVICE) $(TRAINER)
	$(if $(QUICK_TESTS),$(BIN)/pytest -q -n $(JOBS) --dist worksteal $(QUICK_TESTS))
	$(if $(SLOW_TESTS),$(BIN)/pytest -q -n $(JOBS) --dist loadfile $(SLOW_TESTS))
	$(if $(WHOLE_TESTS),OMP_NUM_THREADS=1 $(BIN)/pytest -q -n $(JOBS) --dist worksteal $(WHOLE_TESTS))

check: $(SERVICE)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# On a machine with an NVIDIA GPU: 8-bit GaLore, QLoRA, bfloat16, the fused kernels.
test-gpu: $(SERVICE) $(TRAINER)
	$(BIN)/pytest -q -rs tests/integration/test_gpu_proofs.py

# A one-node Slurm cluster with H200s by name only, and SkyPilot before it, come up on loopback and go again.
test-skypilot: $(SERVICE) $(TRAINER) $(SKY_NODE)
	@tests/skypilot/install.sh
	LATTICEFORGE_TEST_REQUIRE=all $(BIN)/pytest -q --durations=10 tests/skypilot

# Half an hour on two quiet cores; writes BENCHMARK.md.
bench-strategies: $(SERVICE) $(TRAINER)
	$(BIN)/python -m bench.strategies

# On a machine with an NVIDIA GPU; BENCH='--quick' for nine minutes of it, BENCH='--list' for what there is.
bench-gpu: $(SERVICE) $(TRAINER)
	$(BIN)/python -m bench.h200 $(BENCH)

# The cost model against published measurements (files with the columns of bench/rows.py), the study book's options and
# the planner's speed, into BENCHMARK.md. MLPERF and PEFT may be left out.
bench-cost: $(SERVICE) $(FITTING)
	@test -n '$(ROWS)' || { echo 'Name the measurements: make bench-cost ROWS=rows.csv [MLPERF=mlperf.csv] [PEFT=peft.csv]' >&2; exit 1; }
	@mkdir -p bench/results
	.bench/bin/python -m bench.validate_speed $(ROWS) $(if $(MLPERF),--mlperf $(MLPERF)) $(if $(PEFT),--peft $(PEFT)) > bench/results/validate_speed.txt
	.bench/bin/python -m bench.validate_memory $(ROWS) $(PEFT) --records .bench/records.json > bench/results/validate_memory.txt
	.bench/bin/python -m bench.compare_memory $(ROWS) $(PEFT) --records .bench/records.json > bench/results/compare_memory.txt
	$(BIN)/python -m bench.accuracy $(ROWS) --out .bench/predictions.csv | grep -v predictions > bench/results/accuracy.txt
	$(BIN)/python -m bench.book_plans > bench/results/book_plans.md
	$(BIN)/python -m bench.book_plans --accelerator H200 > bench/results/book_plans_h200.md
	$(BIN)/python -m bench.planner_speed
	$(BIN)/python -m bench.cost_report

setup: $(SERVICE) $(TRAINER)

trainer: $(TRAINER)

sky: $(SKY)

$(SERVICE): pyproject.toml constraints/service.txt
	$(call new_environment,.venv)
	@echo 'Installing the service into .venv (a minute) ...'
	@$(BIN)/python $(PIP) -c constraints/service.txt -e '.[dev]'
	@touch $@

$(FITTING): constraints/bench.txt
	$(call new_environment,.bench)
	@.bench/bin/python $(PIP) -c constraints/bench.txt numpy scipy matplotlib fitcheck-llm
	@touch $@

# Torch comes first, since what builds against it must find it; the constraints keep the second step from changing it.
$(TRAINER): constraints/trainer.txt
	$(call new_environment,.trainer)
	@echo 'Installing the trainer, torch and Axolotl, into .trainer (some minutes, some gigabytes) ...'
	@.trainer/bin/python $(PIP) -c constraints/trainer.txt $(TORCH)
	@.trainer/bin/python $(PIP) -c constraints/trainer.txt $(TRAINERS)
	@touch $@

# SkyPilot's pins do not go with the service's; its API server is a process of its own anyway. Only `make sky` needs it.
$(SKY): constraints/sky.txt
	$(call new_environment,.sky)
	@echo 'Installing SkyPilot into .sky (a minute) ...'
	@.sky/bin/python $(PIP) -c constraints/sky.txt '$(SKYPILOT)' uv
	@touch $@

$(SKY_NODE): $(SKY) tests/skypilot/bake.py
	@echo 'Making the runtime that SkyPilot puts on its nodes (a minute) ...'
	@.sky/bin/python tests/skypilot/bake.py .sky/node

# An environment that is there and whose Python runs is kept: installing into it again brings it up to date.
define new_environment
@test -n '$(PYTHON)' || { echo 'LatticeForge needs Python 3.11 or newer, with venv; set PYTHON=/path/to/python' >&2; exit 1; }
@$(1)/bin/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(1)
endef

# Environments and caches; data/ holds what was paid for, and stays.
clean:
	rm -rf .venv .trainer .bench .sky *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './data/*' -prune -exec rm -rf {} +
