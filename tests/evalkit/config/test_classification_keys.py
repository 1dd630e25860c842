"""What a study may say of multi-class tasks, probes, external tests, counts and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from evalkit.config.loading import load_study
from evalkit.errors import InputError

RECIPE = {"lr": 0.001, "steps": 5}
TABLE = {"title": "T", "evaluation": "six", "metric": "accuracy", "primary": "mcnemar_exact", "policies": ["best"]}


def load(folder: Path, *, six: dict[str, Any] | None = None, **sections: Any):
    study = {
        "study": "trial",
        "title": "Trial",
        "image_size": 64,
        "backbones": ["scratch"],
        "datasets": {name: {"format": "csv", "root": "."} for name in ("mine", "theirs")},
        "evaluations": {
            "many": {"task": "multilabel", "dataset": "mine", "recipe": RECIPE},
            "six": {"task": "multiclass", "dataset": "mine", "labels": ["a", "b"], "recipe": RECIPE, **(six or {})},
        },
        **sections,
    }
    (folder / "trial.yaml").write_text(yaml.safe_dump(study))
    (folder / "backbones.yaml").write_text(yaml.safe_dump({"scratch": {"label": "S", "arch": "resnet18"}}))
    return load_study(folder / "trial.yaml")


def test_settings_have_the_axes_of_their_task(tmp_path: Path) -> None:
    study = load(tmp_path, six={"settings": {"trainset": ["full", "modified"]}, "modified": {"a": 3, "b": 4}})
    assert study.evaluation("many").list_settings() == ["regime=finetune,fraction=1"]
    assert study.evaluation("six").list_settings() == ["trainset=full", "trainset=modified"]
    study = load(tmp_path, six={"settings": {"regime": ["finetune", "probe"]}})
    expected = ["regime=finetune,trainset=full", "regime=probe,trainset=full"]
    assert study.evaluation("six").list_settings() == expected


def test_a_probe_alone_needs_no_recipe(tmp_path: Path) -> None:
    study = load(tmp_path, six={"settings": {"regime": ["probe"]}, "recipe": None})
    assert study.evaluation("six").recipe is None


@pytest.mark.parametrize(
    ("six", "says"),
    [
        ({"recipe": None}, "recipe is missing"),
        ({"settings": {"fraction": [0.1]}}, "settings.fraction is for task multilabel"),
        ({"settings": {"trainset": ["modified"]}}, "trainset 'modified' and the counts under 'modified' go together"),
        ({"modified": {"a": 3}}, "trainset 'modified' and the counts under 'modified' go together"),
        ({"settings": {"trainset": ["modified"]}, "modified": {"a": 3, "c": 4}}, "expected one for each of ['a', 'b']"),
        ({"settings": {"regime": ["probe"], "trainset": ["balanced"]}}, "of which a probe has no features"),
        ({"test_on": ["theris"]}, "nearest: 'theirs'"),
        ({"test_on": ["mine"]}, "expected other data sets than 'mine'"),
        ({"task": "multilabel", "class_weights": "balanced"}, "class_weights is for task multiclass"),
        ({"task": "multilabel", "test_per_class": 3}, "test_per_class is for task multiclass"),
        ({"probe": {"strengths": [1.0, 1.0]}}, "strengths holds one twice"),
    ],
)
def test_what_does_not_go_together_is_named(six: dict, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, six=six)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"tables": {"t": {**TABLE, "metric": ["accuracy", "accuracy"]}}}, "metrics holds one twice"),
        ({"tables": {"t": {**TABLE, "metric": []}}}, "metric is an empty list"),
        ({"tables": {"t": {**TABLE, "age_bands": [60, 40]}}}, "expected ages in rising order"),
        ({"tables": {"t": {**TABLE, "test_on": "theirs"}}}, "tables.t.test_on names 'theirs'"),
        ({"counts": {"c": {"title": "C", "evaluation": "sixx"}}}, "nearest: 'six'"),
        (
            {"tables": {"t": TABLE}, "counts": {"t": {"title": "C", "evaluation": "six"}}},
            "t is in tables and in counts",
        ),
        ({"figures": {"roc": {"kind": "roc", "evaluation": "six"}}}, "should match pattern"),
        ({"figures": {"figure_pretraining": {"kind": "roc", "evaluation": "six"}}}, "which the workflow makes itself"),
        ({"figures": {"figure_x": {"kind": "confusion", "evaluation": "many"}}}, "is multilabel, not multiclass"),
        ({"figures": {"figure_x": {"kind": "fractions", "table": "table7"}}}, "figures.figure_x.table names 'table7'"),
        (
            {"figures": {"figure_x": {"kind": "roc", "evaluation": "six", "setting": "trainset=cut"}}},
            "figure_x.setting",
        ),
    ],
)
def test_tables_counts_and_figures_are_checked(sections: dict, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, **sections)
    assert says in str(caught.value)
