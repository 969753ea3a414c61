"""One run: the step-0 checkpoint, then a chain of segments from checkpoint to checkpoint; or others' checkpoints."""


# Seconds; one job a run.
rule initialize:
    input:
        config=results("models/{model}/config.json"),
        weights=results("models/{model}/model.safetensors"),
        summary=results("data/{dataset}/subset.json"),
    output:
        config=results("checkpoints/{model}/{dataset}/seed{seed}/step0/config.json"),
        weights=results("checkpoints/{model}/{dataset}/seed{seed}/step0/model.safetensors"),
        summary=results("checkpoints/{model}/{dataset}/seed{seed}/step0/checkpoint.json"),
    log:
        results("logs/initialize/{model}-{dataset}-seed{seed}.log"),
    benchmark:
        results("benchmarks/initialize/{model}-{dataset}-seed{seed}.tsv")
    wildcard_constraints:
        model=one_of(TRAINED),
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=0,
        mem_mb=memory("initialize"),
        runtime=minutes("initialize"),
    params:
        head=lambda w: "head" in recipe(w)["vary"] and not recipe(w)["fork_at"],
        model_seed=lambda w: EXPERIMENT.models[w.model].seed,
        version=1,
    script:
        "../scripts/initialize.py"


# The expensive part: seconds for the toy model, hours on a GPU for the paper's. One job a segment. A retry goes
# on from the run's last state, so it asks for more memory and not for more time.
rule finetune:
    input:
        previous=lambda w: checkpoint(w.model, w.dataset, w.seed, previous_step(w)),
        start=results("checkpoints/{model}/{dataset}/seed{seed}/step0/model.safetensors"),
        tokens=results("tokens/{model}/{dataset}/train.safetensors"),
    output:
        config=f"{CHECKPOINT}/config.json",
        weights=passing(f"{CHECKPOINT}/model.safetensors"),
        history=f"{CHECKPOINT}/history.parquet",
        summary=f"{CHECKPOINT}/checkpoint.json",
    log:
        results("logs/finetune/{model}-{dataset}-seed{seed}-step{step}.log"),
    benchmark:
        results("benchmarks/finetune/{model}-{dataset}-seed{seed}-step{step}.tsv")
    wildcard_constraints:
        model=one_of(TRAINED),
        step=r"[1-9]\d*",
    retries: ATTEMPTS
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=gpus("finetune"),
        mem_mb=memory("finetune"),
        runtime=minutes("finetune"),
    params:
        recipe=recipe,
        previous=previous_step,
        numerics=NUMERICS,
        version=2,
    script:
        "../scripts/finetune.py"


# Touches the network where the checkpoint is the hub's, so it runs where Snakemake runs.
rule adopt:
    input:
        files=lambda w: folders.files(adopted(w).folder),
        config=results("models/{model}/config.json"),
        tokenizer=results("models/{model}/tokenizer.json"),
    output:
        config=f"{CHECKPOINT}/config.json",
        weights=f"{CHECKPOINT}/model.safetensors",
        summary=f"{CHECKPOINT}/checkpoint.json",
    log:
        results("logs/adopt/{model}-{dataset}-seed{seed}-step{step}.log"),
    wildcard_constraints:
        model=one_of(ADOPTED),
    conda:
        CONDA
    params:
        origin=lambda w: adopted(w).model_dump(mode="json", include={"hub", "revision"}),
    script:
        "../scripts/adopt.py"
