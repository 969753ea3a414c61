"""What the experiment will cost: `make plan`."""


rule plan:
    log:
        results("logs/plan.log"),
    conda:
        CONDA
    params:
        jobs=lambda w: planned_jobs(),
    script:
        "../scripts/plan.py"
