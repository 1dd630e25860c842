"""A study's table: from its runs on disk to tidy rows and the facts a rendering needs beside them."""

from __future__ import annotations

from pathlib import Path

import stats
from evalkit.atomic import write_json
from evalkit.comparisons.comparing import ComparedRow, compare_setting
from evalkit.comparisons.context import describe_table
from evalkit.comparisons.families import adjust_families
from evalkit.comparisons.rows import to_frame, write_rows
from evalkit.comparisons.sections import gather_table
from evalkit.config.loading import Study


def write_table(study: Study, name: str, *, partial: bool = False) -> Path:
    """Compare a table's runs and write its rows, with the facts for its renderings beside them.

    Parameters
    ----------
    study : Study
    name : str
        The table's key in the study file.
    partial : bool
        Use the runs there are and say what is missing. The files then go to ``reports/partial/``, so that they are
        never taken for the complete table.

    Returns
    -------
    pathlib.Path
        The CSV file; the facts are in the ``.json`` of the same name.

    Raises
    ------
    InputError
        As `gather_table`.
    """
    gathered = gather_table(study, name, partial=partial)
    compared: list[ComparedRow] = []
    for section in gathered.sections():
        compared += compare_setting(
            section.place, section.estimates(stats), section.cells, section.targets, section.procedure
        )
    table = study.table(name)
    rows = adjust_families([each.row for each in compared], adjustment=table.adjustment, family=table.family)

    path = study.layout.report(f"partial/{name}.csv" if partial else f"{name}.csv")
    write_json(path.with_suffix(".json"), describe_table(gathered, compared))
    write_rows(path, to_frame(rows))
    return path
