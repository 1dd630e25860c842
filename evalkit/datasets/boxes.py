"""Boxes against the images they were drawn on: what sticks out a little is cut off, what cannot be right is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from evalkit.datasets.building import BOX_COLUMNS

#: Share of an image's side by which a box may stick out of it: readers draw by hand, and tables round.
OVERHANG = 0.01

_CORNERS = ["x", "y", "width", "height"]


def make_boxes(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    """A table of boxes from rows of image_id, label, x, y, width, height; with the right types where there is none."""
    table = pd.DataFrame(rows, columns=list(BOX_COLUMNS))
    return table.astype({"image_id": "str", "label": "str", **dict.fromkeys(_CORNERS, "float64")})


class FittedBoxes(NamedTuple):
    """Boxes that lie in their images.

    Attributes
    ----------
    boxes : DataFrame
        The boxes of images without a wrong one, cut where they stuck out, in their order.
    cut : int
        How many were cut.
    problems : dict of str to str
        For each image with a wrong box, what is wrong with the first.
    """

    boxes: pd.DataFrame
    cut: int
    problems: dict[str, str]


def fit_boxes(boxes: pd.DataFrame, sizes: pd.DataFrame) -> FittedBoxes:
    """Cut boxes to their images and find those that cannot be right.

    Parameters
    ----------
    boxes : DataFrame
        image_id, label, x, y, width, height in pixels of the image, x and y of the upper left corner.
    sizes : DataFrame
        width and height of every image that has a box, indexed by image id.

    Returns
    -------
    FittedBoxes
        A box is wrong if it has no area, is not made of finite numbers, or sticks out of its image by more than
        `OVERHANG` of the image's side.
    """
    width, height = (boxes["image_id"].map(sizes[side]).astype("float64") for side in ("width", "height"))
    left, top = boxes["x"].clip(lower=0), boxes["y"].clip(lower=0)
    right = (boxes["x"] + boxes["width"]).clip(upper=width)
    bottom = (boxes["y"] + boxes["height"]).clip(upper=height)
    inside = boxes.assign(x=left, y=top, width=right - left, height=bottom - top)
    # Comparisons with NaN are false, so a box that is not made of numbers is never right.
    whole = (boxes["width"] > 0) & (boxes["height"] > 0) & (inside["width"] > 0) & (inside["height"] > 0)
    near = (
        (boxes["x"] >= -OVERHANG * width)
        & (boxes["y"] >= -OVERHANG * height)
        & (boxes["x"] + boxes["width"] <= (1 + OVERHANG) * width)
        & (boxes["y"] + boxes["height"] <= (1 + OVERHANG) * height)
    )
    wrong = ~(whole & near)
    problems: dict[str, str] = {}
    for place in boxes.index[wrong]:
        box = boxes.loc[place]
        problems.setdefault(box["image_id"], _describe(box, int(width[place]), int(height[place])))
    kept = ~boxes["image_id"].isin(problems)
    changed = (inside[_CORNERS] != boxes[_CORNERS]) & (inside[_CORNERS] - boxes[_CORNERS]).abs().gt(1e-6)
    cut = changed.any(axis=1) & kept
    # Taking the difference of rounded numbers is not to change a box that lies inside.
    fitted = boxes.assign(**{name: boxes[name].where(~cut, inside[name]) for name in _CORNERS})
    return FittedBoxes(fitted[kept].reset_index(drop=True), int(cut.sum()), problems)


def count_boxes(boxes: pd.DataFrame, labels: Sequence[str], *, images: int) -> dict[str, Any]:
    """Count boxes per label, and images with and without one.

    Parameters
    ----------
    boxes : DataFrame
        image_id and label.
    labels : sequence of str
        Those to count, where they have a box.
    images : int
        All images, with boxes or without.
    """
    boxed = int(boxes["image_id"].nunique())
    per_label = boxes["label"].value_counts()
    return {
        "boxes": len(boxes),
        "images_with_boxes": boxed,
        "images_without_boxes": images - boxed,
        "per_label": {label: int(per_label[label]) for label in labels if label in per_label},
    }


def _describe(box: pd.Series, width: int, height: int) -> str:
    corners = ", ".join(f"{name} {box[name]:g}" for name in _CORNERS)
    return f"the box of {box['label']!r} at {corners} does not lie in the image of {width} x {height} pixels"
