"""What the numbers say: which runs stand in one basin, and what becomes of the source's claims."""


# Seconds; one job a cell, on its last step.
rule basins:
    input:
        rows=last_rows,
    output:
        results("connectivity/{model}/{dataset}.basins.parquet"),
    log:
        results("logs/basins/{model}-{dataset}.log"),
    benchmark:
        results("benchmarks/basins/{model}-{dataset}.tsv")
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        seeds=lambda w: SEEDS[w.model, w.dataset],
        step=lambda w: STEPS[w.model, w.dataset][-1],
        how=EXPERIMENT.basins.model_dump(),
        code=hashing.of_code("statistics.basins"),
    script:
        "../scripts/basins.py"


SAID = {name: f"{RESULTS}/{name}.csv" for name in ("findings", "basins", "generalisation")}


rule findings:
    input:
        **CSVS,
        cells=[f"{RESULTS}/connectivity/{m}/{d}.means.parquet" for m, d in STEPS],
        basins=[f"{RESULTS}/connectivity/{m}/{d}.basins.parquet" for m, d in STEPS],
    output:
        **SAID,
    log:
        results("logs/findings.log"),
    benchmark:
        results("benchmarks/findings.tsv")
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        ladders=[list(ladder) for ladder in figures.ladder_panels(EXPERIMENT)],
        delta_from=EXPERIMENT.delta_from,
        code=hashing.of_code("statistics.findings", "statistics.generalisation"),
    script:
        "../scripts/findings.py"
