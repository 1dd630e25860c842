"""One cell of a table in Markdown and in LaTeX; HTML cells are written out in the page's template."""

from __future__ import annotations

from collections.abc import Iterable

from reports.arranging import Cell
from reports.escaping import Markup, escape_markdown, escape_tex


def write_markdown_cell(cell: Cell) -> Markup:
    """All of a cell, one thing to a line: estimate, interval, difference with its p-value, what is missing."""
    number = " ± ".join(filter(None, (cell.number, cell.spread)))
    difference = f"Δ {cell.difference}" if cell.difference else ""
    difference += f" ({cell.difference_interval})" if cell.difference_interval else ""
    lines = [
        " ".join(filter(None, (f"**{number}**" if cell.best else number, escape_markdown(cell.mark)))),
        cell.interval,
        ", ".join(filter(None, (difference, escape_markdown(cell.pvalue)))),
        escape_markdown(cell.status),
    ]
    return Markup("<br>".join(filter(None, lines)))


def write_markdown_lines(texts: Iterable[str]) -> Markup:
    """Several texts of a cell, one below the other."""
    return Markup("<br>".join(escape_markdown(text) for text in texts))


def write_tex_cell(cell: Cell) -> Markup:
    """A cell as a paper prints it: mean ± SD and mark, or the estimate of one run with its interval."""
    number = escape_tex(" ± ".join(filter(None, (cell.number, cell.spread))))
    text = rf"\textbf{{{number}}}" if cell.best else number
    if cell.mark:
        text += rf"\textsuperscript{{{escape_tex(cell.mark)}}}"
    if cell.interval and not cell.spread:
        # One above the other: side by side, four columns are wider than a page.
        text = rf"\shortstack{{{text}\\{escape_tex(f'({cell.interval})')}}}"
    return Markup("; ".join(filter(None, (text, escape_tex(cell.status)))))
