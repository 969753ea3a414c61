"""How large an experiment's models and data are: as they are on disk, as published, or as assumed."""

import math
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from isthmus import stored
from isthmus.experiment import adapter_folders, data_files, folders, layout
from isthmus.experiment.config import POSITIONS, Adapter, Columns, Dataset, Experiment, FilesSource
from isthmus.models import hf_folders
from isthmus.planning import counting
from isthmus.planning.counting import Text
from isthmus.planning.shapes import KNOWN_MODELS, Shape, encoder, ends, read_shape

ASSUMED_MODEL = "bert-base-uncased"


# GLUE: rows of the train split, and about so many of BERT's word pieces an example, special ones included.
KNOWN_TEXTS = {
    "qqp": Text(363_846, 30.3),
    "mnli": Text(392_702, 39.2),
    "cola": Text(8_551, 11.3),
    "sst2": Text(67_349, 13.3),
    "qnli": Text(104_743, 49.0),
    "rte": Text(2_490, 70.0),
    "mrpc": Text(3_668, 53.0),
    "stsb": Text(5_749, 31.0),
    "wnli": Text(635, 37.0),
}
TOY_TOKENS = {"entailment": 16.0, "paraphrase": 18.0, "stories": 35.0}
ASSUMED_TEXT = Text(10_000, 40.0)


@dataclass
class Sizes:
    """Shapes and token counts of an experiment, and what had to be assumed for them."""

    experiment: Experiment
    results: Path
    assumed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shape = cache(self._shape)
        self.rows = cache(self._rows)
        self.length = cache(self._length)
        self.source = cache(self._source)

    def _assume(self, text: str) -> None:
        if text not in self.assumed:
            self.assumed.append(text)

    def _shape(self, name: str) -> Shape:
        model = self.experiment.models[name]
        if model.bodies:
            return self._shape(model.bodies[0])
        if model.pretraining is not None:
            rung = self.experiment.pretraining[model.pretraining]
            return encoder(rung.layers, rung.width, 100, POSITIONS)
        own = [checkpoint.folder for checkpoint in model.checkpoints or []]
        copy = self.results / layout.filled(layout.MODEL, model=name)
        for folder in filter(None, (copy, model.folder, *own)):
            if (folder / "model.json").is_file():
                hf_folders.read_record(folder)
            if (folder / "config.json").is_file():
                return read_shape(folder)
        known = (model.hub or "").rpartition("/")[2]
        if known not in KNOWN_MODELS:
            self._assume(f"{name}: its shape is not known before it is fetched; counted as {ASSUMED_MODEL}")
        return KNOWN_MODELS.get(known, KNOWN_MODELS[ASSUMED_MODEL])

    def saved(self, name: str) -> int:
        """Numbers in a checkpoint: all parameters, or those of an adapter and what is trained with it."""
        model, shape = self.experiment.models[name], self.shape(name)
        if not model.adapted:
            return shape.parameters
        local = [own.folder / adapter_folders.WEIGHTS for own in model.checkpoints or [] if own.folder]
        found = layout.found(self.results, layout.ADAPTER_WEIGHTS, model=name)
        for file in (*(path for _, path in found), *local):
            return sum(math.prod(t["shape"]) for t in folders.header(name, file).values())
        settings = model.adapter or Adapter()
        if not model.adapter:
            self._assume(f"{name}: its adapters are counted as LoRA of rank {settings.rank}")
        cells = [dataset for model, dataset in self.experiment.cell_list() if model == name]
        heads = any(not self.experiment.datasets[dataset].language for dataset in cells)
        head = shape.width**2 * (heads and settings.train_head)
        return settings.rank * shape.layers * ends(shape, settings.targets) + head

    def _source(self, dataset: str, part: str) -> Text:
        """Labelled rows of the source of a data set's own parts, or of a further set, and their tokens."""
        whole = self.experiment.datasets[dataset]
        columns = data_files.inherit(whole, whole.sets[part]) if part in whole.sets else whole
        source, name = columns.source, f"{dataset}, set {part}" if part in whole.sets else dataset
        if source.kind == "toy":
            return Text(source.rows, TOY_TOKENS[source.task])
        if isinstance(source, FilesSource):
            found = counting.count(f"datasets.{dataset}", columns)
            self._assume(
                f"{name}: {found.rows:,} rows, counted in its files; some {found.tokens:.0f} tokens each, by "
                "the lengths of their texts"
            )
            return found
        known = KNOWN_TEXTS.get(source.config or "")
        if known:
            self._assume(f"{name}: {known.rows:,} rows of some {known.tokens:.0f} tokens, as published")
            return known
        rows = columns.rows or ASSUMED_TEXT.rows
        self._assume(
            f"{name}: {rows:,} rows of {ASSUMED_TEXT.tokens:.0f} tokens: a guess, not known before it is "
            "fetched"
        )
        return Text(rows, ASSUMED_TEXT.tokens)

    def _rows(self, dataset: str, part: str) -> int:
        """Examples of a part of a data set that are evaluated: of `train` a sample."""
        whole: Dataset = self.experiment.datasets[dataset]
        if part in whole.sets:
            return self._part(dataset, part, whole.sets[part])
        test = self._part(dataset, "test", whole)
        return (self.experiment.evaluation.train_examples or test) if part == "train" else test

    def _part(self, dataset: str, part: str, columns: Columns) -> int:
        summary = layout.SUBSET if part == "test" else layout.SET_SUMMARY
        path = self.results / layout.filled(summary, dataset=dataset, set=part)
        if path.is_file():
            found = stored.read_json(path)
            return self._units(dataset, part, found["test" if part == "test" else "set"]["rows"])
        rows = columns.rows or round(self.source(dataset, part).rows * columns.fraction)
        share = columns.test_fraction if isinstance(columns, Dataset) else 1
        return self._units(dataset, part, rows * share)

    def _units(self, dataset: str, part: str, rows: float) -> int:
        """Examples of so many rows, or blocks of documents that are joined."""
        whole = self.experiment.datasets[dataset]
        if whole.language and whole.documents == "joined" and not whole.prompt:
            rows *= self.source(dataset, part).tokens / whole.block_size
        return max(1, round(rows))

    def asked(self, dataset: str) -> float:
        """The part of the tokens that a language model's head has to name; of an answer all, at most."""
        whole = self.experiment.datasets[dataset]
        return {"classification": 0.0, "causal_lm": 1.0, "masked_lm": whole.masked}[whole.task]

    def _length(self, model: str, dataset: str) -> float:
        """Mean tokens of an example."""
        path = self.results / layout.filled(layout.TOKENS, model=model, dataset=dataset, set="train")
        if path.is_file():
            arrays = stored.read_arrays(path)
            return len(arrays["ids"]) / max(1, len(arrays["offsets"]) - 1)
        columns = self.experiment.datasets[dataset]
        if columns.language and columns.documents == "joined" and not columns.prompt:
            return columns.block_size
        return min(self.source(dataset, "test").tokens, columns.longest)
