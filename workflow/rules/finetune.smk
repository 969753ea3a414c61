"""One run: the step-0 checkpoint, then a chain of segments from checkpoint to checkpoint."""


# Seconds; one job a run.
rule initialize:
    input:
        config=RESULTS + "/models/{model}/config.json",
        weights=RESULTS + "/models/{model}/model.safetensors",
        summary=RESULTS + "/data/{dataset}/subset.json",
    output:
        config=RESULTS + "/checkpoints/{model}/{dataset}/seed{seed}/step0/config.json",
        weights=RESULTS + "/checkpoints/{model}/{dataset}/seed{seed}/step0/model.safetensors",
        summary=RESULTS + "/checkpoints/{model}/{dataset}/seed{seed}/step0/checkpoint.json",
    log:
        RESULTS + "/logs/initialize/{model}-{dataset}-seed{seed}.log",
    benchmark:
        RESULTS + "/benchmarks/initialize/{model}-{dataset}-seed{seed}.tsv"
    params:
        head=lambda w: "head" in recipe(w)["vary"],
        model_seed=lambda w: EXPERIMENT.models[w.model].seed,
        version=1,
    threads: EXPERIMENT.threads
    resources:
        gpu=0,
        mem_mb=memory("initialize"),
        runtime=minutes("initialize"),
    conda:
        CONDA
    script:
        "../scripts/initialize.py"


# The expensive part: seconds for the toy model, hours on a GPU for the paper's. One job a segment. A retry goes
# on from the run's last state, so it asks for more memory and not for more time.
rule finetune:
    input:
        previous=lambda w: checkpoint(w.model, w.dataset, w.seed, previous_step(w)),
        start=RESULTS + "/checkpoints/{model}/{dataset}/seed{seed}/step0/model.safetensors",
        tokens=RESULTS + "/tokens/{model}/{dataset}/train.safetensors",
    output:
        config=CHECKPOINT + "/config.json",
        weights=CHECKPOINT + "/model.safetensors",
        history=CHECKPOINT + "/history.parquet",
        summary=CHECKPOINT + "/checkpoint.json",
    log:
        RESULTS + "/logs/finetune/{model}-{dataset}-seed{seed}-step{step}.log",
    benchmark:
        RESULTS + "/benchmarks/finetune/{model}-{dataset}-seed{seed}-step{step}.tsv"
    wildcard_constraints:
        step=r"[1-9]\d*",
    params:
        recipe=recipe,
        previous=previous_step,
        numerics=NUMERICS,
        version=1,
    retries: 20
    threads: EXPERIMENT.threads
    resources:
        gpu=gpus("finetune"),
        mem_mb=memory("finetune"),
        runtime=minutes("finetune"),
    conda:
        CONDA
    script:
        "../scripts/finetune.py"
