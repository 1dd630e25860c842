"""Detectors in words."""

import pytest

from evalkit.comparisons.detectors import describe_detectors, describe_empty_images
from evalkit.config.detection import Detection

BOTH = ["head=R50-C4", "head=R50-DC5"]


def make(**keys):
    return Detection.model_validate({"task": "detection", "dataset": "d", "recipe": {"steps": 5}, **keys})


def test_only_the_heads_that_are_shown_are_described():
    one, both = (" ".join(describe_detectors(make(), heads, ["resnet50"])) for heads in (BOTH[:1], BOTH))
    assert "R50-dilated-C5" in both
    assert "R50-C4" in one
    assert "dilated" not in one
    assert "trunks" not in both


def test_trunks_that_are_no_resnet_50_are_named():
    told = " ".join(describe_detectors(make(), BOTH, ["resnet50", "resnet18", "resnet50"]))
    assert "trunks: resnet50, resnet18." in told


@pytest.mark.parametrize(
    ("protocol", "says"),
    [
        ("paper", "the whole network is trained"),
        ("moco", "the whole network is trained"),
        ("detectron2", "normalisation, stem and first stage keep the values"),
    ],
)
def test_the_protocol_says_what_is_trained(protocol, says):
    assert says in " ".join(describe_detectors(make(protocol=protocol), BOTH, ["resnet50"]))


def test_sizes_are_those_of_the_recipe():
    told = " ".join(describe_detectors(make(), BOTH, ["resnet50"]))
    assert "480 to 800 px in training and 800 px in test, and a longer side of at most 1333 px" in told
    recipe = {"steps": 5, "short_sides": [96], "short_side_test": 100}
    assert "side of 96 px in training and 100 px in test" in " ".join(
        describe_detectors(make(recipe=recipe), BOTH, ["resnet50"])
    )


@pytest.mark.parametrize(
    ("empty_images", "told"),
    [
        ("keep", "Images without a box are kept in training, validation and test"),
        ("not_in_training", "Images without a box are left out of training and kept in validation and test"),
        ("exclude", "Images without a box are left out of training, validation and test"),
    ],
)
def test_what_becomes_of_images_without_a_box(empty_images, told):
    assert describe_empty_images(make(empty_images=empty_images)).startswith(told)


def test_numbers_of_images_left_out_are_told_where_there_are_any():
    entry = make(empty_images="exclude")
    assert describe_empty_images(entry, {"training": 1200, "test": 0}).endswith(" (1,200 of training).")
