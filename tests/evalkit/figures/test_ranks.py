from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

import stats
from evalkit.errors import InputError
from evalkit.figures.ranks import Block, group_alike, rank_backbones

LABELS = {"a": "A", "b": "B", "c": "C"}


def make_block(number, estimates, *, replicates=None, **changes):
    values = dict(zip(LABELS, estimates, strict=True))
    block = Block(
        table=f"table{number}",
        evaluation=f"evaluation{number}",
        dataset=f"data{number}",
        setting="regime=finetune,fraction=1",
        target="mean",
        metric="auc",
        higher_is_better=True,
        estimates=values,
        replicates=replicates or {key: np.array([value] * 4) for key, value in values.items()},
    )
    return dataclasses.replace(block, **changes)


def test_few_blocks_have_ranks_with_intervals_from_the_replicates() -> None:
    rng = np.random.default_rng(0)
    replicates = {key: mean + 0.02 * rng.normal(size=400) for key, mean in zip("abc", (0.7, 0.72, 0.8), strict=True)}
    replicates["a"][7] = np.nan
    rows, facts = rank_backbones([make_block(1, (0.7, 0.72, 0.8), replicates=replicates)], LABELS)
    assert rows["rank"].tolist() == [3, 2, 1]
    assert rows["estimate"].tolist() == [0.7, 0.72, 0.8]
    naive = []
    for values in zip(*replicates.values(), strict=True):
        if not np.isnan(values).any():
            naive.append([1 + sum(other > value for other in values) for value in values])
    low, high = np.quantile(naive, [0.025, 0.975], axis=0)
    np.testing.assert_allclose(rows["low"], low)
    np.testing.assert_allclose(rows["high"], high)
    assert facts["friedman"] is None
    assert facts["shown"] == ["a", "b", "c"]


def test_where_lower_is_better_the_lowest_is_first_and_equals_share_their_rank() -> None:
    rows, _ = rank_backbones([make_block(1, (0.1, 0.3, 0.3), higher_is_better=False)], LABELS)
    assert rows["rank"].tolist() == [1, 2.5, 2.5]
    assert rows["low"].tolist() == rows["high"].tolist() == [1, 2.5, 2.5]


def test_five_blocks_are_compared_by_friedman_and_nemenyi_and_have_no_intervals() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(6, 3)) + np.arange(3)
    blocks = [make_block(number, row, replicates={}) for number, row in enumerate(scores)]
    # A block whose metric is better when lower says the same.
    blocks[2] = dataclasses.replace(
        blocks[2], higher_is_better=False, estimates={key: -value for key, value in blocks[2].estimates.items()}
    )
    rows, facts = rank_backbones(blocks, LABELS)
    expected = stats.friedman_nemenyi(scores)
    result = facts["friedman"]
    assert result["p_value"] == pytest.approx(friedmanchisquare(*scores.T).pvalue)
    assert list(result["average_ranks"].values()) == pytest.approx(expected.average_ranks.tolist())
    assert result["critical_difference"] == expected.critical_difference
    means = rows.groupby("backbone")["rank"].mean()
    assert means.to_dict() == pytest.approx(result["average_ranks"])
    assert rows["low"].isna().all()
    assert result["alike"] == [
        ["abc"[k] for k in group] for group in group_alike(expected.average_ranks, expected.critical_difference)
    ]


@pytest.mark.parametrize(
    ("ranks", "difference", "groups"),
    [
        ([1, 2, 2.5, 4], 1.6, [[0, 1, 2], [2, 3]]),
        ([4, 2, 2.5, 1], 1.6, [[3, 1, 2], [2, 0]]),
        ([1, 2, 3], 0.5, []),
        ([1, 2, 3], 5, [[0, 1, 2]]),
        ([2, 2, 2], 0.1, [[0, 1, 2]]),
        ([1, 1.5, 3, 3.5], 1, [[0, 1], [2, 3]]),
    ],
)
def test_neighbours_that_do_not_differ_are_joined(ranks, difference, groups) -> None:
    assert group_alike(np.array(ranks, float), difference) == groups


def test_a_backbone_that_lacks_a_number_is_left_out_of_all_blocks_and_named() -> None:
    blocks = [make_block(1, (0.7, np.nan, 0.8)), make_block(2, (0.7, 0.75, 0.8))]
    rows, facts = rank_backbones(blocks, {**LABELS, "d": "D"})
    assert rows["backbone"].tolist() == ["a", "c", "a", "c"]
    assert set(rows["rank"]) == {1, 2}
    assert facts["notes"] == ["Left out, for want of a number in some table: B, D."]


def test_one_backbone_has_no_rank() -> None:
    with pytest.raises(InputError, match="1 of 3 backbones have a number in each of the tables table1"):
        rank_backbones([make_block(1, (0.7, np.nan, np.nan))], LABELS)


def test_two_tables_of_one_evaluation_and_data_set_are_refused() -> None:
    one = make_block(1, (0.7, 0.75, 0.8))
    again = dataclasses.replace(one, table="table9", metric="auprc")
    with pytest.raises(
        InputError, match=r"(?s)table1 and table9 both show evaluation evaluation1 on data set data1.*independent"
    ):
        rank_backbones([one, again], LABELS)


def test_what_blocks_share_is_told() -> None:
    blocks = [
        make_block(1, (0.7, 0.75, 0.8)),
        make_block(2, (0.7, 0.75, 0.8), dataset="data1"),
        make_block(3, (0.7, 0.75, 0.8), evaluation="evaluation2"),
    ]
    _, facts = rank_backbones(blocks, LABELS)
    assert facts["notes"] == [
        "Not fully independent: table1 and table2 are evaluations of the same data set, data1, and share its patients.",
        "Not fully independent: table2 and table3 test the same trained networks, those of evaluation2, on different "
        "data sets.",
    ]
