"""From a source to the fixed subset, and from text to tokens."""


# Touches the network, so it runs where Snakemake runs.
rule fetch_dataset:
    output:
        results("data/{dataset}/fetched/{name}.parquet"),
    log:
        results("logs/fetch_dataset/{dataset}-{name}.log"),
    conda:
        CONDA
    params:
        source=lambda w: columns_of(w.dataset, w.name).source.model_dump(mode="json"),
    script:
        "../scripts/fetch_dataset.py"


# Seconds to a minute; one job a data set.
rule subset:
    input:
        files=lambda w: source_files(EXPERIMENT.datasets[w.dataset]),
        fetched=lambda w: fetched(EXPERIMENT.datasets[w.dataset], w.dataset, "_main"),
    output:
        train=results("data/{dataset}/train.parquet"),
        test=results("data/{dataset}/test.parquet"),
        summary=results("data/{dataset}/subset.json"),
    log:
        results("logs/subset/{dataset}.log"),
    benchmark:
        results("benchmarks/subset/{dataset}.tsv")
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=lambda w: subset_settings(EXPERIMENT.datasets[w.dataset]),
        version=2,
    script:
        "../scripts/subset.py"


# One job a further evaluation set, so that adding one touches nothing else.
rule further_set:
    input:
        files=lambda w: source_files(columns_of(w.dataset, w.set)),
        fetched=lambda w: fetched(columns_of(w.dataset, w.set), w.dataset, w.set),
        train=results("data/{dataset}/train.parquet"),
        summary=results("data/{dataset}/subset.json"),
    output:
        rows=results("data/{dataset}/{set}.parquet"),
        summary=results("data/{dataset}/{set}.json"),
    log:
        results("logs/further_set/{dataset}-{set}.log"),
    benchmark:
        results("benchmarks/further_set/{dataset}-{set}.tsv")
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=lambda w: subset_settings(columns_of(w.dataset, w.set)),
        version=2,
    script:
        "../scripts/further_set.py"


# Which part of a set each row belongs to; nothing but the table of evaluations depends on it.
rule breakdown:
    input:
        files=lambda w: source_files(columns_of(w.dataset, w.name)),
        fetched=lambda w: fetched(columns_of(w.dataset, w.name), w.dataset, w.name),
        rows=lambda w: [
            f"{RESULTS}/data/{w.dataset}/{name}.parquet"
            for name in (["train", "test"] if w.name == "_main" else [w.name])
        ],
    output:
        results("data/{dataset}/breakdown/{name}.parquet"),
    log:
        results("logs/breakdown/{dataset}-{name}.log"),
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        by=lambda w: columns_of(w.dataset, w.name).by,
    script:
        "../scripts/breakdown.py"


# Train and test in one job, since a process costs more than the work.
rule tokenize:
    input:
        train=results("data/{dataset}/train.parquet"),
        test=results("data/{dataset}/test.parquet"),
        summary=results("data/{dataset}/subset.json"),
        tokenizer=results("models/{model}/tokenizer.json"),
        config=results("models/{model}/tokenizer_config.json"),
    output:
        train=results("tokens/{model}/{dataset}/train.safetensors"),
        test=results("tokens/{model}/{dataset}/test.safetensors"),
    log:
        results("logs/tokenize/{model}-{dataset}.log"),
    benchmark:
        results("benchmarks/tokenize/{model}-{dataset}.tsv")
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        max_length=lambda w: EXPERIMENT.datasets[w.dataset].max_length,
        pair_template=lambda w: EXPERIMENT.models[w.model].pair_template,
        adopted=lambda w: w.model in ADOPTED,
        labels=lambda w: EXPERIMENT.models[w.model].labels,
        version=1,
    script:
        "../scripts/tokenize_sets.py"


use rule tokenize as tokenize_further with:
    input:
        further=results("data/{dataset}/{set}.parquet"),
        summary=results("data/{dataset}/{set}.json"),
        tokenizer=results("models/{model}/tokenizer.json"),
        config=results("models/{model}/tokenizer_config.json"),
    output:
        further=results("tokens/{model}/{dataset}/{set}.safetensors"),
    log:
        results("logs/tokenize/{model}-{dataset}-{set}.log"),
    benchmark:
        results("benchmarks/tokenize/{model}-{dataset}-{set}.tsv")
