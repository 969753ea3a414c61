"""What is measured: each checkpoint, and the paths between the checkpoints of two seeds."""


# A few seconds on the toy model; one job a checkpoint. Rows go first: they measure the same ends, and then an
# evaluation is answered from the journal without a model.
rule evaluate:
    input:
        weights=lambda w: results(dependencies.weights(cell(w), w.seed, w.step)),
        base=lambda w: results(dependencies.base(cell(w))),
        tokens=lambda w: results(dependencies.tokens(EXPERIMENT, cell(w))),
    output:
        results(layout.EVALUATION),
    log:
        results(layout.log("evaluate")),
    benchmark:
        results(layout.benchmark("evaluate"))
    priority: -1
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=resources.gpus(EXPERIMENT, "evaluate"),
        mem_mb=memory("evaluate"),
        runtime=resources.runtime(EXPERIMENT, "evaluate"),
    params:
        sets=lambda w: dependencies.sets(EXPERIMENT, w.dataset),
        evaluation=lambda w: parameters.evaluation(EXPERIMENT),
        numerics=parameters.measuring(EXPERIMENT),
        version=1,
        journal=free(lambda w: results(layout.filled(layout.JOURNAL, **w))),
    script:
        "../scripts/evaluate.py"


# The paths of one seed with the seeds before it: some 15 to 40 evaluations each, from the journal where known.
# One job a row, since a process costs more than a path.
rule interpolate:
    input:
        weights=lambda w: results(dependencies.weights(cell(w), w.seed, w.step)),
        base=lambda w: results(dependencies.base(cell(w))),
        others=lambda w: results(dependencies.other_weights(cell(w), int(w.seed), w.step)),
        start=lambda w: results(dependencies.start(cell(w), int(w.seed))),
        starts=lambda w: results(dependencies.other_starts(cell(w), int(w.seed))),
        tokens=lambda w: results(dependencies.tokens(EXPERIMENT, cell(w))),
    output:
        points=results(layout.ROW),
        pairs=results(layout.ROW_PAIRS),
        gaps=results(layout.ROW_GAPS),
    log:
        results(layout.log("interpolate")),
    benchmark:
        results(layout.benchmark("interpolate"))
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=resources.gpus(EXPERIMENT, "interpolate"),
        mem_mb=memory("interpolate"),
        runtime=resources.runtime(EXPERIMENT, "interpolate"),
    params:
        seeds=lambda w: cell(w).rows[int(w.seed)],
        sets=lambda w: dependencies.sets(EXPERIMENT, w.dataset),
        sampler=EXPERIMENT.paths.sampler(),
        evaluation=lambda w: parameters.evaluation(EXPERIMENT),
        bootstrap=parameters.bootstrap(EXPERIMENT),
        numerics=parameters.measuring(EXPERIMENT),
        # 3: losses by unit are kept, and cross-fitted gaps written; 4: the middle is always measured
        version=4,
        journal=free(lambda w: results(layout.filled(layout.STEP_JOURNAL, **w))),
        anchors=free(lambda w: EXPERIMENT.anchors),
    script:
        "../scripts/interpolate.py"


# The same between the factors of adapters: other paths between the same models.
use rule interpolate as interpolate_factors with:
    output:
        points=results(layout.FACTORS),
        gaps=results(layout.FACTORS_GAPS),
    log:
        results(layout.log("interpolate_factors")),
    benchmark:
        results(layout.benchmark("interpolate_factors"))
    params:
        space="factors",


# The means of the weights of all runs at a step, of some sizes, and their ensembles. One job a step; rows go first,
# which measure the models and the middles of pairs.
rule average:
    input:
        weights=lambda w: results(dependencies.all_weights(cell(w), w.step)),
        tokens=lambda w: results(dependencies.tokens(EXPERIMENT, cell(w))),
        base=lambda w: results(dependencies.base(cell(w))),
    output:
        results(layout.AVERAGES),
    log:
        results(layout.log("average")),
    benchmark:
        results(layout.benchmark("average"))
    priority: -1
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=resources.gpus(EXPERIMENT, "average"),
        mem_mb=memory("average"),
        runtime=resources.runtime(EXPERIMENT, "average"),
    params:
        seeds=lambda w: cell(w).seeds,
        sets=lambda w: dependencies.sets(EXPERIMENT, w.dataset),
        greedy=EXPERIMENT.averages.greedy,
        evaluation=lambda w: parameters.evaluation(EXPERIMENT),
        bootstrap=parameters.bootstrap(EXPERIMENT),
        numerics=parameters.measuring(EXPERIMENT),
        version=1,
        journal=free(lambda w: results(layout.filled(layout.STEP_JOURNAL, **w))),
        anchors=free(lambda w: EXPERIMENT.anchors),
    script:
        "../scripts/average.py"


# The lines between two runs in one group of tensors after the other: hundreds of evaluations, of which what comes
# before the first tensor that moves is computed once a line. One job a pair.
rule layers:
    input:
        weights=lambda w: results(dependencies.pair(cell(w), w.step, w.seed, w.other)),
        tokens=results(layout.partly(layout.TOKENS, set="test")),
        base=lambda w: results(dependencies.base(cell(w))),
    output:
        results(layout.LAYERS),
    log:
        results(layout.log("layers")),
    benchmark:
        results(layout.benchmark("layers"))
    priority: -1
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=resources.gpus(EXPERIMENT, "layers"),
        mem_mb=memory("layers"),
        runtime=resources.runtime(EXPERIMENT, "layers"),
    params:
        layers=parameters.layers(EXPERIMENT),
        evaluation=lambda w: parameters.of_test(EXPERIMENT),
        bootstrap=parameters.bootstrap(EXPERIMENT),
        numerics=parameters.measuring(EXPERIMENT),
        version=1,
        journal=free(lambda w: results(layout.filled(layout.STEP_JOURNAL, **w))),
        anchors=free(lambda w: EXPERIMENT.anchors),
        cache_mb=free(lambda w: EXPERIMENT.layers.cache_mb),
    script:
        "../scripts/layers.py"


# A few rows of the grid on a plane through three checkpoints.
rule plane:
    input:
        weights=lambda w: results(dependencies.corners(cell(w), w.plane)),
        tokens=results(layout.partly(layout.TOKENS, set="test")),
        base=lambda w: results(dependencies.base(cell(w))),
    output:
        results(layout.PLANE),
    log:
        results(layout.log("plane")),
    benchmark:
        results(layout.benchmark("plane"))
    priority: -1
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=resources.gpus(EXPERIMENT, "plane"),
        mem_mb=memory("plane"),
        runtime=resources.runtime(EXPERIMENT, "plane"),
    params:
        corners=lambda w: cell(w).planes[w.plane][0],
        grid=lambda w: cell(w).planes[w.plane][1].model_dump(include={"resolution", "margin", "examples"}),
        evaluation=lambda w: parameters.of_test(EXPERIMENT),
        numerics=parameters.measuring(EXPERIMENT),
        rows=jobs.PLANE_ROWS,
        version=1,
        journal=free(lambda w: results(layout.filled(layout.PLANES_JOURNAL, **w))),
        anchors=free(lambda w: EXPERIMENT.anchors),
    script:
        "../scripts/plane.py"


# Reads all checkpoints of a cell, tensor by tensor; no model runs.
rule map:
    input:
        weights=lambda w: results([dependencies.weights(cell(w), *run) for run in cell(w).checkpoints]),
        base=lambda w: results(dependencies.base(cell(w))),
    output:
        results(layout.MAP),
    log:
        results(layout.log("map")),
    benchmark:
        results(layout.benchmark("map"))
    conda:
        CONDA
    resources:
        mem_mb=memory("map"),
        runtime=resources.runtime(EXPERIMENT, "map"),
    params:
        checkpoints=lambda w: cell(w).checkpoints,
        version=1,
    script:
        "../scripts/map.py"


# The lines from each checkpoint of a run to its last: as many paths as there are steps before it.
rule along:
    input:
        weights=lambda w: results([dependencies.weights(cell(w), w.seed, step) for step in cell(w).steps]),
        tokens=lambda w: results(dependencies.tokens(EXPERIMENT, cell(w))),
        base=lambda w: results(dependencies.base(cell(w))),
    output:
        results(layout.ALONG),
    log:
        results(layout.log("along")),
    benchmark:
        results(layout.benchmark("along"))
    priority: -1
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=resources.gpus(EXPERIMENT, "along"),
        mem_mb=memory("along"),
        runtime=resources.runtime(EXPERIMENT, "along"),
    params:
        steps=lambda w: cell(w).steps,
        sets=lambda w: dependencies.sets(EXPERIMENT, w.dataset),
        sampler=EXPERIMENT.paths.sampler(),
        evaluation=lambda w: parameters.evaluation(EXPERIMENT),
        bootstrap=parameters.bootstrap(EXPERIMENT),
        numerics=parameters.measuring(EXPERIMENT),
        version=1,
        journal=free(lambda w: results(layout.filled(layout.CELL_JOURNAL, **w))),
        anchors=free(lambda w: EXPERIMENT.anchors),
    script:
        "../scripts/along.py"


# What each example adds to the gaps of the last step. The rows have measured all of it; a model runs only where the
# journal was lost. One job a cell.
rule examples:
    input:
        rows=lambda w: results(dependencies.last_rows(cell(w))),
        weights=lambda w: results(dependencies.all_weights(cell(w), cell(w).steps[-1])),
        tokens=results(layout.partly(layout.TOKENS, set="test")),
        base=lambda w: results(dependencies.base(cell(w))),
    output:
        results(layout.EXAMPLES),
    log:
        results(layout.log("examples")),
    benchmark:
        results(layout.benchmark("examples"))
    priority: -1
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=resources.gpus(EXPERIMENT, "examples"),
        mem_mb=memory("examples"),
        runtime=resources.runtime(EXPERIMENT, "examples"),
    params:
        seeds=lambda w: cell(w).seeds,
        step=lambda w: cell(w).steps[-1],
        budget=EXPERIMENT.evaluation.token_budget,
        numerics=parameters.measuring(EXPERIMENT),
        version=1,
        journal=free(lambda w: results(layout.filled(layout.STEP_JOURNAL, step=cell(w).steps[-1], **w))),
        anchors=free(lambda w: EXPERIMENT.anchors),
    script:
        "../scripts/examples.py"
