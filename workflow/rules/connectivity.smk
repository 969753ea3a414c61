"""Curves in, metrics out: cheap, and re-run when their formulas change."""


def row_files(model, dataset, ending):
    """A file of each row of a cell."""
    return [
        f"{RESULTS}/paths/{model}/{dataset}/step{step}/seed{seed}.{ending}"
        for step in STEPS[model, dataset]
        for seed in EXPERIMENT.seeds[1:]
    ]


def delta_from(wildcards):
    """The step that deltas start from."""
    if EXPERIMENT.delta_from is not None:
        return EXPERIMENT.delta_from
    return STEPS[wildcards.model, wildcards.dataset][1]


# Seconds; one job a cell.
rule connectivity:
    input:
        lambda w: row_files(w.model, w.dataset, "parquet"),
    output:
        metrics=RESULTS + "/connectivity/{model}/{dataset}.parquet",
        deltas=RESULTS + "/connectivity/{model}/{dataset}.deltas.parquet",
    log:
        RESULTS + "/logs/connectivity/{model}-{dataset}.log",
    benchmark:
        RESULTS + "/benchmarks/connectivity/{model}-{dataset}.tsv"
    params:
        k=EXPERIMENT.paths.intervals,
        delta_from=delta_from,
        code=hashing.of_sources("connectivity.py", "metrics.py", "bootstrap.py", "sampling.py"),
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        CONDA
    script:
        "../scripts/connectivity.py"


# All of it, tidy: the files that users load.
rule collect:
    input:
        metrics=[f"{RESULTS}/connectivity/{m}/{d}.parquet" for m, d in STEPS],
        deltas=[f"{RESULTS}/connectivity/{m}/{d}.deltas.parquet" for m, d in STEPS],
        pairs=[path for cell in STEPS for path in row_files(*cell, "pairs.parquet")],
        evaluations=[
            f"{RESULTS}/evaluations/{model}/{dataset}/seed{seed}/step{step}.parquet"
            for (model, dataset), steps in STEPS.items()
            for seed in EXPERIMENT.seeds
            for step in steps
        ],
    output:
        metrics=RESULTS + "/metrics.csv",
        deltas=RESULTS + "/deltas.csv",
        pairs=RESULTS + "/pairs.csv",
        evaluations=RESULTS + "/evaluations.csv",
    log:
        RESULTS + "/logs/collect.log",
    benchmark:
        RESULTS + "/benchmarks/collect.tsv"
    params:
        pretraining_steps={name: model.pretraining_steps for name, model in EXPERIMENT.models.items()},
        code=hashing.of_sources("connectivity.py", "evaluation.py"),
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        CONDA
    script:
        "../scripts/collect.py"
