"""Check an experiment's results with other means than those that made them.

    python tests/end_to_end/check_results.py results/<experiment> [--max-length 128]

Nothing of Isthmus is imported. Barrier heights and convexity gaps are computed anew from `paths/` by trying
every chord, deltas and intervals over seeds from them; losses and errors at both ends of each path by opening
the checkpoint folders with Transformers, on the texts of `data/`. It prints what was compared and the largest
difference, and exits with 1 where one is too large.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

GAP_TOLERANCE = 1e-9
LOSS_TOLERANCE = 1e-5  # of a mean over examples, float32
STEP_0_LIMIT = 1e-6  # a linear head has no barrier before fine-tuning
LINEAR_HEADS = ("BertForSequenceClassification",)
PATH = ["model", "dataset", "step", "seed_a", "seed_b", "set"]


# ----------------------------------------------------------------------------------------- the metrics


def over_chord(alphas, curve, first, last):
    """The largest height of the curve over the chord from one point to another, ends included."""
    inner = alphas[first : last + 1]
    part = (inner - inner[0]) / (inner[-1] - inner[0])
    chord = (1 - part) * curve[first] + part * curve[last]
    return float(np.max(curve[first : last + 1] - chord))


def barrier_height(alphas, curve):
    return over_chord(alphas, curve, 0, len(alphas) - 1)


def convexity_gap(alphas, curve):
    """Every chord and every point over it: O(n^3)."""
    n = len(alphas)
    return max(over_chord(alphas, curve, g, h) for g in range(n) for h in range(g + 1, n))


def metrics_by_brute_force(points):
    """BH and CG of loss and error of each path."""
    rows = []
    for keys, part in points.groupby(PATH):
        part = part.sort_values("alpha")
        alphas = part["alpha"].to_numpy()
        for quantity in ("loss", "error"):
            for name, function in (("BH", barrier_height), ("CG", convexity_gap)):
                value = function(alphas, part[quantity].to_numpy())
                rows.append(
                    {**dict(zip(PATH, keys, strict=True)), "quantity": quantity, "metric": name, "own": value}
                )
    return pd.DataFrame(rows)


def interval_over_seeds(pairs):
    """Student's t with the delete-one-seed jackknife; None where no seed can be left out.

    `pairs`: the columns `seed_a`, `seed_b` and `value`, a row a pair.
    """
    seeds = sorted({*pairs["seed_a"], *pairs["seed_b"]})
    means = []
    for left_out in seeds:
        others = [row.value for row in pairs.itertuples() if left_out not in (row.seed_a, row.seed_b)]
        if not others:
            return None
        means.append(sum(others) / len(others))
    n, middle = len(seeds), sum(means) / len(means)
    variance = (n - 1) / n * sum((mean - middle) ** 2 for mean in means)
    half = stats.t.ppf(0.975, n - 1) * math.sqrt(variance)
    mean = sum(pairs["value"]) / len(pairs)
    return mean - half, mean + half


def intervals_apart(frame, step, means):
    """How far the intervals over seeds of `means.csv` are from those of the pairs in `frame`."""
    key = ["model", "dataset", step, "set", "quantity", "metric", "k"]
    stated = {
        tuple(map(str, (getattr(row, name) for name in key))): (row.low_seeds, row.high_seeds)
        for row in means.rename(columns={"step": step}).itertuples()
    }
    apart = []
    for values, pairs in frame.groupby(key, dropna=False):
        low, high = stated[tuple(map(str, values))]
        own = interval_over_seeds(pairs)
        if own is None:
            apart.append(0.0 if math.isnan(low) and math.isnan(high) else math.inf)
        else:
            apart += [low - own[0], high - own[1]]
    return apart


# ------------------------------------------------------------------------------------------- the losses


def texts(results, dataset, name, ids):
    """The rows of a set that were evaluated, in their order; and the set's label map."""
    frame = pd.read_parquet(results / "data" / dataset / f"{name}.parquet").set_index("id").loc[ids]
    groups = None
    if name not in ("train", "test"):
        groups = json.loads((results / "data" / dataset / f"{name}.json").read_text()).get("groups")
    return frame, groups


def opened(folder):
    import torch
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()


def plain_scores(model, tokenizer, frame, groups, max_length, batch=32):
    """Labels' log-probabilities as a user of Transformers computes them: padded batches in file order."""
    import torch

    found = []
    for start in range(0, len(frame), batch):
        rows = frame.iloc[start : start + batch]
        pair = rows["text_b"].tolist() if rows["text_b"].notna().all() else None
        inputs = tokenizer(
            rows["text_a"].tolist(),
            pair,
            padding=True,
            truncation=True,
            max_length=max_length,
            return_tensors="pt",
        )
        with torch.no_grad():
            scores = torch.log_softmax(model(**inputs).logits.double(), -1)
        if groups is not None:
            columns = [
                torch.logsumexp(scores[:, [c for c, group in enumerate(groups) if group == label]], 1)
                for label in range(max(groups) + 1)
            ]
            scores = torch.stack(columns, 1)
        found.append(scores)
    return torch.cat(found)


def loss_and_error(scores, frame):
    """Their means, and the number of examples."""
    import torch

    labels = torch.tensor(frame["label"].to_numpy())
    wrong = (scores.argmax(1) != labels).double()
    return float(-scores.gather(1, labels[:, None]).mean()), float(wrong.mean()), len(labels)


def ends(points):
    """Each checkpoint's loss and error as the paths that begin or end there have them."""
    at = [
        points[points["alpha"] == alpha].rename(columns={seed: "seed"})
        for alpha, seed in ((0.0, "seed_a"), (1.0, "seed_b"))
    ]
    columns = ["model", "dataset", "step", "seed", "set", "loss", "error", "n"]
    return pd.concat([part[columns] for part in at], ignore_index=True)


def losses_by_transformers(results, found, max_length):
    """Add `own_loss` and `own_error` to the ends of paths, evaluating each checkpoint and set once."""
    import torch
    from transformers import AutoTokenizer

    torch.set_num_threads(1)  # on a busy machine, two wait for each other
    keys = ["model", "dataset", "seed", "step"]
    rows = []
    for (model, dataset, seed, step), part in found.groupby(keys):
        where = Path(model, dataset, f"seed{seed}")
        evaluated = pd.read_parquet(results / "evaluations" / where / f"step{step}.parquet")
        tokenizer = AutoTokenizer.from_pretrained(results / "models" / model)
        for name in part["set"].unique():
            ids = evaluated.loc[evaluated["set"] == name, "id"].to_numpy()
            frame, groups = texts(results, dataset, name, ids)
            folder = results / "checkpoints" / where / f"step{step}"
            scores = plain_scores(opened(folder), tokenizer, frame, groups, max_length)
            loss, error, n = loss_and_error(scores, frame)
            own = {"set": name, "own_loss": loss, "own_error": error, "own_n": n}
            rows.append({"model": model, "dataset": dataset, "seed": seed, "step": step, **own})
    return found.merge(pd.DataFrame(rows), on=[*keys, "set"], how="left", validate="many_to_one")


def averages_by_transformers(results, averages, max_length, of_a_size=2):
    """Add `own` to some rows of `averages.csv`: load the members, average weights or probabilities, evaluate.

    Of each cell, step and size the first few soups, with their ensembles; greedy soups where both halves of
    the examples chose the same.
    """
    import torch
    from transformers import AutoTokenizer

    named = averages[
        averages["seeds"].notna() & ~averages["seeds"].astype(str).str.contains("|", regex=False)
    ]
    named = named[named["kind"].isin(["uniform", "ensemble", "greedy"])]
    keys = ["model", "dataset", "step", "kind", "size"]
    first = named.drop_duplicates([*keys, "seeds"]).groupby(keys, sort=False).head(of_a_size)
    rows = []
    for (model, dataset, step), soups in first.groupby(["model", "dataset", "step"]):
        tokenizer = AutoTokenizer.from_pretrained(results / "models" / model)
        folders = {
            seed: results / "checkpoints" / model / dataset / f"seed{seed}" / f"step{step}"
            for seeds in soups["seeds"]
            for seed in seeds.split("+")
        }
        of_cell = named[(named["model"] == model) & (named["dataset"] == dataset) & (named["step"] == step)]
        for name in of_cell["set"].unique():
            where = results / "evaluations" / model / dataset / folders_name(folders)
            evaluated = pd.read_parquet(where / f"step{step}.parquet")
            ids = evaluated.loc[evaluated["set"] == name, "id"].to_numpy()
            frame, groups = texts(results, dataset, name, ids)
            for soup in soups.itertuples():
                members = [opened(folders[seed]) for seed in soup.seeds.split("+")]
                if soup.kind == "ensemble":
                    each = [plain_scores(m, tokenizer, frame, groups, max_length) for m in members]
                    scores = torch.logsumexp(torch.stack(each), 0) - np.log(len(each))
                else:
                    states = [member.state_dict() for member in members]
                    mean = {
                        key: sum(state[key] for state in states) / len(states)
                        if tensor.is_floating_point()
                        else tensor
                        for key, tensor in states[0].items()
                    }
                    members[0].load_state_dict(mean)
                    scores = plain_scores(members[0], tokenizer, frame, groups, max_length)
                loss, error, _ = loss_and_error(scores, frame)
                place = dict(zip(keys[:3], (model, dataset, step), strict=True))
                place |= {"kind": soup.kind, "seeds": soup.seeds, "set": name}
                rows += [{**place, "quantity": q, "own": v} for q, v in (("loss", loss), ("error", error))]
    on = ["model", "dataset", "step", "kind", "seeds", "set", "quantity"]
    return named.merge(pd.DataFrame(rows, columns=[*on, "own"]), on=on)


def folders_name(folders):
    """The folder of any of the seeds: which examples a set has is the same for all."""
    return f"seed{next(iter(folders))}"


# ------------------------------------------------------------------------------------------- comparisons


class Report:
    """What was compared; a line each, and whether all agreed."""

    def __init__(self):
        self.failed = False

    def compare(self, what, differences, limit):
        """One line: the largest difference against its limit; none at all, or a gap in them, fails."""
        differences = np.abs(np.asarray(differences, dtype=float))
        largest = differences.max() if len(differences) else float("nan")
        good = bool(largest <= limit)
        self.failed |= not good
        verdict = "agrees" if good else "DIFFERS"
        print(f"{verdict}: {what}: {len(differences)} values, at most {largest:.3g} ({limit:g})")


def check(results, max_length):
    """Compare everything; true where all agrees."""
    report = Report()
    files = [
        path
        for path in (results / "paths").glob("*/*/*/*.parquet")
        if not path.name.endswith((".pairs.parquet", ".gaps.parquet"))
    ]
    if not files:
        print(f"{results}/paths holds no path")
        return False
    points = pd.concat([pd.read_parquet(path) for path in files], ignore_index=True)
    metrics = pd.read_csv(results / "metrics.csv")
    metrics = metrics[metrics["path"] == "line"]  # and not along one run
    # Files of a longer list of seeds or steps may still stand there; only what metrics.csv has is compared.
    points = points.merge(metrics[PATH].drop_duplicates(), on=PATH)

    measured = metrics[metrics["metric"].isin(["BH", "CG"])]
    gaps = measured.merge(metrics_by_brute_force(points), on=[*PATH, "quantity", "metric"], how="left")
    report.compare("BH and CG against every chord", gaps["value"] - gaps["own"], GAP_TOLERANCE)

    for (model, dataset), part in gaps[(gaps["step"] == 0) & (gaps["quantity"] == "loss")].groupby(
        ["model", "dataset"]
    ):
        seed = part["seed_a"].iloc[0]
        config = results / "checkpoints" / model / dataset / f"seed{seed}" / "step0" / "config.json"
        if set(json.loads(config.read_text())["architectures"]) <= set(LINEAR_HEADS):
            report.compare(
                f"BH and CG of {model} on {dataset} at step 0 against 0", part["value"], STEP_0_LIMIT
            )

    deltas = pd.read_csv(results / "deltas.csv")
    key = ["model", "dataset", "seed_a", "seed_b", "set", "quantity", "metric", "k"]
    at = {
        side: deltas[[*key, f"{side}_step"]]
        .rename(columns={f"{side}_step": "step"})
        .merge(metrics, on=[*key, "step"], how="left")["value"]
        .to_numpy()
        for side in ("from", "to")
    }
    report.compare("deltas against metrics.csv", deltas["value"] - (at["to"] - at["from"]), GAP_TOLERANCE)

    means = pd.read_csv(results / "means.csv")
    for frame, step, mine in (
        (metrics, "step", means[means["from_step"].isna()]),
        (deltas, "to_step", means[means["from_step"].notna()]),
    ):
        key = ["model", "dataset", step, "set", "quantity", "metric"]
        over_pairs = frame.groupby(key)["value"].mean().rename("own")
        both = mine.rename(columns={"step": step}).merge(over_pairs, on=key, how="outer")
        report.compare("means.csv against the mean over pairs", both["value"] - both["own"], GAP_TOLERANCE)
        apart = intervals_apart(frame, step, mine)
        report.compare("intervals over seeds against leaving out each seed", apart, GAP_TOLERANCE)

    compared = losses_by_transformers(results, ends(points), max_length)
    report.compare(
        "losses at alpha 0 and 1 against Transformers",
        compared["loss"] - compared["own_loss"],
        LOSS_TOLERANCE,
    )
    # Rounding may turn one prediction that is nearly undecided.
    one = 1.5 / compared["own_n"].min()
    report.compare(
        "errors at alpha 0 and 1 against Transformers", compared["error"] - compared["own_error"], one
    )
    report.compare("numbers of examples", compared["n"] - compared["own_n"], 0)
    averages = pd.read_csv(results / "averages.csv", dtype={"seeds": str})
    own = averages_by_transformers(results, averages, max_length)
    if len(averages):
        on_losses = own[own["quantity"] == "loss"]
        report.compare("averages against Transformers", on_losses["value"] - on_losses["own"], LOSS_TOLERANCE)
        on_errors = own[own["quantity"] == "error"]
        report.compare("errors of averages against Transformers", on_errors["value"] - on_errors["own"], one)
    evaluations = pd.read_csv(results / "evaluations.csv")
    scores = evaluations.merge(
        compared, on=["model", "dataset", "seed", "step", "set"], suffixes=("", "_path")
    )
    report.compare(
        "evaluations.csv against Transformers", scores["loss"] - scores["own_loss"], LOSS_TOLERANCE
    )
    return not report.failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, help="the folder results/<experiment>")
    parser.add_argument("--max-length", type=int, default=128, help="`max_length` of its data sets")
    given = parser.parse_args()
    sys.exit(0 if check(given.results, given.max_length) else 1)
