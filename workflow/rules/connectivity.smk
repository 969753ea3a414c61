"""Curves in, metrics out: cheap, and re-run when their formulas change."""


# Seconds; one job a cell.
rule connectivity:
    input:
        rows=lambda w: files("interpolate", layout.ROW, [cell(w)]),
        gaps=lambda w: files("interpolate", layout.ROW_GAPS, [cell(w)]),
        factors=lambda w: files("interpolate_factors", layout.FACTORS, [cell(w)]),
        factors_gaps=lambda w: files("interpolate_factors", layout.FACTORS_GAPS, [cell(w)]),
        averages=lambda w: files("average", cells=[cell(w)]),
        layers=lambda w: files("layers", cells=[cell(w)]),
        along=lambda w: files("along", cells=[cell(w)]),
        detours=lambda w: results(jobs.detours(EXPERIMENT, [cell(w)])),
        detours_gaps=lambda w: results(jobs.detours(EXPERIMENT, [cell(w)], layout.DETOUR_GAPS)),
    output:
        metrics=results(layout.METRICS),
        deltas=results(layout.DELTAS),
        means=results(layout.MEANS),
        averages=results(layout.CELL_AVERAGES),
        layers=results(layout.CELL_LAYERS),
        barriers=results(layout.CELL_BARRIERS),
    log:
        results(layout.log("connectivity")),
    benchmark:
        results(layout.benchmark("connectivity"))
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        k=EXPERIMENT.paths.intervals,
        delta_from=lambda w: cell(w).delta_from,
        bodies=lambda w: parameters.bodies(cell(w)),
        code=hashing.of_code("statistics.connectivity", "statistics.layers", "statistics.barriers"),
    script:
        "../scripts/connectivity.py"


# All of it, tidy: the files that users load.
TIDY = {name: results(layout.partly(layout.TIDY, name=name)) for name in outputs.TIDY}


rule collect:
    input:
        metrics=files("connectivity", layout.METRICS),
        deltas=files("connectivity", layout.DELTAS),
        means=files("connectivity", layout.MEANS),
        averages=files("connectivity", layout.CELL_AVERAGES),
        layers=files("connectivity", layout.CELL_LAYERS),
        barriers=files("connectivity", layout.CELL_BARRIERS),
        pairs=files("interpolate", layout.ROW_PAIRS),
        evaluations=files("evaluate"),
        concentration=files("examples"),
        breakdowns=files("breakdown"),
    output:
        **TIDY,
    log:
        results(layout.log("collect")),
    benchmark:
        results(layout.benchmark("collect"))
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        experiment=EXPERIMENT.experiment,
        pretraining_steps={name: model.pretraining_steps for name, model in MODELS.items()},
        adapted=[name for name, model in MODELS.items() if model.adapted],
        code=hashing.of_code("statistics.connectivity"),
    script:
        "../scripts/collect.py"
