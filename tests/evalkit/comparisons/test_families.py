"""Which p-values are adjusted together."""

import math

import pytest

from evalkit.comparisons.families import adjust_families
from evalkit.comparisons.rows import Row


def make_row(p_value, *, setting="s1", target="mean", policy="best", role="primary", test="bootstrap", backbone="a"):
    return Row(
        *("table7", "study", "data", "evaluation", setting, backbone, backbone, target, "all", "auc", True, "repeat"),
        *(10, 50, 0.8, 0.1, 0.7, 0.9, "", "ref", policy, role),
        test=test,
        p_value=p_value,
    )


def test_holm_within_one_column():
    rows = adjust_families([make_row(0.01), make_row(0.04), make_row(0.03)], adjustment="holm", family="cell")
    assert [row.p_adjusted for row in rows] == pytest.approx([0.03, 0.06, 0.06])
    assert {row.family_size for row in rows} == {3}
    assert {row.family for row in rows} == {"table7/auc/s1/mean/best/primary/bootstrap"}


def test_rows_without_a_pvalue_belong_to_no_family():
    rows = adjust_families([make_row(0.01), make_row(math.nan), make_row(0.02)], adjustment="holm", family="cell")
    assert [row.family_size for row in rows] == [2, None, 2]
    assert rows[1].family == rows[1].adjustment == ""
    assert math.isnan(rows[1].p_adjusted)


@pytest.mark.parametrize(
    "other",
    [
        {"setting": "s2"},
        {"target": "Edema"},
        {"policy": "baseline"},
        {"role": "paper"},
        {"test": "ttest_paired"},
    ],
)
def test_a_cell_family_is_one_setting_target_policy_role_and_test(other):
    rows = adjust_families([make_row(0.02), make_row(0.02, **other)], adjustment="bonferroni", family="cell")
    assert [row.p_adjusted for row in rows] == [0.02, 0.02]


def test_a_table_family_spans_settings_and_targets_but_no_policies_roles_or_tests():
    together = [make_row(0.01), make_row(0.01, setting="s2"), make_row(0.01, target="Edema")]
    apart = [make_row(0.01, policy="baseline"), make_row(0.01, role="paper"), make_row(0.01, test="delong")]
    rows = adjust_families(together + apart, adjustment="bonferroni", family="table")
    assert [row.p_adjusted for row in rows] == pytest.approx([0.03] * 3 + [0.01] * 3)
    assert rows[0].family == "table7/auc/best/primary/bootstrap"
