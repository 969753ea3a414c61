"""Curves in, metrics out: cheap, and re-run when their formulas change."""


# Seconds; one job a cell.
rule connectivity:
    input:
        lambda w: row_files(w.model, w.dataset, "parquet"),
    output:
        metrics=results("connectivity/{model}/{dataset}.parquet"),
        deltas=results("connectivity/{model}/{dataset}.deltas.parquet"),
        means=results("connectivity/{model}/{dataset}.means.parquet"),
    log:
        results("logs/connectivity/{model}-{dataset}.log"),
    benchmark:
        results("benchmarks/connectivity/{model}-{dataset}.tsv")
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        k=EXPERIMENT.paths.intervals,
        delta_from=lambda w: EXPERIMENT.cell_delta_from(w.model, w.dataset),
        code=hashing.of_code("statistics.connectivity"),
    script:
        "../scripts/connectivity.py"


# All of it, tidy: the files that users load.
CSVS = {name: f"{RESULTS}/{name}.csv" for name in tables.FILES}


rule collect:
    input:
        metrics=[f"{RESULTS}/connectivity/{m}/{d}.parquet" for m, d in STEPS],
        deltas=[f"{RESULTS}/connectivity/{m}/{d}.deltas.parquet" for m, d in STEPS],
        means=[f"{RESULTS}/connectivity/{m}/{d}.means.parquet" for m, d in STEPS],
        pairs=[path for cell in STEPS for path in row_files(*cell, "pairs.parquet")],
        evaluations=[
            f"{RESULTS}/evaluations/{model}/{dataset}/seed{seed}/step{step}.parquet"
            for (model, dataset), steps in STEPS.items()
            for seed in SEEDS[model, dataset]
            for step in steps
        ],
        breakdowns=BREAKDOWNS,
    output:
        **CSVS,
    log:
        results("logs/collect.log"),
    benchmark:
        results("benchmarks/collect.tsv")
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        pretraining_steps={name: model.pretraining_steps for name, model in EXPERIMENT.models.items()},
        code=hashing.of_code("statistics.connectivity"),
    script:
        "../scripts/collect.py"
