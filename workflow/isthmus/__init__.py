"""Isthmus: how linearly connected are fine-tuned language models?

The library knows nothing of Snakemake. Each module is one concept; see `docs/design.md` for the map.
"""
