"""Render tidy rows as a paper's table: ``python -m reports.tables FILE.csv`` writes .md, .tex and .html beside it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from evalkit.atomic import write_text
from evalkit.commands import run_command
from evalkit.comparisons.rows import read_rows
from evalkit.errors import InputError
from reports.arranging import arrange
from reports.cells import write_markdown_cell, write_tex_cell
from reports.escaping import Markup, escape_markdown, escape_tex
from reports.footnotes import write_footnotes
from reports.rendering import TEX_MARKS, make_environment

_FURTHER_TITLES = {
    "best": "Difference from the best backbone of each column",
    "named": "Difference from the named reference",
    "baseline": "Difference from the backbone each one derives from",
}


def render_table(path: Path) -> list[Path]:
    """Render a table's rows in every format.

    Parameters
    ----------
    path : pathlib.Path
        The rows (csv); the facts for the footnotes are in the ``.json`` beside it.

    Returns
    -------
    list of pathlib.Path
        The files written beside it: Markdown, LaTeX and HTML. The same rows and facts give the same bytes.

    Raises
    ------
    InputError
        A file is missing or is not what `evalkit.comparisons` writes.
    """
    rows, context = read_rows(path), _read_context(path.with_suffix(".json"))
    written = []
    for ending, render in (("md", render_markdown), ("tex", render_tex), ("html", render_html)):
        target = path.with_suffix(f".{ending}")
        write_text(target, render(rows, context))
        written.append(target)
    return written


def render_markdown(rows: pd.DataFrame, context: Mapping[str, Any]) -> str:
    """Lay rows out as Markdown: all targets, with intervals, differences and adjusted p-values."""
    environment = make_environment(finalize=escape_markdown)
    environment.filters["cell"] = write_markdown_cell
    return _render(environment, "table.md.j2", rows, context, blocks=arrange(rows, context))


def render_tex(rows: pd.DataFrame, context: Mapping[str, Any]) -> str:
    """Lay rows out as LaTeX (booktabs), as printed in a paper.

    With settings across it holds the first target (the mean); the classes are in the other formats.
    """
    environment = make_environment(finalize=escape_tex, **TEX_MARKS)
    environment.filters["cell"] = write_tex_cell
    blocks = arrange(rows, context)
    shown = blocks[:1] if context["columns"] == "setting" else blocks
    # A label is no text: an underscore in it is one, and both names are plain.
    label = Markup(f"{context['study']}-{context['table']}")
    return _render(environment, "table.tex.j2", rows, context, blocks=shown, label=label, compact=True)


def render_html(rows: pd.DataFrame, context: Mapping[str, Any]) -> str:
    """Lay rows out as one self-contained page: all targets, with intervals, differences and adjusted p-values."""
    return _render(make_environment(autoescape=True), "table.html.j2", rows, context, blocks=arrange(rows, context))


def main() -> None:
    """Render the file named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m reports.tables", description="Render a table's rows.")
    parser.add_argument("rows", type=Path, help="the table's rows (csv); its facts are in the .json beside it")
    for path in render_table(parser.parse_args().rows):
        print(path)


def _render(
    environment: jinja2.Environment,
    template: str,
    rows: pd.DataFrame,
    context: Mapping[str, Any],
    *,
    compact: bool = False,
    **values: Any,
) -> str:
    return environment.get_template(template).render(
        context=context,
        footnotes=write_footnotes(rows, context, compact=compact),
        further_titles=_FURTHER_TITLES,
        **values,
    )


def _read_context(path: Path) -> dict[str, Any]:
    try:
        context = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read: {error}",
            "the facts that `python -m evalkit.comparisons` writes beside a table's rows",
            "make the table again",
        ) from None
    return dict(context)


if __name__ == "__main__":
    run_command(main)
