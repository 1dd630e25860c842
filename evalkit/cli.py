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
    predictions: Annotated[
        list[Path],
        typer.Argument(help="Two or more files of predictions: text (csv, tsv) or parquet, or COCO results (json)."),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(help="Labels: an id and columns of 1, 0 or nothing, or one of classes; or COCO annotations."),
    ] = None,
    id: Annotated[str, typer.Option(help="The column that joins the files.")] = "image_id",
    group: Annotated[str | None, typer.Option(help="The column that says which images are one patient's.")] = None,
    reference: Annotated[str, typer.Option(help="'best', or the name of one of the models.")] = "best",
    test: Annotated[
        str | None, typer.Option(help="The test to use; by default the one made for what the files hold.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="auc or auprc of scores; accuracy, precision, recall or f1 of classes; ap, ap50 or ap75 of "
            "detections; one of the values."
        ),
    ] = None,
    lower_is_better: Annotated[
        list[str] | None, typer.Option(help="A measured quantity of which less is more; may be given several times.")
    ] = None,
    adjustment: Annotated[
        Literal["holm", "hochberg", "bonferroni", "bh", "by", "max_t"],
        typer.Option(help="max_t allows for the choice of the best model (with --test bootstrap)."),
    ] = "holm",
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap replicates.")] = 10_000,
    engine: Annotated[
        Literal["python", "r"], typer.Option(help="r: compute each p-value a second time in R, and compare.")
    ] = "python",
    out: Annotated[
        list[Path] | None,
        typer.Option(help="Write to this file, by its ending: .csv (tidy rows), .json, .tex, .md; may be repeated."),
    ] = None,
) -> None:
    """Compare predictions of any origin on the same images. No training, no configuration.

    What the files hold decides the test, and the output says which and why. Scores of binary labels: DeLong. Called
    classes: McNemar and Stuart-Maxwell. Values for each image or repeat (no labels): paired t and Wilcoxon. COCO
    annotations and detections: a bootstrap over images of the mAP.
    """
    import stats
    from evalkit.comparisons.crosscheck import open_engine, require_agreement_with_r
    from evalkit.comparisons.free_form import Options, compare_files
    from reports.comparison import list_facts, render_terminal, require_places, write_comparison

    require_places(out or (), [*predictions, *([labels] if labels else [])])
    options = Options(
        id_column=id,
        group_column=group,
        reference=reference,
        test=test,
        metric=metric,
        lower_is_better=lower_is_better or (),
        adjustment=adjustment,
        resamples=resamples,
    )
    comparison = compare_files(labels, predictions, options, engine=open_engine() if engine == "r" else stats)
    Console().print(render_terminal(comparison.rows, list_facts(comparison)))
    for path in out or ():
        write_comparison(path, comparison)
        print(f"{len(comparison.rows)} rows in {path}")
    if comparison.check is not None:
        print(require_agreement_with_r(comparison.check))


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
