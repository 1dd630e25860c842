"""How a table compares: which test for which number, and what a study may not ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evalkit.comparisons.cells import TestSet
from evalkit.config.loading import Study
from evalkit.errors import InputError
from evalkit.metrics import METRICS, Metric
from evalkit.plan import count_repeats
from evalkit.seeds import seed_from

#: Tests that compare two fixed networks: they say nothing about other draws or other training seeds.
FIXED_NETWORKS = ("delong", "bootstrap")


@dataclass(frozen=True)
class Procedure:
    """What is asked of a comparison, by a study's table or by the options of ``evalkit compare``.

    Attributes
    ----------
    metric : Metric
    primary : str
        The test that conclusions use, as configured: delong, bootstrap, bootstrap_two_way or ttest_paired.
    paper : str or None
        The test a publication used.
    policies : tuple of str
        How references are chosen: best, named, baseline. The first is decisive.
    reference : str or None
        The backbone that policy named compares with.
    baselines : mapping of str to str
        The backbone that each one derives from, where both are compared.
    adjustment : str
        As `stats.adjust_pvalues` names it.
    family : str
        ``cell`` or ``table``: over which p-values the adjustment is made.
    resamples : int
        Bootstrap replicates.
    confidence_level : float
    seed : int
        Seed of the resampling; all models share the resamples.
    """

    metric: Metric
    primary: str
    policies: tuple[str, ...]
    paper: str | None = None
    reference: str | None = None
    baselines: Mapping[str, str] = field(default_factory=dict)
    adjustment: str = "holm"
    family: str = "cell"
    resamples: int = 10_000
    confidence_level: float = 0.95
    seed: int = 0

    def primary_test(self, test_set: TestSet, column: int | None, runs: int) -> str:
        """The test whose rows are primary for one target of a setting.

        DeLong's test is made for one class, so the mean over classes is compared by patient bootstrap; where patients
        have several cases its clustered form is used. A cell of one run has no repeats to resample or to pair.

        Parameters
        ----------
        test_set : TestSet
        column : int or None
            The class, or ``None`` for the mean over classes.
        runs : int
            Runs the study asks for in each cell of the setting.
        """
        if self.primary == "delong" and column is not None:
            return "delong_clustered" if test_set.patients_repeat(column) else "delong"
        return self.primary if runs > 1 and self.primary not in FIXED_NETWORKS else "bootstrap"


def make_procedure(study: Study, name: str) -> Procedure:
    """The procedure of a study's table, after `check_table`."""
    check_table(study, name)
    table = study.table(name)
    shown = shown_backbones(study, name)
    return Procedure(
        metric=METRICS[table.metric],
        primary=table.primary,
        paper=table.paper,
        policies=tuple(table.policies),
        reference=table.reference,
        baselines={
            key: entry.baseline
            for key, entry in study.backbones.items()
            if key in shown and entry.baseline and entry.baseline in shown
        },
        adjustment=table.adjustment,
        family=table.family,
        resamples=table.resamples,
        confidence_level=table.confidence_level,
        seed=seed_from(purpose="bootstrap", table=name, evaluation=table.evaluation),
    )


def shown_backbones(study: Study, name: str) -> list[str]:
    """A table's rows, in the study's order."""
    chosen = study.table(name).backbones
    return [key for key in study.backbones if chosen is None or key in chosen]


def shown_settings(study: Study, name: str) -> list[str]:
    """A table's settings, in the order of the study's table or evaluation."""
    table = study.table(name)
    return table.settings or study.evaluation(table.evaluation).list_settings()


def check_table(study: Study, name: str) -> None:
    """Refuse what a table cannot mean; needs no results.

    Raises
    ------
    InputError
        The paired t-test for conclusions, a test of two fixed networks in a setting with several runs, DeLong's test
        of another metric than the AUC, or a reference that is not among the table's rows.
    """
    table = study.table(name)
    place = f"{study.source}: tables.{name}"
    evaluation = study.evaluation(table.evaluation)
    if table.primary == "ttest_paired":
        raise InputError(
            f"{place}.primary is ttest_paired, which takes the test patients for fixed: it sees that draws vary, not "
            "that other patients would give other numbers, and finds differences too often",
            "a test whose conclusions hold for other patients",
            "set primary to bootstrap_two_way and, to show this test beside it, paper to ttest_paired",
        )
    for key, test in (("primary", table.primary), ("paper", table.paper)):
        if test == "delong" and table.metric != "auc":
            raise InputError(
                f"{place}.{key} is delong and its metric is {table.metric}",
                "metric: auc, the only one that DeLong's test is made for",
                f"set {key} to bootstrap or bootstrap_two_way",
            )
        for setting in shown_settings(study, name):
            runs = count_repeats(evaluation, setting)
            if test in FIXED_NETWORKS and runs > 1:
                raise InputError(
                    f"{place}.{key} is {test}, and {setting} has {runs} runs of each backbone",
                    f"one run: {test} compares two fixed networks and does not see that draws and seeds vary",
                    f"set {key} to bootstrap_two_way, or name only settings with one run under tables.{name}.settings",
                )
    if table.reference and table.reference not in shown_backbones(study, name):
        raise InputError(
            f"{place}.reference is {table.reference!r}, which is not among its backbones",
            f"one of {', '.join(shown_backbones(study, name))}",
            f"add it to tables.{name}.backbones",
        )
