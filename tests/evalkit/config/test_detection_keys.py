"""What a study may say of a detection, and what it is told where that makes no sense."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from evalkit.config.detection import Detection, DetectionRecipe
from evalkit.config.loading import load_study
from evalkit.errors import InputError


def detection(**changes: Any) -> Detection:
    return Detection.model_validate({"task": "detection", "dataset": "boxes", "recipe": {"steps": 10}, **changes})


def test_settings_are_heads_and_paper_is_mocos_protocol() -> None:
    assert detection().list_settings() == ["head=R50-C4", "head=R50-DC5"]
    assert detection(settings={"head": ["R50-DC5"]}).list_settings() == ["head=R50-DC5"]
    assert [detection(protocol=name).way for name in ("paper", "moco", "detectron2")] == ["moco", "moco", "detectron2"]


def test_rates_are_scaled_with_the_batch() -> None:
    recipe = DetectionRecipe(steps=1, batch_size=4, lr=[0.02, 0.08])
    assert recipe.learning_rates == [0.005, 0.02]
    assert DetectionRecipe(steps=1).learning_rates == [0.02]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {"head": ["R50-C4", "R50-C4"]}}, "head holds a value twice"),
        ({"settings": {"head": ["C4"]}}, "R50-C4"),
        ({"longest": 640}, r"shorter sides of \[672, 704, 736, 768, 800, 800\] px; expected at most longest, 640"),
        ({"labels": ["Left Lung", "Right Lung"]}, "flip would swap sides"),
        ({"labels": ["lung_left", "x"]}, "flip would swap sides"),
        ({"labels": ["RightLung", "x"]}, "flip would swap sides"),
        ({"protocol": "detectron2", "recipe": {"steps": 1, "precise_bn": 5}}, "precise_bn would change nothing"),
        ({"settings": {"head": ["R50-C4"]}, "regions": {"hidden": 9}}, "regions.hidden would change nothing"),
        ({"labels": ["a", "a"]}, "labels holds a class twice"),
        ({"recipe": {"steps": 1, "milestones": [0.9, 0.5]}}, "rising order"),
        ({"recipe": {"steps": 1, "schedule": "cosine", "milestones": [0.9]}}, "milestones would change nothing"),
        ({"recipe": {"steps": 1, "epochs": 1}}, "either as 'steps' or as 'epochs'"),
        ({"settings": {"fraction": [0.1]}}, "Extra inputs"),
        ({"test_on": ["other"]}, "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        detection(**changes)


def test_sides_may_be_told_apart_without_mirroring() -> None:
    assert detection(labels=["left lung", "right lung"], recipe={"steps": 1, "flip": False}).labels
    assert detection(labels=["cleft", "Copyright"]).labels, "only a word of its own is a side"


@pytest.fixture
def load(tmp_path) -> Any:
    """Load a study of one detection with the backbones given."""

    def load(entry: dict[str, Any], **changes: Any) -> Any:
        study = {
            "study": "boxes",
            "title": "Boxes",
            "image_size": 64,
            "backbones": ["one"],
            "datasets": {"boxes": {"format": "coco", "root": "nowhere"}},
            "evaluations": {
                "main": {"task": "detection", "dataset": "boxes", "recipe": {"steps": 1}, **changes},
            },
            "tables": {
                "table9": {
                    "title": "AP",
                    "evaluation": "main",
                    "metric": "ap50",
                    "primary": "map_bootstrap",
                    "policies": ["best"],
                }
            },
        }
        (tmp_path / "backbones.yaml").write_text(yaml.safe_dump({"one": {"label": "One", **entry}}))
        (tmp_path / "boxes.yaml").write_text(yaml.safe_dump(study))
        return load_study(tmp_path / "boxes.yaml")

    return load


@pytest.mark.parametrize(
    ("entry", "changes", "message"),
    [
        ({"arch": "vgg16", "timm": "tv_in1k"}, {}, "'one', a vgg16, which cannot carry a detector"),
        ({"arch": "resnet50"}, {"protocol": "detectron2"}, "which has no weights, and protocol detectron2 freezes"),
        ({"arch": "resnet18"}, {"engine": "detectron2"}, "which engine detectron2 does not have"),
    ],
)
def test_backbones_that_cannot_carry_the_detector_are_named(load, entry, changes, message) -> None:
    with pytest.raises(InputError, match=message):
        load(entry, **changes)


def test_a_mistyped_task_is_told_with_the_nearest(load) -> None:
    with pytest.raises(InputError, match=r"evaluations.main.task is 'detecton', which does not .*nearest: 'detection'"):
        load({"arch": "resnet10t"}, task="detecton")


def test_any_resnet_can(load) -> None:
    assert load({"arch": "resnet10t"}).detection("main")
    assert load({"arch": "resnet101", "timm": "tv_in1k"}, protocol="detectron2", engine="detectron2")
