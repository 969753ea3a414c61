"""From a source to the fixed subset, and from text to tokens."""


def source_files(columns):
    """The user's own files that a set is read from; they re-run it when they change."""
    return [str(path) for path in columns.source.paths] if columns.source.kind == "files" else []


def fetched(columns, dataset, name):
    """The local copy of a set that comes from the hub."""
    return [f"{RESULTS}/data/{dataset}/fetched/{name}.parquet"] if columns.source.kind == "hub" else []


def columns_of(dataset, name):
    """The settings of a data set (`_main`, which no set can be called) or of one of its further sets."""
    whole = EXPERIMENT.datasets[dataset]
    return whole if name == "_main" else data.inherit(whole, whole.sets[name])


def subset_settings(columns):
    """What the rows depend on: neither where files stand, nor what is done with the rows later."""
    dumped = columns.model_dump(mode="json", exclude={"sets", "training", "max_length"})
    dumped["source"].pop("paths", None)
    return dumped


# Touches the network, so it runs where Snakemake runs.
rule fetch_dataset:
    output:
        RESULTS + "/data/{dataset}/fetched/{name}.parquet",
    log:
        RESULTS + "/logs/fetch_dataset/{dataset}-{name}.log",
    params:
        source=lambda w: columns_of(w.dataset, w.name).source.model_dump(mode="json"),
    conda:
        CONDA
    script:
        "../scripts/fetch_dataset.py"


# Seconds to a minute; one job a data set.
rule subset:
    input:
        files=lambda w: source_files(EXPERIMENT.datasets[w.dataset]),
        fetched=lambda w: fetched(EXPERIMENT.datasets[w.dataset], w.dataset, "_main"),
    output:
        train=RESULTS + "/data/{dataset}/train.parquet",
        test=RESULTS + "/data/{dataset}/test.parquet",
        summary=RESULTS + "/data/{dataset}/subset.json",
    log:
        RESULTS + "/logs/subset/{dataset}.log",
    benchmark:
        RESULTS + "/benchmarks/subset/{dataset}.tsv"
    params:
        settings=lambda w: subset_settings(EXPERIMENT.datasets[w.dataset]),
        version=1,
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        CONDA
    script:
        "../scripts/subset.py"


# One job a further evaluation set, so that adding one touches nothing else.
rule further_set:
    input:
        files=lambda w: source_files(columns_of(w.dataset, w.set)),
        fetched=lambda w: fetched(columns_of(w.dataset, w.set), w.dataset, w.set),
        summary=RESULTS + "/data/{dataset}/subset.json",
    output:
        rows=RESULTS + "/data/{dataset}/{set}.parquet",
        summary=RESULTS + "/data/{dataset}/{set}.json",
    log:
        RESULTS + "/logs/further_set/{dataset}-{set}.log",
    benchmark:
        RESULTS + "/benchmarks/further_set/{dataset}-{set}.tsv"
    params:
        settings=lambda w: subset_settings(columns_of(w.dataset, w.set)),
        version=1,
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        CONDA
    script:
        "../scripts/further_set.py"


# Train and test in one job, since a process costs more than the work.
rule tokenize:
    input:
        train=RESULTS + "/data/{dataset}/train.parquet",
        test=RESULTS + "/data/{dataset}/test.parquet",
        summary=RESULTS + "/data/{dataset}/subset.json",
        tokenizer=RESULTS + "/models/{model}/tokenizer.json",
        config=RESULTS + "/models/{model}/tokenizer_config.json",
    output:
        train=RESULTS + "/tokens/{model}/{dataset}/train.safetensors",
        test=RESULTS + "/tokens/{model}/{dataset}/test.safetensors",
    log:
        RESULTS + "/logs/tokenize/{model}-{dataset}.log",
    benchmark:
        RESULTS + "/benchmarks/tokenize/{model}-{dataset}.tsv"
    params:
        max_length=lambda w: EXPERIMENT.datasets[w.dataset].max_length,
        version=1,
    resources:
        mem_mb=4000,
        runtime=30,
    conda:
        CONDA
    script:
        "../scripts/tokenize_sets.py"


use rule tokenize as tokenize_further with:
    input:
        further=RESULTS + "/data/{dataset}/{set}.parquet",
        summary=RESULTS + "/data/{dataset}/{set}.json",
        tokenizer=RESULTS + "/models/{model}/tokenizer.json",
        config=RESULTS + "/models/{model}/tokenizer_config.json",
    output:
        further=RESULTS + "/tokens/{model}/{dataset}/{set}.safetensors",
    log:
        RESULTS + "/logs/tokenize/{model}-{dataset}-{set}.log",
    benchmark:
        RESULTS + "/benchmarks/tokenize/{model}-{dataset}-{set}.tsv"
