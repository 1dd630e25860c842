"""Footnotes about training and validation patients, from a report that evalkit.splits really makes."""

from pathlib import Path

import numpy as np
import pandas as pd

from evalkit.comparisons.draws import describe_draws
from evalkit.config.evaluations import Classification
from evalkit.datasets.building import build_manifest
from evalkit.datasets.labels import LabelPolicy
from evalkit.splits import make_splits


def make_report(**options):
    patients = [f"p{number:03d}" for number in range(100)]
    images = pd.DataFrame({"image_id": [f"{name}/0" for name in patients], "patient_id": patients})
    images["study_id"], images["path"] = images["image_id"], images["image_id"] + ".png"
    images["split"], images["age"], images["sex"], images["view"] = "", np.nan, "", ""
    rare = pd.DataFrame({"Edema": (np.arange(100) % 10 == 0).astype(float)})
    manifest = build_manifest(
        images,
        rare,
        policy=LabelPolicy(),
        default_labels=["Edema"],
        unit="image",
        patients=(0.0, 1.0),
        report={"test_set": "drawn", "footnote": "Drawn."},
        source=Path("labels.csv"),
    )
    index = images[["image_id", "patient_id"]].copy()
    index["sha256"], index["low"], index["cap"] = [f"{row:032x}" for row in range(100)], 0.0, 100.0
    about = {"task": "multilabel", "dataset": "mine", "recipe": {"lr": 0.1, "steps": 1}, "repeats": 8}
    evaluation = Classification.model_validate({**about, "settings": {"fraction": [0.05, 1.0]}, **options})
    return make_splits(manifest, index, evaluation, name="e", seed=0).report


def test_a_real_report_is_put_into_words():
    training, validation, *others = describe_draws(make_report())
    assert training == (
        "Training: 72 images of 72 patients; shares are drawn by patient, the same for every backbone "
        "(mean 5 %: 4 images)."
    )
    assert validation.startswith("Validation: 8 images of 8 patients (")
    assert validation.endswith("the same for every share.")
    assert [text.partition(",")[0] for text in others] == [
        "Draws without a positive or a negative of some class were made again"
    ]


def test_kept_draws_are_named_with_what_they_lack():
    texts = describe_draws(make_report(missing_class="keep"))
    assert texts[-1].startswith("Draws kept without a positive or a negative of a class: train 5 %, repeat ")
    assert texts[-1].endswith("(Edema).")


def test_validation_may_shrink():
    texts = describe_draws(make_report(validation="fraction", missing_class="keep"))
    assert texts[1].endswith("shrinking with the share.")


def test_without_splits_nothing_is_said():
    assert describe_draws({}) == []
