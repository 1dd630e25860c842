"""Files of an inversion's run: values of each image, reconstructions, and how they came about."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.comparisons.alignment import find_difference
from evalkit.comparisons.cells import Floats
from evalkit.damage import refusing_damage
from evalkit.errors import InputError
from evalkit.layout import CURVES, PREDICTIONS, RECONSTRUCTIONS
from evalkit.metrics import IMAGE_METRICS
from evalkit.predictions import IDS

_CURVES = ("image_id", "step", "term", "value")
_AGAIN = "remove the run's folder and run the study again"


class Measurements:
    """Takes one run's folder after the other; the images of the first decide what the others must match.

    Parameters
    ----------
    remedy : str
        What a user can do about values that do not match.
    """

    def __init__(self, remedy: str) -> None:
        self._remedy, self._source = remedy, Path()
        #: image_id, patient_id and study_id of every image, in order of image ids; no row before the first file.
        self.ids = pd.DataFrame(columns=list(IDS), dtype=object)

    def read(self, folder: Path, *, unavailable: Collection[str]) -> dict[str, Floats]:
        """Read a run's values (images,) by metric, in the common order.

        Parameters
        ----------
        folder : pathlib.Path
        unavailable : collection of str
            Metrics that the run says it could not measure.

        Raises
        ------
        InputError
            The file is missing or broken, a value is not a number, or images or patients are not those of the first
            file: the comparison would not be paired.
        """
        path = folder / PREDICTIONS
        frame = _read_parquet(path, (*IDS, *IMAGE_METRICS), self._remedy)
        frame = frame.sort_values("image_id", kind="stable", ignore_index=True)
        ids = frame[list(IDS)].astype(str)
        if ids["image_id"].duplicated().any():
            raise self._broken(path, f"the image {ids['image_id'][ids['image_id'].duplicated()].iloc[0]!r} twice")
        values = {name: frame[name].to_numpy(np.float64) for name in IMAGE_METRICS}
        for name, of_metric in values.items():
            missing = np.isnan(of_metric)
            if missing.any() and name not in unavailable:
                example = ids["image_id"][missing].iloc[0]
                raise self._broken(path, f"no {name} of {int(missing.sum()):,} images, among them {example!r}")
        if self.ids.empty:
            self.ids, self._source = ids, path
        difference = find_difference(self.ids, ids)
        if difference:
            raise InputError(
                f"{path} does not match {self._source}: {difference}",
                "the same test images and patients in every run",
                self._remedy,
            )
        return values

    def _broken(self, path: Path, found: str) -> InputError:
        return InputError(f"{path} has {found}", "one number of each image, or the reason in run.json", self._remedy)


def read_reconstructions(folder: Path, image_ids: Collection[str]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Read some originals and what a run made of them.

    Parameters
    ----------
    folder : pathlib.Path
        The run's.
    image_ids : collection of str
        In the order of the result.

    Returns
    -------
    originals : ndarray of uint8 (images, side, side)
    reconstructions : ndarray of float32 (images, side, side)
        From 0 to 255.

    Raises
    ------
    InputError
        The file is missing or broken, or lacks an image.
    """
    path = folder / RECONSTRUCTIONS
    with (
        refusing_damage(path, expected="image_id, target and reconstruction, of every image measured", remedy=_AGAIN),
        np.load(path, allow_pickle=False) as stored,
    ):
        names = [str(name) for name in stored["image_id"]]
        places = [names.index(name) for name in image_ids]
        originals, images = stored["target"], stored["reconstruction"]
        if originals.shape != images.shape or originals.ndim != 3 or len(originals) != len(names):
            raise ValueError(f"shapes {originals.shape} and {images.shape} for {len(names)} images")
    return originals[places].astype(np.uint8), images[places].astype(np.float32)


def read_curves(folder: Path, term: str) -> pd.DataFrame:
    """Read how a run's search went: one term of its objective for each image (columns) at each step (rows).

    Raises
    ------
    InputError
        The file is missing or broken.
    """
    path = folder / CURVES
    frame = _read_parquet(path, _CURVES, _AGAIN)
    return frame[frame["term"] == term].pivot(index="step", columns="image_id", values="value").sort_index()


def _read_parquet(path: Path, columns: Collection[str], remedy: str) -> pd.DataFrame:
    with refusing_damage(path, expected=f"the columns {', '.join(columns)}", remedy=remedy):
        frame = pd.read_parquet(path)
    lacking = [name for name in columns if name not in frame.columns]
    if lacking:
        raise InputError(f"{path} has no column {', '.join(lacking)}", f"the columns {', '.join(columns)}", remedy)
    return frame
