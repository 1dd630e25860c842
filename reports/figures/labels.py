"""Where the labels of boxes go in a picture, so that none lies over another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Place(NamedTuple):
    """A rectangle, measured from the upper left corner of the picture."""

    left: float
    top: float
    width: float
    height: float

    def overlaps(self, other: Place) -> bool:
        """Whether two rectangles share more than an edge."""
        return (
            self.left < other.left + other.width
            and other.left < self.left + self.width
            and self.top < other.top + other.height
            and other.top < self.top + self.height
        )

    def holds(self, other: Place) -> bool:
        """Whether another rectangle lies within this one."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.left + other.width <= self.left + self.width
            and other.top + other.height <= self.top + self.height
        )


def place_labels(boxes: Sequence[Place], sizes: Sequence[tuple[float, float]], picture: Place) -> list[Place | None]:
    """Find a place for the label of each box, at one of its corners and within the picture.

    Parameters
    ----------
    boxes : sequence of Place
        The first has the first choice.
    sizes : sequence of tuple of float
        Width and height of each label.
    picture : Place

    Returns
    -------
    list of Place or None
        None where every place would be over another label or outside.
    """
    found: list[Place | None] = []
    for box, size in zip(boxes, sizes, strict=True):
        taken = [place for place in found if place is not None]
        free = (
            place
            for place in _candidates(box, *size)
            if picture.holds(place) and not any(place.overlaps(other) for other in taken)
        )
        found.append(next(free, None))
    return found


def _candidates(box: Place, width: float, height: float) -> Iterator[Place]:
    """Above and below the box, then within it, each at the left and at the right."""
    right, bottom = box.left + box.width - width, box.top + box.height
    for top in (box.top - height, bottom, box.top, bottom - height):
        for left in (box.left, right):
            yield Place(left, top, width, height)
