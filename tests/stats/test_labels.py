"""Labels are read as they are: what is missing stays missing, and 1 does not become "1"."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats import delong_test, mcnemar, paired_bootstrap, stuart_maxwell, ttest_paired
from stats.inputs import group_index
from stats.labels import number_labels, read_labels

some_labels = st.one_of(
    st.lists(st.integers(-3, 300), min_size=1, max_size=20),
    st.lists(st.floats(-3, 3, width=16), min_size=1, max_size=20),
    st.lists(st.booleans(), min_size=1, max_size=20),
    st.lists(st.text(max_size=2), min_size=1, max_size=20),
)


def as_array(labels):
    """The labels as an array of their own kind, in either byte order; text that ends in NUL has none."""
    array = np.array(labels)
    if array.tolist() == labels:
        return [array, array.astype(array.dtype.newbyteorder(">")), np.repeat(array, 2)[::2]]
    return []


def numbered(*vectors):
    named = {f"labels_{place}": read_labels(values, f"labels_{place}") for place, values in enumerate(vectors)}
    return number_labels(named)


@given(some_labels)
def test_every_label_is_found_at_its_number(labels):
    for values in (labels, tuple(labels), np.array(labels, dtype=object), pd.Series(labels), *as_array(labels)):
        (codes, again), found = numbered(values, values)
        assert [found[code] for code in codes] == labels
        np.testing.assert_array_equal(again, codes)


@given(some_labels)
def test_groups_are_numbered_in_the_order_of_their_labels(labels):
    place = {label: number for number, label in enumerate(sorted(set(labels)))}
    for values in (labels, np.array(labels, dtype=object), pd.Series(labels, dtype=object), *as_array(labels)):
        index, count = group_index(values, len(labels))
        assert index.tolist() == [place[label] for label in labels]
        assert count == len(place)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2, 1], np.array([1.0, 2.0, 1.0])),
        ([True, False, True], np.array([1, 0, 1], np.uint8)),
        (np.array(["a", "b", "a"]), ["a", "b", "a"]),
        (np.array(["a", "b", "a"], dtype=np.dtypes.StringDType()), pd.Series(["a", "b", "a"], dtype="category")),
        (np.array(["2020-01", "2020-02", "2020-01"], dtype="M8[M]"), pd.Series(pd.to_datetime(["2020-01", "2020-02"]))),
        ([0.5, 7, 0.5], np.array([0.5, 7, 0.5])),
    ],
)
def test_kinds_of_vectors_that_hold_the_same(one, other):
    index, _ = group_index(one, len(one))
    np.testing.assert_array_equal(index[: len(other)], group_index(other, len(other))[0])


def test_texts_that_share_a_hash_are_told_apart(monkeypatch):
    names = np.array(["mass", "edema", "mass", "none", "edema"])
    expected = group_index(names, 5)[0].tolist()
    assert expected == [1, 0, 1, 2, 0]

    class Zeros:
        def integers(self, *_, size, dtype):
            return np.zeros(size, dtype)

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Zeros())
    assert group_index(names, 5)[0].tolist() == expected  # by the sum of the characters
    anagrams = np.array(["ab", "ba", "ab"])
    assert group_index(anagrams, 3)[0].tolist() == [0, 1, 0]
    assert group_index(np.array([], dtype="U3"), 0)[1] == 0
    assert group_index(np.array(["", ""]), 2)[1] == 1


def test_whole_numbers_beyond_doubles_stay_apart():
    large = 2**63
    assert group_index([large, large + 1, -1], 3)[0].tolist() == [1, 2, 0]
    assert group_index([2**70, 2**70 + 1], 2)[1] == 2
    (a, b), _ = numbered(np.array([2**63 + 1, 2**63], np.uint64), np.array([-1, 5]))
    assert np.unique([*a, *b]).size == 4


MISSING = [
    (["a", math.nan, "b", "a"], "nan"),
    (["a", None, "b", "a"], "None"),
    (["a", pd.NA, "b", "a"], "<NA>"),
    ([1, None, 2, 1], "None"),
    ([1, math.nan, 2, 1], "nan"),
    ([1, pd.NA, 2, 1], "<NA>"),
    (np.array([1, np.nan, 2, 1]), "nan"),
    (np.array(["a", np.nan, "b", "a"], dtype=object), "nan"),
    (pd.Series(["a", None, "b", "a"]), "nan|None"),
    (pd.Series(["a", None, "b", "a"], dtype="string"), "<NA>"),
    (pd.Series([1, None, 2, 1], dtype="Int64"), "nan|<NA>"),
    (pd.Series(["a", None, "b", "a"], dtype="category"), "nan"),
    (np.array(["2020-01-01", "NaT", "2020-01-02", "2020-01-01"], dtype="M8[ns]"), "None"),
]


@pytest.mark.parametrize(("labels", "told"), MISSING)
def test_a_missing_label_is_refused_wherever_it_hides(labels, told):
    y, a, b = [0, 1, 0, 1], [1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 4.0, 3.0]
    message = rf"is missing \(({told})\) at row 1 \(1 missing in all\)"
    for call in (
        lambda: group_index(labels, 4),
        lambda: delong_test(y, a, b, groups=labels),
        lambda: paired_bootstrap("auc", y, a, b, groups=labels, n_resamples=2),
        lambda: mcnemar(y, [1, 1, 0, 0], groups=labels),
        lambda: ttest_paired(a, b, groups=labels),
    ):
        with pytest.raises(ValueError, match="groups " + message):
            call()
    with pytest.raises(ValueError, match="labels_a " + message):
        stuart_maxwell(labels, [1, 2, 2, 1])
    with pytest.raises(ValueError, match="labels_b " + message):
        stuart_maxwell(["a", "b", "b", "a"], labels)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([1, "1", 2], "groups is 1 at row 0 and groups is '1' at row 1: numbers and text"),
        (["1", "2", 1], "groups is '1' at row 0 and groups is 1 at row 2: text and numbers"),
        (np.array(["1", 2.5, "2"], dtype=object), r"groups is '1' at row 0 and groups is 2\.5 at row 1"),
        (["a", b"a", "b"], "text and bytes"),
    ],
)
def test_numbers_beside_text_are_refused(labels, told):
    with pytest.raises(ValueError, match=told + ".*expected labels of one kind"):
        group_index(labels, 3)
    with pytest.raises(ValueError, match=told.replace("groups", "labels_a")):
        stuart_maxwell(labels, ["1", "1", "1"] if isinstance(labels[0], str) else [1, 1, 1])


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("abc", r"groups has shape \(\); expected \(3,\), one label per row"),
        (7, r"groups has shape \(\)"),
        ({1, 2, 3}, r"groups has shape \(\)"),
        ([1, 2], r"groups has shape \(2,\); expected \(3,\), one label per row"),
        (["a", "b"], r"groups has shape \(2,\); expected \(3,\)"),
        ([["a", "b"], ["c", "d"], ["e", "f"]], r"groups has shape \(3, 2\)"),
        ([[1], [2, 3], [4]], "groups is no vector"),
        (["a", ["b"], "c"], "groups holds something that is no label"),
        ([object(), object(), object()], "groups cannot be sorted"),
    ],
)
def test_refuses_what_is_no_vector_of_labels(groups, message):
    with pytest.raises(ValueError, match=message):
        group_index(groups, 3)
