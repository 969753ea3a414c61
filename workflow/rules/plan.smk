"""What the experiment will cost: `make plan`."""


rule plan:
    log:
        results(layout.log("plan")),
    localrule: True
    conda:
        CONDA
    params:
        settings=EXPERIMENT.model_dump(exclude_unset=True),
    script:
        "../scripts/plan.py"
