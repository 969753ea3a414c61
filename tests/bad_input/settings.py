"""Settings that cannot be: a change of a good experiment file, and what is said of it."""

import os
from pathlib import Path
from typing import Any

from isthmus.experiment import inputs
from isthmus.experiment.config import load

from tests.bad_input.case import Case, refusal
from tests.workflow.lab import NANO, changed

TINY = {"pretraining": "small", "pretraining_steps": 10}
TOY = NANO["datasets"]["toy"]


def files(**options):
    return {"source": {"kind": "files", "paths": ["rows.tsv"]}, "text": ["a"], "label": "b", **options}


def loading(change: dict[str, Any], _: Path) -> str:
    """A good experiment with some keys changed, each named by its path."""
    os.environ.pop("NOWHERE_SET", None)
    message = refusal(lambda: load(changed(NANO, change), "nano.yaml"))
    assert message.startswith("nano.yaml cannot be used:\n")
    return message


# A change of a good config, and what the message says of it: key, found, allowed.
MISTAKES = {
    "misspelt key": ({"trainin": {}}, "trainin: unknown key (did you mean 'training'?); allowed: ", "seeds"),
    "misspelt inner key": (
        {"training.learnig_rate": 1},
        "training.learnig_rate: unknown key (did you mean 'learning_rate'?)",
        "warmup_steps",
    ),
    "misspelt key of a model": (
        {"models.tiny": {**TINY, "pretraning_steps": 1}},
        "models.tiny.pretraning_steps: unknown key (did you mean 'pretraining_steps'?)",
        "hub",
    ),
    "misspelt key of a source": (
        {"datasets.toy.source.row": 1},
        "datasets.toy.source.row: unknown key (did you mean 'rows'?)",
        "task",
    ),
    "misspelt key of a further set": (
        {
            "datasets.toy.sets": {
                "far": {"source": {"kind": "toy", "task": "paraphrase", "rows": 9}, "labls": []}
            }
        },
        "datasets.toy.sets.far.labls: unknown key (did you mean 'labels'?)",
        "label_map",
    ),
    "wrong type": ({"threads": "two"}, "threads: found 'two' (str); allowed: ", "integer"),
    "text for a number": (
        {"training.learning_rate": "1e-5x"},
        "training.learning_rate: found '1e-5x'",
        "number",
    ),
    "a number that is none": ({"training.batch_size": True}, "training.batch_size: found True", "integer"),
    "nothing for a number": ({"training.steps": None}, "training.steps: found nothing", "integer"),
    "unknown choice": ({"device": "gpu"}, "device: found 'gpu'", "'auto', 'cpu' or 'cuda'"),
    "no seeds": ({"seeds": []}, "seeds: found []; allowed: two or more", ""),
    "one seed": ({"seeds": [1]}, "seeds: found [1]; allowed: two or more", ""),
    "a seed alone": ({"seeds": 1}, "seeds: found 1 (int); allowed: list", ""),
    "negative seed": ({"seeds": [1, -2]}, "seeds.1: found -2", "greater than or equal to 0"),
    "duplicate seeds": ({"seeds": [1, 2, 1]}, "seeds: found [1] twice; allowed: each seed once", ""),
    "duplicate steps": (
        {"training.checkpoints": [60, 60]},
        "checkpoints: found a step twice in [60, 60]; allowed: each once",
        "training",
    ),
    "steps beyond the schedule": (
        {"training.checkpoints": [60, 151]},
        "checkpoints: found [151] beyond the schedule's end; allowed: 0 to 150",
        "training",
    ),
    "steps beyond a model's schedule": (
        {"models.tiny.training": {"steps": 100}},
        "models.tiny.training: ",
        "found [120] beyond the schedule's end; allowed: 0 to 100",
    ),
    "rung beyond the schedule": (
        {"models.tiny.pretraining_steps": 21},
        "models.tiny.pretraining_steps: found 21; allowed: 0 to 20",
        "",
    ),
    "fraction of 0": ({"datasets.toy.fraction": 0}, "datasets.toy.fraction: found 0", "greater than 0"),
    "fraction over 1": (
        {"datasets.toy.fraction": 1.5},
        "datasets.toy.fraction: found 1.5",
        "less than or equal to 1",
    ),
    "experiment that is no folder": (
        {"experiment": "a/b"},
        "experiment: ",
        "'a/b' cannot be a folder's name; allowed: ",
    ),
    "hidden folder": ({"experiment": ".a"}, "experiment: ", "'.a' cannot be a folder's name; allowed: "),
    "model that is no folder": (
        {"models.a b": TINY},
        "models.a b",
        "'a b' cannot be a folder's name; allowed: ",
    ),
    "data set that is no folder": (
        {"datasets.a:b": TOY},
        "datasets.a:b",
        "'a:b' cannot be a folder's name; allowed: ",
    ),
    "unset variable": (
        {"models.far": {"folder": "$NOWHERE_SET/model"}},
        "models.far.folder: the environment variable NOWHERE_SET is not set (found '$NOWHERE_SET/model')",
        "",
    ),
    "unset variable in a list": (
        {"datasets.own": files(source={"kind": "files", "paths": ["${NOWHERE_SET}/x.tsv"]})},
        "datasets.own.source.paths.0: the environment variable NOWHERE_SET is not set",
        "",
    ),
    "unknown kind": (
        {"datasets.toy.source.kind": "web"},
        "datasets.toy.source.kind: found 'web'",
        "hub, files, toy",
    ),
    "no label column": (
        {"datasets.own": {"source": {"kind": "files", "paths": ["x.tsv"]}, "text": ["a"]}},
        "datasets.own: `label` is missing; allowed: ",
        "",
    ),
    "no origin": ({"models.other": {}}, "models.other: found no origin; allowed: exactly one of", "hub"),
    "unknown cell": (
        {"cells": [["tiny", "tot"]]},
        "cells: found 'tot' (did you mean 'toy'?); allowed: toy",
        "",
    ),
    "a number that is infinite": (
        {"training.learning_rate": float("inf")},
        "training.learning_rate: found inf (float); allowed: a finite number",
    ),
    "a number that is not one": (
        {"paths.tolerance": float("nan")},
        "paths.tolerance: found nan (float); allowed: a finite number",
    ),
    "a learning rate beyond all": (
        {"training.learning_rate": 1e300},
        "training.learning_rate: found 1e+300 (float); allowed: less than or equal to 100",
    ),
    "a learning rate that moves nothing": (
        {"training.learning_rate": 1e-300},
        "training.learning_rate: found 1e-300 (float); allowed: greater than or equal to 1e-12",
    ),
    "a learning rate of minus nothing": (
        {"training.learning_rate": -0.0},
        "training.learning_rate: found -0.0 (float); allowed: greater than or equal to 1e-12",
    ),
    "a truth for a number": (
        {"training.dropout": True},
        "training.dropout: found True (bool); allowed: a number",
    ),
    "a truth for a model's count": (
        {"models.tiny.training": {"batch_size": True}},
        "models.tiny.training.batch_size: found True (bool); allowed: integer",
    ),
    "a truth for a data set's rate": (
        {"datasets.toy.training": {"learning_rate": True}},
        "datasets.toy.training.learning_rate: found True (bool); allowed: a number",
    ),
    "1e3 for a count": (
        {"training.steps": "1e3"},
        "training.steps: found '1e3' (str); allowed: integer (write 1000)",
    ),
    "1_000 for a count": (
        {"training.steps": "1_000"},
        "training.steps: found '1_000' (str); allowed: integer (write 1000)",
    ),
    "a fraction for a count": (
        {"training.steps": 1000.0},
        "training.steps: found 1000.0 (float); allowed: integer (write 1000)",
    ),
    "a seed with a 0 before it": ({"seeds": ["010", 1]}, "seeds.0: found '010' (str); allowed: integer"),
    "replicates without end": (
        {"evaluation.replicates": 10**12},
        "evaluation.replicates: found 1000000000000 (int); allowed: less than or equal to 100,000",
    ),
    "a batch without end": (
        {"training.batch_size": 10**30},
        "training.batch_size: found 1000000000000000000000000000000 (int); allowed: ",
    ),
    "a budget without end": (
        {"training.token_budget": 10**9},
        "training.token_budget: found 1000000000 (int); allowed: less than or equal to 10,000,000",
    ),
    "points without end": ({"paths.points": 10**6}, "paths.points: found 1000000 (int); allowed: ", "10,001"),
    "alphas without end": ({"paths.max_alphas": 10**6}, "paths.max_alphas: found 1000000", "10,001"),
    "toy rows without end": (
        {"datasets.toy.source.rows": 10**9},
        "datasets.toy.source.rows: found 1000000000 (int); allowed: less than or equal to 10,000,000",
    ),
    "tokens without end": ({"datasets.toy.max_length": 10**9}, "datasets.toy.max_length: found 1000000000"),
    "threads without end": ({"threads": 10**6}, "threads: found 1000000 (int); allowed: ", "1,024"),
    "layers without end": ({"pretraining.small.layers": 10**6}, "pretraining.small.layers: found 1000000"),
    "a body that fits nowhere": (
        {"pretraining.small.layers": 1000, "pretraining.small.width": 100_000},
        "pretraining.small: width: found 100000 with 1000 `layers`, some 1e+14 weights; allowed: 1e+10",
    ),
    "a checkpoint each step": (
        {"training": {"steps": 10**7, "every": 1}},
        "training: every: found 1, which makes 10,000,000 checkpoints",
        "allowed: 10,000 checkpoints at most, 1000 or more",
    ),
    "checkpoints without end": (
        {"training": {"steps": 10**7, "checkpoints": list(range(10_001))}},
        "training: checkpoints: found 10001 steps; allowed: 1 to 10,000",
    ),
    "no checkpoints": (
        {"training.checkpoints": []},
        "training: checkpoints: found 0 steps; allowed: 1 to 10,000 (`[0]` for step 0 alone)",
    ),
    "seeds without end": (
        {"seeds": list(range(100_000))},
        "seeds, training, cells: found 300,000 checkpoints (runs x steps x cells); allowed: 100,000 at most",
    ),
    "paths without end": (
        {"seeds": list(range(20_000))},
        "found 599,970,000 paths between them (runs x steps x cells); allowed: 10,000,000 at most",
        "`pairs: first`",
    ),
    "a dropout of all": (
        {"training.dropout": 0.999999},
        "training.dropout: found 0.999999 (float); allowed: less than 0.99",
    ),
    "a model's dropout of all": (
        {"models.tiny.training": {"attention_dropout": 0.99}},
        "models.tiny.training.attention_dropout: found 0.99 (float); allowed: less than 0.99",
    ),
    "a beta of 1": ({"training.betas": [0.9, 1]}, "training.betas.1: found 1 (int); allowed: ", "0.999999"),
    "one beta": ({"training.betas": [0.9]}, "training.betas.1: missing"),
    "an eps of nothing": ({"training.eps": 1e-300}, "training.eps: found 1e-300 (float); allowed: ", "1e-30"),
    "a decay that turns weights around": (
        {"training.learning_rate": 0.1, "training.weight_decay": 10},
        "training: weight_decay: found 10.0; allowed: less than 1 / `learning_rate`, which is 10",
    ),
    "nothing that varies": ({"training.vary": []}, "training: vary: found [], with which all seeds", "order"),
    "nothing left that varies": (
        {"training.vary": ["dropout"], "training.dropout": 0, "training.attention_dropout": -0.0},
        "training: vary: found ['dropout'], with which all seeds would make one and the same run",
        "allowed: one or more of head, order",
    ),
    "a head that varies after a fork": (
        {"training.vary": ["head"], "training.fork_at": 10},
        "training: vary: found ['head'], with which all seeds",
        "allowed: one or more of order, dropout",
    ),
    "a push beside what varies": (
        {"training.perturb": {"at": 10, "scale": 0.1}},
        "training: vary: found ['head', 'order', 'dropout'] beside `perturb`",
        "allowed: `vary: []`, and no `fork_at`",
    ),
    "a push after the end": (
        {"training.perturb": {"at": 150, "scale": 0.1}, "training.vary": []},
        "training: perturb.at: found 150; allowed: 0 to 149",
    ),
    "a push of nothing": (
        {"training.perturb": {"at": 10, "scale": 0}, "training.vary": []},
        "training.perturb.scale: found 0",
        "1e-07",
    ),
    "a push of a pre-training": (
        {
            "pretraining.small.training.perturb": {"at": 1, "scale": 0.1},
            "pretraining.small.training.vary": [],
        },
        "training.perturb: only a fine-tuning has seeds that can part",
    ),
    "checkpoints of a pre-training": (
        {"pretraining.small.training.checkpoints": [5]},
        "pretraining.small: training.checkpoints: only a fine-tuning has checkpoints; allowed: rungs",
    ),
    "a long name": ({"experiment": "x" * 101}, "experiment: found a name of 101 characters; allowed: 100"),
    "a device of Windows": (
        {"models.nul": TINY},
        "models.nul",
        "'nul' cannot be a folder's name on every system; allowed: ",
    ),
    "a dot at the end": ({"experiment": "a."}, "'a.' cannot be a folder's name on every system"),
    "HTML for a name": ({"models.<b>": TINY}, "models.<b>", "'<b>' cannot be a folder's name; allowed: "),
    "a hub's id that is a path": (
        {"models.far": {"hub": "../../etc"}},
        "models.far.hub: found '../../etc'; allowed: `name` or `owner/name`",
    ),
    "a ladder's id that is a path": (
        {"ladders": {"l": {"hub": "../{step}", "steps": [1, 2]}}},
        "ladders.l.hub: found '../{step}'; allowed: `name` or `owner/name`",
    ),
    "a data set's id that is a path": (
        {"datasets.far": {"source": {"kind": "hub", "id": "/etc/x"}, "text": ["a"], "label": "b"}},
        "datasets.far.source.id: found '/etc/x'; allowed: `name` or `owner/name`",
    ),
    "a revision that is a path": (
        {"models.far": {"hub": "a/b", "revision": "../../x"}},
        "models.far.revision: found '../../x'; allowed: a commit, tag or branch",
    ),
    "a place to fill in a folder": (
        {"models.far": {"folder": "/data/{x}"}},
        "models.far.folder: found '/data/{x}'; allowed: a path without { and }",
    ),
    "a place to fill in a file": (
        {"datasets.own": files(source={"kind": "files", "paths": ["{seed}.tsv"]})},
        "datasets.own.source.paths: found '{seed}.tsv'; allowed: a path without { and }",
    ),
    "an empty path": ({"models.far": {"folder": ""}}, "models.far.folder: found ''; allowed: a path"),
    "a path with a NUL": (
        {"models.far": {"folder": "a\0b"}},
        "models.far.folder: found 'a\\x00b'; allowed: ",
    ),
    **{
        f"a further set called {name}": (
            {"datasets.toy.sets": {name: TOY}},
            f"datasets.toy.sets: found '{name}'; allowed: any name but ",
            "subset",
        )
        for name in ("train", "Test", "subset", "fetched", "breakdown")
    },
    "a further set called _main": (
        {"datasets.toy.sets": {"_main": TOY}},
        "'_main' cannot be a folder's name; allowed: ",
    ),
    "a data set called as a table": (
        {"datasets.Evaluations": TOY},
        "datasets: found 'Evaluations'; allowed: any name but averages, evaluations",
    ),
    **{
        f"a data set called as another one's {kind}": (
            {"datasets": {"toy": TOY, f"toy.{kind}": TOY}},
            f"datasets: found 'toy' and 'toy.{kind}', whose files in connectivity/ would meet; allowed: ",
        )
        for kind in ("basins", "deltas", "means")
    },
    "data sets that differ in case": (
        {"datasets.Toy": TOY},
        "datasets: found 'toy' and 'Toy'; allowed: names that differ not in case alone",
    ),
    "models that differ in case": (
        {"models.Tiny": TINY},
        "models: found 'tiny' and 'Tiny'; allowed: names that differ not in case alone",
    ),
    "cells whose joined names meet": (
        {"models": {"a": TINY, "a-b": TINY}, "datasets": {"b-c": TOY, "c": TOY}},
        "models, datasets: found 'a on b-c' and 'a-b on c', whose logs or figures would share a name",
    ),
    "a cell and a set whose joined names meet": (
        {"models": {"a": TINY}, "datasets": {"b": {**TOY, "sets": {"c": TOY}}, "b-c": TOY}},
        "found 'a on b-c' and 'a on b, set c', whose logs or figures would share a name",
    ),
    "names that are long together": (
        {"models": {"m" * 100: TINY}, "datasets": {"d" * 100: TOY}},
        "together 201 characters; allowed: 200 at most",
    ),
    "a truth for a column": (
        {"datasets.toy.label": False},
        "datasets.toy.label: found False (bool); allowed: string (YAML reads yes, no, on and off",
    ),
    "a number for a column": (
        {"datasets.toy.label": 3},
        "datasets.toy.label: found 3 (int); allowed: string (put it in quotes)",
    ),
    "a number for a model's name": (
        {"models": {3: TINY}},
        "models.3: found 3 (int); allowed: string (put it in quotes)",
    ),
    "a truth for a choice": (
        {"keep": False},
        "keep: found False (bool); allowed: 'all' or 'last' (YAML reads",
    ),
    "a truth for a pair's end": ({"pairs": [[True, 2]]}, "pairs.0.0: found True (bool); allowed: integer"),
    "a number for a group": ({"training": 3}, "training: found 3 (int); allowed: keys and their values"),
    "a text for a cell": (
        {"ladders": {"l": {"hub": "a/b-{step}", "steps": [1, 2]}}, "cells": ["ab"]},
        "cells.0: found 'ab' (str); allowed: list",
    ),
    "a list for a cell's model": (
        {"ladders": {"l": {"hub": "a/b-{step}", "steps": [1, 2]}}, "cells": [[["l"], "toy"]]},
        "cells.0.0: found ['l'] (list); allowed: string",
    ),
    "an empty cell": (
        {"ladders": {"l": {"hub": "a/b-{step}", "steps": [1, 2]}}, "cells": [["l", "toy"], []]},
        "cells.2.0: missing",
    ),
    "a checkpoint twice": (
        {"models.own": {"checkpoints": [{"hub": "a/b"}, {"hub": "a/b"}]}},
        "models.own: checkpoints: found 'a/b' twice; allowed: each once",
    ),
    "training of what is trained": (
        {"models.own": {"checkpoints": [{"hub": "a/b"}, {"hub": "a/c"}], "training": {"steps": 5}}},
        "models.own: training: allowed: `training` or `checkpoints`",
    ),
    "no classes of checkpoints": (
        {"models.own": {"checkpoints": [{"hub": "a/b"}, {"hub": "a/c"}], "labels": []}},
        "models.own.labels: found [] (list); allowed: 2 or more",
    ),
    "very many mistakes": (
        {"seeds": [-1] * 1000},
        "seeds.0: found -1",
        "and 980 more",
    ),
    "a data set called as the table of averages": (
        {"datasets.averages": TOY},
        "datasets: found 'averages'; allowed: any name but averages, evaluations, which are taken",
    ),
    "a data set called as another's lines in layers": (
        {"datasets": {"toy": TOY, "toy.layers": TOY}},
        "datasets: found 'toy' and 'toy.layers', whose files in connectivity/ would meet",
    ),
    "a data set called as another's averages": (
        {"datasets": {"toy": TOY, "toy.averages": TOY}},
        "datasets: found 'toy' and 'toy.averages', whose files in connectivity/ would meet",
    ),
    "a group of all tensors": (
        {"layers": {"groups": {"all": ["*"]}}},
        "layers: groups.all: found ['*'], which match all tensors; allowed: patterns that match some",
    ),
    "averages at one step twice": (
        {"averages": {"at": [60, 60]}},
        "averages: at: found [60, 60]; allowed: each step once",
    ),
    "averages at no checkpoint": (
        {"averages": {"at": [60, 61]}},
        "averages.at: found 61, which is no checkpoint of tiny on toy",
        "allowed: `last`, `all`, or some of [0, 60, 120]",
    ),
    "layers at no checkpoint": ({"layers": {"at": [61]}}, "layers.at: found 61", "some of [0, 60, 120]"),
    "layers of an unknown run": (
        {"layers": {"pairs": [[1, 9]]}},
        "layers.pairs: found [1, 9]; allowed: two different ones of",
    ),
    "layers in an unknown way": ({"layers": {"groups": "heads"}}, "layers.groups", "found 'heads'"),
    "too few alphas of a layer": ({"layers": {"alphas": 2}}, "layers.alphas: found 2"),
    "a plane through an unknown run": (
        {"planes": [{"through": [[1, 0], [2, 0], [9, 0]]}]},
        "planes.0: found the run 9, which is none of tiny on toy; allowed: one of",
    ),
    "a plane at no checkpoint": (
        {"planes": [{"through": [[1, 0], [2, 0], [1, 61]]}]},
        "planes.0: found the step 61, which is none of tiny on toy",
        "'last', 0, 60, 120",
    ),
    "a plane through two": ({"planes": [{"seeds": [1, 2]}]}, "planes.0.seeds"),
    "a plane through one twice": (
        {"planes": [{"seeds": [1, 2, 1]}]},
        "planes.0: found [[1, 120], [2, 120], [1, 120]] on tiny on toy; allowed: three different checkpoints",
    ),
    "a plane through one under two names": (
        {"planes": [{"through": [[1, "last"], [1, 120], [2, 120]]}]},
        "planes.0: found [[1, 120], [1, 120], [2, 120]] on tiny on toy; allowed: three different checkpoints",
    ),
    "a plane through one, since seeds part later": (
        {"training.fork_at": 60, "planes": [{"through": [[1, 0], [2, 0], [1, 120]]}]},
        "planes.0: found [['all', 0], ['all', 0], [1, 120]] on tiny on toy; allowed: three different",
    ),
    "a plane through one, since heads are alike": (
        {"training.vary": ["order"], "planes": [{"seeds": [1, 2, 3], "step": 0}], "seeds": [1, 2, 3]},
        "planes.0: found [['all', 0], ['all', 0], ['all', 0]] on tiny on toy; allowed: three different",
    ),
    "a plane under two names": (
        {
            "planes": [
                {"through": [[1, 0], [1, 120], [2, 120]]},
                {"through": [[1, 0], [1, "last"], [2, "last"]]},
            ]
        },
        "planes.1: found [[1, 0], [1, 120], [2, 120]] on tiny on toy, as planes.0; allowed: each once",
    ),
    "a group of a name": (
        {"layers": {"groups": {"queries": "*.query.*"}}},
        "layers.groups: queries: found '*.query.*'; allowed: a list of patterns of tensors' names",
    ),
    "more activations than memory": (
        {"layers": {"cache_mb": 2000}, "resources": {"layers": {"mem_mb": 1500}}},
        "layers.cache_mb: found 2000; allowed: less than the 1500 of resources.layers.mem_mb",
    ),
    "groups of the same tensors": (
        {"layers": {"groups": {"queries": ["*.query.*"], "others": ["*.query.*"]}}},
        "layers: groups.others: found the patterns of queries; allowed: groups that differ",
    ),
    "layers in no group": (
        {"layers": {"groups": {}}},
        "layers: groups: found {}; allowed: one or more groups",
    ),
    "a group of no pattern": (
        {"layers": {"groups": {"queries": []}}},
        "layers: groups.queries: found []; allowed: one or more patterns",
    ),
    "a plane through nothing": ({"planes": [{"resolution": 5}]}, "one of `seeds`", "`through`"),
    "a plane said twice": (
        {"planes": [{"through": [[1, 0], [2, 0], [1, 60]]}, {"through": [[1, 0], [2, 0], [1, 60]]}]},
        "planes.1: found [[1, 0], [2, 0], [1, 60]] on tiny on toy, as planes.0; allowed: each once",
    ),
    "a truth for a size that matters": (
        {"negligible": {"loss": True}},
        "negligible.loss: found True (bool); allowed: a number",
    ),
    "a size that matters below nothing": ({"negligible": {"error": -0.1}}, "negligible.error: found -0.1"),
    "delta from no checkpoint": ({"delta_from": 61}, "delta_from: found 61", "allowed: one of [0, 60, 120]"),
}


def looked_at(change: dict[str, Any], _: Path) -> str:
    """The same, with what follows from its models and files."""
    return refusal(lambda: inputs.checked(changed(NANO, change), "nano.yaml"))


LOOKED_AT = {
    "a group that matches no tensor": (
        {"layers": {"groups": {"mine": ["*.nowhere.*"]}}},
        "layers.groups.mine: found ['*.nowhere.*'], which match none of the tensors of tiny; allowed: "
        "patterns that match some, such as 'bert.embeddings.word_embeddings.weight'",
    ),
    "a group that leaves no tensor over": (
        {"layers": {"groups": {"mine": ["bert.*", "classifier.*"]}}},
        "layers.groups.mine: found ['bert.*', 'classifier.*'], which match all of the tensors of tiny",
    ),
}
CASES = [Case(name, looked_at, change, said) for name, (change, *said) in LOOKED_AT.items()]
CASES += [Case(name, loading, change, said) for name, (change, *said) in MISTAKES.items()]
