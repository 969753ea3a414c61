"""Labels are names or positions, one or the other throughout, and nothing is merged in silence."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isthmus.errors import ConfigError
from isthmus.experiment import labels


def origin(row):
    return f"place {row}"


def classes(found, names, numbered=True, **options):
    seen = labels.seen(enumerate(found))
    return labels.classes("k", seen, origin, names, numbered, **options)


@pytest.mark.parametrize(
    ("found", "names", "expected"),
    [
        (["b", "a", "b"], ["a", "b"], {"a": 0, "b": 1}),
        (["0", "1"], ["a", "b"], {"0": 0, "1": 1}),
        (["1", "1"], ["a", "b"], {"1": 1}),  # a further set need not have all
        (["1", "0"], ["1", "0"], {"1": 0, "0": 1}),  # names win
        (["1", "2"], ["1", "2"], {"1": 0, "2": 1}),
        (["2"], ["1", "2", "3"], {"2": 1}),
        (["10"], [str(i) for i in range(10, 21)], {"10": 0}),
    ],
)
def test_names_or_positions(found, names, expected):
    assert classes(found, names) == expected


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize(
    ("found", "names", "wrong"),
    [
        (["0", "1", "2"], ["1", "2"], {"0": (1, 0)}),
        (["1", "0", "0"], ["1", "2"], {"0": (2, 1)}),
        (["a", "0", "b", "0"], ["a", "b"], {"0": (2, 1)}),
        (["a", "c", "d", "c"], ["a", "b"], {"c": (2, 1), "d": (1, 2)}),
    ],
)
def test_a_mixture_names_each_value_its_rows_and_the_first_of_them(found, names, wrong, numbered):
    with pytest.raises(ConfigError) as caught:
        classes(found, names, numbered)
    said = str(caught.value).partition("; allowed: ")[0]
    counted = re.findall(r"'(\w)' \((\d) rows?, first in place (\d)\)", said)
    assert {label: (int(rows), int(first)) for label, rows, first in counted} == wrong


def test_numbers_are_no_positions_where_they_may_not_be():
    with pytest.raises(ConfigError, match=r"'0' \(1 row, first in place 0\), '1' .*'a', 'b'; do this$"):
        classes(["0", "1"], ["a", "b"], False, hint="; do this")


@given(
    names=st.lists(st.sampled_from(["0", "1", "2", "3", "a", "b"]), min_size=2, max_size=4, unique=True),
    found=st.lists(st.sampled_from(["0", "1", "2", "3", "a", "b", "c"]), min_size=1, max_size=6),
)
def test_two_labels_never_become_one_class(names, found):
    try:
        chosen = classes(found, names)
    except ConfigError:
        assert not set(found) <= set(names)
        return
    assert set(chosen) == set(found)
    assert len(set(chosen.values())) == len(chosen)
    by_name = {label: names.index(label) for label in found if label in names}
    assert chosen == (by_name if by_name else {label: int(label) for label in found})


def test_many_wrong_labels_are_not_all_shown():
    with pytest.raises(ConfigError) as caught:
        classes([f"id{i}" for i in range(500)], ["a", "b"])
    assert "and 480 more" in str(caught.value)
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (" yes\t", "yes"),
        (1, "1"),
        (1.0, "1"),
        (-1.0, "-1"),
        (0.5, "0.5"),
        ("1.0", "1.0"),
        (True, "true"),
        (float("nan"), None),
        (None, None),
        ("", ""),
        (2**53 - 1.0, "9007199254740991"),
        (2**60 + 1, "1152921504606846977"),
    ],
)
def test_what_a_value_is_called(value, expected):
    assert labels.of_value(value, None) == expected


def test_what_a_file_calls_its_numbers():
    assert [labels.of_value(i, ["no", " yes"]) for i in (0, 1, 1.0, -1, 2, "1", True)] == [
        *("no", "yes", "yes", "-1", "2", "1", "true")
    ]


@pytest.mark.parametrize("value", [2.0**53, float("inf"), -1e300, ["a"], {"a": 1}, b"a"])
def test_a_value_that_is_no_label(value):
    with pytest.raises(ValueError, match="found "):
        labels.of_value(value, None)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["yes", "no", "Yes"], {"yes", "Yes"}),
        (["1", "1.0", "01", "+1", "2"], {"1", "1.0", "01", "+1"}),
        (["9007199254740992", "9007199254740993"], set()),
        (["0.5", "0.50", "0.25"], {"0.5", "0.50"}),
        (["true", "1", "0", "False"], {"true", "1", "0", "False"}),
        (["café", "cafe\u0301", "cafe"], {"café", "cafe\u0301"}),
        (["a b", "a  b", "ab"], {"a b", "a  b"}),
        (["entailment", "non-entailment", "1a", "a1", "-1", "1"], set()),
    ],
)
def test_names_that_one_could_be_taken_for(names, expected):
    assert set(labels.alike(names)) == expected


@pytest.mark.parametrize(
    ("own", "given", "expected"),
    [
        (["neg", "pos"], ["neg", "pos"], []),
        (["neg", "pos"], ["Neg", "POS"], []),
        (["neg", "pos"], ["pos", "neg"], [("pos", "neg"), ("neg", "pos")]),
        (["neg", "pos"], ["pos", "good"], [("pos", "neg")]),
        (["neg", "pos"], ["0", "1"], []),
        (["E", "N", "C"], ["E", "N", "N"], []),  # two classes counted as one
        (["E", "N", "C"], ["E", "other", "other"], []),
        (["E", "N", "C"], ["E", "C", "other"], [("C", "N")]),
        (["0", "1"], ["1", "0"], []),  # no names but numbers
    ],
)
def test_names_that_contradict_a_classifier(own, given, expected):
    assert labels.contradicted(own, given) == expected
