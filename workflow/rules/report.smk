"""What people look at."""

TABLES = [
    results(layout.partly(layout.TABLE, name=name, format=ending))
    for name in outputs.tables(EXPERIMENT)
    for ending in outputs.TABLE_FORMATS
]
FIGURES = [
    results(layout.partly(layout.FIGURE, name=figure.name, format=ending))
    for figure in outputs.figures(EXPERIMENT)
    for ending in outputs.FIGURE_FORMATS
]


rule tables:
    input:
        **TIDY,
    output:
        [reported(path) for path in TABLES],
    log:
        results(layout.log("tables")),
    benchmark:
        results(layout.benchmark("tables"))
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        names=outputs.tables(EXPERIMENT),
        code=hashing.of_code("showing.tables"),
    script:
        "../scripts/tables.py"


# Figures and report show the config's choice and order of things, which is why it is a parameter of theirs. The report
# goes first: it has the answer.
rule figures:
    input:
        **TIDY,
        **STATEMENTS,
        rows=files("interpolate", layout.ROW),
        planes=files("plane"),
        maps=files("map"),
        detours=results(jobs.detours(EXPERIMENT, CELLS.values())),
        histories=results(dependencies.shown_histories(EXPERIMENT, CELLS)),
    output:
        [reported(path) for path in FIGURES],
    log:
        results(layout.log("figures")),
    benchmark:
        results(layout.benchmark("figures"))
    priority: -2
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        shown=parameters.shown(EXPERIMENT),
        code=hashing.of_code("showing.figures"),
    script:
        "../scripts/figures.py"


# A partial page asks for no file, so that nothing else runs, and the next whole run sees other inputs and makes
# the page anew. It is made at once, where Snakemake runs.
rule report:
    input:
        **({} if PARTIAL else TIDY),
        statements=[] if PARTIAL else list(STATEMENTS.values()),
        rows=[] if PARTIAL else files("interpolate", layout.ROW),
        histories=(
            [] if PARTIAL else files("finetune", layout.HISTORY) + files("finetune_adapter", layout.HISTORY)
        ),
        planes=[] if PARTIAL else files("plane"),
        maps=[] if PARTIAL else files("map"),
        detours=[] if PARTIAL else results(jobs.detours(EXPERIMENT, CELLS.values())),
        examples=[] if PARTIAL else files("examples"),
        subsets=[] if PARTIAL else results(dependencies.shown_subsets(EXPERIMENT)),
        texts=[] if PARTIAL else results(dependencies.shown_texts(EXPERIMENT)),
    output:
        page=report(
            results(layout.REPORT),
            caption="../report/page.rst",
            category="Report",
            labels={"page": "the whole report"},
        ),
        summary=results(layout.SUMMARY),
        provenance=results(layout.PROVENANCE),
    log:
        results(layout.log("report")),
    benchmark:
        results(layout.benchmark("report"))
    localrule: PARTIAL
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        shown=parameters.shown(EXPERIMENT),
        partial=PARTIAL,
        code=hashing.of_code("showing.page", "showing.partial", "showing/templates"),
    script:
        "../scripts/report.py"
