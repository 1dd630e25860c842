"""How a table compares: which test for which number, against which reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evalkit.comparisons.questions import check_table, shown_backbones, suits
from evalkit.config.loading import Study
from evalkit.metrics import METRICS, Metric
from evalkit.seeds import seed_from


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
    controls : tuple of str
        Rows that are no backbones to compare but what backbones are compared with; none is ever the best.
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
    controls: tuple[str, ...] = ()
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


def make_procedure(study: Study, name: str, metric: str) -> Procedure:
    """The procedure of one metric of a study's table, after `check_table`.

    A test that is made for another metric of the table gives way: the primary one to the bootstrap, others to none. The
    seed is the table's, so that its metrics share their resamples.
    """
    check_table(study, name)
    table = study.table(name)
    shown = shown_backbones(study, name)
    return Procedure(
        metric=METRICS[metric],
        primary=table.primary if suits(table.primary, metric) else "bootstrap",
        paper=table.paper if table.paper and suits(table.paper, metric) else None,
        secondary=tuple(test for test in table.secondary if suits(test, metric)),
        policies=tuple(table.policies),
        reference=table.reference,
        controls=tuple(key for key in shown if study.backbone(key).control),
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
