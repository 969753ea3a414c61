"""The pre-trained models: local copies, and rungs that are pre-trained here."""


# Touches the network where the model is the hub's, so it runs where Snakemake runs.
rule fetch_model:
    input:
        lambda w: folders.files(EXPERIMENT.models[w.model].origin.folder),
    output:
        config=results("models/{model}/config.json"),
        weights=results("models/{model}/model.safetensors"),
        tokenizer=results("models/{model}/tokenizer.json"),
        tokenizer_config=results("models/{model}/tokenizer_config.json"),
        summary=results("models/{model}/model.json"),
    log:
        results("logs/fetch_model/{model}.log"),
    wildcard_constraints:
        model=one_of(FETCHED),
    conda:
        CONDA
    params:
        origin=lambda w: EXPERIMENT.models[w.model].origin.model_dump(
            mode="json", include={"hub", "revision"}
        ),
    script:
        "../scripts/fetch_model.py"


# Half a minute for 600 updates of the toy model.
rule pretrain:
    input:
        previous_rung,
    output:
        config=results("models/{model}/config.json"),
        weights=results("models/{model}/model.safetensors"),
        tokenizer=results("models/{model}/tokenizer.json"),
        tokenizer_config=results("models/{model}/tokenizer_config.json"),
        summary=results("models/{model}/model.json"),
    log:
        results("logs/pretrain/{model}.log"),
    benchmark:
        results("benchmarks/pretrain/{model}.tsv")
    wildcard_constraints:
        model=one_of(RUNGS),
    retries: ATTEMPTS
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=gpus("pretrain"),
        mem_mb=memory("pretrain"),
        runtime=minutes("pretrain"),
    params:
        settings=lambda w: EXPERIMENT.pretraining[EXPERIMENT.models[w.model].pretraining].model_dump(
            exclude={"training"}
        ),
        recipe=lambda w: EXPERIMENT.pretraining[EXPERIMENT.models[w.model].pretraining].training.recipe(),
        step=lambda w: EXPERIMENT.models[w.model].pretraining_steps,
        numerics=NUMERICS,
        version=2,
    script:
        "../scripts/pretrain.py"
