#!/usr/bin/env bash
# All that only a machine with a GPU can check or measure, in some ten minutes at most: exactness, then speed.
#   bash tests/benchmarks/gpu.sh [folder for gpu.md and gpu.csv]     PYTHON=python3 names another interpreter
set -euo pipefail
cd "$(dirname "$0")/../.."
out="${1:-results/bench}"
export PYTHONPATH="$PWD/workflow" HF_HUB_OFFLINE=1
"${PYTHON:-.venv/bin/python}" -m pytest -q -p no:cacheprovider tests/gpu
"${PYTHON:-.venv/bin/python}" tests/benchmarks/gpu.py --out "$out"
