# `make` alone says what there is to make. Everything runs in .venv, which is made from envs/requirements.txt when that
# file is new or changed; nothing outside this folder is touched.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run plan report status test bench lint docs mutants

# Set on the command line; the shell's environment is not looked at.
EXPERIMENT = config.yaml
PROFILE = default
GPUS =
TFLOPS =
PYTHON =
PARTIAL =
MODULES =
SAMPLE =

INSTALLED := .venv/.installed
# The tools of .venv go before those of the machine, also for what they start.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# A terminal gets one line of progress, anything else (a file, another program) Snakemake's own output.
PROGRESS := $(shell [ ! -t 2 ] || echo --logger isthmus)
SNAKEMAKE = $(if $(PROGRESS),ISTHMUS_PROGRESS=1) PYTHONPATH=$(CURDIR)/workflow \
  python -m snakemake --workflow-profile profiles/$(PROFILE) --no-hooks $(PROGRESS)
# The summary is printed here and not by Snakemake's hook, which is silent where nothing is to be done.
SUMMARY = python -c 'import sys, yaml; names = [(yaml.safe_load(open(path)) or {}).get("experiment") for path in sys.argv[1:]]; \
  print(open(f"results/{list(filter(None, names))[-1]}/summary.txt").read().strip())' $(EXPERIMENT)

help:
	@echo "make run      run the embedded experiment (config.yaml) to results/mini/"
	@echo "                EXPERIMENT=experiments/x.yaml   another experiment"
	@echo "                PROFILE=name                    a profile of profiles/ (default: this machine)"
	@echo "make plan     jobs, GPU hours, wall time and disk of an experiment, before anything is spent"
	@echo "                EXPERIMENT=experiments/x.yaml GPUS=4 TFLOPS=60   TFLOP/s that a GPU really reaches"
	@echo "make report   write the report again; PARTIAL=1: of what is there, whatever is missing"
	@echo "make status   which cells are at which step, and what is left"
	@echo "make test     run the tests"
	@echo "make bench    measure speed, side by side with what users have today"
	@echo "make lint     check style: ruff, snakefmt, snakemake --lint"
	@echo "make docs     write docs/settings.md and envs/environment.yaml anew"
	@echo "make install  make .venv and nothing else"
	@echo "make mutants  plant mistakes in the library: which do its tests not notice? MODULES=metrics SAMPLE=50"
	@echo "All of them first make .venv, once, with Python 3.11 or later (PYTHON=/path/to/python to choose it)."

install: $(INSTALLED)

run: $(INSTALLED)
	@[ -e "profiles/$(PROFILE)" ] || { echo "PROFILE: found $(PROFILE); allowed: $$(ls profiles | paste -sd ' ')" >&2; exit 2; }
	@$(SNAKEMAKE) --configfile $(EXPERIMENT) || { status=$$?; \
	  if $(MAKE) --no-print-directory report PARTIAL=1 &> /dev/null; then \
	    echo "Not everything could be made. The report shows what is there and names what is missing:" >&2; \
	    $(SUMMARY) >&2; fi; exit $$status; }
	@$(SUMMARY)

# PARTIAL=1 waits for nothing, so it can be called while a run goes on.
report: $(INSTALLED)
	@$(if $(PARTIAL),ISTHMUS_PARTIAL=1) $(SNAKEMAKE) $(if $(PARTIAL),--nolock --forcerun report) --configfile $(EXPERIMENT) -- report
	@$(SUMMARY)

status: $(INSTALLED)
	@PYTHONPATH=$(CURDIR)/workflow python -m isthmus.status $(EXPERIMENT)

plan: $(INSTALLED)
	@python -m snakemake plan --quiet all --no-hooks --configfile $(EXPERIMENT) $(if $(GPUS)$(TFLOPS),--config \
	  'plan={gpus: $(or $(GPUS),1)$(if $(TFLOPS),$(comma) tflops: $(TFLOPS))}')
comma := ,

test: $(INSTALLED)
	python -m pytest -n 2

bench: $(INSTALLED)
	python tests/benchmarks/run.py

lint: $(INSTALLED)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/rules
	snakemake --lint

docs: $(INSTALLED) envs/environment.yaml
	python docs/settings.py

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
	@python=""; for each in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
	  if "$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then python=$$each; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo "Isthmus needs Python 3.11 or later; found: $$($(or $(PYTHON),python3) --version 2>&1 || true)." >&2; \
	  echo "Install one, or say where it is: make run PYTHON=/path/to/python3.11" >&2; exit 1; fi; \
	echo "Installing envs/requirements.txt into .venv (some minutes, once) ..." >&2; \
	"$$python" -m venv --clear .venv
	@.venv/bin/python -m pip install -qq --disable-pip-version-check -r envs/requirements.txt
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
