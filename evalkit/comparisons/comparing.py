"""From the cells of one setting to its rows: every backbone, target, policy and test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from evalkit.comparisons.cells import Cell
from evalkit.comparisons.estimation.base import Difference, Effect, Estimates
from evalkit.comparisons.policies import choose_reference, find_best
from evalkit.comparisons.procedure import Procedure
from evalkit.comparisons.rows import Row
from evalkit.comparisons.simultaneous import compare_column_with_best


@dataclass(frozen=True)
class Place:
    """Where the rows of a setting and subgroup belong: the values of the columns of these names."""

    table: str
    study: str
    dataset: str
    evaluation: str
    setting: str
    subgroup: str = "all"


@dataclass(frozen=True)
class ComparedRow:
    """A row, not yet adjusted for its family, what a reader must know of its test, and how large the difference is."""

    row: Row
    notes: tuple[str, ...] = ()
    effect: Effect | None = None


def compare_setting(
    place: Place, estimates: Estimates, cells: Sequence[Cell], targets: Sequence[str], procedure: Procedure
) -> list[ComparedRow]:
    """Compare the backbones of one setting, by one metric and in one subgroup.

    Parameters
    ----------
    place : Place
    estimates : Estimates
        Of the kind that the cells' outcomes are.
    cells : sequence of Cell
        In the study's order.
    targets : sequence of str
        In the order of the rows.
    procedure : Procedure

    Returns
    -------
    list of ComparedRow
        For each backbone and target exactly one row with role primary: under the first policy, either the
        backbone's own row as reference or its comparison with the reference.
    """
    compared: list[ComparedRow] = []
    for target in targets:
        compared += _Column(place, target, cells, procedure, estimates).rows()
    return compared


class _Column:
    """One target of one setting: the numbers that a reference is chosen among."""

    def __init__(
        self, place: Place, target: str, cells: Sequence[Cell], procedure: Procedure, estimates: Estimates
    ) -> None:
        self._place, self._target, self._procedure, self._of = place, target, procedure, estimates
        self._cells = {cell.backbone: cell for cell in cells}
        self._estimates = {cell.backbone: estimates.estimate(cell, target) for cell in cells}
        # A control is there to be measured against: it is never the best, nor one of those the best is chosen from.
        rivals = [cell for cell in cells if cell.backbone not in procedure.controls]
        values = {cell.backbone: self._estimates[cell.backbone].value for cell in rivals}
        self._best = find_best(
            values,
            higher_is_better=procedure.metric.higher_is_better,
            complete=[cell.backbone for cell in rivals if cell.status == "ok"],
        )
        self._against_best = compare_column_with_best(estimates, rivals, target, values, procedure)

    def rows(self) -> Iterator[ComparedRow]:
        """Every backbone's rows, policy by policy."""
        for cell in self._cells.values():
            for policy in self._procedure.policies:
                yield from self._rows_of(cell, policy)

    def _rows_of(self, cell: Cell, policy: str) -> Iterator[ComparedRow]:
        first = policy == self._procedure.policies[0]
        reference = choose_reference(policy, cell.backbone, self._best, self._procedure)
        if policy == "baseline" and reference is None and not first:
            return
        leading = "primary" if first else "secondary"
        row = self._base_row(cell, policy, reference or "")
        if reference == cell.backbone:
            status = "reference" if row.status == "ok" else row.status
            yield ComparedRow(replace(row, role=leading, status=status))
            return
        tests = [(self._of.primary_test(self._target), leading), *self._of.further_tests(self._target)]
        for test, role in tests:
            difference = self._difference(cell, reference, policy, test)
            compared = replace(
                row,
                role=role,
                test=test,
                difference=difference.value,
                difference_ci_low=difference.low,
                difference_ci_high=difference.high,
                statistic=difference.statistic,
                df=difference.df,
                p_value=difference.p_value,
                status=difference.status,
            )
            if self._against_best is not None:
                compared = self._against_best.adjust(compared)
            yield ComparedRow(compared, difference.notes, difference.effect)

    def _difference(self, cell: Cell, reference: str | None, policy: str, test: str) -> Difference:
        own = self._estimates[cell.backbone].status
        if not cell.repeats or self._of.why_undefined(self._target):
            return Difference(status=own)
        if reference is None:
            return Difference(status=f"undefined: no {policy}")
        other = self._cells[reference]
        if not other.repeats:
            return Difference(status=f"undefined: reference {other.missing}")
        return self._of.compare(cell, other, self._target, test)

    def _base_row(self, cell: Cell, policy: str, reference: str) -> Row:
        estimate = self._estimates[cell.backbone]
        return Row(
            **vars(self._place),
            backbone=cell.backbone,
            label=cell.label,
            target=self._target,
            metric=self._procedure.metric.name,
            higher_is_better=self._procedure.metric.higher_is_better,
            unit=self._of.unit,
            n=estimate.n,
            n_clusters=estimate.n_clusters,
            estimate=estimate.value,
            sd=estimate.sd,
            ci_low=estimate.low,
            ci_high=estimate.high,
            ci_method=estimate.ci_method,
            reference=reference,
            policy=policy,
            role="",
            status=estimate.status,
        )
