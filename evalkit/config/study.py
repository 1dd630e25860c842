"""The study file: what is compared, on what, how, and which tables come of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from evalkit.config.datasets import Dataset
from evalkit.config.recipe import Recipe
from evalkit.config.strict import Name, Share, Strict, nearest
from evalkit.settings import all_settings

Fraction = Annotated[float, Field(gt=0, le=1)]
Test = Literal["delong", "bootstrap", "bootstrap_two_way", "ttest_paired"]


def _repeats(values: Sequence[object]) -> bool:
    return len(set(values)) < len(values)


class Axes(Strict):
    """The axes of an evaluation; each combination of their values is one setting."""

    regime: list[Literal["finetune"]] = Field(["finetune"], min_length=1)
    fraction: list[Fraction] = Field([1.0], min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Axes:
        for axis, values in self:
            if _repeats(values):
                raise ValueError(f"{axis} holds a value twice: {values}")
        return self


class Evaluation(Strict):
    """One task on one data set, in one or more settings, each repeated."""

    task: Literal["multilabel"]
    dataset: Name
    labels: list[str] | None = Field(None, min_length=1, description="Classes to predict; else the data set's default.")
    settings: Axes = Axes.model_validate({})
    repeats: PositiveInt = Field(10, description="Random draws of each fraction below 1.")
    seeds: PositiveInt = Field(1, description="Runs of each cell that has no draw (fraction 1).")
    validation: Literal["fixed", "fraction"] = Field("fixed", description="Whether validation shrinks with fraction.")
    validation_share: Share = Field(0.1, description="Share of the training patients kept for model selection.")
    test_share: Share = Field(0.2, description="Share of patients for testing, where the data set has no test split.")
    missing_class: Literal["redraw", "keep"] = Field("redraw", description="When a draw has no positive of a class.")
    unit: Literal["image", "study", "patient"] | None = Field(
        None, description="What is scored; images of a unit are averaged. By default as the data set prescribes."
    )
    recipe: Recipe
    repeats_per_job: PositiveInt = Field(10, description="Runs that share a process, which saves its start-up.")

    @model_validator(mode="after")
    def _check(self) -> Evaluation:
        if isinstance(self.recipe.steps, dict):
            missing = [fraction for fraction in self.settings.fraction if fraction not in self.recipe.steps]
            if missing:
                raise ValueError(f"recipe.steps has no entry for the fractions {missing}; give each fraction its steps")
        if self.labels and _repeats(self.labels):
            raise ValueError(f"labels holds a class twice: {self.labels}")
        return self

    def list_settings(self) -> list[str]:
        """Every setting's name, in the order of the study file."""
        return all_settings(self.settings.model_dump())


class Table(Strict):
    """One results table: which numbers, which tests, against which reference."""

    title: str
    evaluation: Name
    metric: Literal["auc", "auprc"] = "auc"
    settings: list[str] | None = Field(None, min_length=1, description="Settings to show; all by default.")
    targets: list[str] | None = Field(
        None, min_length=1, description="Classes and 'mean', in order; the mean and all by default."
    )
    backbones: list[Name] | None = Field(None, min_length=1, description="Rows to show; all of the study's by default.")
    primary: Test = Field(description="The test that conclusions use.")
    paper: Test | None = Field(None, description="The test a publication used, shown beside the primary one.")
    policies: list[Literal["best", "named", "baseline"]] = Field(min_length=1, description="The first is decisive.")
    reference: Name | None = Field(None, description="The backbone that policy 'named' compares with.")
    adjustment: Literal["holm", "hochberg", "bonferroni", "bh", "by", "max_t"] = Field(
        "holm",
        description="max_t: by bootstrap over all pairs; it allows for the choice of the best, policy 'best' only.",
    )
    family: Literal["cell", "table"] = Field("cell", description="Over which p-values the adjustment is made.")
    columns: Literal["setting", "target"] = Field("setting", description="What the rendered table's columns are.")
    resamples: int = Field(10_000, ge=100, description="Bootstrap replicates.")
    confidence_level: Share = 0.95
    decimals: int = Field(3, ge=1, le=6, description="Digits after the point in the renderings.")

    @model_validator(mode="after")
    def _check(self) -> Table:
        if ("named" in self.policies) != (self.reference is not None):
            raise ValueError("policy 'named' and 'reference' go together")
        for key in ("settings", "targets", "backbones", "policies"):
            values = getattr(self, key) or []
            if _repeats(values):
                raise ValueError(f"{key} holds one twice: {values}")
        return self


class StudyFile(Strict):
    """config/<study>.yaml."""

    study: Name
    title: str
    seed: int = Field(0, ge=0, description="Changes every draw and every training seed.")
    image_size: int = Field(ge=32, le=2048, description="Side of the square image a network sees, in pixels.")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 on a GPU that has it.")
    threads: PositiveInt = Field(1, description="CPU threads of a training process. Results depend on it.")
    backbones: list[Name] = Field(min_length=1, description="What is compared, in the tables' order.")
    datasets: dict[Name, Dataset] = Field(min_length=1)
    evaluations: dict[Name, Evaluation] = Field(min_length=1)
    tables: dict[Name, Table] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list, description="Printed under every table.")

    @model_validator(mode="after")
    def _check(self) -> StudyFile:
        mistakes = [f"backbones holds one twice: {self.backbones}"] if _repeats(self.backbones) else []
        for name, evaluation in self.evaluations.items():
            if evaluation.dataset not in self.datasets:
                mistakes.append(
                    f"evaluations.{name}.dataset is {evaluation.dataset!r}, which this study does not have"
                    + nearest(evaluation.dataset, self.datasets)
                )
        if "crosscheck" in self.tables:
            mistakes.append("tables has one called crosscheck, which is the name of the check against R; rename it")
        for name, table in self.tables.items():
            mistakes += self._check_table(f"tables.{name}", table)
        if mistakes:
            raise ValueError(*mistakes)  # One argument for each: load_study lists them.
        return self

    def _check_table(self, place: str, table: Table) -> list[str]:
        named = [("reference", [table.reference] if table.reference else [], self.backbones)]
        named.append(("backbones", table.backbones or [], self.backbones))
        mistakes = []
        if table.evaluation in self.evaluations:
            evaluation = self.evaluations[table.evaluation]
            named.append(("settings", table.settings or [], evaluation.list_settings()))
            if evaluation.labels:
                named.append(("targets", table.targets or [], ["mean", *evaluation.labels]))
        else:
            mistakes.append(
                f"{place}.evaluation is {table.evaluation!r}, which this study does not have"
                + nearest(table.evaluation, self.evaluations)
            )
        return mistakes + [
            f"{place}.{key} names {value!r}, which does not exist here{nearest(value, names)}"
            for key, values, names in named
            for value in values
            if value not in names
        ]
