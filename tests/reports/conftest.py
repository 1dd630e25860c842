"""A table of two settings and two targets, written by hand, with names that are code in every format."""

from __future__ import annotations

import dataclasses
import math

import pandas as pd
import pytest

from evalkit.comparisons.rows import Row, to_frame

LOW, ALL = "regime=finetune,fraction=0.1", "regime=finetune,fraction=1"
NAN = math.nan
SCRIPT = "<script>alert(1)</script>"
LABELS = {"bad": SCRIPT, "good": "A&B_1 % #{x} \\emph{y}~^$", "failed": "a|b*c`d"}
#: Estimate of each backbone; the good one is the reference.
ESTIMATES = {"bad": 0.612, "good": 0.8416, "failed": NAN}


def make_row_of(setting, target, backbone, policy="best", role="primary", *, metric="auc", **changes):
    repeated = setting == LOW
    estimate = ESTIMATES[backbone]
    missing = math.isnan(estimate)
    compared = backbone != "good" and not missing
    values = {
        "n": None if missing else (10 if repeated else 90),
        "n_clusters": None if missing else 80,
        "estimate": estimate,
        "sd": 0.0131 if repeated and not missing else NAN,
        "ci_low": estimate - 0.05,
        "ci_high": estimate + 0.05,
        "ci_method": "" if missing else ("bootstrap_two_way" if repeated else "bootstrap") + " percentile",
        "reference": "good",
        "difference": estimate - 0.8416 if compared else NAN,
        "difference_ci_low": -0.3 if compared else NAN,
        "difference_ci_high": -0.1 if compared else NAN,
        "test": "" if backbone == "good" else ("bootstrap_two_way" if repeated else "bootstrap"),
        "p_value": 0.004 if compared else NAN,
        "p_adjusted": 0.008 if compared else NAN,
        "adjustment": "holm" if compared else "",
        "family": "f" if compared else "",
        "family_size": 2 if compared else None,
        "status": {"bad": "ok", "good": "reference", "failed": "failed: out of memory"}[backbone],
    }
    row = Row(
        *("table7", "study", "data", "main", setting, backbone, LABELS[backbone], target, "all", metric, True),
        "repeat" if repeated else "image",
        policy=policy,
        role=role,
        **values,
    )
    return dataclasses.replace(row, **changes)


@pytest.fixture
def make_row():
    """Makes single rows."""
    return make_row_of


@pytest.fixture
def rows() -> pd.DataFrame:
    """Primary rows of every backbone, setting and target, and one further policy's rows of one backbone."""
    made = [
        make_row_of(setting, target, backbone)
        for setting in (LOW, ALL)
        for target in ("mean", SCRIPT)
        for backbone in LABELS
    ]
    further = {"reference": "bad", "difference": 0.2296, "difference_ci_low": 0.1, "difference_ci_high": 0.3}
    made += [
        make_row_of(
            setting, target, "good", "baseline", "secondary", **further, test="bootstrap", p_adjusted=0.2, status="ok"
        )
        for setting in (LOW, ALL)
        for target in ("mean", SCRIPT)
    ]
    return to_frame(made)


@pytest.fixture
def context() -> dict:
    """The facts beside the rows."""
    return {
        "table": "table7",
        "title": "A title & <more>",
        "study": "study",
        "study_title": "A study_1",
        "evaluation": "main",
        "task": "multilabel",
        "dataset": "data",
        "drawn": True,
        "metrics": [{"name": "auc", "label": "AUC", "higher_is_better": True}],
        "definitions": [],
        "specificity": {},
        "external": "",
        "columns": "setting",
        "decimals": 3,
        "confidence_level": 0.95,
        "resamples": 10000,
        "policies": ["best", "baseline"],
        "reference": None,
        "adjustment": "holm",
        "family": "cell",
        "tests": {"bootstrap": "bootstrap over test patients", "bootstrap_two_way": "two-way bootstrap"},
        "test_set": {
            "images": 90,
            "patients": 80,
            "unit": "image",
            "cases": 90,
            "positives": {SCRIPT: 40},
            "subgroups": {},
        },
        "runs": {LOW: 10, ALL: 1},
        "backbones": [
            {
                "key": key,
                "label": label,
                "arch": "resnet18",
                "source": "scratch" if key == "bad" else "path",
                "fingerprint": "0123456789ab" if key == "good" else None,
                "baseline": "bad" if key == "good" else None,
                "note": "Ask <its> authors." if key == "good" else None,
            }
            for key, label in LABELS.items()
        ],
        "data": ["Data with 5 % of <tags> & more."],
        "draws": ["Training: 300 images of 200 patients."],
        "caveats": ["One caveat."],
        "notes": ["A note of the study."],
        "versions": {"cxr-evalkit": "0.1.0", "torch": "2.15.0"},
    }
