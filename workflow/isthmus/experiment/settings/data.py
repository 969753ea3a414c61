"""Settings of data: where rows come from, and what their columns mean."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from isthmus.experiment import labels
from isthmus.experiment.settings.base import Settings
from isthmus.experiment.settings.training import TrainingOverride
from isthmus.experiment.values import (
    Count,
    Delimiter,
    Fraction,
    HubId,
    Label,
    Location,
    Name,
    Real,
    Revision,
    Seed,
    Whole,
)


class HubSource(Settings):
    """A data set of the Hugging Face hub, fetched once where Snakemake runs."""

    kind: Literal["hub"]
    id: HubId = Field(description="the data set's id on the hub, such as `nyu-mll/glue`")
    config: str | None = Field(None, min_length=1, description="its configuration, such as `qqp`")
    split: str = Field("train", min_length=1, description="its split")
    revision: Revision | None = Field(None, description="a commit or tag; pin it, or the data may change")


class FilesSource(Settings):
    """Your own files: TSV, CSV, JSON lines or Parquet."""

    kind: Literal["files"]
    paths: list[Location] = Field(min_length=1, description="the files, read one after the other; each once")
    format: Literal["tsv", "csv", "jsonl", "parquet"] | None = Field(
        None,
        description="how all of them are read, whatever their endings; by default .tsv and .txt are `tsv`, "
        ".csv is `csv`, .jsonl and .json are `jsonl` (a .json may be one list of records), .parquet is "
        "`parquet`",
    )
    delimiter: Delimiter | None = Field(
        None,
        description="what separates columns; by default a tab for `tsv`, a comma for `csv`",
    )
    quoting: Literal["none", "minimal"] | None = Field(
        None,
        description="`none`: a quotation mark is a character of the text; `minimal`: it encloses fields. "
        "By default `none` for `tsv`, `minimal` for `csv`",
    )
    header: bool | list[str] = Field(
        True,
        description="`true`: the first line names the columns; else the list of their names (`tsv`, `csv`)",
    )


class ToySource(Settings):
    """The toy language that ships with Isthmus: nothing is downloaded."""

    kind: Literal["toy"]
    task: Literal["entailment", "paraphrase"] = Field(description="3-class entailment or 2-class paraphrase")
    rows: Annotated[Count, Field(le=10**7)] = Field(description="how many pairs to generate")
    seed: Seed = Field(0, description="the generator's seed")
    shifted: bool = Field(False, description="the out-of-distribution kind, on which word overlap misleads")


Source = Annotated[HubSource | FilesSource | ToySource, Field(discriminator="kind")]


class Columns(Settings):
    """Where rows come from and what their columns mean: what a data set and a further set share."""

    source: Source = Field(description="where the rows come from: `kind: hub`, `files` or `toy`")
    text: list[str] | None = Field(
        None, min_length=1, max_length=2, description="the columns of one text, or of the two texts of a pair"
    )
    label: str | None = Field(None, description="the label's column")
    labels: list[Label] | None = Field(
        None,
        min_length=2,
        description="the label names in the order of their ids; by default those found, sorted. The data "
        "hold these names, or numbers from 0 that stand for them by position where none of them is a label "
        "of the data; one or the other in all rows, and any other label is an error. Blanks around a label "
        'are no part of it; 1, `"1"` and, in JSON and Parquet, 1.0 are one label; labels that differ only in '
        "case, Unicode form or in how a number is written are an error. Rows with -1 have no label where -1 "
        "is not named here",
    )
    fraction: Fraction = Field(
        1.0, description="the part of the labelled rows to keep, drawn uniformly at random"
    )
    rows: Count | None = Field(None, description="how many rows to keep, instead of a fraction")
    seed: Seed = Field(0, description="the seed of the subset (and of the split)")
    by: str | None = Field(
        None,
        description="a column whose values break evaluations down: `evaluations.csv` and the tables have "
        "`<set>/<value>` beside each set (HANS: heuristic; CoLA: source)",
    )

    @model_validator(mode="after")
    def _one_size(self):
        if self.rows is not None and self.fraction != 1.0:
            raise ValueError("found both `fraction` and `rows`; allowed: one of them")
        if self.labels and len(set(self.labels)) < len(self.labels):
            raise ValueError(f"labels: found a name twice in {self.labels}; allowed: each once")
        labels.check_alike("labels", self.labels or ())
        _check_different(self.text, self.label)
        return self


def _check_different(text: list[str] | None, label: str | None) -> None:
    if text and len(set(text)) < len(text):
        raise ValueError(f"text: found {text[0]!r} twice; allowed: two different columns, or one")
    if text and label in text:
        raise ValueError(f"label: found {label!r}, which is a column of `text` too; allowed: another column")


def _each_once(mapping: Any) -> Any:
    """A mapping whose keys are labels, of which no two are one: 1 and "1" would be merged without a word."""
    names = [str(key).strip() for key in mapping] if isinstance(mapping, dict) else []
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"found the label(s) {labels.listed(twice)} twice; allowed: each once")
    return mapping


class FurtherSet(Columns):
    """A further evaluation set of a data set; its columns are those of the data set unless given."""

    label_map: Annotated[dict[Label, Label], BeforeValidator(_each_once)] | None = Field(
        None,
        description="from each label of the data set to a label of this set; the probabilities of those "
        "that share one are added (HANS: neutral and contradiction are both non-entailment)",
    )


class Dataset(Columns):
    """A labelled text or text-pair task."""

    test_fraction: Annotated[Real, Field(gt=0, lt=1)] = Field(
        0.2, description="the part of the subset that becomes the test part"
    )
    max_length: Annotated[Whole, Field(ge=8, le=10**6)] = Field(
        128, description="tokens an example at most; longer ones are truncated, and counted"
    )
    sets: dict[Name, FurtherSet] = Field({}, description="further evaluation sets by name")
    training: TrainingOverride | None = Field(
        None, description="training settings that differ for this data set"
    )

    @model_validator(mode="after")
    def _named_columns(self):
        for key in ("text", "label"):
            if getattr(self, key) is None and self.source.kind != "toy":
                raise ValueError(f"`{key}` is missing; allowed: the name(s) of the source's {key} column(s)")
        for name, further in self.sets.items():
            try:
                _check_different(further.text or self.text, further.label or self.label)
            except ValueError as error:
                raise ValueError(f"sets.{name}.{error}") from None
        return self
