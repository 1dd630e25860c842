"""What a detector may be."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from evalkit.config.detector import DetectorSpec


def test_defaults_are_those_of_detectron2() -> None:
    spec = DetectorSpec.model_validate({})

    assert spec.anchors.per_cell == 15
    assert (spec.proposals.before_nms, spec.proposals.after_nms, spec.proposals.sampled) == (12_000, 2_000, 256)
    assert (spec.proposals.before_nms_test, spec.proposals.after_nms_test, spec.proposals.nms) == (6_000, 1_000, 0.7)
    assert (spec.regions.sampled, spec.regions.positive_share, spec.regions.hidden) == (512, 0.25, 1024)
    assert (spec.regions.score, spec.regions.nms, spec.regions.detections) == (0.05, 0.5, 100)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"arch": "resnet5O"}, "nearest: 'resnet50'"),
        ({"head": "R50-FPN"}, "R50-C4"),
        ({"in_channels": 1, "mean": (0.4, 0.5, 0.6)}, "mean has 3 values for 1 input channels"),
        ({"std": (0.0,)}, "greater than 0"),
        ({"anchors": {"sizes": (32, 32)}}, "holds a value twice"),
        ({"proposals": {"foreground_iou": 0.2}}, "background_iou 0.3 is above"),
        ({"regions": {"roi": 3}}, "Extra inputs"),
    ],
)
def test_mistakes_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DetectorSpec.model_validate(values)
