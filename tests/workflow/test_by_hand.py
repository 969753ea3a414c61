"""Running parts by hand: after each of them a plain run trains nothing again."""

import pytest

TRAINS = {"pretrain", "initialize", "finetune", "evaluate", "interpolate", "average"}


def test_one_cell_by_hand_then_all(nano_by_hand):
    """The session's small experiment was run so: its cell by hand, then all of it."""
    by_hand, rest = nano_by_hand
    assert {"finetune", "interpolate", "connectivity"} <= by_hand
    assert "collect" not in by_hand
    assert {"evaluate", "collect", "report"} <= rest
    assert not rest & {"pretrain", "initialize", "finetune", "interpolate", "average"}


@pytest.mark.parametrize(
    ("by_hand", "expected"),
    [
        (["results/nano/connectivity/tiny/toy.parquet"], set()),
        (["results/nano/tables/toy.md"], set()),
        pytest.param(
            ["results/nano/checkpoints/tiny/toy/seed1/step60/model.safetensors"],
            set(),
            marks=pytest.mark.long,
        ),
        pytest.param(["--omit-from", "evaluate", "interpolate"], set(), marks=pytest.mark.long),
        (["--forcerun", "figures"], {"figures"}),
    ],
)
def test_parts_of_a_finished_experiment(nano, by_hand, expected):
    """Nothing is left of what was asked for; drawing again is drawing only."""
    assert set(nano.dry_run(None, *by_hand)) == expected


@pytest.mark.long
def test_touch_after_files_lost_their_times(nano_copy):
    """Copied without their times, inputs can be newer than outputs; `--touch` says that all of it holds."""
    (nano_copy.results / "data" / "toy" / "subset.json").touch()
    (nano_copy.results / "tokens" / "tiny" / "toy" / "train.safetensors").touch()
    done = nano_copy.call(None, "--cores", "1", "--touch")
    assert done.returncode == 0, done.stdout
    assert not TRAINS & set(nano_copy.dry_run())
