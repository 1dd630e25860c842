"""The study file: what is compared, on what, how, and which tables and figures come of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from evalkit.config.datasets import Dataset
from evalkit.config.evaluations import Evaluation
from evalkit.config.inversion import Inversion
from evalkit.config.strict import Name, Strict, nearest, repeats
from evalkit.config.tables import Counts, Figure, FractionsFigure, GeneratorFigure, RanksFigure, Table
from evalkit.settings import read_setting

FigureName = Annotated[str, Field(pattern=r"^figure[a-z0-9_]+$", max_length=80)]

#: Figures that every study has, whatever it says.
BUILT_IN = ("figure_pretraining", "figure_augmentations")


class StudyFile(Strict):
    """config/<study>.yaml."""

    study: Name
    title: str
    seed: int = Field(0, ge=0, description="Changes every draw and every training seed.")
    image_size: int = Field(ge=32, le=2048, description="Side of the square image a network sees, in pixels.")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 on a GPU that has it, but fp32 for the search of an inversion."
    )
    threads: PositiveInt = Field(1, description="CPU threads of a training process. Results depend on it.")
    backbones: list[Name] = Field(min_length=1, description="What is compared, in the tables' order.")
    datasets: dict[Name, Dataset] = Field(min_length=1)
    evaluations: dict[Name, Evaluation] = Field(min_length=1)
    tables: dict[Name, Table] = Field(default_factory=dict, description="Comparisons of backbones.")
    counts: dict[Name, Counts] = Field(default_factory=dict, description="Tables of how many images there are.")
    figures: dict[FigureName, Figure] = Field(
        default_factory=dict, description="Named figure..., such as figure3 or figure_roc."
    )
    notes: list[str] = Field(default_factory=list, description="Printed under every table.")

    @model_validator(mode="after")
    def _check(self) -> StudyFile:
        mistakes = [f"backbones holds one twice: {self.backbones}"] if repeats(self.backbones) else []
        for name, evaluation in self.evaluations.items():
            used = [("dataset", [evaluation.dataset]), ("test_on", evaluation.test_on)]
            for key, datasets in used:
                mistakes += _unknown(f"evaluations.{name}.{key}", datasets, self.datasets)
            if isinstance(evaluation, Inversion):
                mistakes += self._check_side(f"evaluations.{name}.generator", evaluation)
        for name in ("crosscheck", *BUILT_IN):
            for section in ("tables", "counts", "figures"):
                if name in getattr(self, section):
                    mistakes.append(f"{section} has one called {name}, which the workflow makes itself; rename it")
        mistakes += [f"{name} is in tables and in counts; rename one" for name in self.tables if name in self.counts]
        mistakes += [
            f"{section} has one called {name}; names that begin with figure are for figures; rename it"
            for section in ("tables", "counts")
            for name in getattr(self, section)
            if name.startswith("figure")
        ]
        for name, table in self.tables.items():
            mistakes += self._check_table(f"tables.{name}", table)
        for name, counts in self.counts.items():
            mistakes += _unknown(f"counts.{name}.evaluation", [counts.evaluation], self.evaluations)
            if counts.evaluation in self.evaluations and self.evaluations[counts.evaluation].task == "inversion":
                mistakes.append(f"counts.{name} counts {counts.evaluation!r}, an inversion, which has no classes")
        for name, figure in self.figures.items():
            mistakes += self._check_figure(f"figures.{name}", figure)
        if mistakes:
            raise ValueError(*mistakes)  # One argument for each: load_study lists them.
        return self

    def _check_side(self, place: str, evaluation: Inversion) -> Iterator[str]:
        """A generator's images are as large as the study's."""
        train = evaluation.generator.train
        if train is not None and train.spec.resolution != self.image_size:
            yield (
                f"{place}.train.spec.resolution is {train.spec.resolution} and image_size is {self.image_size}; make "
                "them equal"
            )
        elif self.image_size & (self.image_size - 1):
            yield f"{place}: image_size is {self.image_size}, and generators make images of a power of two"

    def _check_table(self, place: str, table: Table) -> Iterator[str]:
        yield from _unknown(f"{place}.reference", [table.reference] if table.reference else [], self.backbones)
        yield from _unknown(f"{place}.backbones", table.backbones or [], self.backbones)
        yield from _unknown(f"{place}.evaluation", [table.evaluation], self.evaluations)
        if table.evaluation in self.evaluations:
            evaluation = self.evaluations[table.evaluation]
            yield from _unknown(f"{place}.settings", table.settings or [], evaluation.list_settings())
            yield from _unknown(f"{place}.test_on", [table.test_on] if table.test_on else [], evaluation.test_on)
            if "identity" in table.metrics and isinstance(evaluation, Inversion) and evaluation.identity is None:
                yield (
                    f"{place}.metric has identity, and evaluations.{table.evaluation} names no backbone for it; name "
                    f"one under evaluations.{table.evaluation}.identity, or leave the metric out"
                )
            if evaluation.labels:
                yield from _unknown(f"{place}.targets", table.targets or [], ["mean", "all", *evaluation.labels])

    def _check_figure(self, place: str, figure: Figure) -> Iterator[str]:
        if isinstance(figure, FractionsFigure):
            yield from _unknown(f"{place}.table", [figure.table], self.tables)
            yield from self._check_fractions(place, figure.table)
        elif isinstance(figure, RanksFigure):
            yield from _unknown(f"{place}.tables", figure.tables, self.tables)
            yield from self._check_blocks(place, figure.tables)
        else:
            yield from _unknown(f"{place}.backbones", figure.backbones or [], self.backbones)
            yield from _unknown(f"{place}.evaluation", [figure.evaluation], self.evaluations)
            if figure.evaluation in self.evaluations:
                evaluation = self.evaluations[figure.evaluation]
                setting = [figure.setting] if figure.setting else []
                yield from _unknown(f"{place}.setting", setting, evaluation.list_settings())
                yield from _unknown(f"{place}.test_on", [figure.test_on] if figure.test_on else [], evaluation.test_on)
                if evaluation.task not in figure.tasks:
                    yield (
                        f"{place} is of kind {figure.kind} and {figure.evaluation} is {evaluation.task}, not "
                        f"{' or '.join(figure.tasks)}"
                    )
                if isinstance(figure, GeneratorFigure) and isinstance(evaluation, Inversion):
                    yield from self._check_training(place, figure, evaluation)

    def _check_training(self, place: str, figure: GeneratorFigure, evaluation: Inversion) -> Iterator[str]:
        """A figure of a generator's training needs one, with as many samples as it shows."""
        train, source = evaluation.generator.train, f"evaluations.{figure.evaluation}.generator"
        if train is None:
            yield (
                f"{place} shows how a generator was trained, and {source} is a file: nothing was trained; leave the "
                f"figure out, or give {source}.train instead of path"
            )
        elif train.recipe.samples < figure.images:
            yield (
                f"{place}.images is {figure.images} and {source}.train.recipe.samples is {train.recipe.samples}; show "
                "fewer, or take more samples, which trains the generator again"
            )

    def _check_fractions(self, place: str, name: str) -> Iterator[str]:
        """A figure of fractions needs several of them."""
        table = self.tables.get(name)
        if table is None or table.evaluation not in self.evaluations:
            return
        valid = self.evaluations[table.evaluation].list_settings()
        settings = [setting for setting in table.settings or valid if setting in valid]
        if len({read_setting(setting).fraction for setting in settings}) < 2:
            yield f"{place}.table names {name!r}, whose settings have one share of the labels; expected two or more"

    def _check_blocks(self, place: str, names: list[str]) -> Iterator[str]:
        """Tables of one evaluation on one data set are no independent blocks."""
        tables = {name: self.tables[name] for name in names if name in self.tables}
        seen: dict[tuple[str, str | None], str] = {}
        for name, table in tables.items():
            other = seen.setdefault((table.evaluation, table.test_on), name)
            if other != name:
                yield (
                    f"{place}.tables names {other!r} and {name!r}, which show one evaluation on one data set and are "
                    "no independent blocks; leave out one"
                )


def _unknown(place: str, names: Iterable[str], valid: Iterable[str]) -> list[str]:
    """Say which names do not exist."""
    valid = list(valid)
    return [
        f"{place} names {name!r}, which does not exist here{nearest(name, valid)}"
        for name in names
        if name not in valid
    ]
