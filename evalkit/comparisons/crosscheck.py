"""Every p-value for which R has the test, computed a second time by R: ``python -m evalkit.comparisons.crosscheck``."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import stats
from evalkit.atomic import replacing
from evalkit.commands import add_study_argument, run_command
from evalkit.comparisons.cells import Cell
from evalkit.comparisons.estimation.base import Estimates
from evalkit.comparisons.rows import read_rows
from evalkit.comparisons.sections import gather_table
from evalkit.comparisons.simultaneous import MAX_T
from evalkit.config import load_study
from evalkit.config.loading import Study
from evalkit.errors import InputError

#: Tests that R has; pROC's DeLong knows no clusters, and none of R's bootstraps draws our resamples.
IN_R = ("delong", "mcnemar_exact", "stuart_maxwell", "ttest_paired", "wilcoxon")

#: Largest difference of log10 p between two right answers.
TOLERANCE = 1e-6

#: What is checked, as a reader counts it.
_QUANTITIES = {"p_value": "test", "p_adjusted": "adjustment"}

AGREES, DISAGREES, NOT_IN_R = "agrees", "disagrees", "not in R"

#: What says which row it is, and what was found.
_OF_ROWS = (
    "table",
    "setting",
    "backbone",
    "reference",
    "target",
    "subgroup",
    "metric",
    "policy",
    "role",
    "test",
)
COLUMNS = (*_OF_ROWS, "quantity", "log10_p", "log10_p_r", "status")


def check_tests(
    rows: pd.DataFrame, ours: Estimates[Any], theirs: Estimates[Any], cells: Sequence[Cell[Any]], engine: Any
) -> pd.DataFrame:
    """Compute the p-values of one section's rows again, by our tests and by R's.

    Parameters
    ----------
    rows : DataFrame
        Tidy rows of one table, setting, subgroup and metric.
    ours, theirs : Estimates
        Of the same cells, with the tests of `stats` and of `stats.r_reference`.
    cells : sequence of Cell
    engine : module
        `stats.r_reference`, for what it raises where R does not have a test or gives no answer.

    Returns
    -------
    DataFrame
        With the columns `COLUMNS`, a line with quantity ``p_value`` for each p-value; the status is ``agrees``,
        ``disagrees`` or ``not in R``, with a reason where there is one.
    """
    by_name = {cell.backbone: cell for cell in cells}
    lines = []
    for row in rows[rows["p_value"].notna()].to_dict("records"):
        line = {name: row[name] for name in _OF_ROWS} | {"quantity": "p_value", "log10_p": _log10(row["p_value"])}
        line |= {"log10_p_r": math.nan, "status": NOT_IN_R}
        if row["test"] in IN_R:
            pair = by_name[row["backbone"]], by_name[row["reference"]], row["target"], row["test"]
            # Ours again, since the row's own p-value may have underflowed to 0.
            line["log10_p"] = ours.compare(*pair).log10_p
            try:
                line["log10_p_r"] = theirs.compare(*pair).log10_p
                line["status"] = _judge(line["log10_p"], line["log10_p_r"])
            except (engine.NotInR, engine.RError) as reason:
                line["status"] = f"{NOT_IN_R}: {reason}"
        lines.append(line)
    return pd.DataFrame(lines, columns=list(COLUMNS))


def check_adjustments(rows: pd.DataFrame, adjust: Callable[[Any, str], Any]) -> pd.DataFrame:
    """Adjust the p-values of a table's families again, by R's p.adjust; as `check_tests`, quantity ``p_adjusted``."""
    lines = []
    for (_, method), family in rows[rows["p_adjusted"].notna()].groupby(["family", "adjustment"], sort=False):
        known = method != MAX_T
        again = np.asarray(adjust(family["p_value"].to_numpy(), method)) if known else np.full(len(family), np.nan)
        for row, value in zip(family.to_dict("records"), again.tolist(), strict=True):
            first, second = _log10(row["p_adjusted"]), _log10(value)
            line = {name: row[name] for name in _OF_ROWS} | {"quantity": "p_adjusted"}
            status = _judge(first, second) if known else f"{NOT_IN_R}: {method}"
            lines.append(line | {"log10_p": first, "log10_p_r": second, "status": status})
    return pd.DataFrame(lines, columns=list(COLUMNS))


def check_study(study: Study) -> pd.DataFrame:
    """Compute the p-values of all of a study's tables again.

    Raises
    ------
    InputError
        A table is not there or does not belong to the runs, or R or one of its packages is missing.
    """
    engine = open_engine()
    parts = [pd.DataFrame(columns=list(COLUMNS))]
    for name in study.file.tables:
        rows = read_rows(study.layout.report(f"{name}.csv"))
        for section in gather_table(study, name).sections():
            place, metric = section.place, section.procedure.metric.name
            of_section = (
                (rows["setting"] == place.setting) & (rows["subgroup"] == place.subgroup) & (rows["metric"] == metric)
            )
            ours, theirs = section.estimates(stats), section.estimates(engine)
            parts.append(check_tests(rows[of_section], ours, theirs, section.cells, engine))
        parts.append(check_adjustments(rows, engine.adjust_pvalues))
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def open_engine() -> Any:
    """R's side of the tests.

    Raises
    ------
    InputError
        R, rpy2, pROC or coin is missing.
    """
    try:
        from stats import r_reference
    except ImportError as error:
        raise InputError(
            f"R cannot be used: {error}",
            "R with the packages pROC and coin, and this project's extra 'r'",
            "apt-get install r-base-core r-cran-proc r-cran-coin; pip install 'cxr-evalkit[r]'",
        ) from None
    return r_reference


def require_agreement_with_r(check: pd.DataFrame) -> str:
    """Say how the check went.

    Raises
    ------
    InputError
        Some p-value disagrees; the first ones are named.
    """
    status = check["status"]
    wrong = check[status.str.startswith(DISAGREES)]
    if len(wrong):
        first = "".join(
            f"\n  - {line.table} {line.setting} {line.backbone} against {line.reference}, {line.target}, {line.test}: "
            f"log10 {line.quantity} {line.log10_p!r}, in R {line.log10_p_r!r}"
            for line in wrong.head(5).itertuples()
        )
        raise InputError(
            f"{len(wrong)} of {len(check)} p-values are others in R:{first}",
            f"log10 p within {TOLERANCE:g}",
            "report it with the predictions: one of the two is wrong",
        )
    parts = [(name, check["quantity"] == quantity) for quantity, name in _QUANTITIES.items()]
    agreed = " and ".join(_count(rows & (status == AGREES), name) for name, rows in parts)
    sentences = [f"{agreed} agree with R to {TOLERANCE:g} in log10"]
    for name, rows in parts:
        missing = rows & status.str.startswith(NOT_IN_R)
        if missing.any():
            what = dict.fromkeys(map(_describe_missing, check[missing].to_dict("records")))
            verb = "is" if missing.sum() == 1 else "are"
            sentences.append(f"{_count(missing, name)} {verb} not in R: {', '.join(what)}")
    return "; ".join(sentences)


def _count(rows: pd.Series, name: str) -> str:
    return f"{rows.sum()} {name}{'' if rows.sum() == 1 else 's'}"


def _describe_missing(line: Mapping[Hashable, Any]) -> str:
    reason = str(line["status"]).removeprefix(NOT_IN_R).removeprefix(": ")
    return f"{line['test']} ({reason})" if reason else str(line["test"])


def _log10(p: float) -> float:
    return math.log10(p) if p > 0 else -math.inf if p == 0 else math.nan


def _judge(ours: float, theirs: float) -> str:
    if math.isnan(theirs):
        return f"{NOT_IN_R}: it gives no p-value here"
    return AGREES if ours == theirs or abs(ours - theirs) <= TOLERANCE else DISAGREES


def write_check(path: Path, check: pd.DataFrame) -> None:
    """Write the check as CSV, whole or not at all."""
    with replacing(path) as temporary:
        check.to_csv(temporary, index=False, lineterminator="\n")


def main() -> None:
    """Check a study's tables against R; a disagreement ends with status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m evalkit.comparisons.crosscheck", description="Check p-values in R."
    )
    add_study_argument(parser)
    study = load_study(parser.parse_args().study)
    check = check_study(study)
    verdict = require_agreement_with_r(check)
    path = study.layout.report("crosscheck.csv")
    write_check(path, check)
    print(path, verdict, sep="\n")


if __name__ == "__main__":
    run_command(main)
