"""What people look at."""

CSVS = {name: f"{RESULTS}/{name}.csv" for name in ("metrics", "deltas", "pairs", "evaluations")}
# Figures and report show the config's choice and order of things, which is why it is a parameter of theirs.
SHOWN = EXPERIMENT.model_dump(mode="json", exclude={"resources", "keep_states"})


rule tables:
    input:
        **CSVS,
    output:
        TABLES,
    log:
        results("logs/tables.log"),
    benchmark:
        results("benchmarks/tables.tsv")
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        cells=list(STEPS),
        code=hashing.of_sources("tables.py", "bootstrap.py"),
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
        results("logs/figures.log"),
    benchmark:
        results("benchmarks/figures.tsv")
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        shown=SHOWN,
        code=hashing.of_sources("figures.py", "tables.py", "bootstrap.py"),
    script:
        "../scripts/figures.py"


rule report:
    input:
        **CSVS,
        tables=TABLES,
        figures=FIGURES,
    output:
        page=results("report.html"),
        summary=results("summary.txt"),
    log:
        results("logs/report.log"),
    benchmark:
        results("benchmarks/report.tsv")
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        shown=SHOWN,
        code=hashing.of_sources(
            "report.py", "figures.py", "tables.py", "bootstrap.py", "templates/report.html.j2"
        ),
    script:
        "../scripts/report.py"
