"""From a source to the fixed subset, and from text to tokens."""


# Touches the network, so it runs where Snakemake runs.
rule fetch_dataset:
    output:
        results(layout.FETCHED_ROWS),
    log:
        results(layout.log("fetch_dataset")),
    localrule: True
    conda:
        CONDA
    params:
        source=lambda w: columns(w, w.name).source.model_dump(mode="json"),
    script:
        "../scripts/fetch_dataset.py"


# Seconds to a minute; one job a data set.
rule subset:
    input:
        files=lambda w: dependencies.source_files(columns(w, jobs.MAIN)),
        fetched=lambda w: results(dependencies.fetched_rows(columns(w, jobs.MAIN), w.dataset, jobs.MAIN)),
    output:
        train=results(layout.TRAIN_ROWS),
        test=results(layout.TEST_ROWS),
        summary=results(layout.SUBSET),
    log:
        results(layout.log("subset")),
    benchmark:
        results(layout.benchmark("subset"))
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=lambda w: parameters.rows(columns(w, jobs.MAIN)),
        version=2,
    script:
        "../scripts/subset.py"


# One job a further evaluation set, so that adding one touches nothing else.
rule further_set:
    input:
        files=lambda w: dependencies.source_files(columns(w, w.set)),
        fetched=lambda w: results(dependencies.fetched_rows(columns(w, w.set), w.dataset, w.set)),
        train=results(layout.TRAIN_ROWS),
        summary=results(layout.SUBSET),
    output:
        rows=results(layout.SET_ROWS),
        summary=results(layout.SET_SUMMARY),
    log:
        results(layout.log("further_set")),
    benchmark:
        results(layout.benchmark("further_set"))
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=lambda w: parameters.rows(columns(w, w.set)),
        # What of it counts has made the input anew.
        dataset=free(lambda w: columns(w, jobs.MAIN).model_dump(exclude={"sets", "training"})),
        version=2,
    script:
        "../scripts/further_set.py"


# Which part of a set each row belongs to; nothing but the table of evaluations depends on it.
rule breakdown:
    input:
        files=lambda w: dependencies.source_files(columns(w, w.name)),
        fetched=lambda w: results(dependencies.fetched_rows(columns(w, w.name), w.dataset, w.name)),
        rows=lambda w: results(dependencies.rows_broken_down(w.dataset, w.name)),
    output:
        results(layout.BREAKDOWN),
    log:
        results(layout.log("breakdown")),
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        by=lambda w: columns(w, w.name).by,
        settings=lambda w: parameters.rows(columns(w, w.name)),
    script:
        "../scripts/breakdown.py"


# Train and test in one job, since a process costs more than the work.
rule tokenize:
    input:
        train=results(layout.TRAIN_ROWS),
        test=results(layout.TEST_ROWS),
        subset=results(layout.SUBSET),
        summary=results(layout.SUBSET),  # a further set has its own
        tokenizer=lambda w: results(dependencies.body(cell(w), layout.TOKENIZER)),
        config=lambda w: results(dependencies.body(cell(w), layout.TOKENIZER_CONFIG)),
    output:
        train=results(layout.partly(layout.TOKENS, set="train")),
        test=results(layout.partly(layout.TOKENS, set="test")),
    log:
        results(layout.log("tokenize")),
    benchmark:
        results(layout.benchmark("tokenize"))
    wildcard_constraints:
        dataset=LABELLED,
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        max_length=lambda w: EXPERIMENT.datasets[w.dataset].max_length,
        pair_template=lambda w: MODELS[w.model].pair_template,
        adopted=lambda w: "adapters" if MODELS[w.model].base else MODELS[w.model].checkpoints is not None,
        labels=lambda w: MODELS[w.model].labels,
        version=1,
    script:
        "../scripts/tokenize_sets.py"


use rule tokenize as tokenize_further with:
    input:
        further=results(layout.SET_ROWS),
        subset=results(layout.SUBSET),
        summary=results(layout.SET_SUMMARY),
        tokenizer=lambda w: results(dependencies.body(cell(w), layout.TOKENIZER)),
        config=lambda w: results(dependencies.body(cell(w), layout.TOKENIZER_CONFIG)),
    output:
        further=results(layout.TOKENS),
    log:
        results(layout.log("tokenize_further")),
    benchmark:
        results(layout.benchmark("tokenize_further"))


# Running text, for a model's own language-modelling head: blocks of tokens instead of labelled examples.
rule blocks:
    input:
        train=results(layout.TRAIN_ROWS),
        test=results(layout.TEST_ROWS),
        tokenizer=lambda w: results(dependencies.body(cell(w), layout.TOKENIZER)),
        config=lambda w: results(dependencies.body(cell(w), layout.TOKENIZER_CONFIG)),
    output:
        train=results(layout.partly(layout.TOKENS, set="train")),
        test=results(layout.partly(layout.TOKENS, set="test")),
    log:
        results(layout.log("blocks")),
    benchmark:
        results(layout.benchmark("blocks"))
    wildcard_constraints:
        dataset=RUNNING,
    conda:
        CONDA
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        blocks=lambda w: parameters.blocks(EXPERIMENT.datasets[w.dataset]),
        version=1,
    script:
        "../scripts/blocks.py"


use rule blocks as blocks_further with:
    input:
        further=results(layout.SET_ROWS),
        tokenizer=lambda w: results(dependencies.body(cell(w), layout.TOKENIZER)),
        config=lambda w: results(dependencies.body(cell(w), layout.TOKENIZER_CONFIG)),
    output:
        further=results(layout.TOKENS),
    log:
        results(layout.log("blocks_further")),
    benchmark:
        results(layout.benchmark("blocks_further"))
    params:
        blocks=lambda w: parameters.blocks(EXPERIMENT.datasets[w.dataset], columns(w, w.set)),
        version=1,
