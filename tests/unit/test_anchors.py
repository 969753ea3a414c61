"""Anchors: read where they are used, combined to the right bits without a second copy."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from isthmus.errors import MismatchedEnds
from isthmus.models import weight_files
from isthmus.space.anchors import check_same_space, combine, mapped

# Unevenly long, so that vectorised loops have a rest.
SIZES = st.integers(1, 70)


def tensors(n, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, generator=generator) for _ in range(count)]


@given(SIZES, st.floats(0, 1))
def test_two_that_add_up_to_one_are_a_linear_interpolation(n, alpha):
    a, b = tensors(n, 2)
    out = torch.empty(n)
    combine((1 - alpha, alpha), (a, b), out)
    expected = torch.lerp(a, b, alpha) if 0 < alpha < 1 else (b if alpha else a)
    assert out.numpy().tobytes() == expected.numpy().tobytes()


@given(SIZES, st.integers(0, 3))
def test_one_hot_coefficients_copy_the_bits(n, which):
    sources = tensors(n, 4)
    for source in sources:
        source[0] = -0.0
    sources[which][-1] = 3e38
    sources[which - 1][-1] = -torch.inf
    out = torch.empty(n)
    combine([float(i == which) for i in range(4)], sources, out)
    assert out.numpy().tobytes() == sources[which].numpy().tobytes()


@given(SIZES, st.lists(st.floats(-2, 2), min_size=3, max_size=6))
def test_any_others_are_the_weighted_sum(n, coefficients):
    sources = tensors(n, len(coefficients))
    out = torch.full((n,), torch.nan)
    if not any(coefficients):
        coefficients[0] = 1.0
    combine(coefficients, sources, out)
    expected = sum(c * source.double() for c, source in zip(coefficients, sources, strict=True))
    assert torch.allclose(out.double(), expected, atol=1e-5)


@given(SIZES, st.floats(0.01, 0.99))
def test_a_model_of_another_type_gets_a_combination_that_is_rounded_once(n, alpha):
    a, b = tensors(n, 2)
    out = torch.empty(n, dtype=torch.bfloat16)
    combine((1 - alpha, alpha), (a, b), out)
    assert torch.equal(out, torch.lerp(a, b, alpha).bfloat16())
    combine((0.25, 0.25, 0.5), (a, b, a), out)
    whole = torch.empty(n)
    combine((0.25, 0.25, 0.5), (a, b, a), whole)
    assert torch.equal(out, whole.bfloat16())
    combine((0, 1), (a, b), out)
    assert torch.equal(out, b.bfloat16())


def test_sources_are_left_alone(tmp_path):
    sources = tensors(50, 3)
    weight_files.save({str(i): x for i, x in enumerate(sources)}, tmp_path / "file")
    before, views = (tmp_path / "file").read_bytes(), mapped(tmp_path / "file")
    for coefficients in ((1, 0, 0), (0.5, 0.5, 0), (0.2, 0.3, 0.5)):
        combine(coefficients, [views[str(i)] for i in range(3)], torch.empty(50))
    assert (tmp_path / "file").read_bytes() == before
    assert all(torch.equal(views[str(i)], x) for i, x in enumerate(sources))


def test_mapped_weights_are_those_of_the_file(tmp_path):
    state = {"b": torch.randn(3, 4), "a": torch.arange(5), "c": torch.randn(2).half()}
    weight_files.save(state, tmp_path / "file")
    views = mapped(tmp_path / "file")
    assert set(views) == set(state)
    for name, tensor in views.items():
        assert torch.equal(tensor, state[name])
        assert tensor.dtype == state[name].dtype


def test_mapped_weights_take_no_memory_of_their_own(tmp_path):
    weight_files.save({"big": torch.ones(2**22)}, tmp_path / "file")

    def anonymous():
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("RssAnon"))) * 1024

    out, views = torch.zeros(2**22), mapped(tmp_path / "file")
    before = anonymous()
    tensor = views["big"]
    combine((0.5, 0.5), (tensor, tensor), out)
    assert float(out.sum()) == 2**22
    assert np.all(out[:10].numpy() == 1)
    assert anonymous() - before < 2**22  # a quarter of one copy


def test_the_first_three_differences_are_named():
    a = {name: torch.zeros(2, 3) for name in "abcdef"}
    b = {name: tensor.clone() for name, tensor in a.items()}
    check_same_space(a, b, ("one", "two"))
    del b["b"]
    b["c"] = torch.zeros(3, 2)
    b["d"] = torch.zeros(2, 3, dtype=torch.float16)
    b["z"] = torch.zeros(1)
    with pytest.raises(MismatchedEnds) as caught:
        check_same_space(a, b, ("one", "two"))
    message = str(caught.value)
    assert message.startswith(
        "no line joins one and two: 4 tensors differ, first b: ((2, 3), 'torch.float32') and absent;"
    )
    assert "c: ((2, 3), 'torch.float32') and ((3, 2), 'torch.float32')" in message
    assert "d: ((2, 3), 'torch.float32') and ((2, 3), 'torch.float16')" in message
    assert "z:" not in message
