"""COCO's files: what is to be found in some images, and what was found. Boxes are in pixels of the original files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.detection.engine import Detection
from evalkit.detection.examples import BoxedExamples
from evalkit.detection.resizing import scale_boxes

#: Digits after the point: a millionth of a pixel, so that packing at another size and back leaves a box as it was.
_DIGITS = 6


def describe_truth(examples: BoxedExamples) -> dict[str, Any]:
    """Put images and their boxes into COCO's form.

    Returns
    -------
    dict
        ``images`` (id from 1 in the order of image_id; file_name is the path below the data set's root), ``categories``
        (id from 1, in the order of the classes) and ``annotations``.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, row in enumerate(examples.images.itertuples(), start=1):
        file_size = (int(row.file_height), int(row.file_width))
        images.append(
            {
                "id": number,
                "image_id": row.image_id,
                "patient_id": row.patient_id,
                "study_id": row.study_id,
                "file_name": row.path,
                "width": file_size[1],
                "height": file_size[0],
            }
        )
        boxes = scale_boxes(examples.boxes[number - 1], (int(row.height), int(row.width)), file_size)
        for box, label in zip(_to_corners(boxes), examples.classes[number - 1].tolist(), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": label + 1,
                    "bbox": box,
                    "area": round(box[2] * box[3], _DIGITS),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": number, "name": label} for number, label in enumerate(examples.labels, start=1)]
    return {"images": images, "categories": categories, "annotations": annotations}


def describe_found(
    examples: BoxedExamples, found: Sequence[Detection], sizes: Sequence[tuple[int, int]]
) -> list[dict[str, Any]]:
    """Put detections into COCO's form.

    Parameters
    ----------
    examples : BoxedExamples
        The images, in their order.
    found : sequence of Detection
        For each of them.
    sizes : sequence of tuple of int
        Height and width at which the network saw each.
    """
    results = []
    files = examples.images[["file_height", "file_width"]].to_numpy(dtype=np.int64).tolist()
    for number, (each, size, file) in enumerate(zip(found, sizes, files, strict=True), start=1):
        boxes = scale_boxes(each["boxes"].double().cpu().numpy(), size, (file[0], file[1]))
        labels, scores = each["labels"].tolist(), each["scores"].double().tolist()
        results += [
            {"image_id": number, "category_id": label + 1, "bbox": box, "score": score}
            for box, label, score in zip(_to_corners(boxes), labels, scores, strict=True)
        ]
    return results


def _to_corners(boxes: NDArray[np.float64]) -> list[list[float]]:
    """Left, top, width and height of boxes (n, 4)."""
    corners: list[list[float]] = (
        np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).round(_DIGITS).tolist()
    )
    return corners
