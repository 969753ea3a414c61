"""Exact training: the same bits however a run is cut, and failures that say what they are."""

import json
import os
import re
import shutil
import signal
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from isthmus import errors, hashing, stored
from isthmus.caches import identity, states
from isthmus.errors import Damaged
from isthmus.models import architectures, classifiers, hf_folders
from isthmus.tasks.classification import Classification
from isthmus.training import history, progress, saving
from isthmus.training.schedule import batch_at, run_seeds
from safetensors.torch import load_file, save_file

from tests.unit import runs
from tests.unit.runs import STEPS, Run, damage, pairs

# each example makes a run in a folder of its own, so sharing the fixtures does no harm
FEW = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The start and the examples of all runs here."""
    return runs.make(tmp_path_factory.mktemp("made"))


@pytest.fixture
def run(made, tmp_path):
    """Makes runs, each in a folder of its own."""
    count = iter(range(10_000))

    def make(**changes):
        start, examples = changes.pop("start", made.start), changes.pop("examples", made.examples)
        return Run(tmp_path / f"run{next(count)}", start, examples, **changes)

    return make


@pytest.fixture(scope="module")
def whole(made, tmp_path_factory):
    """The weights' hash and the history of a run in one piece, for each number of threads."""
    results = {}
    for threads in (1, 2):
        one = Run(tmp_path_factory.mktemp("whole"), made.start, made.examples, threads=threads)
        results[threads] = (one.to(STEPS), one.history(STEPS))
    return results


# ------------------------------------------------------------------------------------------ the same bits


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("length", [1, pytest.param(STEPS // 2, marks=pytest.mark.long), 5])
def test_segments_of_any_length_give_the_same_bits(run, whole, length, threads):
    one = run(threads=threads)
    for step in [*range(length, STEPS, length), STEPS]:
        last = one.to(step)
    assert last == whole[threads][0]


@FEW
@given(cuts=st.sets(st.integers(1, STEPS - 1)), lost=st.sets(st.integers(1, STEPS - 1), max_size=2))
def test_cuts_and_a_lost_cache_give_the_same_bits(run, whole, cuts, lost):
    one = run()
    for step in [*sorted(cuts), STEPS]:
        if step in lost:
            shutil.rmtree(one.cache, ignore_errors=True)
        last = one.to(step)
    assert last == whole[1][0]


class Signalled:
    """Sends this process a signal before the given micro-batches of all that are computed."""

    def __init__(self, monkeypatch, at: set[int], number=signal.SIGTERM):
        self.seen, original = 0, Classification.loss

        def loss(task, model, micro):
            if self.seen in at:
                os.kill(os.getpid(), number)
            self.seen += 1
            return original(task, model, micro)

        monkeypatch.setattr(Classification, "loss", loss)


@pytest.mark.long
@FEW
@given(at=st.sets(st.integers(0, 60), max_size=4))
def test_signals_at_any_moment_give_the_same_bits_and_a_history_without_repeats(run, whole, at):
    one, interruptions = run(), 0
    with pytest.MonkeyPatch.context() as patch:
        signalled = Signalled(patch, at)
        while True:
            try:
                last = one.to(STEPS)
                break
            except errors.Interrupted:
                interruptions += 1
    assert interruptions == sum(number < signalled.seen for number in at)
    assert last == whole[1][0]
    history = one.history(STEPS)
    assert history["step"] == list(range(1, STEPS + 1))
    for column in ("step", "loss", "learning_rate", "tokens"):
        assert history[column] == whole[1][1][column]


def test_the_history_of_segments_is_that_of_the_whole_run(run, whole):
    one = run()
    for step in (3, 4, STEPS):
        one.to(step)
    history = one.history(3, 4, STEPS)
    for column in ("step", "loss", "learning_rate", "tokens"):
        assert history[column] == whole[1][1][column]
    speed = sum(history["tokens"]) / sum(history["seconds"])
    assert np.isfinite(speed)
    assert speed > 0


def test_a_signal_says_the_step_and_how_long_the_save_took(run, capsys, monkeypatch):
    one = run()
    with monkeypatch.context() as patch:
        Signalled(patch, {20}, signal.SIGINT)
        with pytest.raises(errors.Interrupted):
            one.to(STEPS)
    said = re.search(
        r"SIGINT: saved the state of step (\d+) in \d+\.\d\d s; the next attempt", capsys.readouterr().out
    )
    step = int(said[1])
    assert one.states() == [step]
    one.to(STEPS)
    assert f"goes on from step {step} to {STEPS}" in capsys.readouterr().out


def test_a_signal_while_the_model_opens_ends_the_process_at_once(run, capsys, monkeypatch):
    one = run()
    monkeypatch.setattr(Classification, "open", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(errors.Interrupted):
        one.to(STEPS)
    assert "SIGTERM: nothing new was there to save" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


# --------------------------------------------------------------------------------------------------- vary


def initialized(made, folder: Path, seed: int, vary: list[str]) -> Path:
    head = run_seeds(seed, vary)["head"]
    sha256 = classifiers.initialize(made.body, ["no", "yes"], 0, head, folder)
    stored.write_json(
        folder / "checkpoint.json", {"model": "m", "dataset": "d", "seed": seed, "sha256": sha256}
    )
    return folder


@pytest.mark.parametrize("vary", [[], ["order"], ["dropout"], ["head"]])
def test_vary_says_what_a_seed_changes(made, run, tmp_path, vary):
    starts = [initialized(made, tmp_path / f"start{seed}", seed, vary) for seed in (42, 43)]
    runs = [run(start=start, seed=seed, vary=vary) for start, seed in zip(starts, (42, 43), strict=True)]
    first, second = (start / hf_folders.WEIGHTS for start in starts)
    assert (first.read_bytes() == second.read_bytes()) == ("head" not in vary)
    assert (runs[0].to(5) == runs[1].to(5)) == (vary == [])
    assert (runs[0].history(5)["tokens"] == runs[1].history(5)["tokens"]) == ("order" not in vary)


# -------------------------------------------------------------------------------------------------- fork


def test_seeds_are_one_run_up_to_the_fork(made, run, tmp_path):
    trunk = tmp_path / "trunk"
    runs = [run(seed=seed, fork_at=4, trunk=trunk) for seed in (42, 43)]
    assert runs[0].to(3) == runs[1].to(3)
    assert runs[0].to(4) == runs[1].to(4)
    assert runs[0].to(8) != runs[1].to(8)
    assert runs[0].history(3, 4, 8)["loss"][:4] == runs[1].history(3, 4, 8)["loss"][:4]
    # Up to there it is the run in which nothing varies, and apart from there each is its seed's own.
    assert runs[0].history(3, 4)["loss"] == run_history(run(vary=[]), 4)
    assert runs[0].history(8)["tokens"] == [
        int(pairs().lengths[batch_at(t, 8, 50, run_seeds(42, ["order"])["order"])].sum()) for t in range(4, 8)
    ]


def run_history(one, step):
    one.to(step)
    return one.history(step)["loss"]


def test_the_trunk_is_trained_once(run, tmp_path, capsys):
    trunk = tmp_path / "trunk"
    for seed in (42, 43):
        run(seed=seed, fork_at=4, trunk=trunk).to(8)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("training goes on")]
    assert said.count("training goes on from step 0 to 4") == 1
    assert said.count("training goes on from step 4 to 8") == 2


@pytest.fixture(scope="module")
def forked(made, tmp_path_factory):
    """The weights' hash of a run in one piece that leaves the trunk at step 4, and at step 3."""
    folder = tmp_path_factory.mktemp("forked")
    return [Run(folder / str(at), made.start, made.examples, fork_at=at).to(8) for at in (4, 3)]


@pytest.mark.parametrize("cuts", [(8,), (2, 8), (4, 8), (5, 8), (1, 2, 3, 4, 5, 6, 7, 8)])
@pytest.mark.parametrize("lost", ["nothing", "trunk", "own", "both"])
def test_forked_bits_do_not_depend_on_cuts_or_caches(run, forked, cuts, lost):
    one = run(fork_at=4)
    for step in cuts:
        if lost in ("trunk", "both"):
            shutil.rmtree(one.trunk, ignore_errors=True)
        if lost in ("own", "both"):
            shutil.rmtree(one.cache, ignore_errors=True)
        end = one.to(step)
    assert end == forked[0]
    assert end != forked[1]
    assert sum(len(one.history(step)["loss"]) for step in cuts) == 8


# ---------------------------------------------------------------------------------------------- the cache


LONG = pytest.mark.long


@pytest.mark.parametrize(
    "other",
    [
        {"learning_rate": 2e-3},
        pytest.param({"token_budget": 80}, marks=LONG),
        pytest.param({"threads": 2}, marks=LONG),
        {"examples": "other_examples"},
        pytest.param({"start": "other_start"}, marks=LONG),
        {"start": "other_heads"},
        pytest.param({"seed": 43}, marks=LONG),
    ],
    ids=lambda other: "-".join(map(str, *other.items())),
)
def test_a_state_of_another_recipe_data_or_start_is_not_used(made, run, capsys, other):
    other = {name: getattr(made, value) if isinstance(value, str) else value for name, value in other.items()}
    one, fresh = run(), run(**other)
    expected = fresh.to(6)
    one.to(5)
    changed = run(**other)
    shutil.copytree(one.cache, changed.cache)
    capsys.readouterr()
    assert changed.to(6) == expected
    said = capsys.readouterr().out
    assert "from step 0 to 6" in said
    assert said.count(f"{changed.cache} holds states of other settings or of an earlier version; ") == 1
    # what another recipe spent is not this run's
    assert json.loads((changed.folder / "step6/checkpoint.json").read_text())["spent"]["attempts"] == 1


@pytest.mark.parametrize("truncate", [True, False])
def test_a_damaged_state_is_named_and_not_used(run, whole, capsys, truncate):
    one = run(keep=frozenset({3, 6}))
    one.to(3)
    one.to(6)
    assert one.states() == [3, 6]
    path = next(one.cache.glob("step00000006*"))
    damage(path, truncate)
    assert one.to(STEPS) == whole[1][0]
    said = capsys.readouterr().out
    assert f"{path} is damaged" in said
    assert f"from step 3 to {STEPS}" in said


def test_a_damaged_start_is_named_and_a_retry_ends_at_once(made, run, tmp_path, monkeypatch):
    monkeypatch.setenv("ISTHMUS_CALL", "one")
    start = shutil.copytree(made.start, tmp_path / "start")
    damage(start / hf_folders.WEIGHTS)
    one = run(start=start)
    with pytest.raises(Damaged, match=rf"{start / hf_folders.WEIGHTS} is damaged"):
        one.to(3)
    with pytest.raises(errors.GivenUp, match="is damaged"):
        one.to(3)


def test_publishing_opens_no_model(run, monkeypatch, capsys):
    one = run()
    expected = one.to(6)
    shutil.rmtree(one.folder / "step6")
    one.at = 0
    monkeypatch.setattr(Classification, "open", None)
    assert one.to(6) == expected
    assert "step 6 is in the cache" in capsys.readouterr().out
    assert one.history(6)["step"] == [1, 2, 3, 4, 5, 6]


def test_what_killed_processes_left_is_cleared_away(run):
    one = run()
    one.to(3)
    (one.cache / ".saving-0.tmp").touch()
    (one.folder / "step6").mkdir()
    (one.folder / "step6" / f".{hf_folders.WEIGHTS}.1.tmp").touch()
    one.to(6)
    assert {path.name for path in (one.folder / "step6").iterdir()} == {
        "checkpoint.json",
        "config.json",
        "history.parquet",
        hf_folders.WEIGHTS,
    }
    assert {path.name.split("-")[0] for path in one.cache.iterdir()} == {"attempts", "lock", "step00000006"}


def test_states_are_kept_as_asked(run):
    steps = (4, 9, STEPS)
    for keep, expected in ((frozenset(), [STEPS]), (frozenset(steps), list(steps))):
        one = run(keep=keep)
        for step in steps:
            one.to(step)
        assert one.states() == expected


def set_clock(monkeypatch, monotonic):
    """Put a clock in the place of the one by which training saves and tells."""
    for module in (history, progress, saving):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=monotonic))


def test_states_are_saved_by_time_and_cost_at_most_a_fiftieth(run, monkeypatch):
    seconds = iter(
        range(1_000_000)
    )  # each look at the clock takes a second, so a save takes one, an update two
    set_clock(monkeypatch, lambda: float(next(seconds)))
    saved, original = [], states.save

    def save(folder, identity, step, *state):
        saved.append(step)
        return original(folder, identity, step, *state)

    monkeypatch.setattr(states, "save", save)
    one = run(save_minutes=0.1, steps=100)
    one.to(100)
    assert len(saved) > 2
    assert saved[0] < 5
    assert all(2 * (after - before) >= 50 for before, after in pairwise(saved[:-1]))


@pytest.mark.long
def test_a_log_has_a_line_each_half_minute_and_a_terminal_a_bar(run, monkeypatch, capsys):
    seconds = iter(range(1_000_000))
    set_clock(monkeypatch, lambda: float(next(seconds)))
    line = r"loss \d\.\d{4}, learning rate \d\S+, \d+ tokens/s"
    run(steps=60).to(60)
    said = capsys.readouterr().out
    assert 1 < len(re.findall(rf"^step \d+ of 60: {line}, \d+\.\d min left$", said, re.M)) < 8
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    run(steps=60).to(60)
    said = capsys.readouterr().out
    assert re.search(rf"\d+/60 .*{line}\]", said)
    assert "saved the state of step 60 in" in said


def test_a_parameter_without_gradient_has_no_moments_and_resumes(made, run, monkeypatch):
    original = Classification.open

    def with_idle_parameter(*args, **settings):
        model = original(*args, **settings)
        model.idle = torch.nn.Parameter(torch.ones(3))
        return model

    monkeypatch.setattr(Classification, "open", with_idle_parameter)
    whole, cut = run(), run()
    cut.to(3)
    assert whole.to(6) == cut.to(6)


# ---------------------------------------------------------------------------------------------- failures


def test_a_loss_that_is_not_finite_stops_the_run_and_its_retries(run, monkeypatch):
    monkeypatch.setenv("ISTHMUS_CALL", "one")
    one = run(learning_rate=1e30, warmup_steps=0)
    with pytest.raises(errors.TrainingFailed) as failure:
        one.to(STEPS)
    said = re.search(
        r"from step (\d+) to \d+ is (nan|inf).*learning rate was (\S+), its batch the rows \[(.*?)\]",
        str(failure.value),
    )
    t, rows = int(said[1]), [int(row) for row in said[4].split(", ")]
    assert float(said[3]) == pytest.approx(one.recipe.rate_at(t), rel=1e-2)
    order = run_seeds(42, one.recipe.vary)["order"]
    assert rows == (1000 + batch_at(t, 8, 50, order)).tolist()
    monkeypatch.setattr(Classification, "open", None)  # the retry must not come so far
    with pytest.raises(errors.GivenUp, match="not a finite number"):
        one.to(STEPS)
    monkeypatch.setenv("ISTHMUS_CALL", "two")
    with pytest.raises(TypeError):  # a new call tries again
        one.to(STEPS)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore"),
            "Tried to allocate 2 GiB",
        ),
        (
            RuntimeError("alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory\nmore"),
            "allocate memory",
        ),
        (MemoryError(), "MemoryError"),
    ],
    ids=["GPU", "CPU", "Python"],
)
def test_no_memory_names_the_token_budget(run, monkeypatch, error, said):
    def loss(*_):
        raise error

    monkeypatch.setenv("ISTHMUS_CALL", "one")
    monkeypatch.setattr(Classification, "loss", loss)
    one = run()
    with pytest.raises(errors.TrainingFailed, match=rf"training.token_budget`, which is 40.*{said}$"):
        one.to(STEPS)
    with pytest.raises(errors.GivenUp, match="token_budget"):
        one.to(STEPS)


def test_two_attempts_without_progress_are_enough_for_one_call(run, monkeypatch):
    def fail(*_):
        raise RuntimeError("the cable is loose")

    monkeypatch.setenv("ISTHMUS_CALL", "one")
    one = run()
    one.to(4)
    monkeypatch.setattr(Classification, "loss", fail)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="cable"):
            one.to(STEPS)
    with pytest.raises(
        errors.GivenUp, match=r"two attempts in a row ended without a new state \(at step 4\)"
    ):
        one.to(STEPS)
    monkeypatch.setenv("ISTHMUS_CALL", "two")
    with pytest.raises(RuntimeError, match="cable"):
        one.to(STEPS)


def test_a_published_checkpoint_is_known_by_what_it_is(made, run):
    one = run(fork_at=4)
    records = []
    for step in (3, 6):
        one.to(step)
        records.append(json.loads((one.folder / f"step{step}" / "checkpoint.json").read_text()))
    for step, record in zip((3, 6), records, strict=True):
        found = architectures.anchor(one.folder / f"step{step}")
        assert found == identity.Anchor(record["sha256"], architectures.anchor(made.start).architecture)
        assert record["identity"] == hashing.of_data(record["identity_of"])
        assert record["identity_of"]["recipe"]["batch_size"] == 8
    assert records[1]["identity_of"]["fork"] == {"is": "Fork", "at": 4, "trunk": records[0]["identity"]}
    # What the trunk took is said of every run that leaves it: two calls trained it, to step 3 and to 4.
    assert records[1]["trunk"]["identity"] == records[0]["identity"]
    assert records[1]["trunk"]["spent"]["attempts"] == 2


# ------------------------------------------------------------------------ what is drawn anew, and what is not


# ------------------------------------------------------------------------------------------- other hardware


def moved(monkeypatch, hardware, torch_version):
    """From here on training takes place elsewhere: in name only, so that the bits can be compared."""
    found = runs.numeric()
    elsewhere = replace(found, hardware=hardware, torch=torch_version)
    monkeypatch.setattr(runs, "numeric", lambda threads=1: elsewhere)


def record(one, step):
    return json.loads((one.folder / f"step{step}" / "checkpoint.json").read_text())


def test_a_run_that_goes_on_elsewhere_is_the_same_run_and_says_so(run, whole, monkeypatch, capsys):
    one = run(keep=frozenset({3}))
    for step, place in (
        (3, ("NVIDIA A100", "2.9")),
        (6, ("NVIDIA H100", "2.9")),
        (9, ("NVIDIA H100", "2.10")),
    ):
        moved(monkeypatch, *place)
        one.to(step)
    assert "from step 6 to 9" in capsys.readouterr().out
    assert len({record(one, step)["identity"] for step in (3, 6, 9)}) == 1
    assert [record(one, step)["hardware"] for step in (3, 6, 9)] == [
        ["NVIDIA A100"],
        ["NVIDIA A100", "NVIDIA H100"],
        ["NVIDIA A100", "NVIDIA H100"],
    ]
    assert [record(one, step)["torch"] for step in (3, 6, 9)] == [["2.9"], ["2.9"], ["2.9", "2.10"]]
    moved(monkeypatch, "NVIDIA A100", "2.9")
    assert one.to(STEPS) == whole[1][0]
    assert record(one, STEPS)["hardware"] == ["NVIDIA A100", "NVIDIA H100"]


def test_a_run_has_the_places_of_its_trunk_too(run, tmp_path, monkeypatch):
    moved(monkeypatch, "NVIDIA A100", "2.9")
    first, second = (run(seed=seed, fork_at=4, trunk=tmp_path / "trunk") for seed in (42, 43))
    first.to(8)
    moved(monkeypatch, "NVIDIA H100", "2.9")
    second.to(8)
    assert record(first, 8)["hardware"] == ["NVIDIA A100"]
    assert record(second, 8)["hardware"] == ["NVIDIA A100", "NVIDIA H100"]


def test_a_state_of_an_earlier_version_is_used_and_its_place_unknown(run, whole, monkeypatch):
    one = run()
    one.to(3)
    (path,) = one.cache.glob("step*")
    plain = one.cache / "plain"
    save_file(load_file(path), plain)
    path.unlink()
    plain.rename(one.cache / f"{path.name.rpartition('-')[0]}-{hashing.of_file(plain)}.safetensors")
    moved(monkeypatch, "NVIDIA H100", "2.9")
    assert one.to(STEPS) == whole[1][0]
    assert record(one, STEPS)["hardware"] == ["unknown", "NVIDIA H100"]
    assert record(one, STEPS)["torch"] == ["unknown", "2.9"]
