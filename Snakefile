"""Isthmus as it is run in this folder; all of it is in workflow/Snakefile, which other workflows use as a module."""

# As `include:`, which would leave no rule to be made by default.
workflow.include("workflow/Snakefile", overwrite_default_target=True)
