"""Small made-up results with the files and columns of a real experiment, for the last stage's tests."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
from isthmus import metrics as curves
from isthmus import stored
from isthmus.data.rows import Rows, write_rows
from isthmus.experiment import layout, outputs
from isthmus.experiment.config import load
from isthmus.showing import software
from isthmus.statistics import averages, barriers, basins, concentration, generalisation, layers, tidy

ALPHAS = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 1.0])
KEYS = ["experiment", "model", "pretraining_steps", "dataset", "step", "seed_a", "seed_b", "set", "quantity"]


def experiment(seeds=(42, 43, 44), checkpoints=(100, 200, 400), further=True, **changes):
    """Two rungs of a ladder on an entailment task, the upper one on a paraphrase task too."""

    def toy(task):
        return {"kind": "toy", "task": task, "rows": 500}

    def rung(steps):
        return {"pretraining": "mlm", "pretraining_steps": steps}

    sets = {"overlap": {"source": toy("entailment") | {"shifted": True}}} if further else {}
    raw = {
        "experiment": "synthetic",
        "seeds": list(seeds),
        "models": {"tiny-0": rung(0), "tiny_600": rung(600)},
        "datasets": {
            "entailment": {"source": toy("entailment"), "sets": sets},
            "paraphrase": {"source": toy("paraphrase")},
        },
        "cells": [["tiny-0", "entailment"], ["tiny_600", "entailment"], ["tiny_600", "paraphrase"]],
        "pretraining": {"mlm": {"training": {"steps": 600, "warmup_steps": 10}}},
        "training": {"steps": max(checkpoints), "checkpoints": list(checkpoints), "warmup_steps": 10},
    }
    return load(raw | changes)


class Results:
    """The frames and files of an experiment whose curves are bumps on a slope.

    With `apart`, seeds of even and odd number stand in two basins.
    """

    def __init__(self, experiment, intervals=True, skilled=True, apart=False):
        self.experiment, self.intervals, self.skilled = experiment, intervals, skilled
        self.apart = apart
        self.random = np.random.default_rng(0)
        self.points, metrics, evaluations, pairs = [], [], [], []
        for model, dataset in experiment.cell_list():
            steps = experiment.cell_steps(model, dataset)
            for step in steps:
                metrics += self._paths(model, dataset, step, step / steps[-1])
                evaluations += self._evaluations(model, dataset, step, step / steps[-1])
                pairs += self._pairs(model, dataset, step)
        self.metrics = pd.DataFrame(metrics)
        self.evaluations = pd.DataFrame(evaluations)
        self.pairs = pd.DataFrame(pairs)
        self.averages = pd.DataFrame(
            [row for cell in experiment.cell_list() for row in self._averages(*cell)],
            columns=["experiment", "model", "pretraining_steps", "dataset", *averages.COLUMNS],
        )
        self.layers = pd.DataFrame(
            [row for cell in experiment.cell_list() for row in self._layers(*cell)],
            columns=["experiment", "model", "pretraining_steps", "dataset", *layers.COLUMNS],
        )
        self.along = pd.DataFrame(
            [row for cell in experiment.cell_list() for row in self._along(*cell)],
            columns=[*self.metrics, "step_a", "step_b"],
        )
        self.barriers = pd.DataFrame(
            [row for cell in experiment.cell_list() for row in self._barriers(*cell)],
            columns=["experiment", "model", "pretraining_steps", "dataset", *barriers.COLUMNS],
        )
        curved = [self.metrics.iloc[:0], *(self._curved(*cell) for cell in experiment.cell_list())]
        self.detours = pd.concat(curved, ignore_index=True)
        self.concentration = pd.DataFrame(
            [row for cell in experiment.cell_list() for row in self._concentration(*cell)],
            columns=["experiment", "model", "pretraining_steps", "dataset", *concentration.COLUMNS],
        )
        self.factors = self.metrics.iloc[:0].assign(mean_low=[], mean_high=[])
        self.deltas = self._deltas()
        self.means = self._means()
        self.metrics, self.deltas = (
            tidy.with_intervals(frame, self.means) for frame in (self.metrics, self.deltas)
        )

    def _sets(self, dataset):
        return ["train", "test", *self.experiment.datasets[dataset].sets]

    def _keys(self, model, dataset, step):
        return {
            "experiment": self.experiment.experiment,
            "model": model,
            "pretraining_steps": self.experiment.models[model].pretraining_steps,
            "dataset": dataset,
            "step": step,
        }

    def _paths(self, model, dataset, step, done):
        rows = []
        height = 0.0 if step == 0 else 0.05 + (0.3 if model == "tiny-0" else 0.15) * done
        for (a, b), part in itertools.product(
            self.experiment.cell_pairs(model, dataset), self._sets(dataset)
        ):
            far = 5 if self.apart and (a - b) % 2 else 1
            bump = far * height * self.random.uniform(0.7, 1.3) * np.sin(np.pi * ALPHAS) ** 2
            for quantity, scale in (("loss", 1.0), ("error", 0.3)):
                curve = scale * ((1.1 - 0.5 * done) + 0.05 * ALPHAS + bump)
                keys = self._keys(model, dataset, step) | {"seed_a": a, "seed_b": b, "set": part}
                rows += self._metrics(keys | {"quantity": quantity}, curve)
                if quantity == "loss":
                    point = {
                        key: keys[key] for key in ("model", "dataset", "step", "seed_a", "seed_b", "set")
                    }
                    self.points += [
                        point | {"alpha": x, "loss": y, "error": y * 0.3, "n": 100}
                        for x, y in zip(ALPHAS, curve, strict=True)
                    ]
        return rows

    def _metrics(self, keys, curve):
        barrier, gap = curves.barrier_height(ALPHAS, curve), curves.convexity_gap(ALPHAS, curve)
        rows = [
            self._row(keys, name, None, found.value, found) for name, found in (("BH", barrier), ("CG", gap))
        ]
        nested = curves.nested(ALPHAS, curve, 10)
        named = zip(
            ("BH_nested", "CG_nested", "ICG_nested"),
            (nested.barrier_height, nested.convexity_gap, nested.improved_convexity_gap),
            strict=True,
        )
        return rows + [self._row(keys, name, 10, value, None) for name, value in named]

    def _row(self, keys, metric, k, value, gap):
        at = (gap.alpha, gap.chord_low, gap.chord_high) if gap else (None,) * 3
        return keys | {
            "metric": metric,
            "k": k,
            "value": value,
            "low": 0.9 * value if self.intervals else None,
            "high": 1.1 * value if self.intervals else None,
            "error": 1e-4 if gap else None,
            **dict(zip(("alpha", "chord_low", "chord_high"), at, strict=True)),
            "alphas": len(ALPHAS),
            "path": "line",
        }

    def _evaluations(self, model, dataset, step, done):
        rows = []
        for seed, part in itertools.product(self.experiment.cell_runs(model, dataset), self._sets(dataset)):
            accuracy = 0.34 + (0.4 * done * self.random.uniform(0.9, 1) if self.skilled else -0.01)
            scores = {"loss": 1.1 - 0.5 * done, "accuracy": accuracy, "f1": 0.3 + 0.4 * done}
            scores |= {"mcc": 0.5 * done, "n": 100, "majority": 0.34, "perplexity": np.nan, "tokens": np.nan}
            scores |= {"accuracy_low": accuracy - 0.05, "accuracy_high": accuracy + 0.05}
            rows.append(self._keys(model, dataset, step) | {"seed": seed, "set": part} | scores)
        return rows

    def _pairs(self, model, dataset, step):
        disagreement = {f"disagreement_{part}": 0.1 for part in self._sets(dataset)}
        return [
            self._keys(model, dataset, step)
            | {
                "seed_a": a,
                "seed_b": b,
                "distance": 0.01 * step,
                "distance_a": 0.008 * step,
                "distance_b": 0.007 * step,
            }
            | {"cosine": 0.2 if step else None}
            | disagreement
            for a, b in self.experiment.cell_pairs(model, dataset)
        ]

    def _averages(self, model, dataset):
        """Soups of two and of all at the last step; each kind gains a little more than the one before it."""
        seeds = list(self.experiment.cell_runs(model, dataset))
        for step, part, (quantity, scale) in itertools.product(
            self.experiment.cell_averaged(model, dataset),
            self._sets(dataset),
            (("loss", 1.0), ("error", 0.3)),
        ):
            keys = self._keys(model, dataset, step) | {"set": part, "quantity": quantity}
            alone = {"mean_of_members": scale * 0.6, "best_member": scale * 0.58}
            whole = "+".join(map(str, seeds))
            named = [(2, f"{a}+{b}") for a, b in itertools.combinations(seeds, 2)] + [(2, None)]
            named = (named if len(seeds) > 2 else named[:1]) + (
                [(len(seeds), whole)] if len(seeds) > 2 else []
            )
            for place, kind in enumerate(("pair", "uniform", "ensemble", "greedy")):
                for size, names in named:
                    if size != {"pair": 2, "greedy": len(seeds)}.get(kind, size):
                        continue
                    gain = scale * (0.01 * place + 0.005 * size)
                    row = {"kind": kind, "size": size, "seeds": names, "gain": gain, **alone}
                    row |= {"value": scale * 0.6 - gain, "gain_over_best": gain - scale * 0.02}
                    ends = ("low", "high", *(("low_both", "high_both") if names is None else ()))
                    wider = zip(ends, (-0.01, 0.01, -0.02, 0.02), strict=False)
                    row |= {end: gain + scale * by for end, by in wider} if self.intervals else {}
                    if kind == "uniform":
                        row["predicted"] = row["value"] + scale * 0.001
                    yield keys | row

    def _layers(self, model, dataset):
        """CG of lines in three groups of tensors: 0.01 for each group that moves, and a little by end."""
        groups = ["embeddings", "block 0", "head"]
        orders = {"alone": [(g, 1) for g in groups], "shallow": [("embeddings", 1), ("block 0", 2)]}
        orders["deep"] = [("block 0", 2), ("head", 1)]
        for step, a, b in self.experiment.cell_layers(model, dataset):
            for (order, parts), side in itertools.product(orders.items(), "ab"):
                keys = self._keys(model, dataset, step) | {"seed_a": a, "seed_b": b, "set": "test"}
                for (group, moving), quantity, metric in itertools.product(
                    parts, ("loss", "error"), ("BH", "CG", "gain", "BH_models")
                ):
                    value = 0.01 * moving + 0.001 * (side == "b")
                    row = {"quantity": quantity, "group": group, "order": order, "from": side}
                    ends = {"metric": metric, "value": value, "low": value - 0.002, "high": value + 0.002}
                    yield keys | row | ends

    def _along(self, model, dataset):
        """CG of each run's lines: 0.1 at step 0, 0 at the last; the gain is a tenth of it, below 0."""
        steps = self.experiment.cell_steps(model, dataset)
        seeds = self.experiment.cell_runs(model, dataset) if self.experiment.paths.along else []
        for index, seed in enumerate(seeds):
            for step, quantity in itertools.product(steps[:-1], ("loss", "error")):
                keys = self._keys(model, dataset, steps[-1]) | {"set": "test", "quantity": quantity}
                keys |= {"seed_a": seed, "seed_b": seed, "path": "along"}
                keys |= {"step_a": step, "step_b": steps[-1]}
                value = 0.1 * (1 - step / steps[-1]) + 0.01 * index
                yield keys | {"metric": "CG", "value": value}
                yield keys | {"metric": "gain", "value": -0.1 * value}

    def _barriers(self, model, dataset):
        """CG and BH of 0.3 on the lines of pairs that have a curve, and of 0.05 on the curve."""
        curves = {(step, curve.name) for step, _, _, curve in self.experiment.cell_curves(model, dataset)}
        pairs = len({(a, b) for _, a, b, _ in self.experiment.cell_curves(model, dataset)})
        values = {"line": 0.3, "path": 0.05, "change": -0.25}
        for (step, name), metric, of in itertools.product(sorted(curves), ("BH", "CG"), values):
            keys = self._keys(model, dataset, step) | {"set": "test", "quantity": "loss", "metric": metric}
            row = {"path": name, "of": of, "bodies": "same", "pairs": pairs, "value": values[of]}
            ends = {"low": values[of] - 0.01, "high": values[of] + 0.01}
            yield keys | row | ends | {"relative_length": 1.5}

    def _risen(self, model, dataset, units):
        """The last step, the pairs, and the rises of units on each: the first tenth rise, the rest fall."""
        step = self.experiment.cell_steps(model, dataset)[-1]
        keys = {"model": model, "dataset": dataset, "step": step, "set": "test", "quantity": "loss"}
        keys |= {"metric": "CG"}
        gaps = self.metrics[(self.metrics[list(keys)] == pd.Series(keys)).all(axis=1)]
        weights = np.where(np.arange(units) < units / 10, np.arange(units, 0, -1), -0.1 * units / 10)
        rises = np.outer(gaps["value"], units * weights / weights.sum())
        return step, list(zip(gaps["seed_a"], gaps["seed_b"], strict=True)), rises

    def _concentration(self, model, dataset, units=60):
        step, pairs, rises = self._risen(model, dataset, units)
        for (a, b), rise in zip(pairs, rises, strict=True):
            keys = self._keys(model, dataset, step) | {"seed_a": a, "seed_b": b}
            for values in concentration.of_rises(rise):
                names = ("share_of_units", "units", "share_of_gap")
                yield keys | dict(zip(names, values, strict=True))

    def examples(self, folder: Path, units=60):
        """Write the files of examples: of classes 0 and 1 in turn, ids from 1000 on, chords at 0.7."""
        paths = []
        for model, dataset in self.experiment.cell_list():
            step, pairs, rises = self._risen(model, dataset, units)
            paths.append(folder / layout.filled(layout.EXAMPLES, model=model, dataset=dataset))
            rise, (seed_a, seed_b) = rises.ravel(), np.repeat(pairs, units, axis=0).T
            columns = {"seed_a": seed_a, "seed_b": seed_b, "rise": rise, "loss": 0.7 + rise}
            columns |= {"id": np.tile(1000 + np.arange(units), len(pairs)), "end_loss": 0.7, "count": 1}
            columns["label"] = columns["id"] % 2
            stored.write_frame(paths[-1], pd.DataFrame(columns).assign(step=step))
        return paths

    def data(self, folder: Path, units=60):
        """Write the records of the data sets' subsets, and their test rows; returns the paths of both."""
        subsets, texts = [], []
        for dataset in outputs.labelled(self.experiment):
            subsets.append(folder / layout.filled(layout.SUBSET, dataset=dataset))
            texts.append(folder / layout.filled(layout.TEST_ROWS, dataset=dataset))
            subsets[-1].parent.mkdir(parents=True, exist_ok=True)
            stored.write_json(subsets[-1], {"labels": ["no & no", "yes"]})
            first = [f"<script>alert({place})</script> & so on" for place in range(units)]
            rows = Rows(1000 + np.arange(units), first, ["long " * 200] * units, np.arange(units) % 2)
            write_rows(texts[-1], rows)
        return subsets, texts

    def _curved(self, model, dataset):
        """The metrics of curves: a sixth of those of their lines."""
        parts = []
        for step, a, b, curve in self.experiment.cell_curves(model, dataset):
            keys = {"model": model, "dataset": dataset, "step": step, "seed_a": a, "seed_b": b}
            mine = self.metrics[(self.metrics[list(keys)] == pd.Series(keys)).all(axis=1)]
            changed = {name: mine[name] / 6 for name in ("value", "low", "high")}
            parts.append(mine.assign(path=curve.name, relative_length=1.5, **changed))
        return pd.concat(parts) if parts else self.metrics.iloc[:0]

    def curves(self, folder: Path):
        """Write the files of curves that lie halfway between their lines and the lowest loss of these."""
        points, paths = pd.DataFrame(self.points), []
        for model, dataset in self.experiment.cell_list():
            for step, a, b, curve in self.experiment.cell_curves(model, dataset):
                keys = {"model": model, "dataset": dataset, "step": step, "seed_a": a, "seed_b": b}
                mine = points[(points[list(keys)] == pd.Series(keys)).all(axis=1)]
                loss = (mine["loss"] + mine["loss"].min()) / 2
                template = layout.filled(layout.DETOUR, seed=a, other=b, curve=curve.name, **keys)
                paths.append(folder / template)
                paths[-1].parent.mkdir(parents=True, exist_ok=True)
                stored.write_frame(paths[-1], mine.assign(loss=loss, path=curve.name, relative_length=1.5))
        return paths

    def planes(self, folder: Path):
        """Write the files of a bowl over each plane; returns their paths."""
        paths = []
        for model, dataset in self.experiment.cell_list():
            for name, (_, plane) in self.experiment.cell_planes(model, dataset).items():
                grid = np.linspace(-1, 3, plane.resolution)
                points = [("grid", x, y) for y in grid for x in grid]
                points += [("a", 0.0, 0.0), ("b", 2.0, 0.0), ("c", 1.0, 2.0), ("mean", 1.0, 2 / 3)]
                rows = [
                    {"place": place, "x": x, "y": y, "loss": 0.3 + 0.1 * ((x - 1) ** 2 + (y - 1) ** 2)}
                    for place, x, y in points
                ]
                frame = pd.DataFrame(rows).assign(model=model, dataset=dataset, plane=name, n=100)
                frame["error"] = 0.3 * frame["loss"]
                paths.append(folder / "planes" / model / dataset / name / "rows0.parquet")
                paths[-1].parent.mkdir(parents=True, exist_ok=True)
                stored.write_frame(paths[-1], frame)
        return paths

    def maps(self, folder: Path):
        """Write the files of maps on which each run goes right, as far as its step, on a line of its own."""
        paths = []
        for model, dataset in self.experiment.cell_list() if self.experiment.map else ():
            steps = self.experiment.cell_steps(model, dataset)
            rows = [
                {"seed": seed, "step": step, "x": step / 100, "y": float(line), "share": 0.75}
                for line, seed in enumerate(self.experiment.cell_runs(model, dataset))
                for step in steps[::-1]
            ]
            paths.append(folder / "map" / model / f"{dataset}.parquet")
            paths[-1].parent.mkdir(parents=True, exist_ok=True)
            stored.write_frame(paths[-1], pd.DataFrame(rows).assign(model=model, dataset=dataset))
        return paths

    def _deltas(self):
        rows = []
        keys = [key for key in KEYS if key != "step"]
        for (model, dataset), cell in self.metrics.groupby(["model", "dataset"], sort=False):
            start = self.experiment.cell_delta_from(model, dataset)
            end = self.experiment.cell_steps(model, dataset)[-1]
            both = [cell[cell["step"] == step].set_index([*keys, "metric", "k"]) for step in (start, end)]
            change = (both[1]["value"] - both[0]["value"]).reset_index()
            change["from_step"], change["to_step"] = start, end
            change["low"] = change["value"] - 0.01 if self.intervals else np.nan
            change["high"] = change["value"] + 0.01 if self.intervals else np.nan
            rows.append(change)
        order = [
            "experiment",
            "model",
            "pretraining_steps",
            "dataset",
            "from_step",
            "to_step",
            "seed_a",
            "seed_b",
        ]
        return pd.concat(rows)[[*order, "set", "quantity", "metric", "k", "value", "low", "high"]]

    def _means(self):
        """Means over pairs; their intervals are those of the values above."""
        keys = ["experiment", "model", "pretraining_steps", "dataset"]
        by = [*keys, "from_step", "step", "set", "quantity", "metric", "k"]
        changes = self.deltas.rename(columns={"to_step": "step"})
        both = pd.concat([self.metrics.assign(from_step=np.nan), changes])
        groups = both.groupby(by, sort=False, dropna=False)
        found = groups[["value", "low", "high"]].mean()
        found.insert(0, "pairs", groups.size())
        found["seeds"] = len(self.experiment.seeds)
        tested = len(self.experiment.seeds) > 2
        for over, wider in (("seeds", 0.02), ("both", 0.03)):
            found[f"low_{over}"] = found["value"] - wider if tested else np.nan
            found[f"high_{over}"] = found["value"] + wider if tested else np.nan
        if not self.intervals:
            found[["low_both", "high_both"]] = np.nan
        for name, factor in (("", 0.95), ("_low", 0.85), ("_high", 1.05)):
            found[f"cross_fitted{name}"] = factor * found["value"] if self.intervals else np.nan
        return found.reset_index()

    def save(self, folder: Path):
        """Write all files; returns (histories, rows), the paths that the figures are given."""
        folder.mkdir(parents=True, exist_ok=True)
        ends = [*tidy.INTERVALS, *tidy.CROSS_FITTED]
        for name in outputs.TIDY:
            if name == "differences":
                continue
            frame = getattr(self, name)
            for others in (self.along, self.detours) if name == "metrics" else ():
                frame = pd.concat([frame, others]) if len(others) else frame
            frame = frame.drop(columns=ends, errors="ignore").assign(space="whole")
            frame.to_csv(folder / f"{name}.csv", index=False)
        self.means.head(0).to_csv(folder / "differences.csv", index=False)
        self._said(folder)
        points, rows = pd.DataFrame(self.points), []
        for (model, dataset, step, seed), row in points.groupby(["model", "dataset", "step", "seed_b"]):
            rows.append(folder / "paths" / model / dataset / f"step{step}" / f"seed{seed}.parquet")
            rows[-1].parent.mkdir(parents=True, exist_ok=True)
            row.to_parquet(rows[-1])
        return self._histories(folder), rows

    def _said(self, folder):
        """Write `basins.csv` and `generalisation.csv`."""
        files = []
        for model, dataset in self.experiment.cell_list():
            runs = list(self.experiment.cell_runs(model, dataset))
            step = self.experiment.cell_steps(model, dataset)[-1]
            keys = {"metric": "CG", "set": "test", "quantity": "loss"}
            keys |= {"model": model, "dataset": dataset, "step": step}
            gaps = self.metrics[(self.metrics[list(keys)] == pd.Series(keys)).all(axis=1)]
            pairs = {(row.seed_a, row.seed_b): np.array([row.value]) for row in gaps.itertuples()}
            files.append(folder / "connectivity" / model / f"{dataset}.basins.parquet")
            files[-1].parent.mkdir(parents=True, exist_ok=True)
            frame = basins.of_gaps(pairs, runs, step, "average", None)
            frame.to_parquet(files[-1], index=False)
        generalisation.write(
            self.experiment.experiment,
            self.evaluations,
            files,
            folder / "basins.csv",
            folder / "generalisation.csv",
        )

    def _histories(self, folder):
        paths = []
        for model, dataset, seed in outputs.training_runs(self.experiment):
            steps = self.experiment.cell_training(model, dataset).checkpoint_steps()
            for start, end in itertools.pairwise(steps):
                path = (
                    folder
                    / "checkpoints"
                    / model
                    / dataset
                    / f"seed{seed}"
                    / f"step{end}"
                    / "history.parquet"
                )
                path.parent.mkdir(parents=True, exist_ok=True)
                step = np.arange(start + 1, end + 1)
                loss = 1.1 * np.exp(-step / 300) + self.random.normal(0, 0.1, len(step))
                frame = {"step": step, "loss": loss, "learning_rate": 1e-3, "tokens": 512, "seconds": 0.1}
                pd.DataFrame(frame).to_parquet(path)
                paths.append(path)
        return paths


PROVENANCE = {
    "software": software.facts(),
    "isthmus": "0.1.0",
    "versions": {"numpy": "2.0"},
    "command": json.dumps(["<script>alert(1)</script>"]),
}
