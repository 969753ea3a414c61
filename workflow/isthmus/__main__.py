"""The command line: `isthmus connect A B --data test.tsv --text sentence1 sentence2 --label label`."""

import argparse
import os
import sys
from pathlib import Path
from typing import get_args

from pydantic import ValidationError, create_model
from tqdm import tqdm

from isthmus.errors import ConfigError, UserError
from isthmus.experiment import config, wording

EXAMPLE = """\
example:
  isthmus connect runs/seed1 runs/seed2 --data dev.tsv --text question1 question2 --label is_duplicate

A and B are folders in Hugging Face's layout, or ids of its hub (id@revision): two fine-tunings of one
architecture. The line between their weights is measured on the examples. BH is the barrier height, CG the
convexity gap, both of the mean cross-entropy in nats: 0 means that no loss barrier lies between the two.
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


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    whole = argparse.ArgumentParser(prog="isthmus", description=__doc__.split("\n")[0])
    commands = whole.add_subparsers(dest="command", required=True)
    connect = commands.add_parser(
        "connect",
        help="how linearly connected two fine-tuned models are",
        description="How linearly connected two fine-tuned models are.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    connect.add_argument("a", metavar="A", help="a model folder or hub id")
    connect.add_argument("b", metavar="B", help="another one, of the same architecture")
    add = connect.add_argument
    add("--data", required=True, type=Path, help="labelled examples: TSV, CSV, JSON lines or Parquet")
    formats = get_args(get_args(config.FilesSource.model_fields["format"].annotation)[0])
    add("--format", choices=formats, help="how the data are read, where their ending does not say it")
    add("--text", required=True, nargs="+", metavar="COLUMN", help="the column of the text, or of both texts")
    add("--label", required=True, metavar="COLUMN", help="the label's column: names or numbers of classes")
    add("--labels", nargs="+", metavar="NAME", help="the data's names of the models' classes, in their order")
    add("--pair-template", metavar="TEXT", help="how two texts are joined, such as '{a} [SEP] {b}'")
    add("--max-length", type=int, default=128, metavar="N", help="tokens an example at most (%(default)s)")
    add("--token-budget", type=int, default=1024, metavar="N", help="tokens a batch at most (%(default)s)")
    defaults = {name: field.default for name, field in config.Paths.model_fields.items()}
    add("--tolerance", type=float, default=defaults["tolerance"], help="of CG, in nats (%(default)s)")
    add("--max-alphas", type=int, default=defaults["max_alphas"], metavar="N", help="at most (%(default)s)")
    add("--replicates", type=int, default=1000, metavar="N", help="bootstrap replicates (%(default)s)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (%(default)s)")
    add("--precision", choices=("float32", "tf32", "bfloat16"), default="float32", help="(%(default)s)")
    add("--threads", type=int, default=os.cpu_count(), metavar="N", help="of the CPU (%(default)s)")
    add("--out", type=Path, default=Path("curve"), help="the curve goes to OUT.csv and OUT.png (%(default)s)")
    return whole


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, write."""
    # `--help` and a mistyped option must not take the seconds of PyTorch's import.
    from isthmus.connect import connect, curve_files, default_numerics
    from isthmus.measuring.rows import Resampling
    from isthmus.space import sampling

    curve_files(arguments.out)
    reading = _settings(
        Reading,
        max_length=arguments.max_length,
        pair_template=arguments.pair_template,
        threads=arguments.threads,
    )
    source = {"kind": "files", "paths": [arguments.data], "format": arguments.format}
    named = {key: getattr(arguments, key) for key in ("text", "label", "labels")}
    columns = _settings(config.Columns, source=source, **named)
    limits = _settings(config.Paths, tolerance=arguments.tolerance, max_alphas=arguments.max_alphas)
    measuring = _settings(
        config.Evaluation, replicates=arguments.replicates, token_budget=arguments.token_budget
    )
    chosen = {"device": arguments.device, "precision": arguments.precision, "threads": reading.threads}
    with tqdm(unit=" alphas", disable=not sys.stderr.isatty(), leave=False) as bar:
        found = connect(
            (arguments.a, arguments.b),
            columns,
            labels=columns.labels,
            template=reading.pair_template,
            max_length=reading.max_length,
            budget=measuring.token_budget,
            sampler=sampling.sampler(limits.sampler()),
            resampling=Resampling(measuring.replicates, measuring.seed),
            settings=default_numerics() | chosen,
            seen=lambda alpha: bar.update(),
        )
    print(found.summary())
    print("the curve:", *found.write(arguments.out))


def _settings(kind: type[config.Settings], **values) -> config.Settings:
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
        )
    except KeyboardInterrupt:
        sys.exit(130)  # the shell's number for it


if __name__ == "__main__":
    main()
