"""Points and geometries: affine, through their ends, and a plane that keeps distances."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from isthmus.caches import identity
from isthmus.caches.identity import Anchor
from isthmus.space.geometries import Curve, Layers, Line, Plane, mean
from isthmus.space.points import Point, at, point

A, B, C, D = (Anchor(letter * 64, "e" * 64) for letter in "abcd")
SHARE = st.floats(0, 1)
PLANE = Plane.through((A, B, C), 3.0, 4.0, 4.5)
BEZIER, POLYCHAIN = (Curve(kind, (A, C, B)) for kind in ("bezier", "polychain"))
PATHS = [Curve(kind, (A, C, D, B)) for kind in ("bezier", "polychain")]
PATHS += [Line(A, B), Layers(A, B, ("head", "block 1")), BEZIER, POLYCHAIN]


@given(SHARE, st.sampled_from(PATHS))
def test_coefficients_of_a_path_add_up_to_one(t, path):
    for _, coefficients in path.at(t).coefficients:
        assert sum(coefficients) == pytest.approx(1, abs=1e-12)
        assert min(coefficients) >= 0


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_coefficients_of_a_plane_add_up_to_one(x, y):
    ((_, coefficients),) = PLANE.at(x, y).coefficients
    assert sum(coefficients) == pytest.approx(1, abs=1e-9)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20).filter(any))
def test_coefficients_of_a_mean_add_up_to_one(counts):
    anchors = [Anchor(str(i), "e") for i in range(len(counts))]
    found = mean(anchors, counts)
    ((_, coefficients),) = found.coefficients
    assert sum(coefficients) == pytest.approx(1, abs=1e-12)
    assert dict(zip(found.anchors, coefficients, strict=True)) == {
        anchor: count / sum(counts) for anchor, count in zip(anchors, counts, strict=True) if count
    }


def test_a_mean_of_two_is_the_middle_of_their_line():
    assert mean([A, B]) == Line(A, B).at(0.5)


@pytest.mark.parametrize("path", [Line(A, B), *PATHS[:2], BEZIER, POLYCHAIN], ids=str)
def test_a_path_passes_through_its_ends(path):
    assert path.at(0.0) == at(A)
    assert path.at(1.0) == at(B)


def test_a_polychain_passes_through_its_bend_and_is_a_line_on_both_sides():
    path = POLYCHAIN
    assert path.at(0.5) == at(C)
    assert path.at(0.125) == Line(A, C).at(0.25)
    assert path.at(0.75) == Line(C, B).at(0.5)


def weights(place: Point, where: dict[Anchor, np.ndarray]) -> np.ndarray:
    ((_, coefficients),) = place.coefficients
    return sum(c * where[anchor] for c, anchor in zip(coefficients, place.anchors, strict=True))


@given(SHARE)
def test_a_bezier_curve_is_that_of_its_polynomial(t):
    where = dict(zip((A, B, C), np.random.default_rng(0).normal(size=(3, 5)), strict=True))
    first, second = ((1 - t) * where[x] + t * where[y] for x, y in ((A, C), (C, B)))
    assert weights(BEZIER.at(t), where) == pytest.approx((1 - t) * first + t * second, abs=1e-12)


@given(st.integers(0, 2**32), st.floats(0.01, 100), *[st.floats(-3, 3)] * 4)
def test_a_plane_keeps_distances(seed, scale, x, y, other_x, other_y):
    generator = np.random.default_rng(seed)
    corners = scale * generator.normal(size=(3, 200))
    where = dict(zip((A, B, C), corners, strict=True))
    ab, ac, bc = (np.linalg.norm(corners[i] - corners[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    plane = Plane.through((A, B, C), ab, ac, bc)
    one, other = np.array([x, y]) * scale, np.array([other_x, other_y]) * scale
    in_space = np.linalg.norm(weights(plane.at(*one), where) - weights(plane.at(*other), where))
    assert in_space == pytest.approx(np.linalg.norm(one - other), rel=1e-5, abs=1e-9 * scale)
    for corner, place in ((A, (0, 0)), (B, (ab, 0)), (C, (plane.c_x, plane.c_y))):
        assert weights(plane.at(*place), where) == pytest.approx(where[corner], abs=1e-9 * scale)
    assert plane.c_y > 0


@pytest.mark.parametrize("distances", [(0, 1, 1), (1, 2, 1), (1, 1, 2), (0, 0, 0), (2, 1, 1), (1, 0, 1)])
def test_three_anchors_on_one_line_span_no_plane(distances):
    with pytest.raises(ValueError, match="on no one line"):
        Plane.through((A, B, C), *map(float, distances))


# -------------------------------------------------------------------------------------------------- the point


def test_a_tensor_moves_with_the_smallest_group_that_is_named():
    place = point((A, B), (1, 0), {"block 1": (0.5, 0.5), "block 1 attention": (0.25, 0.75)})
    assert place.of("bert.encoder.layer.1.attention.self.query.weight") == (0.25, 0.75)
    assert place.of("bert.encoder.layer.1.output.dense.weight") == (0.5, 0.5)
    assert place.of("bert.encoder.layer.0.attention.self.query.weight") == (1, 0)
    assert place.of("classifier.bias") == (1, 0)


def test_layers_from_the_other_end_are_those_of_the_exchanged_ends():
    from_a, from_b = Layers(A, B, ("head",)).at(0.25), Layers(B, A, ("head",)).at(0.25)
    assert from_a.anchors == (A, B)
    assert from_b.anchors == (B, A)
    assert from_a.of("classifier.bias") == from_b.of("classifier.bias") == (0.75, 0.25)
    assert from_a.of("bert.pooler.dense.bias") == (0.75, 0.25)
    assert from_a.of("bert.embeddings.word_embeddings.weight") == (1, 0)
    assert Layers(A, B, ("head",)).at(0.0) == at(A)


def test_one_place_has_one_form_and_one_key():
    assert point((A, B, C), (0, 1, 0)) == at(B)
    assert point((A, B), (0.5, 0.5), {"head": (0.5, 0.5)}) == Line(A, B).at(0.5)
    inside = {"block 1": (0.5, 0.5), "block 1 attention": (1, 0)}
    assert point((A, B), (1, 0), inside).of("bert.encoder.layer.1.attention.output.dense.bias") == (1, 0)
    places = [Line(A, B).at(0.5), Line(B, A).at(0.25), Line(A, B).at(0.25), at(A), at(B)]
    places += [BEZIER.at(0.5), POLYCHAIN.at(0.25)]
    places += [Layers(A, B, ("head",)).at(0.5), Layers(A, B, ("embeddings",)).at(0.5), mean([A, B, C])]
    assert len({identity.key(place) for place in places}) == len(set(places)) == len(places)


def test_the_order_of_groups_and_groups_that_say_nothing_new_change_no_key():
    half, rest = (0.5, 0.5), (1.0, 0.0)
    one = point((A, B), rest, {"head": half, "block 0": half})
    assert one == point((A, B), rest, {"block 0": half, "head": half})
    assert one == point(
        (A, B), rest, {"block 1": rest, "block 0": half, "block 0 attention": half, "head": half}
    )
    inside = point(
        (A, B), rest, {"block 0": half, "block 0 attention": rest}
    )  # not as the block, but as the whole
    assert inside.of("bert.encoder.layer.0.attention.self.query.weight") == rest
    assert inside.of("bert.encoder.layer.0.output.dense.weight") == half


@given(SHARE, SHARE)
def test_another_alpha_is_another_key(one, other):
    assume(one != other)
    assert Line(A, B).at(one) != Line(A, B).at(other)


@pytest.mark.parametrize("coefficients", [(0.5, 0.6), (1,), (0.2, 0.3, 0.5), (float("nan"), 1)])
def test_what_is_no_affine_combination_is_no_point(coefficients):
    with pytest.raises(ValueError, match="add up to 1"):
        point((A, B), coefficients)
    with pytest.raises(ValueError, match="head: found"):
        point((A, B), (1, 0), {"head": coefficients})
