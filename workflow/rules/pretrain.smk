"""The pre-trained models: local copies, and rungs that are pre-trained here."""


def previous_rung(wildcards):
    """The rung before this one of the same pre-training: its states are where this one goes on."""
    rung = EXPERIMENT.models[wildcards.model]
    before = [
        (model.pretraining_steps, name)
        for name, model in EXPERIMENT.models.items()
        if model.pretraining == rung.pretraining and 0 < model.pretraining_steps < rung.pretraining_steps
    ]
    return [f"{RESULTS}/models/{max(before)[1]}/model.safetensors"] if before else []


# Touches the network where the model is the hub's, so it runs where Snakemake runs.
rule fetch_model:
    input:
        lambda w: models.files(EXPERIMENT.models[w.model].folder),
    output:
        config=RESULTS + "/models/{model}/config.json",
        weights=RESULTS + "/models/{model}/model.safetensors",
        tokenizer=RESULTS + "/models/{model}/tokenizer.json",
        tokenizer_config=RESULTS + "/models/{model}/tokenizer_config.json",
        summary=RESULTS + "/models/{model}/model.json",
    log:
        RESULTS + "/logs/fetch_model/{model}.log",
    wildcard_constraints:
        model=one_of(FETCHED),
    params:
        origin=lambda w: EXPERIMENT.models[w.model].model_dump(mode="json", include={"hub", "revision"}),
    conda:
        CONDA
    script:
        "../scripts/fetch_model.py"


# Half a minute for 600 updates of the toy model.
rule pretrain:
    input:
        previous_rung,
    output:
        config=RESULTS + "/models/{model}/config.json",
        weights=RESULTS + "/models/{model}/model.safetensors",
        tokenizer=RESULTS + "/models/{model}/tokenizer.json",
        tokenizer_config=RESULTS + "/models/{model}/tokenizer_config.json",
        summary=RESULTS + "/models/{model}/model.json",
    log:
        RESULTS + "/logs/pretrain/{model}.log",
    benchmark:
        RESULTS + "/benchmarks/pretrain/{model}.tsv"
    wildcard_constraints:
        model=one_of(RUNGS),
    params:
        settings=lambda w: EXPERIMENT.pretraining[EXPERIMENT.models[w.model].pretraining].model_dump(
            exclude={"training"}
        ),
        recipe=lambda w: EXPERIMENT.pretraining[EXPERIMENT.models[w.model].pretraining].training.recipe(),
        step=lambda w: EXPERIMENT.models[w.model].pretraining_steps,
        numerics=NUMERICS,
        version=1,
    retries: 20
    threads: EXPERIMENT.threads
    resources:
        gpu=gpus("pretrain"),
        mem_mb=memory("pretrain"),
        runtime=minutes("pretrain"),
    conda:
        CONDA
    script:
        "../scripts/pretrain.py"
