from __future__ import annotations

import math

import pandas as pd
import pytest

from evalkit.errors import InputError
from evalkit.figures.fractions import collect_points

LOW, ALL_LABELS, PROBE = (
    "regime=finetune,fraction=0.1",
    "regime=finetune,fraction=1",
    "regime=probe,fraction=0.1",
)


def make_rows(settings=(LOW, ALL_LABELS), targets=("mean", "Edema"), **changes):
    rows = [
        {
            "setting": setting,
            "target": target,
            "backbone": backbone,
            "label": backbone.upper(),
            "metric": "auc",
            "subgroup": subgroup,
            "role": role,
            "estimate": 0.7,
            "ci_low": 0.6,
            "ci_high": 0.8,
            "ci_method": "bootstrap percentile" if setting == ALL_LABELS else "bootstrap_two_way percentile",
            "status": "ok",
        }
        for setting in settings
        for target in targets
        for backbone in ("a", "b")
        for subgroup in ("all", "sex=F")
        for role in ("primary", "paper")
    ]
    return pd.DataFrame(rows).assign(**changes)


def two_repeats(metric, setting, target, backbone):
    return {0: 0.65, 2: 0.75} if setting != ALL_LABELS else {0: 0.7}


def test_estimates_and_repeats_of_the_mean_are_collected() -> None:
    points, facts = collect_points(make_rows(), two_repeats)
    assert set(points["target"]) == {"mean"}
    estimates = points[points["repeat"] == "mean"]
    assert estimates[["fraction", "backbone", "value", "low", "high"]].to_numpy().tolist() == [
        [0.1, "a", 0.7, 0.6, 0.8],
        [0.1, "b", 0.7, 0.6, 0.8],
        [1, "a", 0.7, 0.6, 0.8],
        [1, "b", 0.7, 0.6, 0.8],
    ]
    repeats = points[points["repeat"] != "mean"]
    assert repeats[["fraction", "backbone", "repeat", "value"]].to_numpy().tolist() == [
        [0.1, "a", "0", 0.65],
        [0.1, "a", "2", 0.75],
        [0.1, "b", "0", 0.65],
        [0.1, "b", "2", 0.75],
    ]
    assert repeats["low"].isna().all()
    assert facts["panels"] == [{"metric": "auc", "target": "mean"}]
    assert facts["intervals"] == ["bootstrap_two_way percentile", "bootstrap percentile"]


def test_without_a_mean_every_target_has_a_panel_and_regimes_are_kept_apart() -> None:
    points, facts = collect_points(make_rows((LOW, ALL_LABELS, PROBE), ("Edema", "Nodule")), two_repeats)
    assert facts["panels"] == [{"metric": "auc", "target": "Edema"}, {"metric": "auc", "target": "Nodule"}]
    assert list(dict.fromkeys(points["regime"])) == ["finetune", "probe"]
    assert set(points["fraction"][points["regime"] == "probe"]) == {0.1}


def test_what_has_no_number_is_told() -> None:
    rows = make_rows()
    rows.loc[(rows["backbone"] == "b") & (rows["setting"] == LOW), ["estimate", "status"]] = [math.nan, "not run"]
    _, facts = collect_points(rows, two_repeats)
    assert facts["notes"] == ["B, 10 %: not run."]


def test_one_share_is_nothing_to_draw_against() -> None:
    with pytest.raises(InputError, match="one share"):
        collect_points(make_rows((LOW, PROBE)), two_repeats)
