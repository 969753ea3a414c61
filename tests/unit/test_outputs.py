"""What an experiment shows, by name, as its settings alone say."""

import re
from pathlib import Path

from isthmus.experiment import outputs

from tests.unit.synthetic import experiment


def names(chosen):
    return [figure.name for figure in outputs.figures(chosen)]


def test_figures_follow_from_the_settings():
    assert names(experiment()) == [
        "training",
        "cg-over-finetuning",
        "cg-over-pretraining",
        "pairs-entailment",
        "pairs-paraphrase",
        "averages-entailment",
        "averages-paraphrase",
        "curves-entailment-tiny-0",
        "curves-entailment-tiny_600",
        "curves-paraphrase-tiny_600",
    ]
    apart = experiment(cells=[["tiny-0", "entailment"], ["tiny_600", "paraphrase"]])
    assert "cg-over-pretraining" not in names(apart)
    asked = experiment(layers={}, planes=[{"seeds": [42, 43, 44]}], map=True, averages={"at": []})
    further = {"layers-entailment", "planes-entailment", "map-entailment"}
    assert further < set(names(asked))
    assert "averages-entailment" not in names(asked)


def test_generalisation_is_shown_from_six_runs_on():
    cell = {"cells": [["tiny_600", "entailment"]]}
    assert "generalisation-entailment" not in names(experiment(seeds=range(5), **cell))
    assert "generalisation-entailment" in names(experiment(seeds=range(6), **cell))


def test_tables_are_those_of_data_sets_with_a_cell():
    assert outputs.tables(experiment()) == ["entailment", "paraphrase", "evaluations", "averages"]
    one = {"cells": [["tiny-0", "entailment"]], "averages": {"at": []}}
    assert outputs.tables(experiment(**one)) == ["entailment", "evaluations"]


def test_training_run_is_the_last_model_and_first_seed_unless_set():
    assert outputs.training_run(experiment()) == ("tiny_600", 42)
    assert outputs.training_runs(experiment()) == [
        ("tiny_600", "entailment", 42),
        ("tiny_600", "paraphrase", 42),
    ]
    chosen = experiment(figures={"training_model": "tiny-0", "training_seed": 44})
    assert outputs.training_runs(chosen) == [("tiny-0", "entailment", 44)]


def test_each_kind_has_its_caption():
    """Snakemake opens captions only when it is asked for `--report`."""
    source = Path(outputs.__file__).read_text(encoding="utf-8")
    kinds = set(re.findall(r'Figure\("([\w-]+)"', source))
    assert {"training", "barriers", "cg-over-perturbation"} < kinds
    folder = Path(outputs.__file__).parents[2] / "report"
    assert [kind for kind in sorted(kinds) if not (folder / f"{kind}.rst").exists()] == []
