"""What a table may ask of a task's predictions: metrics, tests, and what a study may not ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from evalkit.comparisons.targets import has_target
from evalkit.config.design import Design
from evalkit.config.loading import Study
from evalkit.config.tables import Table
from evalkit.errors import InputError
from evalkit.metrics import CLASS_METRICS, DETECTION_METRICS, IMAGE_METRICS, OVERALL_METRICS, SCORE_METRICS
from evalkit.plan import count_repeats

#: Tests that compare two fixed networks: they say nothing about other draws or other training seeds.
FIXED_NETWORKS = ("delong", "bootstrap", "mcnemar_exact", "stuart_maxwell")
#: Tests that are made for one metric; the other metrics of a table are compared by bootstrap instead.
MADE_FOR = {"delong": "auc", "mcnemar_exact": "accuracy", "stuart_maxwell": "accuracy"}
#: Tests that have replicates.
BOOTSTRAPS = ("bootstrap", "bootstrap_two_way", "map_bootstrap")


class Questions(NamedTuple):
    """What may be asked of a task's predictions: metrics, and tests of their differences."""

    metrics: tuple[str, ...]
    tests: tuple[str, ...]


_OF_SCORES = Questions(
    metrics=(*SCORE_METRICS, *CLASS_METRICS),
    tests=("delong", "bootstrap", "bootstrap_two_way", "ttest_paired", "mcnemar_exact", "stuart_maxwell"),
)
#: By task.
QUESTIONS = {
    "multilabel": _OF_SCORES,
    "multiclass": _OF_SCORES,
    "detection": Questions(metrics=DETECTION_METRICS, tests=("map_bootstrap",)),
    "inversion": Questions(metrics=IMAGE_METRICS, tests=("ttest_paired", "wilcoxon", "bootstrap")),
}


def shown_backbones(study: Study, name: str) -> list[str]:
    """A table's rows, in the study's order."""
    chosen = study.table(name).backbones
    return [key for key in study.backbones if chosen is None or key in chosen]


def shown_settings(study: Study, name: str) -> list[str]:
    """A table's settings, in the order of the study's table or evaluation."""
    table = study.table(name)
    return table.settings or study.evaluation(table.evaluation).list_settings()


def suits(test: str, metric: str) -> bool:
    """Whether a test is made for a metric, or for any."""
    return MADE_FOR.get(test, metric) == metric


def check_table(study: Study, name: str) -> None:
    """Refuse what a table cannot mean; needs no results.

    Raises
    ------
    InputError
        Metrics or tests that the task's predictions do not have; the paired t-test or Stuart-Maxwell's for
        conclusions; a test of two fixed networks in a setting with several
        runs; a test made for one metric where the table does not have it; metrics of called classes where several
        labels may hold for an image; a target that no metric has; max_t without a bootstrap or without policy best; a
        reference that is not among the table's rows.
    """
    table = study.table(name)
    place = f"{study.source}: tables.{name}"
    evaluation = study.evaluation(table.evaluation)
    _check_task(table, evaluation, place)
    _check_primary(table, evaluation, place)
    _check_secondary(table, place)
    _check_metrics(table, evaluation, place)
    settings = shown_settings(study, name)
    for key, test in _asked_tests(table):
        _check_test(test, table, evaluation, settings, f"{place}.{key}")
    if table.adjustment == "max_t" and ("best" not in table.policies or table.primary not in BOOTSTRAPS):
        raise InputError(
            f"{place}.adjustment is max_t, with primary {table.primary} and the policies {', '.join(table.policies)}",
            f"policy best, and {' or '.join(BOOTSTRAPS)} as primary: it is made of the bootstrap's replicates",
            "choose these, or another adjustment",
        )
    if table.reference and table.reference not in shown_backbones(study, name):
        raise InputError(
            f"{place}.reference is {table.reference!r}, which is not among its backbones",
            f"one of {', '.join(shown_backbones(study, name))}",
            f"add it to tables.{name}.backbones",
        )


def _asked_tests(table: Table) -> list[tuple[str, str]]:
    """Every test that a table names, with the key that names it."""
    tests = [("primary", table.primary), *([("paper", table.paper)] if table.paper else [])]
    return [*tests, *(("secondary", test) for test in table.secondary)]


def _check_task(table: Table, evaluation: Design, place: str) -> None:
    """Refuse metrics and tests that are made for another kind of predictions."""
    metrics, tests = QUESTIONS[evaluation.task]
    asked: list[tuple[str, str, tuple[str, ...]]] = [("metric", name, metrics) for name in table.metrics]
    asked += [(key, test, tests) for key, test in _asked_tests(table)]
    for key, name, valid in asked:
        if name not in valid:
            raise InputError(
                f"{place}.{key} is {name}, and {table.evaluation} is of task {evaluation.task}",
                f"one of {', '.join(valid)}",
                "choose one of these, or name another evaluation",
            )


def _check_secondary(table: Table, place: str) -> None:
    """Refuse a test that is asked for twice: its rows could not be told apart."""
    tests = [test for _, test in _asked_tests(table)]
    twice = [test for test in table.secondary if tests.count(test) > 1]
    if twice:
        raise InputError(
            f"{place}.secondary names {twice[0]}, which the table has already",
            "tests beside those under primary and paper, each once",
            "leave it out",
        )


def _check_primary(table: Table, evaluation: Design, place: str) -> None:
    """Refuse tests whose question is not the one that conclusions answer.

    The paired t-test compares the numbers of repeats, which were all measured on the same patients. Of an inversion it
    compares patients: each has one value (its images averaged), none is drawn a second time, and other patients are
    what its conclusions hold for. There it may be primary.
    """
    if table.primary == "ttest_paired" and evaluation.task != "inversion":
        raise InputError(
            f"{place}.primary is ttest_paired, which takes the test patients for fixed: it sees that draws vary, not "
            "that other patients would give other numbers, and finds differences too often",
            "a test whose conclusions hold for other patients",
            "set primary to bootstrap_two_way and, to show this test beside it, paper to ttest_paired",
        )
    if table.primary == "stuart_maxwell":
        raise InputError(
            f"{place}.primary is stuart_maxwell, which asks whether two models call each class equally often: one may "
            "be right far more often than the other and call them alike, or call them otherwise and be right as often",
            "a test of what the table shows, how often models are right",
            "set primary to mcnemar_exact and, to show this test beside it, paper to stuart_maxwell",
        )


def _check_metrics(table: Table, evaluation: Design, place: str) -> None:
    """Refuse metrics that the task's predictions do not have, and targets that no metric has."""
    multiclass = evaluation.task == "multiclass"
    of_calls = [metric for metric in table.metrics if metric in CLASS_METRICS]
    if of_calls and not multiclass:
        raise InputError(
            f"{place}.metric has {', '.join(of_calls)}, and {table.evaluation} is multilabel: its networks give a "
            "probability for each label and call no class",
            f"metrics of probabilities: {', '.join(SCORE_METRICS)}",
            "choose among these; where exactly one label holds for each image, set the evaluation's task to multiclass",
        )
    for target in table.targets or ():
        if not any(has_target(metric, target, multiclass=multiclass) for metric in table.metrics):
            raise InputError(
                f"{place}.targets names {target!r}, for which {', '.join(table.metrics)} has no number",
                "'all' for the accuracy and for metrics of single images"
                + (f" and for {', '.join(OVERALL_METRICS)}" if multiclass else "")
                + "; 'mean' and classes for the other metrics",
                "remove it from the targets, or add a metric that has it",
            )


def _check_test(test: str, table: Table, evaluation: Design, settings: Sequence[str], place: str) -> None:
    """Refuse a test of a metric that the table does not have, or of fixed networks where there are several runs."""
    if not any(suits(test, metric) for metric in table.metrics):
        raise InputError(
            f"{place} is {test} and the table's metrics are {', '.join(table.metrics)}",
            f"metric: {MADE_FOR[test]} among them, the only one that this test is made for",
            f"set it to bootstrap or bootstrap_two_way, or add {MADE_FOR[test]} to the table's metrics",
        )
    if evaluation.task == "inversion":
        return  # Of several runs, means of each image are compared, by every test.
    for setting in settings:
        runs = count_repeats(evaluation, setting)
        if test in FIXED_NETWORKS and runs > 1:
            key = place.rpartition(".")[2]
            raise InputError(
                f"{place} is {test}, and {setting} has {runs} runs of each backbone",
                f"one run: {test} compares two fixed networks and does not see that draws and seeds vary",
                f"set {key} to bootstrap_two_way, or name only settings with one run under the table's settings",
            )
