"""What comes of a study: tables of comparisons, tables of counts, and figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from evalkit.config.strict import Name, Share, Strict, repeats

Test = Literal[
    "delong",
    "bootstrap",
    "bootstrap_two_way",
    "ttest_paired",
    "mcnemar_exact",
    "stuart_maxwell",
    "map_bootstrap",
    "wilcoxon",
]
MetricName = Literal[
    "auc",
    "auprc",
    "sensitivity95",
    "brier",
    "ece",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "ap50",
    "ap",
    "ap75",
    "psnr",
    "ssim",
    "rmse",
    "lpips",
    "ms_ssim",
    "identity",
]
Grouping = Literal["sex", "age", "view"]
Policy = Literal["best", "named", "baseline"]


class Table(Strict):
    """One results table: which numbers, which tests, against which reference."""

    title: str
    evaluation: Name
    metric: MetricName | list[MetricName] = Field("auc", description="One, or several.")
    settings: list[str] | None = Field(None, min_length=1, description="Settings to show; all by default.")
    targets: list[str] | None = Field(
        None,
        min_length=1,
        description="Classes, and 'mean' over them or 'all' cases, in order; by default as suits the metric.",
    )
    backbones: list[Name] | None = Field(None, min_length=1, description="Rows to show; all of the study's by default.")
    test_on: Name | None = Field(None, description="Another data set of the evaluation's test_on; else its own.")
    subgroups: list[Grouping] = Field([], description="Compare within sexes, age bands or views as well.")
    age_bands: list[Annotated[float, Field(gt=0)]] = Field(
        [18, 40, 60, 80], min_length=1, description="Ages, in years, at which a new band begins."
    )
    primary: Test = Field(description="The test that conclusions use.")
    paper: Test | None = Field(None, description="The test a publication used, shown beside the primary one.")
    secondary: list[Test] = Field([], description="Further tests to show.")
    policies: list[Policy] = Field(min_length=1, description="The first is decisive.")
    reference: Name | None = Field(None, description="The backbone that policy 'named' compares with.")
    adjustment: Literal["holm", "hochberg", "bonferroni", "bh", "by", "max_t"] = Field(
        "holm",
        description="max_t: by bootstrap over all pairs; it allows for the choice of the best, policy 'best' only.",
    )
    family: Literal["cell", "table"] = Field("cell", description="Over which p-values the adjustment is made.")
    columns: Literal["setting", "target", "metric"] = Field(
        "setting", description="What the rendered table's columns are."
    )
    resamples: int = Field(10_000, ge=100, description="Bootstrap replicates.")
    confidence_level: Share = 0.95
    decimals: int = Field(3, ge=1, le=6, description="Digits after the point in the renderings.")

    @model_validator(mode="after")
    def _check(self) -> Table:
        if ("named" in self.policies) != (self.reference is not None):
            raise ValueError("policy 'named' and 'reference' go together")
        if isinstance(self.metric, list) and not self.metric:
            raise ValueError("metric is an empty list; name one or more")
        for key in ("settings", "targets", "backbones", "policies", "subgroups", "metrics"):
            values = getattr(self, key) or []
            if repeats(values):
                raise ValueError(f"{key} holds one twice: {values}")
        if sorted(set(self.age_bands)) != self.age_bands:
            raise ValueError(f"age_bands is {self.age_bands}; expected ages in rising order")
        return self

    @property
    def metrics(self) -> list[MetricName]:
        """The metrics, one or more."""
        return self.metric if isinstance(self.metric, list) else [self.metric]


class Counts(Strict):
    """A table of images and patients per class, split and setting of an evaluation."""

    title: str
    evaluation: Name


class _OfRuns(Strict):
    """A figure of one setting of an evaluation."""

    title: str = ""
    evaluation: Name
    setting: str | None = Field(None, description="The setting to draw; the evaluation's last by default.")
    backbones: list[Name] | None = Field(None, min_length=1, description="All of the study's by default.")


class _OfSetting(_OfRuns):
    """A figure of one setting of a classification."""

    tasks: ClassVar[Sequence[str]] = ("multilabel", "multiclass")
    test_on: Name | None = Field(None, description="Another data set of the evaluation's test_on; else its own.")


class RocFigure(_OfSetting):
    """ROC curves with confidence bands, one panel for each class."""

    kind: Literal["roc"]
    confidence_level: Share = 0.95
    resamples: int = Field(2_000, ge=100, description="Bootstrap replicates of the bands.")


class ConfusionFigure(_OfSetting):
    """Confusion matrices of a multi-class evaluation, one panel for each backbone."""

    tasks: ClassVar[Sequence[str]] = ("multiclass",)
    kind: Literal["confusion"]


class CalibrationFigure(_OfSetting):
    """Reliability diagrams, one panel for each class or, for a multi-class evaluation, of the called class."""

    kind: Literal["calibration"]
    bins: int = Field(10, ge=2, le=50)


class _OfDetections(_OfRuns):
    """A figure of one setting of a detection."""

    tasks: ClassVar[Sequence[str]] = ("detection",)
    test_on: ClassVar[None] = None
    iou: Share = Field(0.5, description="Overlap (intersection over union) from which a detection finds a box.")


class PrecisionRecallFigure(_OfDetections):
    """Precision-recall curves of detectors with confidence bands, one panel for each class."""

    kind: Literal["precision_recall"]
    confidence_level: Share = 0.95
    resamples: int = Field(2_000, ge=100, description="Bootstrap replicates of the bands.")


class FrocFigure(_OfDetections):
    """Sensitivity of detectors against false positives per image, with confidence bands, one panel for each class."""

    kind: Literal["froc"]
    confidence_level: Share = 0.95
    resamples: int = Field(2_000, ge=100, description="Bootstrap replicates of the bands.")


class BoxesFigure(_OfDetections):
    """A few test images with their boxes, and beside them the boxes that each backbone's detector draws."""

    kind: Literal["boxes"]
    images: int = Field(4, ge=1, le=8, description="Images to show, drawn at random.")
    image_ids: list[str] | None = Field(
        None, min_length=1, max_length=8, description="Instead of images: these, in this order."
    )

    @model_validator(mode="after")
    def _check(self) -> BoxesFigure:
        if self.image_ids and "images" in self.model_fields_set:
            raise ValueError("images would change nothing: image_ids is given; leave one of them out")
        if self.image_ids and repeats(self.image_ids):
            raise ValueError(f"image_ids holds one twice: {self.image_ids}")
        return self


class _OfInversions(_OfRuns):
    """A figure of one setting of an inversion."""

    tasks: ClassVar[Sequence[str]] = ("inversion",)
    test_on: ClassVar[None] = None


class InversionsFigure(_OfInversions):
    """A few test images, what each backbone's inversion makes of them, and what is left over."""

    kind: Literal["inversions"]
    images: int = Field(4, ge=1, le=6, description="Images to show, drawn at random.")


class ConvergenceFigure(_OfInversions):
    """How the search for latents goes: a term of its objective against the step, one curve for each backbone."""

    kind: Literal["convergence"]
    term: Literal["pixel", "objective"] = Field(
        "pixel", description="pixel: mean squared difference of grey values; objective: the weighted sum of all terms."
    )


class GeneratorFigure(Strict):
    """The training of an inversion's generator: its samples on the way beside training images, and its course."""

    tasks: ClassVar[Sequence[str]] = ("inversion",)
    backbones: ClassVar[None] = None
    setting: ClassVar[None] = None
    test_on: ClassVar[None] = None
    kind: Literal["generator"]
    title: str = ""
    evaluation: Name
    images: int = Field(6, ge=1, le=10, description="Samples of each snapshot to show.")


class FractionsFigure(Strict):
    """A table's metric against the share of labels, with intervals and each repeat's point."""

    kind: Literal["fractions"]
    title: str = ""
    table: Name


class RanksFigure(Strict):
    """A critical-difference diagram over several tables, each one block: an independent data set or evaluation."""

    kind: Literal["cd"]
    title: str = ""
    tables: list[Name] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> RanksFigure:
        if repeats(self.tables):
            raise ValueError(f"tables holds one twice: {self.tables}")
        return self


Figure = Annotated[
    RocFigure
    | ConfusionFigure
    | CalibrationFigure
    | PrecisionRecallFigure
    | FrocFigure
    | BoxesFigure
    | InversionsFigure
    | ConvergenceFigure
    | GeneratorFigure
    | FractionsFigure
    | RanksFigure,
    Field(discriminator="kind"),
]

#: The kinds of figures that show images, whose pixels lie beside their rows.
WITH_PICTURES = ("boxes", "inversions", "generator")
