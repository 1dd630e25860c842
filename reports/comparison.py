"""What ``evalkit compare`` shows: one table for the terminal, LaTeX and Markdown."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from rich.console import Group
from rich.table import Table
from rich.text import Text

from evalkit.atomic import write_json, write_text
from evalkit.comparisons.cells import ALL
from evalkit.comparisons.free_form import Comparison
from evalkit.comparisons.policies import find_best
from evalkit.comparisons.rows import write_rows
from evalkit.errors import InputError
from evalkit.metrics import METRICS
from reports.escaping import escape_markdown, escape_tex
from reports.labels import SHORT_TESTS, label_target
from reports.numbers import format_number
from reports.rendering import TEX_MARKS, make_environment

#: Formats that a comparison is written in.
_ENDINGS = (".csv", ".json", ".tex", ".md")


@dataclass(frozen=True)
class Line:
    """One model and one test; the estimate stands in a model's first line only."""

    model: str
    best: bool
    estimate: str
    difference: str
    test: str
    pvalue: str
    adjusted: str


@dataclass(frozen=True)
class Block:
    """One class or measured quantity."""

    title: str
    lines: list[Line]


def arrange_comparison(rows: pd.DataFrame) -> list[Block]:
    """Lay tidy rows of one comparison out by metric and target, in the order of the rows."""
    blocks = []
    for (metric, target), of_block in rows.groupby(["metric", "target"], sort=False):
        quantity = METRICS[metric].label if metric in METRICS else str(metric)
        title = quantity if target == ALL else f"{quantity}, {label_target(str(target))}"
        blocks.append(Block(title, list(_lines(of_block))))
    return blocks


def render_terminal(rows: pd.DataFrame, facts: Sequence[str]) -> Group:
    """Lay rows out for a terminal of 80 columns, with what is to be known of them below."""
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    table.add_column("model", overflow="fold")
    for heading in ("estimate", "difference"):
        table.add_column(heading, overflow="fold")
    table.add_column("test", overflow="fold")
    for heading in ("p", "adjusted"):
        table.add_column(heading, justify="right", no_wrap=True)
    for block in arrange_comparison(rows):
        table.add_row(Text(block.title, style="underline"))
        for line in block.lines:
            style = "bold" if line.best else ""
            model, estimate = Text(f" {line.model}", style=style), Text(line.estimate, style=style)
            table.add_row(
                model, estimate, Text(line.difference), Text(line.test), Text(line.pvalue), Text(line.adjusted)
            )
    return Group(table, "", *(Text(fact) for fact in facts))


def render_tex(rows: pd.DataFrame, facts: Sequence[str]) -> str:
    """Lay rows out as LaTeX (booktabs), with what is to be known of them as notes."""
    return _render(make_environment(finalize=escape_tex, **TEX_MARKS), "comparison.tex.j2", rows, facts)


def render_markdown(rows: pd.DataFrame, facts: Sequence[str]) -> str:
    """Lay rows out as Markdown."""
    return _render(make_environment(finalize=escape_markdown), "comparison.md.j2", rows, facts)


def require_places(outs: Sequence[Path], inputs: Sequence[Path] = ()) -> None:
    """Check where a comparison is to be written, before it is computed.

    Raises
    ------
    InputError
        Another ending than .csv, .json, .tex or .md, a folder, one of the inputs, a file given twice, or a parent
        folder that does not exist or may not be written to.
    """
    taken = {path.resolve() for path in inputs}
    for path in outs:
        if path.is_dir():
            raise InputError(f"--out is {path}, a folder", "the name of a file", f"--out {path / 'comparison.csv'}")
        if path.suffix.lower() not in _ENDINGS:
            raise InputError(
                f"--out is {path}",
                f"a name ending in {', '.join(_ENDINGS[:-1])} or {_ENDINGS[-1]}",
                "choose one of these endings",
            )
        if path.resolve() in taken:
            raise InputError(
                f"--out is {path}, which is also read, or written, by this command", "a file of its own", "rename it"
            )
        if not path.parent.is_dir():
            raise InputError(f"--out is {path}, and there is no folder {path.parent}", "a folder", "make it first")
        if not os.access(path.parent, os.W_OK):
            raise InputError(
                f"--out is {path}, and {path.parent} may not be written to",
                "a folder you may write to",
                "choose another",
            )
        taken.add(path.resolve())


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Write a comparison in the format of the path's ending: .csv (tidy rows), .json, .tex or .md.

    Raises
    ------
    InputError
        As `require_places`.
    """
    require_places([path])
    rows, facts, ending = comparison.rows, list_facts(comparison), path.suffix.lower()
    if ending == ".csv":
        write_rows(path, rows)
    elif ending == ".json":
        check = {} if comparison.check is None else {"check": _records(comparison.check)}
        write_json(path, {"rows": _records(rows), "facts": facts, **check})
    else:
        write_text(path, (render_tex if ending == ".tex" else render_markdown)(rows, facts))


def list_facts(comparison: Comparison) -> list[str]:
    """What stands below a comparison: which test and why, on how many cases, and what to know of it."""
    return [*comparison.reasons, describe_cases(comparison.rows), *comparison.notes]


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values, with nothing where a number is missing or not finite (JSON has neither)."""
    return [
        {name: None if pd.isna(value) or value in (math.inf, -math.inf) else value for name, value in row.items()}
        for row in frame.astype(object).to_dict("records")
    ]


def describe_cases(rows: pd.DataFrame) -> str:
    """Say on how many cases a comparison rests, how it was adjusted, and what the choice of the best leaves open."""
    units = rows["unit"].iloc[0]
    counts = sorted({int(n) for n in rows["n"].dropna()})
    clusters = rows["n_clusters"].max()
    cases = f"{counts[-1]:,} {units}s" if counts else "no case"
    if counts and clusters < counts[-1]:
        cases += f" of {int(clusters):,} patients"
    adjustments = [name for name in rows["adjustment"].unique() if name]
    adjusted = f"; p adjusted within each block and test: {', '.join(adjustments)}" if adjustments else ""
    chosen = ""
    if "max_t" in adjustments:
        chosen = (
            ". The reference is the best model, chosen on the same cases; adjusted p-values and intervals of "
            "differences hold for all pairs of models together, and so allow for the choice"
        )
    elif (rows["policy"] == "best").any():
        chosen = ". The reference is the best model, chosen on the same cases, which the p-values do not allow for"
    return f"{cases}{adjusted}{chosen}."


def _lines(rows: pd.DataFrame) -> Iterator[Line]:
    best = find_best(
        dict(zip(rows["backbone"], rows["estimate"], strict=True)),
        higher_is_better=bool(rows["higher_is_better"].iloc[0]),
    )
    decimals = 3 if rows["estimate"].abs().max() < 10 else 2
    last = None
    for row in rows.itertuples(index=False):
        first = row.backbone != last
        last = row.backbone
        compared = _with_interval(row.difference, row.difference_ci_low, row.difference_ci_high, decimals, signed=True)
        yield Line(
            model=str(row.label) if first else "",
            best=first and row.backbone == best,
            estimate=_with_interval(row.estimate, row.ci_low, row.ci_high, decimals) if first else "",
            difference={"ok": compared, "reference": "reference"}.get(str(row.status), str(row.status)),
            test=SHORT_TESTS.get(str(row.test), str(row.test)),
            pvalue=_pvalue(row.p_value),
            adjusted=_pvalue(row.p_adjusted),
        )


def _with_interval(value: float, low: float, high: float, decimals: int, *, signed: bool = False) -> str:
    number = format_number(value, decimals, signed=signed)
    if math.isnan(low) or math.isnan(high):
        return number
    return f"{number} [{format_number(low, decimals, signed=signed)}, {format_number(high, decimals, signed=signed)}]"


def _pvalue(p: float) -> str:
    if math.isnan(p):
        return ""
    return format_number(p, 3) if p >= 0.001 else f"{p:.1e}"


def _render(environment: jinja2.Environment, template: str, rows: pd.DataFrame, facts: Sequence[str]) -> str:
    return environment.get_template(template).render(blocks=arrange_comparison(rows), facts=facts)
