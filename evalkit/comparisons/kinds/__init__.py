"""Kinds of predictions: one module for each, all behind the protocols of `base`; tables and figures know only these."""

from __future__ import annotations

from evalkit.comparisons.kinds.base import Kind
from evalkit.comparisons.kinds.detections import DetectionKind
from evalkit.comparisons.kinds.scores import ScoreKind
from evalkit.comparisons.kinds.values import ValueKind

#: What each task's runs predict.
KINDS: dict[str, Kind] = {
    "multilabel": ScoreKind(),
    "multiclass": ScoreKind(),
    "detection": DetectionKind(),
    "inversion": ValueKind(),
}
