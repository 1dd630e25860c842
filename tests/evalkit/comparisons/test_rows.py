"""The one format of results: its columns, and that numbers survive being written."""

import math

import pandas as pd
import pytest

from evalkit.comparisons.rows import COLUMNS, Row, read_rows, to_frame, write_rows
from evalkit.errors import InputError

PRESCRIBED = """table, study, dataset, evaluation, setting, backbone, label, target, subgroup, metric,
higher_is_better, unit, n, n_clusters, estimate, sd, ci_low, ci_high, ci_method, reference, policy, role, difference,
difference_ci_low, difference_ci_high, test, statistic, df, p_value, p_adjusted, adjustment, family, family_size,
status"""


def make_row(**changes):
    values = {
        "table": "table7",
        "study": "s",
        "dataset": "d",
        "evaluation": "e",
        "setting": "regime=finetune,fraction=1",
        "backbone": "b",
        "label": "B",
        "target": "mean",
        "subgroup": "all",
        "metric": "auc",
        "higher_is_better": True,
        "unit": "repeat",
        "n": 10,
        "n_clusters": 90,
        "estimate": 0.8,
        "sd": 0.1,
        "ci_low": 0.7,
        "ci_high": 0.9,
        "ci_method": "delong",
        "reference": "a",
        "policy": "best",
        "role": "primary",
    }
    return Row(**{**values, **changes})


def test_the_columns_are_those_prescribed():
    assert list(COLUMNS) == [name.strip() for name in PRESCRIBED.replace("\n", " ").split(",")]


def test_rows_survive_writing_bit_for_bit(tmp_path):
    rows = [
        make_row(estimate=0.1 + 0.2, p_value=5e-324, statistic=math.inf, df=9.0, family_size=3, label='a,"b"\nc'),
        make_row(estimate=1 / 3, sd=math.nan, n=None, target="NA", backbone="None", label="nan", statistic=-math.inf),
    ]
    write_rows(tmp_path / "rows.csv", to_frame(rows))
    back = read_rows(tmp_path / "rows.csv")
    pd.testing.assert_frame_equal(back, to_frame(rows), check_exact=True)
    assert back["estimate"].tolist() == [0.1 + 0.2, 1 / 3]
    assert back["target"].tolist() == ["mean", "NA"]


def test_missing_numbers_are_written_as_nothing(tmp_path):
    write_rows(tmp_path / "rows.csv", to_frame([make_row(sd=math.nan, n=None)]))
    header, line = (tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()
    values = dict(
        zip(header.split(","), line.replace('"regime=finetune,fraction=1"', "setting").split(","), strict=True)
    )
    assert values["sd"] == values["n"] == values["p_value"] == values["family_size"] == ""
    assert values["estimate"] == "0.8"
    assert values["higher_is_better"] == "True"


def test_no_rows_still_have_all_columns(tmp_path):
    write_rows(tmp_path / "rows.csv", to_frame([]))
    assert list(read_rows(tmp_path / "rows.csv").columns) == list(COLUMNS)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n"])
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"rows\.csv"):
        read_rows(tmp_path / "rows.csv")
