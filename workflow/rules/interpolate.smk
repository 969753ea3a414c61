"""What is measured: each checkpoint, and the paths between the checkpoints of two seeds."""


# A few seconds on the toy model; one job a checkpoint. Rows go first: they measure the same ends, and then an
# evaluation is answered from the journal without a model.
rule evaluate:
    input:
        weights=results(layout.WEIGHTS),
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
        numerics=parameters.numerics(EXPERIMENT),
        version=1,
        journal=free(lambda w: results(layout.filled(layout.JOURNAL, **w))),
    script:
        "../scripts/evaluate.py"


# The paths of one seed with the seeds before it: some 15 to 40 evaluations each, from the journal where known.
# One job a row, since a process costs more than a path.
rule interpolate:
    input:
        weights=results(layout.WEIGHTS),
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
        numerics=parameters.numerics(EXPERIMENT),
        # 3: losses by unit are kept, and cross-fitted gaps written
        version=3,
        journal=free(lambda w: results(layout.filled(layout.STEP_JOURNAL, **w))),
        anchors=free(lambda w: EXPERIMENT.anchors),
    script:
        "../scripts/interpolate.py"
