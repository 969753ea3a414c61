"""What people look at."""

# Figures and report show the config's choice and order of things, which is why it is a parameter of theirs.
SHOWN = EXPERIMENT.model_dump(mode="json", exclude={"resources", "keep", "keep_states", "plan"})
PATHS = [path for cell in STEPS for path in row_files(*cell, "parquet")]


rule tables:
    input:
        **CSVS,
    output:
        [reported(path) for path in TABLES],
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
        code=hashing.of_code("showing.tables"),
    script:
        "../scripts/tables.py"


rule figures:
    input:
        **CSVS,
        **SAID,
        rows=PATHS,
        histories=shown_histories,
    output:
        [reported(path) for path in FIGURES],
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
        code=hashing.of_code("showing.figures"),
    script:
        "../scripts/figures.py"


# A page of what is there, whatever is missing: `make report PARTIAL=1`. It asks for no file, so that nothing else
# runs, and the next whole run sees other inputs and makes the page anew.
PARTIAL = os.environ.get("ISTHMUS_PARTIAL") == "1"


rule report:
    input:
        **({} if PARTIAL else CSVS),
        said=[] if PARTIAL else list(SAID.values()),
        rows=[] if PARTIAL else PATHS,
        histories=[] if PARTIAL else all_histories,
    output:
        page=report(
            results("report.html"),
            caption="../report/page.rst",
            category="Report",
            labels={"page": "the whole report"},
        ),
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
        partial=PARTIAL,
        code=hashing.of_code(*page.SOURCES),
    script:
        "../scripts/report.py"
