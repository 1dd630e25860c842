"""Render counts as a paper's table: ``python -m reports.counts FILE.csv`` writes .md, .tex and .html beside it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from evalkit.commands import run_command
from evalkit.counting.rows import read_counts
from reports.count_grid import CountCell, CountGrid, arrange_counts
from reports.escaping import Markup, escape_markdown, escape_tex
from reports.rendering import TEX_MARKS, make_environment, read_context, write_paragraphs, write_renderings


def render_counts(path: Path) -> list[Path]:
    """Render a table of counts in every format.

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
        A file is missing or is not what `evalkit.counting` writes.
    """
    rows = read_counts(path)
    context = read_context(path.with_suffix(".json"), maker="python -m evalkit.counting")
    return write_renderings(
        path, md=render_markdown(rows, context), tex=render_tex(rows, context), html=render_html(rows, context)
    )


def render_markdown(rows: pd.DataFrame, context: Mapping[str, Any]) -> str:
    """Lay counts out as Markdown."""
    environment = make_environment(finalize=escape_markdown)
    environment.filters["cell"] = _write_markdown_cell
    return _render(environment, "counts.md.j2", rows, context, arrange_counts(rows, context))


def render_tex(rows: pd.DataFrame, context: Mapping[str, Any]) -> str:
    """Lay counts out as LaTeX (booktabs), as printed in a paper: of a multi-label task the positive images only."""
    environment = make_environment(finalize=escape_tex, **TEX_MARKS)
    environment.filters["cell"] = _write_tex_cell
    # A label is no text: an underscore in it is one, and both names are plain.
    label = Markup(f"{context['study']}-{context['table']}")
    return _render(environment, "counts.tex.j2", rows, context, arrange_counts(rows, context)[:1], label=label)


def render_html(rows: pd.DataFrame, context: Mapping[str, Any]) -> str:
    """Lay counts out as one self-contained page."""
    return _render(make_environment(autoescape=True), "counts.html.j2", rows, context, arrange_counts(rows, context))


def main() -> None:
    """Render the file named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m reports.counts", description="Render a table of counts.")
    parser.add_argument("rows", type=Path, help="the table's rows (csv); its facts are in the .json beside it")
    for path in render_counts(parser.parse_args().rows):
        print(path)


def _render(
    environment: jinja2.Environment,
    template: str,
    rows: pd.DataFrame,
    context: Mapping[str, Any],
    grids: list[CountGrid],
    **values: Any,
) -> str:
    footnotes = _write_footnotes(rows, context, grids)
    return environment.get_template(template).render(context=context, grids=grids, footnotes=footnotes, **values)


def _write_footnotes(rows: pd.DataFrame, context: Mapping[str, Any], grids: list[CountGrid]) -> list[str]:
    """Say what is counted, where it comes from and what is left out."""
    cells = [cell for grid in grids for _, line in grid.lines for cell in line]
    return write_paragraphs(
        "counts_footnotes.txt.j2",
        context=context,
        drawn=bool((rows["n_draws"] > 1).any()),
        absent=any(cell.status.startswith("absent") for cell in cells),
        several=len(grids) > 1,
        classes=rows["class"].nunique() - 1,
    )


def _write_markdown_cell(cell: CountCell) -> Markup:
    lines = [
        " ".join(filter(None, (cell.images, f"({cell.patients})" if cell.patients else ""))),
        cell.boxes,
        escape_markdown(cell.status),
    ]
    return Markup("<br>".join(filter(None, lines)))


def _write_tex_cell(cell: CountCell) -> Markup:
    number = " ".join(filter(None, (cell.images, f"({cell.patients})" if cell.patients else "")))
    return Markup("; ".join(filter(None, (escape_tex(number), cell.boxes, escape_tex(cell.status)))))


if __name__ == "__main__":
    run_command(main)
