"""Render tidy rows as a paper's table: ``python -m reports.tables FILE.csv`` writes .md, .tex and .html beside it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from evalkit.commands import run_command
from evalkit.comparisons.rows import read_rows
from reports.arranging import arrange
from reports.cells import write_markdown_cell, write_markdown_lines, write_tex_cell
from reports.escaping import Markup, escape_markdown, escape_tex
from reports.footnotes import write_footnotes
from reports.labels import label_metric
from reports.rendering import TEX_MARKS, make_environment, read_context, write_renderings

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
    rows, context = read_rows(path), read_context(path.with_suffix(".json"), maker="python -m evalkit.comparisons")
    return write_renderings(
        path, md=render_markdown(rows, context), tex=render_tex(rows, context), html=render_html(rows, context)
    )


def render_markdown(rows: pd.DataFrame, context: Mapping[str, Any]) -> str:
    """Lay rows out as Markdown: all targets, with intervals, differences and adjusted p-values."""
    environment = make_environment(finalize=escape_markdown)
    environment.filters["cell"] = write_markdown_cell
    environment.filters["lines"] = write_markdown_lines
    return _render(environment, "table.md.j2", rows, context, blocks=arrange(rows, context))


def render_tex(rows: pd.DataFrame, context: Mapping[str, Any]) -> str:
    """Lay rows out as LaTeX (booktabs), as printed in a paper.

    With settings or metrics across it holds the first target of each metric (for several classes their mean); the
    others are in the other formats.
    """
    environment = make_environment(finalize=escape_tex, **TEX_MARKS)
    environment.filters["cell"] = write_tex_cell
    shown = [block for block in arrange(rows, context) if block.leading]
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
    metrics = [label_metric(metric) for metric in context["metrics"]]
    return environment.get_template(template).render(
        context=context,
        metrics=", ".join(metrics),
        # What all blocks have in common; several metrics stand in their titles or columns.
        metric=metrics[0] if len(metrics) == 1 else "",
        footnotes=write_footnotes(rows, context, compact=compact),
        further_titles=_FURTHER_TITLES,
        **values,
    )


if __name__ == "__main__":
    run_command(main)
