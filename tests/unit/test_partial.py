"""What an experiment has so far, from the files that are there."""

from isthmus import partial

from tests.unit.synthetic import experiment


def test_with_several_cells_each_file_is_found_once(tmp_path):
    row = tmp_path / "paths/tiny-0/entailment/step100/seed43.parquet"
    row.parent.mkdir(parents=True)
    row.touch()
    (row.parent / "seed99.parquet").touch()  # of no seed of the config
    for cell in ("{model}/{dataset}", "tiny-0/entailment"):
        pattern = f"paths/{cell}/step{{step}}/seed{{seed}}.parquet"
        assert partial._existing(experiment(), tmp_path, pattern) == [row]


def test_a_run_that_did_not_end_is_named_with_its_log(tmp_path):
    chosen = experiment(checkpoints=(100,), cells=[["tiny-0", "entailment"]])
    for seed, step in ((42, 0), (42, 100), (43, 0)):
        weights = tmp_path / f"checkpoints/tiny-0/entailment/seed{seed}/step{step}/model.safetensors"
        weights.parent.mkdir(parents=True)
        weights.touch()
    log = tmp_path / "logs/finetune/tiny-0-entailment-seed43-step100.log"
    log.parent.mkdir(parents=True)
    log.touch()
    assert partial.unfinished(chosen, tmp_path) == [
        f"the run tiny-0 on entailment, seed 43: no checkpoint at step 100; log: {log}",
        "the run tiny-0 on entailment, seed 44: no checkpoint at step 0",
    ]
