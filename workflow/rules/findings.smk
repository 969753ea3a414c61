"""What the numbers say: which runs stand in one basin, and what becomes of the source's claims."""


# Seconds; one job a cell, on its last step.
rule basins:
    input:
        rows=lambda w: results(dependencies.last_rows(cell(w))),
    output:
        results(layout.BASINS),
    log:
        results(layout.log("basins")),
    benchmark:
        results(layout.benchmark("basins"))
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        seeds=lambda w: cell(w).seeds,
        step=lambda w: cell(w).steps[-1],
        clustering=EXPERIMENT.basins.model_dump(),
        code=hashing.of_code("statistics.basins"),
    script:
        "../scripts/basins.py"


STATEMENTS = {name: results(layout.partly(layout.TIDY, name=name)) for name in outputs.STATEMENTS}


rule findings:
    input:
        evaluations=TIDY["evaluations"],
        cells=files("connectivity", layout.MEANS),
        barriers=files("connectivity", layout.CELL_BARRIERS),
        groups=files("basins"),
    output:
        **STATEMENTS,
    log:
        results(layout.log("findings")),
    benchmark:
        results(layout.benchmark("findings"))
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        **parameters.findings(EXPERIMENT, CELLS),
        code=hashing.of_code("statistics.findings", "statistics.generalisation", "statistics.tidy"),
    script:
        "../scripts/findings.py"
