"""The files of a figure: tidy rows that anybody can draw it from, the facts beside them, and pictures if it has any."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.atomic import replacing, write_json
from evalkit.config.tables import WITH_PICTURES
from evalkit.damage import refusing_damage
from evalkit.errors import InputError

_EXPECTED = "what `python -m evalkit.figures` writes"
_AGAIN = "make it again: python -m evalkit.figures --study STUDY --figure FIGURE"

#: The columns of each kind of figure and what they hold; docs/figures.md says what they mean.
COLUMNS: Mapping[str, Mapping[str, type]] = {
    "roc": {"target": str, "backbone": str, "label": str, "fpr": float, "tpr": float, "low": float, "high": float},
    "fractions": {
        **dict.fromkeys(("metric", "target", "regime"), str),
        "fraction": float,
        **dict.fromkeys(("backbone", "label", "repeat"), str),
        **dict.fromkeys(("value", "low", "high"), float),
    },
    "confusion": {
        **dict.fromkeys(("backbone", "label", "true", "called"), str),
        **dict.fromkeys(("share", "count"), float),
    },
    "calibration": {
        **dict.fromkeys(("target", "backbone", "label"), str),
        **dict.fromkeys(("bin_low", "bin_high", "predicted", "observed", "low", "high", "cases", "patients"), float),
    },
    "precision_recall": {
        **dict.fromkeys(("target", "backbone", "label"), str),
        **dict.fromkeys(("recall", "precision", "low", "high"), float),
    },
    "froc": {
        **dict.fromkeys(("target", "backbone", "label"), str),
        **dict.fromkeys(("false_positives", "sensitivity", "low", "high"), float),
    },
    "boxes": {
        **dict.fromkeys(("image_id", "backbone", "label", "target", "outcome"), str),
        **dict.fromkeys(("score", "x", "y", "width", "height"), float),
    },
    "inversions": {
        **dict.fromkeys(("image_id", "backbone", "label"), str),
        **dict.fromkeys(("psnr", "ssim", "rmse"), float),
    },
    "convergence": {
        **dict.fromkeys(("backbone", "label"), str),
        **dict.fromkeys(("step", "median", "low", "high"), float),
    },
    "generator": dict.fromkeys(
        ("step", "images", "generator", "discriminator", "r_t", "path", "r1", "probability", "frechet"), float
    ),
    "cd": {
        **dict.fromkeys(("table", "backbone", "label"), str),
        **dict.fromkeys(("estimate", "rank", "low", "high"), float),
    },
}


@dataclass(frozen=True, eq=False)
class FigureData:
    """What a figure shows.

    Attributes
    ----------
    frame : DataFrame
        Tidy rows with the columns that `COLUMNS` has for the figure's kind.
    facts : dict
        Plain values: name, kind, title, backbones with their place in the study, what a reader must know.
    pictures : tuple of ndarray of uint8, each (height, width)
        Grey images, of the kinds in `WITH_PICTURES` only.
    """

    frame: pd.DataFrame
    facts: dict[str, Any]
    pictures: tuple[NDArray[np.uint8], ...] = ()


def write_figure_data(path: Path, data: FigureData) -> None:
    """Write a figure's rows to `path` (csv), with facts and pictures beside them (json, npz), each whole or not at all.

    Floats are written in the shortest form that reads back as the same number, missing ones as nothing. The same data
    give the same bytes.
    """
    columns = COLUMNS[data.facts["kind"]]
    write_json(path.with_suffix(".json"), data.facts)
    if data.facts["kind"] in WITH_PICTURES:
        with replacing(path.with_suffix(".npz")) as temporary:
            np.savez_compressed(temporary, *data.pictures)
    with replacing(path) as temporary:
        data.frame[list(columns)].astype(dict(columns)).to_csv(temporary, index=False, lineterminator="\n")


def read_figure_data(path: Path) -> FigureData:
    """Read a figure's rows, and the facts and pictures beside them, back.

    Raises
    ------
    InputError
        A file is missing or is not what `write_figure_data` writes.
    """
    try:
        facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        columns = COLUMNS[facts["kind"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _not_a_figure(path.with_suffix(".json"), f"cannot be read: {error!r}") from None
    try:
        # As text first: a class may well be called "NA", and pandas' own reading of floats is not exact everywhere.
        texts = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise _not_a_figure(path, f"cannot be read: {error}") from None
    if list(texts.columns) != list(columns):
        raise _not_a_figure(path, f"has the columns {', '.join(texts.columns)}; a {facts['kind']} has others")
    try:
        frame = pd.DataFrame(
            {
                name: [float(text or "nan") for text in texts[name]] if kind is float else texts[name]
                for name, kind in columns.items()
            }
        )
    except ValueError as error:
        raise _not_a_figure(path, f"holds something else than numbers: {error}") from None
    return FigureData(frame, facts, _read_pictures(path.with_suffix(".npz")) if facts["kind"] in WITH_PICTURES else ())


def _read_pictures(path: Path) -> tuple[NDArray[np.uint8], ...]:
    with refusing_damage(path, expected=_EXPECTED, remedy=_AGAIN), np.load(path, allow_pickle=False) as stored:
        return tuple(stored[f"arr_{number}"] for number in range(len(stored.files)))


def _not_a_figure(path: Path, found: str) -> InputError:
    return InputError(f"{path} {found}", _EXPECTED, _AGAIN)
