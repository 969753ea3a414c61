"""The pre-trained models: local copies, and rungs that are pre-trained here."""


# Touches the network where the model is the hub's, so it runs where Snakemake runs.
rule fetch_model:
    input:
        lambda w: folders.files(MODELS[w.model].origin.folder),
    output:
        config=results(layout.MODEL_CONFIG),
        weights=results(layout.MODEL_WEIGHTS),
        tokenizer=results(layout.TOKENIZER),
        tokenizer_config=results(layout.TOKENIZER_CONFIG),
        summary=results(layout.MODEL_RECORD),
    log:
        results(layout.log("fetch_model")),
    wildcard_constraints:
        model=FETCHED,
    localrule: True
    conda:
        CONDA
    params:
        origin=lambda w: MODELS[w.model].origin.model_dump(mode="json", include={"hub", "revision"}),
        # Of a classifier that is there already nothing is drawn at random.
        adopted=free(lambda w: MODELS[w.model].checkpoints is not None),
    script:
        "../scripts/fetch_model.py"


# Half a minute for 600 updates of the toy model.
rule pretrain:
    input:
        lambda w: results(dependencies.previous_rung(EXPERIMENT, w.model)),
    output:
        config=results(layout.MODEL_CONFIG),
        weights=results(layout.MODEL_WEIGHTS),
        tokenizer=results(layout.TOKENIZER),
        tokenizer_config=results(layout.TOKENIZER_CONFIG),
        summary=results(layout.MODEL_RECORD),
    log:
        results(layout.log("pretrain")),
    benchmark:
        results(layout.benchmark("pretrain"))
    wildcard_constraints:
        model=PRETRAINED,
    retries: ATTEMPTS
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=resources.gpus(EXPERIMENT, "pretrain"),
        mem_mb=memory("pretrain"),
        runtime=resources.runtime(EXPERIMENT, "pretrain"),
    params:
        settings=lambda w: parameters.pretraining(EXPERIMENT, w.model),
        recipe=lambda w: EXPERIMENT.pretraining[MODELS[w.model].pretraining].training.recipe(),
        step=lambda w: MODELS[w.model].pretraining_steps,
        numerics=parameters.numerics(EXPERIMENT),
        version=2,
        states=free(lambda w: parameters.pretraining_states(EXPERIMENT, w.model)),
    script:
        "../scripts/pretrain.py"
