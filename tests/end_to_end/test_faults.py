"""Real processes that are killed, stopped, starved of disk and started twice: the bits stay the same."""

import csv
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from isthmus import hashing
from isthmus.caches import locks
from isthmus.data import tokens, toy
from isthmus.data.rows import Rows
from isthmus.experiment.config import Training
from isthmus.machine import numerics
from isthmus.models import architectures, hf_folders, weight_files
from isthmus.training import run, saving
from isthmus.training.finetuning import finetune
from isthmus.training.saving import Cache
from isthmus.training.schedule import Recipe
from pyarrow import parquet

STEPS = 240
SETTINGS = Training(
    steps=STEPS, batch_size=8, learning_rate=1e-3, warmup_steps=24, token_budget=64, save_minutes=1e-9
)
RECIPE = Recipe(**SETTINGS.recipe())

# Each job is a process of its own, forked from a server that has imported what takes seconds.
fork = multiprocessing.get_context("forkserver")
fork.set_forkserver_preload(
    ["torch", "transformers.models.bert.modeling_bert", "pyarrow.parquet", "pydantic"]
)


# ------------------------------------------------------------------------------------------------- a job


def train(
    folder: Path, start: Path, examples: Path, name="out", recipe=RECIPE, previous=0, step=STEPS, **more
) -> None:
    """What the workflow's script does, for a run that keeps its states in `folder/state`."""
    wanted = {"device": "cpu", "precision": "float32", "attention": "eager", "deterministic": True}
    finetune(
        start=start,
        examples=examples,
        recipe=recipe,
        seed=42,
        previous=previous,
        step=step,
        numerics=numerics.setup({**wanted, "threads": more.get("threads", 1)}),
        cache=Cache(more.get("state", folder / "state"), frozenset(), 1e-9),
        out=folder / name,
    )


def job(
    log: Path, arguments: dict, slow=(), pause=0.02, saving_share=0.2, file_size=None, cores=None
) -> None:
    """The body of a process: train, with everything said going to `log`.

    Args:
        slow: `save` writes files in two halves with a pause between, so that a random moment often falls
            there; `open` takes long to open the model; `update` pauses before each update.
        pause: seconds of that.
        saving_share: how much of the time may go into saving; more than usual, so that it is hit.
        file_size: bytes that a file may have.
        cores: processor cores that may be used.
    """
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    saving.SAVING_SHARE = saving_share
    if "save" in slow:
        save_in_halves()
    if "open" in slow:
        from isthmus.tasks.classification import Classification

        pause_before(Classification, "open", 60)
    if "update" in slow:
        pause_before(run, "update", pause)
    if file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    if cores is not None:
        os.sched_setaffinity(0, cores)
    train(**arguments)


def save_in_halves() -> None:
    import safetensors.torch

    def save_file(tensors, path, metadata=None):
        content = safetensors.torch.save(tensors, metadata)
        with open(path, "wb", buffering=0) as file:
            file.write(content[: len(content) // 2])
            time.sleep(0.05)
            file.write(content[len(content) // 2 :])
            time.sleep(0.05)

    safetensors.torch.save_file = weight_files.save_file = save_file


def pause_before(module, name: str, seconds: float) -> None:
    original = getattr(module, name)

    def paused(*args, **kwargs):
        time.sleep(seconds)
        result = original(*args, **kwargs)
        print(f"{name} done", flush=True)
        return result

    setattr(module, name, paused)


class Job:
    """A running job."""

    def __init__(self, log: Path, arguments: dict, **how):
        self.log = log
        self.process = fork.Process(target=job, args=(log, arguments), kwargs=how)
        self.process.start()

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def wait_for(self, what, limit=120) -> None:
        """Wait until something is true, or a text was said."""
        until = time.monotonic() + limit
        while not (what() if callable(what) else what in self.said()):
            assert self.process.is_alive(), self.said()
            assert time.monotonic() < until, self.said()
            time.sleep(0.001)

    def send(self, number: signal.Signals) -> float:
        """Send a signal and wait for the end; returns the seconds that it took."""
        began = time.monotonic()
        os.kill(self.process.pid, number)
        self.end()
        return time.monotonic() - began

    def end(self) -> int:
        self.process.join(120)
        assert self.process.exitcode is not None, self.said()
        return self.process.exitcode


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Start and examples of a very small run, and the weights at its end where nothing goes wrong."""
    # Not at the top: what publishing imports is looked at from here.
    from isthmus.training.pretraining import Pretraining, architecture, toy_tokenizer
    from transformers import BertForSequenceClassification

    folder = tmp_path_factory.mktemp("made")
    pairs = toy.examples("paraphrase", 50, 0)
    labels = np.array([label == "paraphrase" for _, _, label in pairs], np.int64)
    rows = Rows(np.arange(50), [a for a, _, _ in pairs], [b for _, b, _ in pairs], labels)
    tokens.write(tokens.tokenize(toy_tokenizer(), rows, [0, 1], 64), folder / "train.safetensors")
    torch.manual_seed(0)
    size = Pretraining(layers=1, width=16, heads=2, rows=0, seed=0, masked=0.15)
    model = BertForSequenceClassification(architecture(size, attention="eager"))
    start = folder / "start"
    start.mkdir()
    model.config.architectures = ["BertForSequenceClassification"]
    model.config.save_pretrained(start)
    weight_files.save(weight_files.distinct(model), start / hf_folders.WEIGHTS)
    sha256 = hashing.of_file(start / hf_folders.WEIGHTS)
    record = {"model": "m", "dataset": "d", "seed": 42, "sha256": sha256}
    hf_folders.write_record(start / "checkpoint.json", record | architectures.described(start))
    arguments = {"start": start, "examples": folder / "train.safetensors"}
    whole = Job(folder / "log", {"folder": folder, **arguments})
    assert whole.end() == 0, whole.said()
    return SimpleNamespace(arguments=arguments, bits=bits(folder), history=history(folder))


def bits(folder: Path, name="out") -> str:
    return hashing.of_file(folder / name / hf_folders.WEIGHTS)


def history(folder: Path) -> list:
    table = parquet.read_table(folder / "out" / "history.parquet").to_pydict()
    return list(zip(*(table[column] for column in ("step", "loss", "tokens")), strict=True))


def attempts(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((folder / "state" / "attempts").glob("*.json"))]


@pytest.fixture
def start(made, tmp_path):
    """Starts jobs of one run; none outlives the test."""
    jobs = []

    def begin(name="out", slow=(), **how) -> Job:
        keys = ("state", "threads", "step")
        arguments = {"folder": tmp_path, "name": name, **made.arguments}
        arguments |= {key: how.pop(key) for key in keys if key in how}
        jobs.append(Job(tmp_path / f"log{len(jobs)}", arguments, slow=slow, **how))
        return jobs[-1]

    yield begin
    for one in jobs:
        one.process.kill()
        one.process.join()


# ------------------------------------------------------------------------------------------- killed, stopped


@pytest.mark.long
def test_killed_twenty_times_at_random_moments(made, start, tmp_path):
    rng = random.Random(0)
    hit = {"training": 0, "saving": 0, "publishing": 0}

    def saving() -> bool:
        return any((tmp_path / "state").glob(".saving-*"))

    def publishing() -> bool:
        return any((tmp_path / "out").glob(".model*"))

    # at random moments, then in the middle of saving, then in the middle of publishing
    for kind in ["any"] * 12 + [saving] * 4 + [publishing] * 4:
        one = start(slow=("save",) if kind is publishing else ("save", "update"), pause=0.05)
        if kind == "any":
            one.wait_for("from step")
            time.sleep(rng.uniform(0, 0.8))
        else:
            before = set((tmp_path / "state").glob(".saving-*")) | set((tmp_path / "out").glob(".model*"))
            pattern = ".saving-*" if kind is saving else ".model*"
            where = tmp_path / ("state" if kind is saving else "out")
            one.wait_for(
                lambda before=before, where=where, pattern=pattern: set(where.glob(pattern)) - before
            )
            time.sleep(rng.uniform(0, 0.08))
        one.send(signal.SIGKILL)
        assert one.process.exitcode == -signal.SIGKILL
        hit["publishing" if publishing() else "saving" if saving() else "training"] += 1
    assert start().end() == 0
    assert bits(tmp_path) == made.bits
    assert history(tmp_path) == made.history
    assert min(hit.values()) >= 2, hit
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_a_signal_saves_and_the_next_attempt_goes_on_from_there(
    made, start, tmp_path, number, record_property
):
    one = start(slow=("update",), saving_share=1e-9)  # a save by time would take away what is to be seen
    one.wait_for(lambda: one.said().count("update done") > 4)
    seconds = one.send(number)
    record_property("seconds_from_signal_to_end", round(seconds, 2))
    print(f"{number.name}: {seconds:.2f} s from the signal to the end of the process")
    assert one.process.exitcode == 128 + number
    said = re.search(
        rf"{number.name}: saved the state of step (\d+) in [\d.]+ s; the next attempt", one.said()
    )
    assert said, one.said()
    again = start()
    assert again.end() == 0
    assert f"training goes on from step {said[1]} to {STEPS}" in again.said()
    assert bits(tmp_path) == made.bits
    assert history(tmp_path) == made.history


def test_a_signal_while_the_model_opens_ends_the_job_at_once(start, tmp_path):
    one = start(slow=("open",))
    one.wait_for("from step 0")
    time.sleep(0.3)
    one.send(signal.SIGTERM)
    assert one.process.exitcode == 128 + signal.SIGTERM
    assert "nothing new was there to save" in one.said()
    assert [path.name for path in (tmp_path / "state").glob("lock-*")] == ["lock-1.free"]


@pytest.mark.long
def test_the_cache_deleted_while_it_trains(made, start, tmp_path):
    one = start(slow=("update",))
    one.wait_for("saved the state")
    shutil.rmtree(tmp_path / "state", ignore_errors=True)
    one.end()  # it may fail for that
    assert start().end() == 0
    assert bits(tmp_path) == made.bits


# ----------------------------------------------------------------------------------------------- a full disk


@pytest.fixture
def small_disk(tmp_path):
    """Makes a file system of a given size in memory, or gives it another size."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def size(of: int, change=False):
        options = f"{'remount,' if change else ''}size={of}"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"no file system can be mounted here (it takes root): {done.stderr.strip()}")
        return folder

    yield size
    subprocess.run(["umount", folder], check=False, capture_output=True)


def test_a_full_disk_leaves_the_earlier_state_whole(made, start, tmp_path, small_disk):
    one = start(slow=("update",), saving_share=1e-9)
    one.wait_for("update done")
    one.send(signal.SIGTERM)
    earlier = next((tmp_path / "state").glob("step*"))
    step = int(earlier.name[4:12])
    cache = small_disk(int(1.5 * earlier.stat().st_size)) / "state"
    shutil.copytree(tmp_path / "state", cache)
    full = start(state=cache)
    assert full.end() == 1
    assert re.search(r"disk is full, or a quota is: the state of step \d+ could not be saved", full.said())
    assert [path.name for path in cache.glob("*.safetensors")] == [earlier.name]
    assert hashing.of_file(cache / earlier.name) == hashing.of_file(earlier)
    assert not list(cache.glob(".*"))
    small_disk(10 * earlier.stat().st_size, change=True)
    again = start(state=cache)
    assert again.end() == 0
    assert f"goes on from step {step} " in again.said()
    assert bits(tmp_path) == made.bits


@pytest.mark.long
def test_a_quota_leaves_the_earlier_state_whole(made, start, tmp_path):
    one = start(slow=("update",), saving_share=1e-9)
    one.wait_for("update done")
    one.send(signal.SIGTERM)
    (earlier,) = (tmp_path / "state").glob("step*")
    full = start(file_size=earlier.stat().st_size // 2)
    assert full.end() == 1
    assert "could not be saved" in full.said()
    assert list((tmp_path / "state").glob("step*")) == [earlier]
    assert start().end() == 0
    assert bits(tmp_path) == made.bits


# ------------------------------------------------------------------------------------------- two of them


def test_of_two_jobs_one_trains_and_the_other_publishes(made, start, tmp_path):
    jobs = [start(), start()]
    assert [one.end() for one in jobs] == [0, 0]
    assert [(one["start"], one["end"], one["done"]) for one in attempts(tmp_path)] == [(0, STEPS, True)]
    first, second = sorted((one.said() for one in jobs), key=lambda said: "from step 0" not in said)
    assert "from step 0" in first
    assert f"step {STEPS} is in the cache" in second
    assert "trained by process" in second
    assert bits(tmp_path) == made.bits


@pytest.mark.long
def test_a_waiting_job_takes_over_from_a_killed_one(made, start, tmp_path):
    first = start(slow=("update",))
    first.wait_for("saved the state")
    second = start()
    second.wait_for("trained by process")
    first.send(signal.SIGKILL)
    assert second.end() == 0
    done, rest = attempts(tmp_path)
    assert rest["start"] > 0
    assert f"from step {rest['start']} to {STEPS}" in second.said()
    assert not done["done"]
    assert bits(tmp_path) == made.bits


@pytest.mark.long
def test_a_waiting_job_dies_of_a_signal_and_leaves_the_lock(made, start, tmp_path):
    first = start(slow=("update",))
    first.wait_for("from step 0")
    for number in (signal.SIGTERM, signal.SIGINT):
        second = start()
        second.wait_for("trained by process")
        second.send(number)
        assert second.process.exitcode == 128 + number
    assert [path.name for path in (tmp_path / "state").glob("*lock*")] == ["lock-1"]
    assert locks.read_owner(tmp_path / "state" / "lock-1").pid == first.process.pid
    assert first.end() == 0
    assert bits(tmp_path) == made.bits


# ------------------------------------------------------------------------------------------- what else counts


@pytest.mark.long
def test_two_threads_give_the_same_bits_on_one_core(start, tmp_path):
    cores = sorted(os.sched_getaffinity(0))
    # two threads that wait for each other on one core are slow: a few updates
    assert start(threads=2, step=4, state=tmp_path / "a").end() == 0
    assert start(name="one_core", threads=2, step=4, state=tmp_path / "b", cores={cores[0]}).end() == 0
    assert bits(tmp_path) == bits(tmp_path, "one_core")


@pytest.mark.long
def test_publishing_does_not_import_what_only_training_needs(start, tmp_path, made):
    assert start().end() == 0
    shutil.rmtree(tmp_path / "out")
    code = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[4:]; import test_faults as t\n"
        "t.train(*map(Path, sys.argv[1:4]))\n"
        "assert 'transformers' not in sys.modules, 'transformers was imported'"
    )
    paths = [tmp_path, made.arguments["start"], made.arguments["examples"]]
    subprocess.run([sys.executable, "-c", code, *paths, str(Path(__file__).parent), *sys.path], check=True)
    assert bits(tmp_path) == made.bits


REAL = {name: os.environ.get(name) for name in ("ISTHMUS_MODEL", "ISTHMUS_DATA")}


@pytest.mark.skipif(
    not all(REAL.values()),
    reason="ISTHMUS_MODEL (a real encoder's folder) and ISTHMUS_DATA (with paws_qqp in it) are not both set",
)
def test_a_real_encoder_on_real_pairs_gives_the_same_bits(tmp_path):
    from isthmus.models import classifiers, tokenizing

    model = Path(REAL["ISTHMUS_MODEL"])
    with open(Path(REAL["ISTHMUS_DATA"]) / "paws_qqp" / "train.tsv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[:300]
    labels = np.array([int(row["label"]) for row in table], np.int64)
    rows = Rows(
        np.arange(300), [row["sentence1"] for row in table], [row["sentence2"] for row in table], labels
    )
    examples = tmp_path / "train.safetensors"
    tokens.write(tokens.tokenize(tokenizing.open_tokenizer(model), rows, [0, 1], 128), examples)
    begin = tmp_path / "start"
    sha256 = classifiers.initialize(model, ["no", "yes"], 0, 42, begin)
    record = {"model": "m", "dataset": "d", "seed": 42, "sha256": sha256}
    hf_folders.write_record(begin / "checkpoint.json", record | architectures.described(begin))
    recipe = Recipe(**Training(steps=100, learning_rate=1e-4, warmup_steps=2).recipe())
    hashes = []
    for name, steps in (("whole", [6]), ("cut", [2, 3, 6])):
        previous = 0
        for step in steps:
            train(tmp_path / name, begin, examples, str(step), recipe, previous, step, threads=2)
            previous = step
        hashes.append(bits(tmp_path / name, "6"))
    assert hashes[0] == hashes[1]
