"""Repositories for the hub of the tests beside this file."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from isthmus.data import toy
from transformers import BertConfig, BertForMaskedLM

from tests.unit import tiny

CLASSES = list(toy.TASKS["paraphrase"])
COMMIT, OTHER = "1" * 40, "2" * 40


def data_set(seed: int, **configs: list[str]) -> dict[str, bytes]:
    """The files of a data set: a card, and rows of each configuration, with text columns by these names."""
    files, said = {}, {"configs": [], "dataset_info": []}
    for name, texts in configs.items():
        first, second, labels = zip(*toy.examples("paraphrase", 60, seed), strict=True)
        columns = dict(zip(texts, (first, second), strict=False)) | {"label": map(CLASSES.index, labels)}
        frame = pd.DataFrame({column: list(values) for column, values in columns.items()})
        files[f"{name}/train-00000-of-00001.parquet"] = frame.to_parquet()
        paths = [{"split": "train", "path": f"{name}/train-*"}]
        said["configs"].append({"config_name": name, "data_files": paths})
        kinds = [{"name": text, "dtype": "string"} for text in texts]
        kinds += [{"name": "label", "dtype": {"class_label": {"names": dict(enumerate(CLASSES))}}}]
        said["dataset_info"].append({"config_name": name, "features": kinds})
    return files | {"README.md": f"---\n{yaml.safe_dump(said)}---\n# Rows\n".encode()}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Callable[[str], dict[str, bytes]]:
    """Makes the files of a small model of a family, `bert` or `roberta`."""
    return lambda family: files_of(tiny.pretrained(tmp_path_factory.mktemp("model"), family))


@pytest.fixture(scope="session")
def large(tmp_path_factory) -> dict[str, bytes]:
    """The files of a model that comes in several parts of ten megabytes."""
    folder = tmp_path_factory.mktemp("large")
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertForMaskedLM(BertConfig(vocab_size=200_000, **size)).save_pretrained(folder)
    tiny.tokenizer("bert").save_pretrained(folder)
    return files_of(folder)
