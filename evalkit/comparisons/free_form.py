"""``evalkit compare``: predictions of any origin, compared on the same cases. No training, no configuration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from evalkit.comparisons.comparing import MEAN, Place, compare_setting
from evalkit.comparisons.families import adjust_families
from evalkit.comparisons.policies import find_best
from evalkit.comparisons.procedure import Procedure
from evalkit.comparisons.rows import to_frame
from evalkit.comparisons.score_files import join_files
from evalkit.config.strict import nearest
from evalkit.errors import InputError
from evalkit.metrics import METRICS
from evalkit.seeds import seed_from

BEST = "best"


def compare_files(
    labels_path: Path,
    prediction_paths: Sequence[Path],
    *,
    id_column: str = "image_id",
    group_column: str | None = None,
    reference: str = BEST,
    adjustment: str = "holm",
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Compare the AUCs of two or more models.

    Each class is tested by DeLong's test (its clustered form where groups repeat), the mean over several classes by
    bootstrap over groups; p-values are adjusted for the comparisons of one class.

    Parameters
    ----------
    labels_path : path-like
        csv or parquet: the id and one or more columns of 1, 0 or nothing.
    prediction_paths : sequence of path-like
        csv or parquet: the same ids and scores in columns of the same names; with one class any names will do. Our
        own ``predictions.parquet`` serves as either.
    id_column : str
        What joins the files.
    group_column : str, optional
        The column of the labels that says which cases are one patient's.
    reference : str
        ``best``, for each class, or the name of a model: its file's stem or, where stems are alike, the folders that
        differ.
    adjustment : str
        As `stats.adjust_pvalues` names it.
    confidence_level : float

    Returns
    -------
    DataFrame
        Tidy rows; ``attrs["notes"]`` lists what to know of them.

    Raises
    ------
    InputError
        Fewer than two models, an unknown reference, or files that cannot be joined.
    """
    paths = [Path(path) for path in prediction_paths]
    if len(paths) < 2:
        raise InputError(f"{len(paths)} file of predictions", "two or more", "name the files of the models to compare")
    joined = join_files(Path(labels_path), paths, id_column=id_column, group_column=group_column)
    names = [cell.backbone for cell in joined.cells]
    if reference != BEST and reference not in names:
        raise InputError(
            f"there is no model {reference!r}{nearest(reference, names)}",
            f"{BEST!r} or the name of one of the files",
            "correct --reference",
        )
    procedure = Procedure(
        metric=METRICS["auc"],
        primary="delong",
        policies=(BEST,) if reference == BEST else ("named",),
        reference=None if reference == BEST else reference,
        adjustment=adjustment,
        confidence_level=confidence_level,
        seed=seed_from(purpose="bootstrap", table="compare"),
    )
    classes = joined.test_set.classes
    compared = compare_setting(
        Place(table="compare", study="", dataset=Path(labels_path).stem, evaluation="", setting=""),
        joined.test_set,
        joined.cells,
        classes if len(classes) == 1 else (MEAN, *classes),
        procedure,
        runs=1,
    )
    rows = adjust_families([each.row for each in compared], adjustment=adjustment, family="cell")
    frame = to_frame(rows)
    told = {f"{each.row.target}: {note}": None for each in compared for note in each.notes}
    frame.attrs["notes"] = [*joined.notes, *told]
    return frame


def render_rows(frame: pd.DataFrame) -> Table:
    """Lay the rows of `compare_files` out for a terminal of 80 columns; the best of each class is bold."""
    table = Table(
        box=None, pad_edge=False, padding=(0, 1), header_style="bold", caption=_caption(frame), caption_justify="left"
    )
    table.add_column("class, model", overflow="fold")
    for heading in ("AUC", "difference"):
        table.add_column(heading, no_wrap=True)
    for heading in ("p", "adjusted"):
        table.add_column(heading, justify="right", no_wrap=True)
    for target, rows in frame.groupby("target", sort=False):
        best = find_best(dict(zip(rows["backbone"], rows["estimate"], strict=True)), higher_is_better=True)
        tests = ", ".join(test for test in rows["test"].unique() if test)
        table.add_row(Text(str(target), style="underline"), "", Text(tests, style="dim"))
        for row in rows.itertuples(index=False):
            compared = _with_interval(row.difference, row.difference_ci_low, row.difference_ci_high)
            shown = {"ok": compared, "reference": "reference"}.get(str(row.status), str(row.status))
            style = "bold" if row.backbone == best else ""
            table.add_row(
                Text(f" {row.label}", style=style),
                Text(_with_interval(row.estimate, row.ci_low, row.ci_high), style=style),
                Text(shown),
                Text(_pvalue(row.p_value)),
                Text(_pvalue(row.p_adjusted)),
            )
    return table


def _caption(frame: pd.DataFrame) -> Text:
    cases = f"{int(frame['n'].max()):,} cases, {int(frame['n_clusters'].max()):,} groups"
    adjustments = [name for name in frame["adjustment"].unique() if name]
    facts = [f"{cases}; adjusted within each class: {', '.join(adjustments) or 'nothing to adjust'}"]
    if (frame["policy"] == BEST).any():
        facts.append("the reference is the best model, chosen on the same cases, which the p-values do not allow for")
    return Text("\n".join([*facts, *frame.attrs.get("notes", [])]))


def _with_interval(value: Any, low: Any, high: Any) -> str:
    if math.isnan(value):
        return ""
    # Adding 0 takes the sign off a rounded zero.
    value, low, high = (round(each, 3) + 0.0 for each in (value, low, high))
    return f"{value:.3f}" if math.isnan(low) else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _pvalue(p: float) -> str:
    if math.isnan(p):
        return ""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"
