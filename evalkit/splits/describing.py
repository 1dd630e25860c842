"""What the report of splits says of roles and draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from evalkit.config.design import Design
from evalkit.datasets.manifest import Manifest
from evalkit.splits.drawing import Order
from evalkit.splits.roles import has_own, images_per_class, share_of
from evalkit.splits.stored import Role, count_drawn
from evalkit.splits.tally import Tally


def describe_role(images: pd.DataFrame, tally: Tally, labels: Sequence[str]) -> dict[str, Any]:
    """Counts of a role: as of `Tally.describe`, and studies."""
    return {**tally.describe(labels), "studies": int(images["study_id"].nunique())}


def describe_repeats(
    tally: Tally, orders: Sequence[Order], role: str, fractions: Sequence[float], labels: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Counts of each draw of a role, and the classes of which it has no positive or no negative image."""
    for repeat, order in enumerate(orders):
        for fraction in fractions:
            drawn = order.patients[: count_drawn(fraction, len(order.patients))]
            lacking = tally.lacking(drawn)
            yield {
                "role": role,
                "fraction": fraction,
                "repeat": repeat,
                **tally.describe(labels, drawn),
                "lacking": [label for label, lacks in zip(labels, lacking, strict=True) if lacks],
            }


def describe_origin(manifest: Manifest, evaluation: Design, role: Role) -> str:
    """Say in words where the images of a held-out role come from."""
    own, per_class = has_own(manifest.images, role), images_per_class(evaluation, role)
    source = str(manifest.report["test_set"]) if role == "test" else "the data set's own"
    if per_class is None and own:
        return source
    unit = evaluation.split_by if role == "validation" else "patient"
    if per_class is None:
        among = "all" if role == "test" else "the remaining"
        return f"{share_of(evaluation, role):.0%} of {among} {unit}s, drawn at random"
    within = f"; from {source}" if own else ""
    return f"{per_class:,} images of each class, drawn {unit} by {unit}{within}"
