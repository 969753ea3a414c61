"""The cache of states: only whole states are used, and each says where its run was computed."""

import errno

import pytest
import torch
from isthmus import errors
from isthmus.caches import states
from isthmus.caches.states import Platforms
from isthmus.machine.numerics import Numerics
from safetensors import SafetensorError
from safetensors.torch import save_file

HERE = Platforms(("cpu",), ("2.9",))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def save(folder, step, identity="a" * 64, platforms=HERE):
    return states.save(folder, identity, step, {"weights/w": torch.full((100,), float(step))}, platforms)


def test_the_newest_whole_state_at_or_before_a_step_is_found(tmp_path):
    paths = {step: save(tmp_path, step) for step in (5, 10, 100)}
    save(tmp_path, 7, identity="b" * 64)
    assert states.newest(tmp_path, "a" * 64, 100) == (100, paths[100])
    assert states.newest(tmp_path, "a" * 64, 99) == (10, paths[10])
    assert states.newest(tmp_path, "a" * 64, 4) is None
    assert states.newest(tmp_path, "c" * 64, 100) is None
    assert states.newest(tmp_path / "nowhere", "a" * 64, 100) is None


@pytest.mark.parametrize("how", ["flip", "cut", "empty"])
def test_a_damaged_state_is_named_and_the_one_before_it_used(tmp_path, capsys, how):
    first, second = save(tmp_path, 5), save(tmp_path, 10)
    content = second.read_bytes()
    flipped = content[:-9] + bytes([content[-9] ^ 4]) + content[-8:]
    second.write_bytes({"flip": flipped, "cut": content[:-1], "empty": b""}[how])
    assert states.newest(tmp_path, "a" * 64, 100) == (5, first)
    assert f"{second} is damaged" in capsys.readouterr().out
    assert not second.exists()


def test_pruning_leaves_what_is_to_be_kept(tmp_path):
    def left(keep):
        for step in (5, 10, 20, 30):
            save(tmp_path, step)
        save(tmp_path, 10, identity="b" * 64)
        (tmp_path / ".saving-0.tmp").touch()
        states.prune(tmp_path, "a" * 64, 20, keep)
        return [(int(name[4:12]), name[13]) for name in names(tmp_path)]

    assert left(frozenset()) == [(20, "a"), (30, "a")]
    assert left(frozenset({5, 20})) == [(5, "a"), (10, "b"), (20, "a"), (30, "a")]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        SafetensorError("I/O error: File too large (os error 27)"),
    ],
)
def test_a_full_disk_has_one_message_and_leaves_nothing(tmp_path, monkeypatch, error):
    before = save(tmp_path, 5)

    def fail(_, path, __):
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(
        errors.DiskFull, match=r"disk is full.* state of step 10 could not be saved .* is whole"
    ):
        save(tmp_path, 10)
    assert names(tmp_path) == [before.name]


def test_other_failures_of_a_save_keep_their_name(tmp_path, monkeypatch):
    def fail(*_):
        raise SafetensorError("I/O error: Input/output error (os error 5)")

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(SafetensorError):
        save(tmp_path, 10)


def on(hardware, torch):
    """How a run is computed somewhere."""
    return Numerics("cuda", "tf32", "sdpa", 1, True, hardware=hardware, torch=torch)


def test_a_state_says_where_its_run_was_computed(tmp_path):
    mixed = Platforms(("NVIDIA A100", "NVIDIA H100"), ("2.9", "2.10", "3.0"))
    assert states.platforms(save(tmp_path, 5, platforms=mixed)) == mixed


def test_a_run_that_goes_on_elsewhere_names_each_place_once_in_order():
    places = [("NVIDIA H100", "2.9"), ("NVIDIA A100", "2.9"), ("NVIDIA H100", "2.10"), ("NVIDIA A100", "2.9")]
    found = Platforms()
    for place in places:
        found = found.and_then(on(*place))
    assert found == Platforms(("NVIDIA H100", "NVIDIA A100"), ("2.9", "2.10"))


def test_of_a_state_of_an_earlier_version_it_is_unknown(tmp_path):
    path = tmp_path / "step00000005.safetensors"
    save_file({"weights/w": torch.zeros(2)}, path)
    found = states.platforms(path)
    assert found == Platforms(("unknown",), ("unknown",))
    assert found.and_then(on("NVIDIA H100", "2.9")) == Platforms(
        ("unknown", "NVIDIA H100"), ("unknown", "2.9")
    )


def test_equal_states_have_equal_names(tmp_path):
    """Their metadata, too, have the same bytes each time."""
    mixed = Platforms(("NVIDIA A100", "NVIDIA H100"), ("2.9", "2.10"))
    assert len({save(tmp_path / str(n), 5, platforms=mixed).name for n in range(8)}) == 1
