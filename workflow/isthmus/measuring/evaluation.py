"""Evaluations: the sets of a cell, and the job that measures one checkpoint on them."""

from pathlib import Path

import pyarrow as pa

from isthmus import stored
from isthmus.caches import attempts
from isthmus.caches.journal import Journal, Origin, mixture
from isthmus.data import tokens
from isthmus.data.tokens import Tokens
from isthmus.machine.numerics import Numerics
from isthmus.measuring.ends import End
from isthmus.measuring.engine import Engine
from isthmus.space.points import at
from isthmus.tasks.scored import scored


def read_sets(files: dict[str, Path], train_examples: int | None, seed: int) -> dict[str, Tokens]:
    """The evaluation sets of a cell by name.

    Args:
        files: the tokens file of each set; `train` and `test` among them.
        train_examples: how many examples of the train part to take; None for as many as test has.
        seed: of that sample.
    """
    sets = {name: tokens.read(path) for name, path in files.items()}
    sets["train"] = tokens.sample(sets["train"], train_examples or len(sets["test"]), seed)
    return sets


def evaluate(
    *, checkpoint: Path, sets: dict[str, Tokens], budget: int, numerics: Numerics, journal: Path, out: Path
) -> None:
    """One job: losses and predictions of one checkpoint on each set, from the journal where they are known.

    Args:
        checkpoint: the checkpoint's folder.
        sets: from `read_sets`.
        budget: tokens a batch.
        numerics: how to compute.
        journal: the checkpoint's folder in the journal.
        out: the Parquet file to write: a row a unit and set, with `set, id` and the columns of the task's
            `scored`.

    Raises:
        errors.Damaged: the checkpoint is damaged.
    """
    end = End.read(0, checkpoint)
    records = Journal(journal, "checkpoint", Origin(numerics.hardware, numerics.torch))
    task = scored(sets, checkpoint, numerics)
    engine, point = Engine(end, sets, budget, task), at(end.anchor)
    parts = []
    with attempts.measuring(journal, numerics, lambda: engine.measured):
        for name, examples in sets.items():
            key = engine.key(name, point)
            record = records.get(key)
            if record is None:
                record = records.put(key, engine.measure_end(name))
            columns = {"id": examples.rows, **task.scored(record, examples)}
            own = {column: stored.numbers(values) for column, values in columns.items()}
            parts.append(pa.table({"set": stored.repeated(name, len(examples)), **own}))
    if mixed := mixture([records]):
        print(mixed, flush=True)
    stored.write_table(out, pa.concat_tables(parts, promote_options="permissive"))
