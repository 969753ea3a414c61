"""The command line: `isthmus connect A B --data test.tsv --text sentence1 sentence2 --label label`."""

import argparse
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError, create_model

from isthmus.bootstrap import Resampling
from isthmus.caches.identity import FACTORS, MERGED
from isthmus.errors import ConfigError, UserError
from isthmus.experiment import config, data_files, wording
from isthmus.machine.progress import Progress

EXAMPLE = """\
example:
  isthmus connect runs/seed1 runs/seed2 --data dev.tsv --text question1 question2 --label is_duplicate

A and B are folders in Hugging Face's layout, or ids of its hub (id@revision): two fine-tunings of one
architecture. The line between their weights is measured on the examples. BH is the barrier height, CG the
convexity gap, both of the mean cross-entropy in nats: 0 means that no loss barrier lies between the two.

Two language models with the heads that they were pre-trained with, on running text:
  isthmus connect pythia-seed1 pythia-seed2 --task causal_lm --data text.txt
"""

EXAMPLE_OF_AVERAGE = """\
example:
  isthmus average runs/seed1 runs/seed2 runs/seed3 --data dev.tsv --text question1 question2 \\
    --label is_duplicate --out runs/average

All models are fine-tunings of one architecture. The average is written in Hugging Face's layout, with a card
of what it and its members scored on the examples. It pays where models are connected: see `isthmus connect`.
"""

EXAMPLE_OF_COMPARE = """\
example:
  isthmus compare results/slow results/fast --out slow-fast

A and B are folders of finished experiments. What both measured of models and data sets of the same names is
compared: differences are B's minus A's, paired by examples and by seeds where these are the same.
"""

# Options that are settings of an experiment, each with its limits: of a data set, of a model, of all.
Reading = create_model(
    "Reading",
    __base__=config.Settings,
    **{
        name: (field.annotation, field)
        for group, name in (
            (config.Dataset, "max_length"),
            (config.Model, "pair_template"),
            (config.Experiment, "threads"),
        )
        for field in [group.model_fields[name]]
    },
)


# Options of language models, as a data set has them.
LANGUAGE = ("prompt", "answer", "block_size", "documents", "masked")


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    whole = argparse.ArgumentParser(prog="isthmus", description=__doc__.split("\n")[0])
    commands = whole.add_subparsers(dest="command", required=True)
    connect = _command(commands, "connect", "How linearly connected two fine-tuned models are.", EXAMPLE)
    connect.add_argument("a", metavar="A", help="a model folder or hub id")
    connect.add_argument("b", metavar="B", help="another one, of the same architecture")
    _add_examples(connect)
    add = connect.add_argument
    defaults = {name: field.default for name, field in config.Paths.model_fields.items()}
    add("--space", choices=(MERGED, FACTORS), default=MERGED, help="of adapters (%(default)s)")
    add("--tolerance", type=float, default=defaults["tolerance"], help="of CG, in nats (%(default)s)")
    add("--max-alphas", type=int, default=defaults["max_alphas"], metavar="N", help="at most (%(default)s)")
    _add_curve(add)
    _add_alignment(add)
    add(
        "--out", type=Path, default=Path("connect/curve"), metavar="OUT",
        help="the curve goes to OUT.csv and OUT.png, other paths to OUT-NAME.csv (%(default)s)",
    )  # fmt: skip
    average = _command(
        commands, "average", "The mean of the weights of fine-tuned models, as a model.", EXAMPLE_OF_AVERAGE
    )
    average.add_argument("models", nargs="+", metavar="MODEL", help="model folders or hub ids, two or more")
    _add_examples(average)
    average.add_argument(
        "--greedy", action="store_true", help="keep only the models that make the average more accurate"
    )
    average.add_argument(
        "--out", type=Path, required=True, help="the folder to write, which is not there yet"
    )
    compare = _command(commands, "compare", "The gaps of two experiments side by side.", EXAMPLE_OF_COMPARE)
    compare.add_argument("a", metavar="A", type=Path, help="the folder of an experiment's results")
    compare.add_argument("b", metavar="B", type=Path, help="another one")
    compare.add_argument(
        "--out", type=Path, default=Path("comparison"), help="goes to OUT.html and OUT.csv (%(default)s)"
    )
    return whole


def _add_curve(add) -> None:
    """The options of a curve beside the line."""
    kinds = get_args(config.Curve.model_fields["kind"].annotation)
    add("--curve", choices=kinds, help="measure this curve too: its bends are trained on --train")
    add("--train", type=Path, help="of --curve: examples to train bends on, with the columns of --data")
    add("--bends", type=int, default=1, metavar="N", help="of --curve: 1 or 2 (%(default)s)")
    add("--steps", type=int, default=500, metavar="N", help="of --curve: updates (%(default)s)")
    add(
        "--learning-rate", type=float, default=1e-4, metavar="X", help="of --curve: the highest (%(default)s)"
    )
    add(
        "--batch-size", type=int, default=32, metavar="N", help="of --curve: examples an update (%(default)s)"
    )


def _add_alignment(add) -> None:
    """The options of a line to B with its units in the order of A's."""
    methods = get_args(config.Alignment.model_fields["method"].annotation)
    methods = [method for method in methods if method != "learned"]  # which takes training examples
    count = config.Alignment.model_fields["examples"].default
    add("--align", choices=methods, help="measure the line to B aligned to A too: units matched by these")
    add("--align-examples", type=int, default=count, metavar="N", help="of --align: at most (%(default)s)")


def _command(commands, name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=description[0].lower() + description[1:].rstrip("."),
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_examples(command: argparse.ArgumentParser) -> None:
    """The options that say what models are measured on, and how."""
    add = command.add_argument
    add("--data", required=True, type=Path, help="examples: TSV, CSV, JSON lines, Parquet or plain text")
    tasks = get_args(config.Dataset.model_fields["task"].annotation)
    add("--task", choices=tasks, default=tasks[0], help="what the models are asked for (%(default)s)")
    formats = get_args(get_args(config.FilesSource.model_fields["format"].annotation)[0])
    add("--format", choices=formats, help="how the data are read, where their ending does not say it")
    add("--text", nargs="+", metavar="COLUMN", help="the column of the text, or of both texts")
    add("--label", metavar="COLUMN", help="the label's column: names or numbers of classes")
    add("--labels", nargs="+", metavar="NAME", help="the data's names of the models' classes, in their order")
    add("--pair-template", metavar="TEXT", help="how two texts are joined, such as '{a} [SEP] {b}'")
    longest = config.Dataset.model_fields["max_length"].default
    add("--max-length", type=int, metavar="N", help=f"tokens an example at most ({longest})")
    add("--base", metavar="MODEL", help="of adapters: what they adapt, where it is not where they say")
    for name in LANGUAGE:
        kind = {"block_size": int, "masked": float}.get(name, str)
        said = config.Dataset.model_fields[name].description.replace("`", "")
        add(f"--{name.replace('_', '-')}", type=kind, help=said)
    add("--token-budget", type=int, default=1024, metavar="N", help="tokens a batch at most (%(default)s)")
    add("--replicates", type=int, default=1000, metavar="N", help="bootstrap replicates (%(default)s)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (%(default)s)")
    add("--precision", choices=("float32", "tf32", "bfloat16"), default="float32", help="(%(default)s)")
    add("--threads", type=int, default=os.cpu_count(), metavar="N", help="of the CPU (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, write."""
    {"connect": _connect, "average": _average, "compare": _compare}[arguments.command](arguments)


def _connect(arguments: argparse.Namespace) -> None:
    # `--help` and a mistyped option must not take the seconds of PyTorch's import.
    from isthmus.connect import connect, curve_files

    curve_files(arguments.out)
    limits = _settings(config.Paths, tolerance=arguments.tolerance, max_alphas=arguments.max_alphas)
    columns, options = _measuring(arguments)
    # Results go to stdout, and nothing else: what training says of itself is no part of them.
    with Progress("isthmus connect") as progress, redirect_stdout(sys.stderr):
        found = connect(
            (arguments.a, arguments.b),
            columns,
            alphas=limits.sampler(),
            space=arguments.space,
            **_curve(arguments, columns),
            alignment=_alignment(arguments),
            progress=progress,
            **options,
        )
    print(found.summary())
    print("the curve:", *found.write(arguments.out))


def _curve(arguments: argparse.Namespace, columns: config.Dataset) -> dict[str, config.Settings]:
    """The curve that is asked for, how its bends are trained, and on what; nothing without `--curve`."""
    if arguments.curve is None:
        if arguments.train is not None:
            raise ConfigError(f"--train: found {arguments.train} without --curve; allowed: with --curve")
        return {}
    if arguments.train is None:
        raise ConfigError(
            "--train: missing; allowed: a file of examples that the bends of --curve are trained on"
        )
    settings = _settings(config.Curve, kind=arguments.curve, bends=arguments.bends)
    training = _settings(
        config.Training, steps=arguments.steps, learning_rate=arguments.learning_rate,
        batch_size=arguments.batch_size, warmup_steps=arguments.steps * 6 // 100,
        token_budget=arguments.token_budget,
    )  # fmt: skip
    source = {"kind": "files", "paths": [arguments.train], "format": arguments.format}
    train = _settings(config.Dataset, **columns.model_dump(exclude_unset=True) | {"source": source})
    data_files.check("--train", train)
    return {"curve": settings, "training": training, "train": train}


def _alignment(arguments: argparse.Namespace) -> tuple[str, int] | None:
    """The method by which B is aligned, and the number of examples; None without `--align`."""
    if arguments.align is None:
        return None
    if arguments.align_examples < 1:
        raise ConfigError(f"--align-examples: found {arguments.align_examples}; allowed: 1 or more")
    return arguments.align, arguments.align_examples


def _average(arguments: argparse.Namespace) -> None:
    from isthmus.average import average  # as in `_connect`

    if len(arguments.models) < 2:
        raise ConfigError(f"MODEL: found one, {arguments.models[0]}; allowed: two or more to average")
    columns, options = _measuring(arguments)
    found = average(arguments.models, columns, arguments.out, greedy=arguments.greedy, **options)
    print(*found.lines(), sep="\n")
    print("the average:", arguments.out)


def _compare(arguments: argparse.Namespace) -> None:
    from isthmus.showing.comparison import compare  # as in `_connect`

    print("the comparison:", *compare((arguments.a, arguments.b), arguments.out))


def _measuring(arguments: argparse.Namespace) -> tuple[config.Dataset, dict[str, Any]]:
    """The examples, and how models are measured on them, from the options that say so."""
    from isthmus.given import default_numerics  # as in `_connect`

    asked = {"max_length": arguments.max_length, "pair_template": arguments.pair_template}
    asked = {key: value for key, value in asked.items() if value is not None}
    if asked and arguments.task != "classification":
        key = next(iter(asked))
        raise ConfigError(
            f"--{key.replace('_', '-')}: found {asked[key]!r} for running text (`--task {arguments.task}`); "
            "allowed: only for classification (a block has --block-size)"
        )
    reading = _settings(Reading, threads=arguments.threads, **asked)
    if arguments.task == "classification":
        for key, what in (("text", "column of the text"), ("label", "label's column")):
            if getattr(arguments, key) is None:
                raise ConfigError(
                    f"--{key}: missing; allowed: the {what} (or --task causal_lm or masked_lm: running text)"
                )
    source = {"kind": "files", "paths": [arguments.data], "format": arguments.format}
    given = {key: getattr(arguments, key) for key in ("text", "label", "labels", *LANGUAGE)}
    given = {key: value for key, value in given.items() if value is not None}
    columns = _settings(config.Dataset, source=source, task=arguments.task, **given)
    measuring = _settings(
        config.Evaluation, replicates=arguments.replicates, token_budget=arguments.token_budget
    )
    chosen = {"device": arguments.device, "precision": arguments.precision, "threads": reading.threads}
    return columns, {
        "labels": columns.labels,
        "template": reading.pair_template,
        "max_length": reading.max_length,
        "base": arguments.base,
        "budget": measuring.token_budget,
        "resampling": Resampling(measuring.replicates, measuring.seed),
        "settings": default_numerics() | chosen,
    }


def _settings(kind: type[config.Settings], /, **values) -> config.Settings:
    """A group of settings from options of the same names, checked as those of an experiment are."""
    try:
        return kind(**values)
    except ValidationError as error:
        lines = (line.partition(":") for line in wording.messages(error, kind))
        raise ConfigError(
            "; ".join(f"--{key.replace('_', '-')}:{message}" for key, _, message in lines)
        ) from None


def main() -> None:
    """The console script's door; a mistake is one line on stderr and a status that is not 0."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        run(parser().parse_args())
    except UserError as error:
        # The library names settings of an experiment; here they are options.
        sys.exit(
            f"error: {error}".replace("--data.source.paths", "--data")
            .replace("--data.source.", "--")
            .replace("--data.", "--")
            .replace("--block_size", "--block-size")
        )
    except KeyboardInterrupt:
        sys.exit(130)  # the shell's number for it


if __name__ == "__main__":
    main()
