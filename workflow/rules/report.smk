"""What people look at."""


def shown_histories(wildcards):
    """The training histories of the run that Figure 1 shows, of each data set that its model is trained on."""
    return [
        f"{RESULTS}/checkpoints/{model}/{dataset}/seed{seed}/step{step}/history.parquet"
        for model, dataset, seed in figures.training_runs(EXPERIMENT)
        for step in STEPS[model, dataset][1:]
    ]


CSVS = {name: f"{RESULTS}/{name}.csv" for name in ("metrics", "deltas", "pairs", "evaluations")}
# Figures and report show the config's choice and order of things, which is why it is a parameter of theirs.
SHOWN = EXPERIMENT.model_dump(mode="json", exclude={"resources", "keep_states"})


rule tables:
    input:
        **CSVS,
    output:
        TABLES,
    log:
        RESULTS + "/logs/tables.log",
    benchmark:
        RESULTS + "/benchmarks/tables.tsv"
    params:
        cells=list(STEPS),
        code=hashing.of_sources("tables.py", "bootstrap.py"),
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        CONDA
    script:
        "../scripts/tables.py"


rule figures:
    input:
        **CSVS,
        rows=[path for cell in STEPS for path in row_files(*cell, "parquet")],
        histories=shown_histories,
    output:
        FIGURES,
    log:
        RESULTS + "/logs/figures.log",
    benchmark:
        RESULTS + "/benchmarks/figures.tsv"
    params:
        shown=SHOWN,
        code=hashing.of_sources("figures.py", "tables.py", "bootstrap.py"),
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        CONDA
    script:
        "../scripts/figures.py"


rule report:
    input:
        **CSVS,
        tables=TABLES,
        figures=FIGURES,
    output:
        page=RESULTS + "/report.html",
        summary=RESULTS + "/summary.txt",
    log:
        RESULTS + "/logs/report.log",
    benchmark:
        RESULTS + "/benchmarks/report.tsv"
    params:
        shown=SHOWN,
        code=hashing.of_sources("report.py", "figures.py", "tables.py", "bootstrap.py", "templates/report.html.j2"),
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        CONDA
    script:
        "../scripts/report.py"
