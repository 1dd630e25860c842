"""Which network a backbone stands for: architecture, weights, and how images are normalised for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from evalkit.backbones import build_network, input_channels, input_statistics
from evalkit.checkpoints.report import LoadReport
from evalkit.config.loading import Study
from evalkit.errors import InputError


@dataclass(frozen=True)
class Network:
    """What is needed to build a network and to feed it.

    Attributes
    ----------
    arch : str
        Timm's name.
    in_channels : int
    mean, std : tuple of float
        Of the input, one per channel, on a scale where 1 is white.
    statistics : str
        Where mean and std come from.
    weights : pathlib.Path or None
        Canonical weights; None draws the trunk from the seed.
    fingerprint : str or None
        Of those weights.
    """

    arch: str
    in_channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    statistics: str
    weights: Path | None = None
    fingerprint: str | None = None

    def build(self, *, classes: int, seed: int, image_size: int) -> nn.Module:
        """Build it, with a new head of `classes` outputs; the same seed gives the same network."""
        return build_network(
            self.arch,
            in_channels=self.in_channels,
            num_classes=classes,
            weights=self.weights,
            seed=seed,
            image_size=image_size,
        )

    def describe(self) -> dict[str, Any]:
        """What decides a result, for a run's key and its record."""
        return {
            "arch": self.arch,
            "in_channels": self.in_channels,
            "mean": list(self.mean),
            "std": list(self.std),
            "statistics": self.statistics,
            "weights": self.fingerprint,
        }


def pretrained_network(study: Study, backbone: str) -> Network:
    """The network of a backbone with its canonical weights, or of scratch.

    Raises
    ------
    InputError
        The canonical weights have not been made yet.
    """
    entry = study.backbone(backbone)
    if entry.is_scratch:
        return untrained_network(study, backbone)
    weights = study.layout.weights(backbone)
    report_path = weights.with_suffix(".json")
    absent = [path for path in (weights, report_path) if not path.exists()]
    if absent:
        raise InputError(
            f"{absent[0]} does not exist",
            f"the canonical weights of {backbone} and their load report",
            f"make them: python -m evalkit.checkpoints --study {study.source} --backbone {backbone}",
        )
    report = LoadReport.from_dict(json.loads(report_path.read_text(encoding="utf-8")))
    statistics = input_statistics(entry, report)
    return Network(
        arch=entry.arch,
        in_channels=input_channels(entry, report),
        mean=statistics.mean,
        std=statistics.std,
        statistics=statistics.origin,
        weights=weights,
        fingerprint=report.fingerprint,
    )


def untrained_network(study: Study, backbone: str) -> Network:
    """The network of a backbone without its weights."""
    entry = study.backbone(backbone)
    statistics = input_statistics(entry, None)
    return Network(
        arch=entry.arch,
        in_channels=input_channels(entry, None),
        mean=statistics.mean,
        std=statistics.std,
        statistics=statistics.origin,
    )
