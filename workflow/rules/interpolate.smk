"""What is measured: each checkpoint, and the paths between the checkpoints of two seeds."""


# A few seconds on the toy model; one job a checkpoint. Rows go first: they measure the same ends, and then an
# evaluation is answered from the journal without a model.
rule evaluate:
    input:
        weights=f"{CHECKPOINT}/model.safetensors",
        tokens=token_files,
    output:
        results("evaluations/{model}/{dataset}/seed{seed}/step{step}.parquet"),
    log:
        results("logs/evaluate/{model}-{dataset}-seed{seed}-step{step}.log"),
    benchmark:
        results("benchmarks/evaluate/{model}-{dataset}-seed{seed}-step{step}.tsv")
    priority: -1
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=gpus("evaluate"),
        mem_mb=memory("evaluate"),
        runtime=minutes("evaluate"),
    params:
        sets=lambda w: set_names(w.dataset),
        evaluation=evaluation_params,
        numerics=NUMERICS,
        version=1,
    script:
        "../scripts/evaluate.py"


# The paths of one seed with the seeds before it: some 15 to 40 evaluations each, from the journal where known.
# One job a row, since a process costs more than a path.
rule interpolate:
    input:
        weights=f"{CHECKPOINT}/model.safetensors",
        others=lambda w: [checkpoint(w.model, w.dataset, seed, w.step) for seed in other_ends(w)],
        start=start,
        starts=other_starts,
        tokens=token_files,
    output:
        points=results("paths/{model}/{dataset}/step{step}/seed{seed}.parquet"),
        pairs=results("paths/{model}/{dataset}/step{step}/seed{seed}.pairs.parquet"),
    log:
        results("logs/interpolate/{model}-{dataset}-step{step}-seed{seed}.log"),
    benchmark:
        results("benchmarks/interpolate/{model}-{dataset}-step{step}-seed{seed}.tsv")
    conda:
        CONDA
    threads: EXPERIMENT.threads
    resources:
        gpu=gpus("interpolate"),
        mem_mb=memory("interpolate"),
        runtime=minutes("interpolate"),
    params:
        seeds=other_ends,
        sets=lambda w: set_names(w.dataset),
        sampler=EXPERIMENT.paths.sampler(),
        evaluation=evaluation_params,
        bootstrap={"replicates": EXPERIMENT.evaluation.replicates, "seed": EXPERIMENT.evaluation.seed},
        numerics=NUMERICS | ANCHORS,
        # 2: each end's distance from its own start, which is another one only with checkpoints of others
        version=lambda w: 2 if w.model in ADOPTED else 1,
    script:
        "../scripts/interpolate.py"
