"""Several readers' boxes of one finding in one image, made into one set of boxes.

Weighted boxes fusion: Solovyev, Wang and Gabruseva, Image and Vision Computing 107 (2021), 104117.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Overlap (intersection over union) above which two readers mean the same place; the paper's own value.
SAME_PLACE = 0.55


class FusedBox(NamedTuple):
    """One place that readers marked.

    Attributes
    ----------
    corners : ndarray of float64, shape (4,)
        Left, top, right, bottom.
    readers : frozenset of str
        Who marked it.
    """

    corners: NDArray[np.float64]
    readers: frozenset[str]


def fuse_boxes(corners: NDArray[np.float64], readers: list[str], *, overlap: float = SAME_PLACE) -> list[FusedBox]:
    """Fuse the boxes that readers drew around one finding in one image.

    Parameters
    ----------
    corners : ndarray of float64, shape (n, 4)
        Left, top, right, bottom.
    readers : list of str, length n
        Who drew each.
    overlap : float
        Intersection over union with a fused box above which a box joins it.

    Returns
    -------
    list of FusedBox
        The same whatever the order of the boxes. Boxes of a single reader stay as they are.

    Notes
    -----
    A box joins the fused box it overlaps most, which becomes the mean of its boxes, or begins one. In the paper boxes
    come by falling confidence and the mean is weighted by it. A reader's boxes have none: all count alike, and come in
    the order of reader and place.
    """
    order = sorted(range(len(readers)), key=lambda place: (readers[place], *corners[place]))
    if len(set(readers)) < 2:
        return [FusedBox(corners[place], frozenset(readers)) for place in order]
    clusters: list[list[int]] = []
    fused = np.empty((0, 4))
    for place in order:
        overlaps = intersection_over_union(corners[place], fused)
        best = int(np.argmax(overlaps)) if len(overlaps) else -1
        if best >= 0 and overlaps[best] > overlap:
            clusters[best].append(place)
            fused[best] = corners[clusters[best]].mean(axis=0)
        else:
            clusters.append([place])
            fused = np.vstack([fused, corners[place]])
    members = [frozenset(readers[place] for place in cluster) for cluster in clusters]
    return [FusedBox(box, whose) for box, whose in zip(fused, members, strict=True)]


def intersection_over_union(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Overlap of a box, shape (4,), with others, shape (n, 4); corners are left, top, right, bottom."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = sides.clip(min=0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return np.asarray(shared / ((box[2:] - box[:2]).prod() + areas - shared))
