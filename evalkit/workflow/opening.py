"""The study that a command line chooses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from evalkit.config.loading import Study, load_study
from evalkit.errors import InputError


def open_study(config: Mapping[str, Any]) -> Study:
    """Load the study that ``--config`` chooses, and check its tables before anything is trained.

    Parameters
    ----------
    config : mapping
        What stands after ``--config``: ``study`` (a name or a path; the demo by default), ``retry_failed``, and names
        in upper case, which become environment variables for the ``${NAME}`` of the configuration.

    Raises
    ------
    InputError
        Another key, or a study or a table that is not valid.
    """
    from evalkit.comparisons.questions import check_table

    unknown = sorted({name for name in config if not name.isupper()} - {"study", "retry_failed"})
    if unknown:
        raise InputError(
            f"--config has {', '.join(unknown)}",
            "study, retry_failed, or a variable's name in upper case",
            "correct the name; targets come after --",
        )
    os.environ.update({name: str(value) for name, value in config.items() if name.isupper()})
    study = load_study(config.get("study", "demo"))
    for table in study.file.tables:
        check_table(study, table)
    return study
