"""One run: the step-0 checkpoint, then a chain of segments from checkpoint to checkpoint; or others' checkpoints."""


# Seconds; one job a run.
rule initialize:
    input:
        config=lambda w: results(dependencies.body(cell(w), layout.MODEL_CONFIG, w.seed)),
        weights=lambda w: results(dependencies.body(cell(w), layout.MODEL_WEIGHTS, w.seed)),
        tokenizer=lambda w: results(dependencies.first_tokenizer(cell(w))),
        summary=results(layout.SUBSET),
    output:
        config=results(layout.partly(layout.CONFIG, step=0)),
        weights=results(layout.partly(layout.WEIGHTS, step=0)),
        summary=results(layout.partly(layout.RECORD, step=0)),
    log:
        results(layout.log("initialize")),
    benchmark:
        results(layout.benchmark("initialize"))
    wildcard_constraints:
        model=TRAINED,
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=0,
        mem_mb=memory("initialize"),
        runtime=resources.runtime(EXPERIMENT, "initialize"),
    params:
        head=lambda w: parameters.head(EXPERIMENT, cell(w)),
        model_seed=lambda w: MODELS[w.model].seed,
        groups=free(lambda w: parameters.own_groups(EXPERIMENT)),
        version=1,
    script:
        "../scripts/initialize.py"


# The expensive part: seconds for the toy model, hours on a GPU for the paper's. One job a segment. A retry goes
# on from the run's last state, so it asks for more memory and not for more time.
rule finetune:
    input:
        previous=lambda w: results(dependencies.previous_weights(cell(w), w.seed, int(w.step))),
        start=results(layout.partly(layout.WEIGHTS, step=0)),
        tokens=results(layout.partly(layout.TOKENS, set="train")),
    output:
        config=results(layout.CONFIG),
        weights=kept(results(layout.WEIGHTS)),
        history=results(layout.HISTORY),
        summary=results(layout.RECORD),
    log:
        results(layout.log("finetune")),
    benchmark:
        results(layout.benchmark("finetune"))
    wildcard_constraints:
        model=TRAINED,
        step=r"[1-9]\d*",
    retries: ATTEMPTS
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=resources.gpus(EXPERIMENT, "finetune"),
        mem_mb=memory("finetune"),
        runtime=resources.runtime(EXPERIMENT, "finetune"),
    params:
        recipe=lambda w: cell(w).training.recipe(),
        previous=lambda w: cell(w).step_before(int(w.step)),
        numerics=parameters.numerics(EXPERIMENT),
        version=2,
        states=free(lambda w: parameters.states(EXPERIMENT, cell(w), w.seed)),
        trunk=free(lambda w: parameters.trunk_states(EXPERIMENT, cell(w))),
    script:
        "../scripts/finetune.py"


# What adapters adapt: the model with the head (and pooler) that all runs share, once a cell.
rule base:
    input:
        config=results(layout.MODEL_CONFIG),
        weights=results(layout.MODEL_WEIGHTS),
        summary=results(layout.SUBSET),
    output:
        config=results(layout.BASE_CONFIG),
        weights=results(layout.BASE_WEIGHTS),
        summary=results(layout.BASE_RECORD),
    log:
        results(layout.log("base")),
    benchmark:
        results(layout.benchmark("base"))
    wildcard_constraints:
        model=ADAPTED,
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=0,
        mem_mb=memory("initialize"),
        runtime=resources.runtime(EXPERIMENT, "initialize"),
    params:
        task=lambda w: EXPERIMENT.datasets[w.dataset].task,
        own_head=lambda w: MODELS[w.model].base is not None,
        labels=lambda w: MODELS[w.model].labels,
        model_seed=lambda w: MODELS[w.model].seed,
        groups=free(lambda w: parameters.own_groups(EXPERIMENT)),
        version=1,
    script:
        "../scripts/base.py"


rule initialize_adapter:
    input:
        base=results(layout.BASE_WEIGHTS),
        weights=results(layout.MODEL_WEIGHTS),
        summary=results(layout.SUBSET),
    output:
        config=results(layout.partly(layout.CONFIG, step=0)),
        adapter=results(layout.partly(layout.ADAPTER_CONFIG, step=0)),
        weights=results(layout.partly(layout.ADAPTER_WEIGHTS, step=0)),
        summary=results(layout.partly(layout.RECORD, step=0)),
    log:
        results(layout.log("initialize_adapter")),
    benchmark:
        results(layout.benchmark("initialize_adapter"))
    wildcard_constraints:
        model=TRAINED_ADAPTERS,
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=0,
        mem_mb=memory("initialize"),
        runtime=resources.runtime(EXPERIMENT, "initialize"),
    params:
        adapter=lambda w: parameters.adapter(EXPERIMENT, cell(w)),
        task=lambda w: EXPERIMENT.datasets[w.dataset].task,
        drawn=lambda w: parameters.drawn(cell(w)),
        model_seed=lambda w: MODELS[w.model].seed,
        version=1,
    script:
        "../scripts/initialize_adapter.py"


use rule finetune as finetune_adapter with:
    input:
        previous=lambda w: results(dependencies.previous_weights(cell(w), w.seed, int(w.step))),
        start=results(layout.partly(layout.ADAPTER_WEIGHTS, step=0)),
        base=results(layout.BASE_WEIGHTS),
        tokens=results(layout.partly(layout.TOKENS, set="train")),
    output:
        config=results(layout.CONFIG),
        adapter=results(layout.ADAPTER_CONFIG),
        weights=kept(results(layout.ADAPTER_WEIGHTS)),
        history=results(layout.HISTORY),
        summary=results(layout.RECORD),
    log:
        results(layout.log("finetune_adapter")),
    benchmark:
        results(layout.benchmark("finetune_adapter"))
    wildcard_constraints:
        model=TRAINED_ADAPTERS,
        step=r"[1-9]\d*",


# Touches the network where the checkpoint is the hub's, so it runs where Snakemake runs.
rule adopt:
    input:
        files=lambda w: folders.files(adopted(w).folder),
        config=results(layout.MODEL_CONFIG),
        tokenizer=results(layout.TOKENIZER),
    output:
        config=results(layout.CONFIG),
        weights=results(layout.WEIGHTS),
        summary=results(layout.RECORD),
    log:
        results(layout.log("adopt")),
    wildcard_constraints:
        model=ADOPTED,
    localrule: True
    conda:
        CONDA
    params:
        origin=lambda w: adopted(w).model_dump(mode="json", include={"hub", "revision"}),
        # Where the data set's task is another one, its tokens and so all measurements are made anew.
        task=free(lambda w: EXPERIMENT.datasets[w.dataset].task),
        run=free(lambda w: adopted(w).name),
    script:
        "../scripts/adopt.py"


rule adopt_adapter:
    input:
        files=lambda w: adapter_folders.files(adopted(w).folder),
        base=results(layout.BASE_WEIGHTS),
    output:
        config=results(layout.CONFIG),
        adapter=results(layout.ADAPTER_CONFIG),
        weights=results(layout.ADAPTER_WEIGHTS),
        summary=results(layout.RECORD),
    log:
        results(layout.log("adopt_adapter")),
    wildcard_constraints:
        model=ADOPTED_ADAPTERS,
    localrule: True
    conda:
        CONDA
    params:
        origin=lambda w: adopted(w).model_dump(mode="json", include={"hub", "revision"}),
        base=lambda w: MODELS[w.model].base.model_dump(mode="json", include={"hub", "revision"}),
        run=free(lambda w: adopted(w).name),
    script:
        "../scripts/adopt_adapter.py"
