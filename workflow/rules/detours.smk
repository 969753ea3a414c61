"""Other paths between two runs than their line: is a barrier one between the two, or one of the straight line alone?"""


# The bends of a curve, trained so that the loss along it is small: as expensive as a fine-tuning of so many steps. One
# job a pair of runs. A retry goes on from the last state.
rule bend:
    input:
        ends=lambda w: results(dependencies.pair(cell(w), w.step, w.seed, w.other)),
        tokens=results(layout.partly(layout.TOKENS, set="train")),
    output:
        config=[results(layout.partly(layout.BEND_CONFIG, bend=1))],
        weights=[kept(results(layout.partly(layout.BEND_WEIGHTS, bend=1)))],
        history=[results(layout.partly(layout.BEND_HISTORY, bend=1))],
        summary=[results(layout.partly(layout.BEND_RECORD, bend=1))],
    log:
        results(layout.log("bend")),
    benchmark:
        results(layout.benchmark("bend"))
    wildcard_constraints:
        curve=one_of([curve.name for curve in EXPERIMENT.curves if curve.bends == 1]),
    retries: ATTEMPTS
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=resources.gpus(EXPERIMENT, "bend"),
        mem_mb=memory("bend"),
        runtime=resources.runtime(EXPERIMENT, "bend"),
    params:
        bending=lambda w: parameters.bending(cell(w), w.curve),
        numerics=parameters.numerics(EXPERIMENT),
        version=1,
        states=free(lambda w: parameters.curve_states(EXPERIMENT, cell(w), **w)),
        anchors=free(lambda w: EXPERIMENT.anchors),
    script:
        "../scripts/bend.py"


use rule bend as bend_two with:
    output:
        config=results([layout.partly(layout.BEND_CONFIG, bend=bend) for bend in (1, 2)]),
        weights=[kept(results(layout.partly(layout.BEND_WEIGHTS, bend=bend))) for bend in (1, 2)],
        history=results([layout.partly(layout.BEND_HISTORY, bend=bend) for bend in (1, 2)]),
        summary=results([layout.partly(layout.BEND_RECORD, bend=bend) for bend in (1, 2)]),
    log:
        results(layout.log("bend_two")),
    benchmark:
        results(layout.benchmark("bend_two"))
    wildcard_constraints:
        curve=one_of([curve.name for curve in EXPERIMENT.curves if curve.bends == 2]),


# The loss along a curve, at the positions that the sampler asks for. Rows go first: they measure the same ends.
rule curve:
    input:
        ends=lambda w: results(dependencies.pair(cell(w), w.step, w.seed, w.other)),
        through=lambda w: results(dependencies.bends(cell(w), w.curve, w.step, w.seed, w.other)),
        tokens=lambda w: results(dependencies.tokens(EXPERIMENT, cell(w))),
    output:
        points=results(layout.DETOUR),
        gaps=results(layout.DETOUR_GAPS),
    log:
        results(layout.log("curve")),
    benchmark:
        results(layout.benchmark("curve"))
    priority: -1
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=resources.gpus(EXPERIMENT, "curve"),
        mem_mb=memory("curve"),
        runtime=resources.runtime(EXPERIMENT, "curve"),
    params:
        kind=lambda w: cell(w).curves[w.curve].kind,
        path=lambda w: w.curve,
        sets=lambda w: dependencies.sets(EXPERIMENT, w.dataset),
        sampler=EXPERIMENT.paths.sampler(),
        evaluation=lambda w: parameters.evaluation(EXPERIMENT),
        bootstrap=parameters.bootstrap(EXPERIMENT),
        numerics=parameters.measuring(EXPERIMENT),
        version=1,
        journal=free(lambda w: results(layout.filled(layout.STEP_JOURNAL, **w))),
        anchors=free(lambda w: EXPERIMENT.anchors),
    script:
        "../scripts/detour.py"


# The order of the second run's units in which it is most like the first. Seconds to minutes.
rule align:
    input:
        ends=lambda w: results(dependencies.pair(cell(w), w.step, w.seed, w.other)),
        tokens=results(layout.partly(layout.TOKENS, set="train")),
    output:
        orders=results(layout.ORDERS),
        record=results(layout.ORDERS_RECORD),
    log:
        results(layout.log("align")),
    benchmark:
        results(layout.benchmark("align"))
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=resources.gpus(EXPERIMENT, "align"),
        mem_mb=memory("align"),
        runtime=resources.runtime(EXPERIMENT, "align"),
    params:
        alignment=parameters.alignment(EXPERIMENT),
        token_budget=EXPERIMENT.evaluation.token_budget,
        numerics=parameters.numerics(EXPERIMENT),
        version=1,
    script:
        "../scripts/align.py"


# The line to the second run with its units in that order.
use rule curve as aligned with:
    input:
        ends=lambda w: results(dependencies.pair(cell(w), w.step, w.seed, w.other)),
        orders=results(layout.ORDERS),
        tokens=lambda w: results(dependencies.tokens(EXPERIMENT, cell(w))),
    output:
        points=results(layout.partly(layout.DETOUR, curve=layout.ALIGNED)),
        gaps=results(layout.partly(layout.DETOUR_GAPS, curve=layout.ALIGNED)),
    log:
        results(layout.log("aligned")),
    benchmark:
        results(layout.benchmark("aligned"))
    resources:
        gpu=resources.gpus(EXPERIMENT, "aligned"),
        mem_mb=memory("aligned"),
        runtime=resources.runtime(EXPERIMENT, "aligned"),
    params:
        kind="polychain",  # without a bend: a line
        path=layout.ALIGNED,
