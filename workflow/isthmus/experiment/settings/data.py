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
    """Your own files: TSV, CSV, JSON lines, Parquet or plain text."""

    kind: Literal["files"]
    paths: list[Location] = Field(min_length=1, description="the files, read one after the other; each once")
    format: Literal["tsv", "csv", "jsonl", "parquet", "lines", "document"] | None = Field(
        None,
        description="how all of them are read, whatever their endings; by default .tsv and .txt are `tsv`, "
        ".csv is `csv`, .jsonl and .json are `jsonl` (a .json may be one list of records), .parquet is "
        "`parquet`. Plain text, whose one column is `text`: `lines` is a row a line (running text in .txt is "
        "read so by default), `document` one row a file",
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
    task: Literal["entailment", "paraphrase", "stories"] = Field(
        description="3-class entailment, 2-class paraphrase, or running text: short stories of one scene each"
    )
    rows: Annotated[Count, Field(le=10**7)] = Field(description="how many pairs, or stories, to generate")
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
    prompt: str | None = Field(
        None, description="instead of `text`, of language modelling: the column that is read and not counted"
    )
    answer: str | None = Field(None, description="beside `prompt`: the column whose tokens are counted")
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
        if (self.prompt is None) != (self.answer is None) or (self.prompt and self.text):
            named = [key for key in ("text", "prompt", "answer") if getattr(self, key)]
            found = ", ".join(named)
            raise ValueError(f"{named[0]}: found {found}; allowed: `text`, or both `prompt` and `answer`")
        if self.prompt is not None and self.prompt == self.answer:
            raise ValueError(f"answer: found {self.answer!r}, the column of `prompt` too; allowed: another")
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


# Settings of one kind of task that the other has no place for.
LABELLED = ("label", "labels", "by", "max_length")
RUNNING = ("block_size", "documents", "masked", "prompt", "answer")


def _set(settings: Settings, keys: tuple[str, ...]) -> list[str]:
    """Those of some keys that are not as they are by default."""
    return [key for key in keys if getattr(settings, key) != type(settings).model_fields[key].default]


PLAIN = ("lines", "document")  # formats of plain text


def plain(source: Source) -> bool:
    """Whether a source is plain text, whose column needs no name."""
    if not isinstance(source, FilesSource):
        return False
    return source.format in PLAIN or (
        source.format is None and all(path.suffix.lower() == ".txt" for path in source.paths)
    )


class FurtherSet(Columns):
    """A further evaluation set of a data set; its columns are those of the data set unless given."""

    label_map: Annotated[dict[Label, Label], BeforeValidator(_each_once)] | None = Field(
        None,
        description="from each label of the data set to a label of this set; the probabilities of those "
        "that share one are added (HANS: neutral and contradiction are both non-entailment)",
    )


class Dataset(Columns):
    """A labelled text or text-pair task, or running text for language modelling."""

    task: Literal["classification", "causal_lm", "masked_lm"] = Field(
        "classification",
        description="what is asked of a model: an example's label; each next token of running text, by a "
        "decoder's own head; or masked tokens, by an encoder's own head",
    )
    block_size: Annotated[Whole, Field(ge=2, le=10**6)] = Field(
        128, description="of language modelling: tokens a block, which is the unit of evaluations"
    )
    documents: Literal["joined", "apart"] = Field(
        "joined",
        description="of language modelling: rows are joined, with the end of text after each, and cut into "
        "blocks; or each is a block of its own, cut off after `block_size`. Answers always stand apart",
    )
    masked: Annotated[Real, Field(ge=0.01, le=0.99)] = Field(
        0.15,
        description="of `masked_lm`: the part of the tokens that is asked for; fixed where measured"
        " (by `seed`)",
    )
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

    @property
    def language(self) -> bool:
        """Whether a language model's own head is asked."""
        return self.task != "classification"

    @property
    def longest(self) -> int:
        """Tokens an example, or a block, at most."""
        return self.block_size if self.language else self.max_length

    @model_validator(mode="after")
    def _fits_its_task(self):
        others = LABELLED if self.language else RUNNING
        if given := _set(self, others):
            kind = f"running text (`task: {self.task}`)" if self.language else "classification"
            raise ValueError(
                f"{given[0]}: found {getattr(self, given[0])!r} for {kind}; allowed: only for "
                + ("`task: classification`" if self.language else "`task: causal_lm` or `masked_lm`")
            )
        for where, columns in {"": self, **{f"sets.{name}.": own for name, own in self.sets.items()}}.items():
            source = columns.source
            if source.kind == "toy" and columns.prompt:
                raise ValueError(
                    f"{where}prompt: found for the toy language; allowed: none, it names its columns"
                )
            if source.kind == "toy" and (source.task == "stories") != self.language:
                allowed = "stories" if self.language else "entailment, paraphrase"
                raise ValueError(
                    f"{where}source.task: found {source.task!r} for `task: {self.task}`; allowed: {allowed}"
                )
        if self.language:
            self._check_running_text()
        return self

    def _check_running_text(self) -> None:
        if self.task == "causal_lm" and _set(self, ("masked",)):
            raise ValueError(f"masked: found {self.masked} for `task: causal_lm`; allowed: for `masked_lm`")
        if self.task == "masked_lm" and self.prompt:
            raise ValueError(
                f"prompt: found {self.prompt!r} for `task: masked_lm`; allowed: `text`: masks fall anywhere"
            )
        for name, further in self.sets.items():
            if given := _set(further, (*LABELLED[:-1], "label_map")):
                raise ValueError(f"sets.{name}.{given[0]}: found for running text; allowed: no labels")
        if len(self.text or ()) > 1:
            raise ValueError(f"text: found {self.text}; allowed: one column of running text")

    @model_validator(mode="after")
    def _named_columns(self):
        if self.language:
            if not self.text and not self.prompt and self.source.kind != "toy" and not plain(self.source):
                raise ValueError(
                    "text: missing; allowed: the name of the text column, or `prompt` and `answer`"
                )
            return self
        for key in ("text", "label"):
            if getattr(self, key) is None and self.source.kind != "toy":
                raise ValueError(f"`{key}` is missing; allowed: the name(s) of the source's {key} column(s)")
        for name, further in self.sets.items():
            try:
                _check_different(further.text or self.text, further.label or self.label)
            except ValueError as error:
                raise ValueError(f"sets.{name}.{error}") from None
        return self
