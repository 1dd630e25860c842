"""The command line: ``evalkit check``, ``forecast``, ``checkpoint``, ``compare``, ``tables``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from evalkit.commands import run_command

app = typer.Typer(
    help="Compare chest-radiograph backbones: every number with its interval, its paired test and its record.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

StudyArgument = Annotated[str, typer.Argument(help="A study's name in config/, or the path of a study file.")]


def main() -> None:
    """Run the command line; a mistake of the user's ends with a message and status 2."""
    run_command(app)


@app.command()
def check(
    study: StudyArgument,
    config_only: Annotated[bool, typer.Option("--config-only", help="Look at the files in config/ only.")] = False,
) -> None:
    """Check a study before it is run: its configuration, its data and its weights."""
    from evalkit.checking import check_study

    console = Console()
    failed = 0
    for finding in check_study(study, config_only=config_only):
        console.print("[green]ok  [/]" if finding.ok else "[red]FAIL[/]", finding.place, style=None, end="  ")
        console.print(finding.message, markup=False, highlight=False, soft_wrap=True)
        failed += not finding.ok
    if failed:
        raise SystemExit(2)


@app.command()
def forecast(
    study: StudyArgument,
    images_per_second: Annotated[
        float | None, typer.Option(min=1e-6, help="Training speed of one process; else recorded or measured here.")
    ] = None,
    at_once: Annotated[int | None, typer.Option(min=1, help="Trainings at once; by default what fits here.")] = None,
) -> None:
    """Say what a study will take: jobs, images, disk and hours. Needs neither data nor weights."""
    from evalkit.config import load_study
    from evalkit.forecast import render_forecast

    Console().print(render_forecast(load_study(study), images_per_second=images_per_second, at_once=at_once))


@app.command()
def checkpoint(
    file: Annotated[Path, typer.Argument(help="A checkpoint of any format.")],
    arch: Annotated[str | None, typer.Option(help="timm's name of the architecture; else recognised.")] = None,
    format: Annotated[str | None, typer.Option(help="The key layout; else recognised.")] = None,
    in_channels: Annotated[int | None, typer.Option(min=1, max=3, help="Channels of the first convolution.")] = None,
    sha256: Annotated[str | None, typer.Option(help="The hash the file must have.")] = None,
) -> None:
    """Show what is in a checkpoint and whether all of a backbone's weights are there. Nothing in it is executed."""
    from evalkit.checkpoints.inspection import inspect_checkpoint
    from evalkit.checkpoints.report import render

    print(render(inspect_checkpoint(file, arch=arch, format=format, in_channels=in_channels, sha256=sha256)))


@app.command()
def compare(
    predictions: Annotated[list[Path], typer.Argument(help="Two or more files of predictions (csv or parquet).")],
    labels: Annotated[Path, typer.Option(help="The file of labels: an id and one or more columns of 1, 0 or nothing.")],
    id: Annotated[str, typer.Option(help="The column that joins labels and predictions.")] = "image_id",
    group: Annotated[str | None, typer.Option(help="The column that says which images are one patient's.")] = None,
    reference: Annotated[str, typer.Option(help="'best', or the name of one of the models.")] = "best",
    adjustment: Annotated[Literal["holm", "hochberg", "bonferroni", "bh", "by"], typer.Option()] = "holm",
    out: Annotated[Path | None, typer.Option(help="Write the tidy rows to this CSV file.")] = None,
) -> None:
    """Compare predictions of any origin on the same images. No training, no configuration."""
    from evalkit.comparisons.free_form import compare_files, render_rows
    from evalkit.comparisons.rows import write_rows

    rows = compare_files(
        labels, predictions, id_column=id, group_column=group, reference=reference, adjustment=adjustment
    )
    Console().print(render_rows(rows))
    if out is not None:
        write_rows(out, rows)
        print(f"{len(rows)} rows in {out}")


@app.command()
def tables(
    study: StudyArgument,
    partial: Annotated[
        bool, typer.Option("--partial", help="Use the runs there are, and say what is missing.")
    ] = False,
    table: Annotated[list[str] | None, typer.Option(help="Only this table; may be given several times.")] = None,
) -> None:
    """Render a study's tables from finished runs, without training anything.

    Complete tables go to results/<study>/reports/, partial ones to results/<study>/reports/partial/.
    """
    from evalkit.comparisons import write_table
    from evalkit.comparisons.rows import read_rows
    from evalkit.config import load_study
    from reports.tables import render_table

    loaded = load_study(study)
    for name in table or loaded.file.tables:
        path = write_table(loaded, name, partial=partial)
        statuses = read_rows(path)["status"].value_counts()
        missing = statuses.drop(["ok", "reference"], errors="ignore")
        print(path, *render_table(path), sep="\n")
        for status, count in missing.items():
            print(f"  {count} of {statuses.sum()} rows: {status}")


if __name__ == "__main__":
    main()
