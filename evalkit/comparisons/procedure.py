"""How a table compares: which test for which number, and what a study may not ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evalkit.config.loading import Study
from evalkit.errors import InputError
from evalkit.metrics import METRICS, Metric
from evalkit.plan import count_repeats
from evalkit.seeds import seed_from

#: Tests that compare two fixed networks: they say nothing about other draws or other training seeds.
FIXED_NETWORKS = ("delong", "bootstrap")
#: Tests that have replicates.
BOOTSTRAPS = ("bootstrap", "bootstrap_two_way", "map_bootstrap")


@dataclass(frozen=True)
class Procedure:
    """What is asked of a comparison, by a study's table or by the options of ``evalkit compare``.

    Attributes
    ----------
    metric : Metric
    primary : str
        The test that conclusions use, as configured; estimates take its clustered form where patients repeat.
    paper : str or None
        The test a publication used.
    secondary : tuple of str
        Further tests to show.
    policies : tuple of str
        How references are chosen: best, named, baseline. The first is decisive.
    reference : str or None
        The backbone that policy named compares with.
    baselines : mapping of str to str
        The backbone that each one derives from, where both are compared.
    adjustment : str
        As `stats.adjust_pvalues` names it, or max_t: see `evalkit.comparisons.simultaneous`.
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
    secondary: tuple[str, ...] = ()
    reference: str | None = None
    baselines: Mapping[str, str] = field(default_factory=dict)
    adjustment: str = "holm"
    family: str = "cell"
    resamples: int = 10_000
    confidence_level: float = 0.95
    seed: int = 0

    def further_tests(self, primary: str) -> list[tuple[str, str]]:
        """The tests shown beside the primary one, each with its role: paper or secondary."""
        asked = [(self.paper, "paper")] if self.paper else []
        asked += [(test, "secondary") for test in self.secondary]
        return [(test, role) for test, role in asked if test != primary]


def make_procedure(study: Study, name: str) -> Procedure:
    """The procedure of a study's table, after `check_table`."""
    check_table(study, name)
    table = study.table(name)
    shown = shown_backbones(study, name)
    return Procedure(
        metric=METRICS[table.metrics[0]],
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
        of another metric than the AUC, max_t without a bootstrap or without policy best, or a reference that is not
        among the table's rows.
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
        if test == "delong" and table.metrics != ["auc"]:
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
