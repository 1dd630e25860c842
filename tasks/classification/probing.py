"""A linear probe: logistic regression on features of the frozen backbone, its strength chosen on validation."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from evalkit.config.evaluations import Probe
from evalkit.fingerprints import code_hash
from evalkit.records import RunRecord
from evalkit.training.examples import Examples
from evalkit.training.features import Features, load_features
from evalkit.training.progress import Progress
from evalkit.training.selection import Score
from tasks.classification import runs
from tasks.classification.plans import Material, Plan

Floats = NDArray[np.float64]

#: Probabilities are kept this far from 0 and 1.
_MARGIN = 1e-12


@dataclass(frozen=True)
class Linear:
    """A fitted linear classifier.

    Attributes
    ----------
    weights : ndarray (classes, d)
    bias : ndarray (classes,)
        Infinite for a class that all training images, or none of them, belong to.
    mean, scale : ndarray (d,)
        Of the training images' features.
    multiclass : bool
        Whether the classes' probabilities add up to 1.
    """

    weights: Floats
    bias: Floats
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    multiclass: bool

    def probabilities(self, features: NDArray[np.float32]) -> Floats:
        """Probabilities of features (n, d), shape (n, classes)."""
        logits = standardise(features, self.mean, self.scale).astype(np.float64) @ self.weights.T + self.bias
        values: Floats = softmax(logits, axis=1) if self.multiclass else expit(logits)
        return values


@dataclass(frozen=True)
class Probed(runs.Learned):
    """The probe that was best on validation, and how all of them did."""

    best: Linear
    features: dict[str, Features]
    tried: list[dict[str, Any]]
    chosen: int

    def describe(self) -> RunRecord:
        """How the strengths did on validation."""
        kept = self.tried[self.chosen]
        return {
            "outcome": "done",
            "selection": {
                "strength": kept["strength"],
                "score": kept["score"],
                "kind": kept["kind"],
                "tried": self.tried,
            },
        }

    def predict(self, examples: Examples) -> Floats:
        """Probabilities, shape (images, classes)."""
        return self.best.probabilities(_rows(self.features[examples.dataset], examples))

    def keep(self, folder: Path) -> list[str]:
        """Nothing: a probe takes seconds."""
        return []

    def discard(self) -> None:
        """Nothing was kept."""


@dataclass(frozen=True)
class Probing(runs.Learner):
    """Fits logistic regression.

    Attributes
    ----------
    features : dict of str to Features
        By data set: the evaluation's own, and others to test on.
    """

    features: dict[str, Features]

    def facts(self, plan: Plan) -> RunRecord:
        """What decides the result."""
        probe = plan.material.entry.probe.model_dump(mode="json")
        facts = plan.facts(recipe=probe, steps=0, code=code_hash(__name__))
        facts["features"] = self.features[plan.material.entry.dataset].key
        return facts

    def learn(self, plan: Plan, key: str, progress: Progress) -> Probed:
        """Fit once for each strength, and keep the one with the best validation score, the first of equals."""
        entry, own = plan.material.entry, self.features[plan.material.entry.dataset]
        train, validation = _rows(own, plan.train), _rows(own, plan.validation)
        fits = fit_strengths(
            train,
            plan.train.targets,
            entry.probe,
            multiclass=entry.task == "multiclass",
            balanced=entry.class_weights == "balanced",
        )
        tried, scores = [], []
        for strength, (linear, iterations) in zip(sorted(entry.probe.strengths), fits, strict=True):
            score = _score(plan, linear.probabilities(validation))
            scores.append(score.value)
            tried.append({"strength": strength, "score": score.value, "kind": score.kind, "iterations": iterations})
            if iterations >= entry.probe.iterations:
                progress.say(f"strength {strength:g}: stopped after {iterations} iterations, before it converged")
        chosen = int(np.argmax(scores))
        return Probed(fits[chosen][0], self.features, tried, chosen)

    def recall(self, plan: Plan, record: Mapping[str, Any]) -> None:
        """None is kept."""


def load_probing(material: Material) -> Probing:
    """Load the features that a cell's probes need.

    Raises
    ------
    InputError
        They have not been made, or were made from something else.
    """
    datasets = [material.entry.dataset, *material.external]
    return Probing({name: load_features(material.study, name, material.backbone) for name in datasets})


def fit_strengths(
    features: NDArray[np.float32],
    targets: NDArray[np.float32],
    probe: Probe,
    *,
    multiclass: bool,
    balanced: bool,
) -> list[tuple[Linear, int]]:
    """Fit a linear classifier for each strength, the weakest (the largest penalty) first, each from the last one.

    Parameters
    ----------
    features : ndarray of float32, shape (n, d)
        Standardised here by their own mean and standard deviation.
    targets : ndarray, shape (n, classes)
        1, 0, or NaN where an image takes no part for a class (multi-label only).
    probe : Probe
    multiclass : bool
        One softmax over the classes, instead of one logistic regression for each.
    balanced : bool
        Weigh classes alike.

    Returns
    -------
    list of tuple of Linear and int
        In rising order of strength, with the iterations of the slowest fit. A label of which all images say the same
        gets that share as its probability.
    """
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = features.std(axis=0, dtype=np.float64).astype(np.float32)
    # A feature that is the same for all training images says nothing, and must not blow up on others.
    scale[scale < 1e-6 * max(float(np.abs(mean).max(initial=0.0)), 1e-30)] = np.inf
    standard = standardise(features, mean, scale)
    problems = [(standard, targets.argmax(axis=1))] if multiclass else _of_labels(standard, targets)
    solvers = [
        LogisticRegression(max_iter=probe.iterations, warm_start=True, class_weight="balanced" if balanced else None)
        for _ in problems
    ]
    fitted = []
    for strength in sorted(probe.strengths):
        weights = np.zeros((targets.shape[1], features.shape[1]))
        bias = np.full(targets.shape[1], -np.inf)
        iterations = 0
        for column, (solver, (inputs, answers)) in enumerate(zip(solvers, problems, strict=True)):
            found = np.unique(answers)
            if len(found) < 2:
                bias[found if multiclass else column] = 0.0 if multiclass or not len(found) else logit(found[0])
                continue
            solver.set_params(C=strength)
            with warnings.catch_warnings():
                # Recorded with the iterations, and said by whoever asked.
                warnings.simplefilter("ignore", ConvergenceWarning)
                solver.fit(inputs, answers)
            iterations = max(iterations, int(solver.n_iter_.max()))
            if multiclass:
                # Of two classes there is one row: the log-odds of the second.
                two = len(found) == 2
                weights[found] = np.vstack([0 * solver.coef_, solver.coef_]) if two else solver.coef_
                bias[found] = np.append(0.0, solver.intercept_) if two else solver.intercept_
            else:
                weights[column], bias[column] = solver.coef_[0], solver.intercept_[0]
        fitted.append((Linear(weights, bias, mean, scale, multiclass), iterations))
    return fitted


def standardise(
    features: NDArray[np.float32], mean: NDArray[np.float32], scale: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Features with mean 0 and standard deviation 1; those whose `scale` is infinite become 0."""
    return (features - mean) / scale


def _of_labels(standard: NDArray[np.float32], targets: NDArray[np.float32]) -> list[tuple[NDArray, NDArray]]:
    known = ~np.isnan(targets)
    return [
        (
            standard if known[:, column].all() else standard[known[:, column]],
            targets[known[:, column], column].astype(int),
        )
        for column in range(targets.shape[1])
    ]


def _rows(features: Features, examples: Examples) -> NDArray[np.float32]:
    rows: Sequence[int] = examples.images["row"].to_numpy(np.int64)
    return np.asarray(features.values[rows])


def _score(plan: Plan, probabilities: Floats) -> Score:
    """The validation score that fine-tuning uses, too; log-odds order and classify as probabilities do."""
    clipped = np.clip(probabilities, _MARGIN, 1 - _MARGIN)
    return plan.objective.score(plan.validation.targets, logit(clipped).astype(np.float32))
