"""What is evaluated: one task on one data set, in one or more settings, each repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from evalkit.config.design import Aggregate, Divided, PerClass, Regime, Trainset
from evalkit.config.detection import Detection
from evalkit.config.inversion import Inversion
from evalkit.config.recipe import Recipe
from evalkit.config.strict import Name, Strict, repeats
from evalkit.settings import all_settings

Fraction = Annotated[float, Field(gt=0, le=1)]


class Axes(Strict):
    """The axes of an evaluation; each combination of their values is one setting."""

    regime: list[Regime] | None = Field(
        None, min_length=1, description="finetune: the whole network; probe: a linear classifier on frozen features."
    )
    fraction: list[Fraction] | None = Field(
        None, min_length=1, description="Shares of the training patients. Multi-label only."
    )
    trainset: list[Trainset] | None = Field(
        None,
        min_length=1,
        description="Training images by class: all of them, as many of each class as the rarest has, counts given "
        "under 'modified', or all with copies that bring every class to the size of the largest. Multi-class only.",
    )

    @model_validator(mode="after")
    def _check(self) -> Axes:
        for axis, values in self:
            if values and repeats(values):
                raise ValueError(f"{axis} holds a value twice: {values}")
        return self


class Balancing(Strict):
    """How copies for the training set 'balanced' are made, once, after the split; each bound at 0 switches it off."""

    rotate: float = Field(10.0, ge=0, le=180, description="Largest rotation, in degrees, to either side.")
    zoom: float = Field(0.2, ge=0, le=0.5, description="Largest relative change of size, larger or smaller.")


class Probe(Strict):
    """The linear classifier on frozen features: logistic regression with an L2 penalty."""

    strengths: list[Annotated[float, Field(gt=0)]] = Field(
        [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0],
        min_length=1,
        description="Inverse penalties to try (C of scikit-learn, on standardised features); chosen on validation.",
    )
    iterations: PositiveInt = Field(500, description="Of the solver (L-BFGS), at most.")

    @model_validator(mode="after")
    def _check(self) -> Probe:
        if repeats(self.strengths):
            raise ValueError(f"strengths holds one twice: {self.strengths}")
        return self


class Classification(Divided):
    """Labels of images: any of them, or exactly one."""

    task: Literal["multilabel", "multiclass"] = Field(
        description="multilabel: any of the labels may hold for an image; multiclass: exactly one of them does."
    )
    settings: Axes = Axes.model_validate({})
    repeats: PositiveInt = Field(10, description="Random draws of each fraction below 1.")
    validation: Literal["fixed", "fraction"] = Field("fixed", description="Whether validation shrinks with fraction.")
    validation_per_class: PerClass | None = Field(
        None, description="Instead of validation_share: images of each class. Multi-class only."
    )
    test_per_class: PerClass | None = Field(
        None, description="Instead of test_share: images of each class. Multi-class only."
    )
    split_by: Literal["patient", "image"] = Field(
        "patient", description="image: a patient's images may be in training and validation both, as in some papers."
    )
    modified: dict[str, PerClass] | None = Field(
        None, description="Training images of each class for trainset=modified."
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: rare classes weigh more in the loss, all classes alike. Multi-class only."
    )
    balancing: Balancing = Balancing.model_validate({})
    missing_class: Literal["redraw", "keep"] = Field("redraw", description="When a draw has no positive of a class.")
    aggregate: Aggregate | None = Field(
        None, description="What is scored; images of a unit are averaged. By default as the data set prescribes."
    )
    test_on: list[Name] = Field([], description="Other data sets that each run is tested on as well.")
    keep_networks: bool = Field(
        False, description="Keep each fine-tuned network, so that a data set added to test_on needs no training."
    )
    recipe: Recipe | None = Field(None, description="How networks are trained; a probe alone needs none.")
    probe: Probe = Probe.model_validate({})

    @model_validator(mode="after")
    def _check(self) -> Classification:
        mistakes = [*self._check_axes(), *self._check_multiclass(), *self._check_effects()]
        if self.labels and repeats(self.labels):
            mistakes.append(f"labels holds a class twice: {self.labels}")
        if repeats(self.test_on) or self.dataset in self.test_on:
            mistakes.append(f"test_on is {self.test_on}; expected other data sets than {self.dataset!r}, each once")
        if mistakes:
            raise ValueError(*mistakes)
        return self

    def _check_axes(self) -> list[str]:
        mistakes = []
        if self.recipe is None:
            if "finetune" in self.regimes:
                mistakes.append("recipe is missing; give one, or set settings.regime to [probe]")
        elif isinstance(self.recipe.steps, dict):
            missing = [each for each in self.fractions if each not in self.recipe.steps]
            if missing:
                mistakes.append(f"recipe.steps has no entry for the fractions {missing}; give each fraction its steps")
        return mistakes

    def _check_multiclass(self) -> list[str]:
        """What only a task with exactly one class for each image can have."""
        chosen = self.settings.trainset or []
        if self.task == "multilabel":
            given = ["settings.trainset"] if chosen else []
            given += [
                name
                for name in ("validation_per_class", "test_per_class", "modified")
                if getattr(self, name) is not None
            ]
            if self.class_weights != "none":
                given.append("class_weights")
            return [f"{name} is for task multiclass; this one is multilabel" for name in given]
        mistakes = []
        if self.settings.fraction is not None:
            mistakes.append("settings.fraction is for task multilabel; a multi-class task has settings.trainset")
        if "balanced" in chosen and "probe" in self.regimes:
            mistakes.append("trainset 'balanced' has copies of images, of which a probe has no features; leave out one")
        if ("modified" in chosen) != (self.modified is not None):
            mistakes.append("trainset 'modified' and the counts under 'modified' go together")
        if self.modified and self.labels and set(self.modified) != set(self.labels):
            mistakes.append(f"modified has counts for {sorted(self.modified)}; expected one for each of {self.labels}")
        return mistakes

    def _check_effects(self) -> list[str]:
        """What is said and would change nothing."""
        given, multiclass = self.model_fields_set, self.task == "multiclass"
        idle = {
            "balancing": "no trainset is 'balanced'" if "balanced" not in self.trainsets else "",
            "probe": "settings.regime has no 'probe'" if "probe" not in self.regimes else "",
            "recipe": "settings.regime has no 'finetune'" if "finetune" not in self.regimes and self.recipe else "",
            "repeats": "a multi-class task draws nothing; 'seeds' repeats it" if multiclass else "",
            "validation": "a multi-class task has no fractions" if multiclass else "",
            "validation_share": "validation_per_class is given" if self.validation_per_class else "",
            "test_share": "test_per_class is given" if self.test_per_class else "",
        }
        return [
            f"{name} would change nothing: {why}; leave it out" for name, why in idle.items() if why and name in given
        ]

    @property
    def regimes(self) -> list[Regime]:
        """How backbones are used: fine-tuned, probed, or both."""
        return self.settings.regime or ["finetune"]

    @property
    def fractions(self) -> list[float]:
        """Shares of the training patients; 1 where nothing is drawn."""
        return self.settings.fraction or [1.0]

    @property
    def trainsets(self) -> list[Trainset]:
        """Choices of training images by class."""
        return self.settings.trainset or ["full"]

    @property
    def training(self) -> Recipe:
        """The recipe, where networks are trained."""
        if self.recipe is None:
            raise ValueError("an evaluation of a probe alone has no recipe")
        return self.recipe

    def list_settings(self) -> list[str]:
        """Every setting's name, in the order of the study file."""
        axes: dict[str, Sequence[Any]] = self.settings.model_dump(exclude_none=True)
        if self.task == "multilabel":
            axes |= {"regime": self.regimes, "fraction": self.fractions}
        else:
            axes |= {"trainset": self.trainsets}
        return all_settings(axes)


#: Any kind; its task says which.
Evaluation = Annotated[Classification | Detection | Inversion, Field(discriminator="task")]
