"""How few units make a gap."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isthmus import stored
from isthmus.measuring import rises
from isthmus.statistics import concentration


def test_shares_by_hand():
    """Of 200 units two rise by 60, eight by 10 and all others fall by 0.5: the gap is their sum, 105."""
    rise = np.full(200, -0.5)
    rise[[7, 150]], rise[20:28] = 60, 10
    assert concentration.of_rises(rise) == [
        (0.01, 2, pytest.approx(120 / 105)),
        (0.05, 10, pytest.approx(200 / 105)),
        (0.1, 20, pytest.approx(195 / 105)),  # ten of the twenty fall
    ]


def test_of_few_units_one_is_taken():
    assert concentration.of_rises(np.array([1.0, 3.0])) == [(share, 1, 0.75) for share in (0.01, 0.05, 0.1)]


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=300).filter(lambda values: sum(values) > 0.1))
def test_no_other_choice_of_as_many_has_a_larger_share(values):
    rise = np.array(values)
    draw = np.random.default_rng(0)
    for share, count, part in concentration.of_rises(rise):
        assert count == max(1, round(share * len(rise)))
        other = draw.choice(rise, count, replace=False).sum() / rise.sum()
        assert other <= part + 1e-9


def test_the_rows_of_a_cell(tmp_path):
    rise = np.array([3.0, 1, 0, 0, 1, 1, 1, 5], np.float32)
    frame = pd.DataFrame({"step": 9, "seed_a": 1, "seed_b": [2] * 4 + [3] * 4, "rise": rise})
    stored.write_frame(tmp_path / "some.parquet", frame)
    found = concentration.cell(tmp_path / "some.parquet")
    assert list(found) == concentration.COLUMNS
    assert found[["seed_a", "seed_b"]].drop_duplicates().to_numpy().tolist() == [[1, 2], [1, 3]]
    assert found["share_of_gap"].tolist() == pytest.approx([0.75] * 3 + [0.625] * 3)
    stored.write_table(tmp_path / "none.parquet", rises.SCHEMA.empty_table())
    none = concentration.cell(tmp_path / "none.parquet")
    assert (len(none), none.dtypes.tolist()) == (0, found.dtypes.tolist())
