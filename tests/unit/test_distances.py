"""Distances of checkpoints: those of the flat vectors, whatever the parts in which they are summed."""

import numpy as np
import pytest
import torch
from isthmus.errors import MismatchedEnds
from isthmus.measuring import distances as module
from isthmus.measuring.distances import distances


def test_distances_are_those_of_the_flat_vectors():
    generator = torch.Generator().manual_seed(0)
    shapes = {"body.a": (4, 5), "body.b": (7,)}
    start, a, b = ({n: torch.randn(s, generator=generator) for n, s in shapes.items()} for _ in range(3))
    for state in (start, a, b):
        state["body.ids"] = torch.arange(3)
    found = distances(a, b, ((name, tensor, tensor) for name, tensor in start.items()))
    flat = [np.concatenate([s[n].double().numpy().ravel() for n in shapes]) for s in (start, a, b)]
    u, v = flat[1] - flat[0], flat[2] - flat[0]
    norms = np.linalg.norm(u), np.linalg.norm(v)
    expected = np.linalg.norm(u - v), *norms, u @ v / (norms[0] * norms[1])
    assert [float(x) for x in found.values()] == pytest.approx(expected, rel=1e-12)
    assert list(found) == ["distance", "distance_a", "distance_b", "cosine"]


def test_cosine_of_an_update_of_nothing_is_empty():
    start = {"a": torch.zeros(3)}
    found = distances(start, {"a": torch.ones(3)}, [("a", start["a"], start["a"])])
    assert np.isnan(found["cosine"])
    assert found["distance"] == found["distance_b"] == pytest.approx(3**0.5)


@pytest.mark.parametrize("n", [1, 2**15, 2**15 + 1, 300_000])
@pytest.mark.parametrize("same_start", [True, False])
def test_large_tensors_are_summed_in_parts(n, same_start):
    generator = torch.Generator().manual_seed(n)
    a, b, start, own = (torch.randn(n, generator=generator) for _ in range(4))
    other = start if same_start else own
    found = distances({"x": a}, {"x": b}, [("x", other, start)])
    u, v = (a.double() - other.double()).numpy(), (b.double() - start.double()).numpy()
    apart = a.double().numpy() - b.double().numpy()
    expected = [np.linalg.norm(apart), np.linalg.norm(u), np.linalg.norm(v)]
    assert [float(found[name]) for name in list(found)[:3]] == pytest.approx(expected, rel=1e-12)
    if same_start:
        cosine = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
        assert found["cosine"] == pytest.approx(cosine, rel=1e-9, abs=1e-12)
    else:
        assert np.isnan(found["cosine"])


def test_a_tensor_within_one_part_has_the_bits_of_its_whole_sum():
    """So that what was published from small models stays as it was."""
    generator = torch.Generator().manual_seed(0)
    a, b, start = (torch.randn(100, 301, generator=generator) for _ in range(3))
    assert a.numel() <= module.CHUNK
    found = distances({"x": a}, {"x": b}, [("x", start, start)])
    u, v = a.double() - start.double(), b.double() - start.double()
    between, from_a, from_b = (np.sqrt(float((x**2).sum())) for x in (u - v, u, v))
    assert [float(found[name]) for name in list(found)[:3]] == [between, from_a, from_b]
    assert found["cosine"] == float((u * v).sum()) / (from_a * from_b)


def test_a_start_of_another_shape_is_refused():
    """With as many weights, so that they could be subtracted one by one all the same."""
    end, start = torch.zeros(2, 3), torch.zeros(3, 2)
    with pytest.raises(MismatchedEnds, match="a run's end and its start: 1 tensors differ, first x"):
        distances({"x": end}, {"x": end}, [("x", start, start)])
