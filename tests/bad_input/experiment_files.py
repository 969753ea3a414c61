"""Experiment files that cannot be read, or are none: EXPERIMENT of make, --configfile of Snakemake."""

from tests.bad_input.case import Case

CASES: list[Case] = []
