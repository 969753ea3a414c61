"""The replicates: fixed, paired, exact; and the intervals they give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isthmus.bootstrap import Bootstrap, percentile_interval

from tests.benchmarks.coverage_study import coverage, synthetic


def test_weights_are_the_same_bits_for_ever():
    assert Bootstrap(6, 3, 7).counts.tolist() == [[0, 1, 2, 1, 1, 1], [1, 0, 3, 1, 0, 1], [2, 1, 1, 2, 0, 0]]


def test_each_replicate_draws_n_examples():
    assert (Bootstrap(50, 40, 1).counts.sum(axis=1) == 50).all()


def test_first_replicates_do_not_depend_on_how_many_follow():
    assert np.array_equal(Bootstrap(30, 5, 3).counts, Bootstrap(30, 50, 3).counts[:5])


@pytest.mark.parametrize("other", [Bootstrap(30, 9, 4), Bootstrap(31, 9, 3)])
def test_seed_and_size_give_other_weights(other):
    assert not np.array_equal(Bootstrap(30, 9, 3).counts, other.counts[:, :30])


@given(st.integers(1, 40), st.integers(0, 2**32), st.floats(1e-6, 1e6))
def test_means_are_those_of_the_weights(n, seed, size):
    values = np.random.default_rng(seed).exponential(size, (2, 3, n))
    bootstrap = Bootstrap(n, 25, seed)
    expected = values @ bootstrap.counts.T.astype(float) / n
    found = bootstrap.replicate_means(values)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected.astype(np.float32), rel=2e-7)


@given(st.integers(2, 300), st.integers(0, 2**32))
def test_order_of_summation_cannot_matter(n, seed):
    rng = np.random.default_rng(seed)
    values, order = rng.lognormal(sigma=4, size=(2, n)), rng.permutation(n)
    straight, shuffled = Bootstrap(n, 20, 5), Bootstrap(n, 20, 5)
    shuffled.counts = shuffled.counts[:, order]
    assert np.array_equal(straight.replicate_means(values), shuffled.replicate_means(values[:, order]))


def test_a_row_does_not_depend_on_its_companions():
    values = np.random.default_rng(0).exponential(size=(3, 100)) * [[1e-3], [1], [1e3]]
    bootstrap = Bootstrap(100, 50, 0)
    assert np.array_equal(bootstrap.replicate_means(values)[0], bootstrap.replicate_means(values[0]))


def test_blocks_of_replicates_join():
    bootstrap = Bootstrap(300_000, 5, 0)  # more than one block of weights
    values = np.arange(300_000) / 300_000
    expected = [np.repeat(values, counts).mean() for counts in bootstrap.counts]
    assert bootstrap.replicate_means(values) == pytest.approx(expected, rel=1e-6)


def test_spread_of_the_means_is_the_standard_error():
    values = np.random.default_rng(2).exponential(size=400)
    spread = Bootstrap(400, 4000, 2).replicate_means(values).std()
    assert spread == pytest.approx(values.std() / 20, rel=0.05)


def test_equal_values_have_no_spread():
    assert (Bootstrap(10, 20, 0).replicate_means([np.zeros(10), np.ones(10)]) == [[0], [1]]).all()


def test_no_replicates():
    means = Bootstrap(10, 0, 0).replicate_means(np.ones((3, 10)))
    assert means.shape == (3, 0)
    assert np.isnan(percentile_interval(means)).all()
    assert np.shape(percentile_interval(means)) == (2, 3)


def test_interval_holds_its_share():
    samples = np.arange(1001)[::-1]
    assert percentile_interval(samples) == pytest.approx((25, 975))
    assert percentile_interval(samples, 0.5) == pytest.approx((250, 750))
    low, high = percentile_interval([samples, samples + 1])
    assert [*low, *high] == pytest.approx([25, 26, 975, 976])


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match=r"shape \(3,\); allowed is \(..., 4\)"):
        Bootstrap(4, 2, 0).replicate_means([1, 2, 3])
    with pytest.raises(ValueError, match="hold nan"):
        Bootstrap(2, 2, 0).replicate_means([1, float("nan")])
    with pytest.raises(ValueError, match="level is 95"):
        percentile_interval([1.0], 95)
    with pytest.raises(ValueError, match="NaN"):
        percentile_interval([1.0, float("nan")])
    for n, replicates, seed in ((0, 1, 0), (1, -1, 0), (1, 1, -1)):
        with pytest.raises(ValueError, match="allowed are n >= 1"):
            Bootstrap(n, replicates, seed)


def test_intervals_cover_the_truth():
    """A small version of the coverage study: no less than 92 % by four Monte-Carlo errors, and not all."""
    found = coverage(*synthetic(4, n=20_000), size=400, sets=300, replicates=300)
    for gap in found.values():
        assert 0.86 <= gap.share <= 0.995
        assert abs(gap.bias) < 0.15 * gap.width


@given(st.integers(0, 2**32))
def test_order_of_summation_cannot_matter_where_sums_cancel(seed):
    """Here a rounding of any partial sum is as large as the result; the largest value is a negative one."""
    rng = np.random.default_rng(seed)
    large = rng.uniform(1e12, 1e15, 5)
    values = np.concatenate([large, [-large.sum()], rng.normal(size=4)])
    bootstrap = Bootstrap(10, 1, 0)
    bootstrap.counts = np.ones((1, 10), np.uint8)
    found = {float(bootstrap.replicate_means(values[rng.permutation(10)])[0]) for _ in range(20)}
    assert len(found) == 1


def test_a_row_does_not_depend_on_much_larger_companions():
    values = np.random.default_rng(0).exponential(size=(2, 30)) * [[1], [1e15]]
    bootstrap = Bootstrap(30, 50, 0)
    assert np.array_equal(bootstrap.replicate_means(values)[0], bootstrap.replicate_means(values[0]))
    assert np.array_equal(bootstrap.replicate_means(values[::-1])[1], bootstrap.replicate_means(values[0]))


def test_single_precision_and_whole_numbers_are_taken_as_they_are():
    values, bootstrap = np.random.default_rng(0).exponential(size=(3, 40)), Bootstrap(40, 50, 0)
    for given_values in (values.astype(np.float32), (9 * values).astype(int)):
        expected = given_values.astype(np.float64) @ bootstrap.counts.T / 40
        assert bootstrap.replicate_means(given_values) == pytest.approx(expected, rel=1e-7)


def test_the_largest_seed():
    assert Bootstrap(30, 9, 2**64 - 1).counts.sum() == 270
    assert not np.array_equal(Bootstrap(30, 9, 2**64 - 1).counts, Bootstrap(30, 9, 2**64 - 2).counts)
    with pytest.raises(ValueError, match="allowed are n >= 1"):
        Bootstrap(30, 9, 2**64)


def test_a_single_number_is_no_set_of_examples():
    with pytest.raises(ValueError, match=r"shape \(\); allowed is \(..., 1\)"):
        Bootstrap(1, 2, 0).replicate_means(1.0)


@pytest.mark.parametrize("block", [1, 25, 1000])
def test_blocks_change_nothing(monkeypatch, block):
    values, plain = np.random.default_rng(0).exponential(size=(3, 10)), Bootstrap(10, 7, 0)
    expected = plain.replicate_means(values)
    monkeypatch.setattr("isthmus.bootstrap._BLOCK", block)
    assert np.array_equal(plain.replicate_means(values), expected)


def test_intervals_of_many_dimensions_and_of_single_precision():
    samples = np.random.default_rng(0).normal(size=(2, 3, 4, 50)).astype(np.float32)
    found, empty = percentile_interval(samples), percentile_interval(samples[..., :0])
    for bounds in (*found, *empty):
        assert bounds.shape == (2, 3, 4)
        assert bounds.dtype == np.float64
    assert np.array_equal(
        found, np.quantile(samples.astype(np.float64), [(1 - 0.95) / 2, (1 + 0.95) / 2], axis=-1)
    )
    assert np.isnan(empty).all()


@pytest.mark.parametrize("level", [0, 1, 1.5, -0.1])
def test_a_level_is_a_share(level):
    with pytest.raises(ValueError, match=f"level is {level}; allowed"):
        percentile_interval([1.0, 2.0], level)
