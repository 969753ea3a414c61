# `make` alone says what there is to make. Everything runs in .venv, which is made from envs/requirements.txt when that
# file is new or changed; nothing outside this folder is touched.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run plan report status open clean-caches test bench lint docs mutants

# Set on the command line; the shell's environment is not looked at.
EXPERIMENT = config.yaml
PROFILE = default
GPUS =
CORES =
TFLOPS =
PYTHON =
PARTIAL =
YES =
MODULES =
SAMPLE =

INSTALLED := .venv/.installed
# The tools of .venv go before those of the machine, also for what they start.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# Passed on as they are, by the environment: what they hold is never read as make's or the shell's language.
override EXPERIMENT := $(value EXPERIMENT)
override PROFILE := $(value PROFILE)
override GPUS := $(value GPUS)
override CORES := $(value CORES)
override TFLOPS := $(value TFLOPS)
override PYTHON := $(value PYTHON)
override PARTIAL := $(value PARTIAL)
override YES := $(value YES)
export EXPERIMENT PROFILE GPUS CORES TFLOPS PYTHON PARTIAL YES

help:
	@echo "make run      run the embedded experiment (config.yaml) to results/mini/"
	@echo "                EXPERIMENT=experiments/x.yaml   another experiment"
	@echo "                PROFILE=name                    a profile of profiles/ (default: this machine)"
	@echo "make plan     jobs, hours, wall time and disk of an experiment, before anything is spent"
	@echo "                EXPERIMENT=experiments/x.yaml GPUS=4 TFLOPS=60   TFLOP/s that a GPU really reaches"
	@echo "                CORES=8                         of a CPU, by default those of this machine"
	@echo "make report   write the report again; PARTIAL=1: of what is there, whatever is missing"
	@echo "make status   which cells are at which step, and what is left"
	@echo "make open     open the report in a browser"
	@echo "make clean-caches   free what the two caches of an experiment hold; asks first (YES=1: yes). Results stay"
	@echo "make test     run the tests"
	@echo "make bench    measure speed, side by side with what users have today"
	@echo "make lint     check style: ruff, snakefmt, the contract of imports, snakemake --lint"
	@echo "make docs     write docs/settings.md, config/README.md, the map in docs/design.md, envs/environment.yaml"
	@echo "make install  make .venv and nothing else"
	@echo "make mutants  plant mistakes in the library: which do its tests not notice? MODULES=metrics SAMPLE=50"
	@echo "All of them first make .venv, once, with Python 3.11 or later (PYTHON=/path/to/python to choose it)."

install: $(INSTALLED)

# `make report PARTIAL=1` waits for nothing, so it can be called while a run goes on.
run report plan status open clean-caches: $(INSTALLED)
	@python workflow/make.py $@

test: $(INSTALLED)
	python -m pytest -n 2

bench: $(INSTALLED)
	python tests/benchmarks/run.py

lint: $(INSTALLED)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/Snakefile workflow/rules
	cd workflow && lint-imports ../pyproject.toml --no-cache
	snakemake --lint

docs: $(INSTALLED) envs/environment.yaml
	python docs/settings.py
	cd workflow && python ../docs/house.py

# Pins are repeated, since Snakemake copies this file to a folder of its own, from where `-r requirements.txt` leads nowhere.
envs/environment.yaml: envs/requirements.txt
	@printf '%s\n' "# Made from requirements.txt by \`make docs\`: the same pins for \`snakemake --software-deployment-method conda\`." \
	  "name: isthmus" "channels:" "  - conda-forge" "  - nodefaults" "dependencies:" "  - python=3.11" "  - pip" "  - pip:" > $@
	@sed -n 's/^\([A-Za-z].*\)/      - \1/p' $< >> $@

# Takes from minutes to hours, so it is no part of `make test`.
mutants: $(INSTALLED)
	python tests/mutants.py $(MODULES) $(if $(SAMPLE),--sample $(SAMPLE))

# The stamp is the last thing written, so that an interrupted installation starts anew.
$(INSTALLED): envs/requirements.txt
	@if [ -n "$$PYTHON" ]; then choice=("$$PYTHON"); else choice=(python3 python3.13 python3.12 python3.11); fi; \
	python=""; for each in "$${choice[@]}"; do \
	  if "$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then python=$$each; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo "Isthmus needs Python 3.11 or later; found: $$("$${PYTHON:-python3}" --version 2>&1 || true)." >&2; \
	  echo "Install one, or say where it is: make run PYTHON=/path/to/python3.11" >&2; exit 1; fi; \
	echo "Installing envs/requirements.txt into .venv (some minutes, once) ..." >&2; \
	"$$python" -m venv --clear .venv
	@.venv/bin/python -m pip install -qq --disable-pip-version-check -r envs/requirements.txt
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
