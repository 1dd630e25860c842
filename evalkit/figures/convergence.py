"""How the search for latents goes: a term of its objective, step by step, of the middle half of the images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.comparisons.files.measured import read_curves
from evalkit.comparisons.kinds.values import Measured
from evalkit.config.loading import Study
from evalkit.config.tables import ConvergenceFigure
from evalkit.errors import InputError
from evalkit.figures.facts import note_gaps
from evalkit.figures.files import COLUMNS

#: The band's bounds: half of the images lie within it.
QUARTILES = (0.25, 0.75)


def trace_convergence(study: Study, figure: ConvergenceFigure, runs: Measured) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Trace the first run of every backbone.

    Parameters
    ----------
    study : Study
    figure : ConvergenceFigure
    runs : Measured
        Of one setting.

    Returns
    -------
    rows : DataFrame
        Median and quartiles over images at every recorded step; the step counts the updates made before it.
    facts : dict
        ``term``; ``panels``: which run of each backbone is shown; ``notes``, among them backbones without a curve.

    Raises
    ------
    InputError
        A run lacks its curves, or none has a curve.
    """
    selection = runs.gathered.selection
    setting = selection.settings[0]
    parts, panels, notes = [], [], note_gaps(runs.cells[setting])
    for cell in runs.cells[setting]:
        if not cell.repeats:
            continue
        folder = study.layout.run(selection.evaluation, setting, cell.backbone, cell.repeats[0])
        curves = read_curves(folder, figure.term)
        if curves.empty:
            notes.append(f"{cell.label}: no curve, for nothing is optimised.")
            continue
        low, median, high = np.quantile(curves.to_numpy(np.float64), [QUARTILES[0], 0.5, QUARTILES[1]], axis=1)
        place = {"backbone": cell.backbone, "label": cell.label}
        values = {"step": curves.index.to_numpy(float), "median": median, "low": low, "high": high}
        parts.append(pd.DataFrame(place | values))
        panels.append({"backbone": cell.backbone, "repeat": cell.repeats[0], "runs": len(cell.repeats)})
    if not parts:
        raise InputError(
            f"no run of {setting} recorded how its search went",
            "one at least that optimises something",
            "show other backbones than the control mean-w",
        )
    frame = pd.concat(parts, ignore_index=True)[list(COLUMNS["convergence"])]
    return frame, {"term": figure.term, "panels": panels, "notes": notes}
