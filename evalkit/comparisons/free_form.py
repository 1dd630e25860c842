"""``evalkit compare``: predictions of any origin, compared on the same cases. No training, no configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

import stats
from evalkit.comparisons.cells import ALL, MEAN, Cell
from evalkit.comparisons.comparing import ComparedRow, Place, compare_setting
from evalkit.comparisons.crosscheck import check_adjustments, check_tests
from evalkit.comparisons.estimation.base import Estimates
from evalkit.comparisons.estimation.classes import ClassEstimates
from evalkit.comparisons.estimation.detections import DetectionEstimates
from evalkit.comparisons.estimation.scores import ScoreEstimates
from evalkit.comparisons.estimation.values import ValueEstimates
from evalkit.comparisons.families import adjust_families
from evalkit.comparisons.files.classes import join_classes
from evalkit.comparisons.files.columns import recognise
from evalkit.comparisons.files.detections import join_detections
from evalkit.comparisons.files.joining import align
from evalkit.comparisons.files.names import Columns
from evalkit.comparisons.files.reading import is_json, read_table
from evalkit.comparisons.files.scores import join_scores
from evalkit.comparisons.files.values import join_values
from evalkit.comparisons.procedure import Procedure
from evalkit.comparisons.questions import BOOTSTRAPS, MADE_FOR, suits
from evalkit.comparisons.rows import to_frame
from evalkit.comparisons.simultaneous import MAX_T
from evalkit.comparisons.targets import list_targets
from evalkit.comparisons.waiting import waiting
from evalkit.config.strict import nearest
from evalkit.errors import InputError
from evalkit.metrics import CLASS_METRICS, METRICS, Metric
from evalkit.seeds import seed_from

BEST = "best"

#: Tests beside which something is bootstrapped: themselves, or the intervals of accuracies where patients repeat.
_RESAMPLED = (*BOOTSTRAPS, "mcnemar_clustered", "stuart_maxwell_clustered")


@dataclass(frozen=True)
class Options:
    """What a user may choose.

    Attributes
    ----------
    id_column : str
        What joins the files.
    group_column : str or None
        The column that says which cases are one patient's.
    reference : str
        ``best``, for each class or quantity, or the name of a model: its file's stem or, where stems are alike, the
        folders that differ.
    test : str or None
        The test that conclusions use, in any case; by default the one made for what the files hold.
    metric : str or None
        In any case: for scores auc or auprc, for classes accuracy, precision, recall or f1, for detections ap, ap50 or
        ap75, for values one of the quantities.
    lower_is_better : sequence of str
        Measured quantities of which less is more; those of `METRICS` are known.
    adjustment : str
        As `stats.adjust_pvalues` names it, or max_t, which allows for the choice of the best.
    confidence_level : float
    resamples : int
        Bootstrap replicates, and permutations where a test draws them.
    """

    id_column: str = "image_id"
    group_column: str | None = None
    reference: str = BEST
    test: str | None = None
    metric: str | None = None
    lower_is_better: Sequence[str] = ()
    adjustment: str = "holm"
    confidence_level: float = 0.95
    resamples: int = 10_000


@dataclass(frozen=True, eq=False)
class Comparison:
    """What came of it.

    Attributes
    ----------
    rows : DataFrame
        Tidy rows.
    reasons : list of str
        Which test was taken and why.
    notes : list of str
        What to know of the files and of single tests.
    check : DataFrame or None
        The p-values beside R's, where they were asked for.
    """

    rows: pd.DataFrame
    reasons: list[str]
    notes: list[str]
    check: pd.DataFrame | None = None


@dataclass(frozen=True)
class _Kind:
    """One kind of predictions: what its numbers may be, which tests it has, and why the first is taken."""

    name: str
    metrics: tuple[str, ...]
    tests: tuple[str, ...]
    secondary: tuple[str, ...]
    why: str


_KINDS = {
    "scores": _Kind(
        "scores of binary labels",
        ("auc", "auprc"),
        ("delong", "bootstrap"),
        (),
        "DeLong's test is made for AUCs on the same cases (a mean over classes is compared by bootstrap)",
    ),
    "classes": _Kind(
        "called classes",
        CLASS_METRICS,
        ("mcnemar_exact", "stuart_maxwell", "bootstrap"),
        ("stuart_maxwell",),
        "McNemar's test compares what each model got right; Stuart-Maxwell's beside it asks whether the models call "
        "the classes equally often, which is another question",
    ),
    "values": _Kind(
        "one value for each case",
        (),
        ("ttest_paired", "wilcoxon", "bootstrap"),
        ("wilcoxon",),
        "The paired t-test compares means of paired values; Wilcoxon's beside it does not need them to be normal, and "
        "its difference is the Hodges-Lehmann estimate",
    ),
    "detections": _Kind(
        "COCO detections",
        ("ap", "ap50", "ap75"),
        ("map_bootstrap",),
        (),
        "An average precision has no closed variance, so images (or patients) are resampled",
    ),
}


@dataclass(frozen=True, eq=False)
class _Joined:
    """Files that were recognised and joined: the cells of each metric, and how to estimate with them."""

    kind: _Kind
    evidence: str
    cells: Mapping[str, Sequence[Cell[Any]]]
    cases: str
    targets: Sequence[str]
    estimates: Callable[[Procedure, Any], Estimates[Any]]
    notes: list[str]


def compare_files(
    labels_path: Path | None, prediction_paths: Sequence[Path], options: Options, *, engine: Any = stats
) -> Comparison:
    """Compare two or more models on the same cases.

    What the files hold decides the test. Probabilities of binary labels: DeLong's test for each class (its clustered
    form where groups repeat) and a bootstrap over groups for the mean over classes. Called classes: McNemar's test
    and Stuart-Maxwell's. Values for each case or repeat, without labels: paired t-test and Wilcoxon's. COCO files: a
    bootstrap over images of the difference in average precision.

    Parameters
    ----------
    labels_path : pathlib.Path or None
        Text (csv, tsv, txt) or parquet: the id and one or more columns of labels; or the ground truth of a COCO data
        set (json).
    prediction_paths : sequence of pathlib.Path
        Tables with the same ids, or COCO results (json). Our own ``predictions.parquet`` serves as either.
    options : Options
    engine : module
        `stats`, or `stats.r_reference`, whose p-values are then set beside ours.

    Raises
    ------
    InputError
        Fewer than two models, an unknown reference, a test or metric that the files cannot have, or files that cannot
        be joined.
    """
    paths = [Path(path) for path in prediction_paths]
    if len(paths) < 2:
        raise InputError(f"{len(paths)} file of predictions", "two or more", "name the files of the models to compare")
    options = replace(
        options, test=options.test and options.test.lower(), metric=options.metric and options.metric.lower()
    )
    joined = _join(None if labels_path is None else Path(labels_path), paths, options)
    names = [cell.backbone for cell in next(iter(joined.cells.values()))]
    if options.reference != BEST and options.reference not in names:
        raise InputError(
            f"there is no model {options.reference!r}{nearest(options.reference, names)}",
            f"{BEST!r} or the name of one of the files",
            "correct --reference",
        )
    _check_quantities(joined, options)
    test = _choose_test(joined, options)
    dataset = (labels_path or paths[0].parent.resolve()).stem
    compared: list[ComparedRow] = []
    checks: list[pd.DataFrame] = []
    for metric, cells in joined.cells.items():
        procedure = _make_procedure(joined.kind, metric, test, options)
        place = Place(table="compare", study="", dataset=dataset, evaluation="", setting="")
        estimates = joined.estimates(procedure, stats)
        _resample(joined, metric, estimates, procedure)
        made = _adjusted(compare_setting(place, estimates, cells, joined.targets, procedure), options.adjustment)
        compared += made
        if engine is not stats:
            rows = to_frame(each.row for each in made)
            checks.append(check_tests(rows, estimates, joined.estimates(procedure, engine), cells, engine))
            checks.append(check_adjustments(rows, engine.adjust_pvalues))
    several = len({each.row.target for each in compared}) > 1 or len(joined.cells) > 1
    told: dict[str, None] = {}
    for each in compared:
        of = each.row.target if each.row.target != ALL else each.row.metric
        told |= dict.fromkeys(f"{of}: {note}" if several else note for note in each.notes)
    return Comparison(
        to_frame(each.row for each in compared),
        _reasons(joined, test, options),
        list(dict.fromkeys([*joined.notes, *told])),
        pd.concat(checks, ignore_index=True) if checks else None,
    )


def _join(labels_path: Path | None, paths: Sequence[Path], options: Options) -> _Joined:
    columns = Columns(options.id_column, options.group_column)
    if any(is_json(path) for path in (*paths, *([labels_path] if labels_path else []))):
        return _join_detections(labels_path, paths, options)
    files = [read_table(path, options.id_column) for path in paths]
    if labels_path is None:
        values = join_values(files, columns)
        unit = values.cases.unit
        return _Joined(
            _KINDS["values"],
            f"the files hold numbers ({', '.join(values.cells)}) for each {unit} and no labels are given",
            _choose_quantity(values.cells, options),
            f"{len(files[0].frame):,} {unit}s",
            (ALL,),
            lambda procedure, engine: ValueEstimates(values.cases, procedure, engine),
            [*values.notes, *_caution(unit)],
        )
    labels = read_table(labels_path, options.id_column)
    files = [align(labels, table, options.id_column) for table in files]
    recognised = recognise(labels, files, columns, _wanted(options))
    cases = f"{len(labels.frame):,} images"
    named = tuple(recognised.labels)
    if recognised.are_classes:
        classes = join_classes(labels, files, recognised, columns)
        metric = _choose_metric(_KINDS["classes"], options)
        return _Joined(
            _KINDS["classes"],
            f"{named[0]} holds classes ({', '.join(classes.cases.classes)}) and so do the predictions",
            {metric: classes.cells},
            cases,
            list_targets(metric, classes.cases.classes, multiclass=True),
            lambda procedure, engine: ClassEstimates(classes.cases, procedure, 1, engine),
            [*recognised.notes, *classes.notes],
        )
    scores = join_scores(labels, files, recognised, columns)
    return _Joined(
        _KINDS["scores"],
        f"the labels ({', '.join(named)}) are 1 and 0 and the predictions are scores",
        {_choose_metric(_KINDS["scores"], options): scores.cells},
        cases,
        named if len(named) == 1 else (MEAN, *named),
        lambda procedure, engine: ScoreEstimates(scores.test_set, procedure, 1, engine),
        [*recognised.notes, *scores.notes],
    )


def _join_detections(labels_path: Path | None, paths: Sequence[Path], options: Options) -> _Joined:
    if labels_path is None:
        raise InputError(
            f"{paths[0]} is a file of detections, and no annotations are given",
            "the ground truth in COCO's format (images, annotations, categories)",
            "name it with --labels",
        )
    found = join_detections(labels_path, paths, group_key=options.group_column)
    classes = found.cases.classes
    return _Joined(
        _KINDS["detections"],
        "the files are COCO's annotations and detections",
        {_choose_metric(_KINDS["detections"], options): found.cells},
        f"{len(found.cases.ground_truth['images']):,} images",
        classes if len(classes) == 1 else (MEAN, *classes),
        lambda procedure, _: DetectionEstimates(found.cases, procedure),
        found.notes,
    )


def _wanted(options: Options) -> str | None:
    """The kind that is asked for, where decisions of 1 and 0 may be taken as classes or as scores."""
    for name in ("scores", "classes"):
        kind = _KINDS[name]
        if options.metric in kind.metrics or options.test in {*kind.tests} - {"bootstrap"}:
            return name
    return None


def _choose_metric(kind: _Kind, options: Options) -> str:
    metric = options.metric or kind.metrics[0]
    if metric not in kind.metrics:
        raise InputError(
            f"--metric is {metric}, and the files hold {kind.name}",
            f"one of {', '.join(kind.metrics)}",
            "choose one of these, or give files of the other kind",
        )
    return metric


def _choose_quantity(cells: Mapping[str, Sequence[Cell[Any]]], options: Options) -> Mapping[str, Sequence[Cell[Any]]]:
    """All measured quantities, or the one that --metric names."""
    if options.metric is None:
        return cells
    chosen = {name: of_quantity for name, of_quantity in cells.items() if name.lower() == options.metric}
    if not chosen:
        raise InputError(
            f"--metric is {options.metric}, and the files hold {', '.join(cells)} (values, since no labels are given)",
            f"one of {', '.join(cells)}",
            "choose one of these, or name the file of labels with --labels",
        )
    return chosen


def _check_quantities(joined: _Joined, options: Options) -> None:
    unknown = [name for name in options.lower_is_better if name not in joined.cells]
    if unknown:
        raise InputError(
            f"--lower-is-better is {unknown[0]}, which is not compared{nearest(unknown[0], joined.cells)}",
            "a quantity that the files hold",
            "correct the name, or leave the option out",
        )


def _choose_test(joined: _Joined, options: Options) -> str:
    """The test of a comparison: the one asked for, or the one made for what the files hold."""
    kind = joined.kind
    test = options.test or (kind.tests[0] if _suits_all(joined, kind.tests[0]) else "bootstrap")
    if test not in kind.tests:
        raise InputError(
            f"--test is {test}, and the files hold {kind.name}",
            f"one of {', '.join(kind.tests)}",
            "choose one of these, or give files of the other kind",
        )
    return test


def _suits_all(joined: _Joined, test: str) -> bool:
    """Whether a test is made for what is compared."""
    return all(suits(test, metric) for metric in joined.cells)


def _resample(joined: _Joined, metric: str, estimates: Estimates[Any], procedure: Procedure) -> None:
    """Make the replicates, where some are needed, and say so: with many cases that takes minutes."""
    known = [target for target in joined.targets if not estimates.why_undefined(target)]
    targets = [target for target in known if not estimates.why_not_resampled(target)]
    resampled = [target for target in targets if estimates.primary_test(target) in _RESAMPLED]
    if not resampled:
        return
    cells = joined.cells[metric]
    title = f"bootstrap of {metric}: {procedure.resamples:,} resamples of {joined.cases}, {len(cells)} models"
    for cell in waiting(cells, title, len(cells)):
        estimates.replicates(cell, resampled[0])


def _make_procedure(kind: _Kind, metric: str, test: str, options: Options) -> Procedure:
    if not suits(test, metric):
        raise InputError(f"--test is {test} and --metric is {metric}", MADE_FOR[test], "take --test bootstrap")
    if options.adjustment == MAX_T and (test not in BOOTSTRAPS or options.reference != BEST):
        raise InputError(
            f"--adjustment is max_t, the test is {test} and the reference {options.reference}",
            "a bootstrap, of whose replicates max_t is made, and the best model as the reference",
            "add --test bootstrap and leave --reference out, or choose another adjustment",
        )
    known = METRICS.get(metric.lower(), Metric(metric, metric, True))
    higher = known.higher_is_better and metric not in options.lower_is_better
    return Procedure(
        metric=Metric(metric if metric.lower() != known.name else known.name, known.label, higher),
        primary=test,
        secondary=kind.secondary if options.test is None else (),
        policies=(BEST,) if options.reference == BEST else ("named",),
        reference=None if options.reference == BEST else options.reference,
        adjustment=options.adjustment,
        resamples=options.resamples,
        confidence_level=options.confidence_level,
        seed=seed_from(purpose="bootstrap", table="compare"),
    )


def _adjusted(compared: Sequence[ComparedRow], adjustment: str) -> list[ComparedRow]:
    rows = adjust_families([each.row for each in compared], adjustment=adjustment, family="cell")
    return [ComparedRow(row, each.notes) for row, each in zip(rows, compared, strict=True)]


def _reasons(joined: _Joined, test: str, options: Options) -> list[str]:
    """Say which test was taken and why, and what else could be."""
    kind = joined.kind
    if options.test:
        why = f"as asked for; {joined.evidence}"
    elif test != kind.tests[0]:
        why = f"{joined.evidence}; {kind.tests[0]} is made for the {METRICS[kind.metrics[0]].label} only"
    else:
        why = f"{joined.evidence}. {kind.why}"
    others = [other for other in kind.tests if other != test and _suits_all(joined, other)]
    reasons = [f"Test: {test}, because {why}." if not options.test else f"Test: {test}, {why}."]
    if others:
        reasons.append(f"Other tests for such files: {', '.join(f'--test {other}' for other in others)}.")
    unknown = [name for name in joined.cells if not kind.metrics and name.lower() not in METRICS]
    assumed = [name for name in unknown if name not in options.lower_is_better]
    if assumed:
        reasons.append(f"{', '.join(assumed)}: taken as better when higher; --lower-is-better NAME says otherwise.")
    return reasons


def _caution(unit: str) -> list[str]:
    if unit != "repeat":
        return []
    return [
        "the values are repeats: if all were tested on the same cases, these tests see only how much training varies "
        "and reject too often; compare the predictions themselves instead"
    ]
