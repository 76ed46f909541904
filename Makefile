# Every target does its own set-up. `make demo` and `make test` are all a new machine needs.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The accelerator this machine can use decides which engine and FAISS are installed.
EXTRA ?= $(shell if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1; then echo gpu; else echo cpu; fi)
STAMP := $(VENV)/.ready-$(EXTRA)
# Bytecode is compiled at installation: where Python may not write it later, every worker would compile every package anew.
# uv does not read pip's find-links; and where no local wheel gives a CPU torch, PyTorch's own CPU index does.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
TORCH_INDEX := $(if $(filter cpu,$(EXTRA)),$(if $(UV_FIND_LINKS),,--torch-backend cpu))

.PHONY: setup demo test test-slow bench bench-quick check format clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints-$(EXTRA).txt
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 13) else "Python 3.11 or 3.12 is needed: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet 'uv>=0.8'
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(TORCH_INDEX) -c constraints-$(EXTRA).txt -e '.[$(EXTRA),dev]'
	$(BIN)/python -m lib.training.prepare
	touch $@

demo: setup
	$(BIN)/python -m jobs.sweep jobs/studies/demo.yaml

test: setup
	$(BIN)/python -m pytest tests -m 'not slow and not gpu' -n 2 --no-loadscope-reorder

test-slow: setup
	$(BIN)/python -m pytest tests -m 'slow'

bench: setup
	$(BIN)/python -m tests.benchmarks

bench-quick: setup
	$(BIN)/python -m tests.benchmarks --quick

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
