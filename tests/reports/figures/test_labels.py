from __future__ import annotations

import numpy as np

from reports.figures.labels import Place, place_labels

PICTURE, SIZE = Place(0, 0, 10, 10), (2, 1)


def test_a_label_stands_above_its_box_where_there_is_room() -> None:
    assert place_labels([Place(3, 4, 5, 5)], [SIZE], PICTURE) == [Place(3, 3, 2, 1)]
    assert place_labels([Place(3, 0, 5, 5)], [SIZE], PICTURE) == [Place(3, 5, 2, 1)], "below"
    assert place_labels([Place(-1, 4, 5, 5)], [SIZE], PICTURE) == [Place(2, 3, 2, 1)], "at the right"
    assert place_labels([Place(0, 0, 10, 10)], [SIZE], PICTURE) == [Place(0, 0, 2, 1)], "within"


def test_labels_share_edges_at_most_and_none_leaves_the_picture() -> None:
    rng = np.random.default_rng(0)
    boxes = [Place(*rng.uniform(-1, 8, 2).tolist(), *rng.uniform(0.5, 4, 2).tolist()) for _ in range(30)]
    places = [place for place in place_labels(boxes, [SIZE] * 30, PICTURE) if place is not None]
    assert 5 < len(places) < 30
    assert all(PICTURE.holds(place) for place in places)
    assert not any(one.overlaps(other) for k, one in enumerate(places) for other in places[k + 1 :])


def test_where_there_is_no_room_there_is_no_label() -> None:
    same = [Place(0, 0, 2, 1)] * 3
    assert place_labels(same, [SIZE] * 3, Place(0, 0, 2, 2)) == [Place(0, 1, 2, 1), Place(0, 0, 2, 1), None]
