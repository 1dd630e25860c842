"""Fine-tuning: the whole network is trained, from the backbone's weights or from scratch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.fingerprints import code_hash
from evalkit.layout import NETWORK
from evalkit.records import RunRecord
from evalkit.training.classifier import Classifier, recall_predictor, train_classifier
from evalkit.training.examples import Examples
from evalkit.training.progress import Progress
from evalkit.training.state import TrainingState
from tasks.classification import runs
from tasks.classification.plans import Plan


@dataclass(frozen=True)
class Finetuned(runs.Learned):
    """A trained network, and where its training left its state."""

    classifier: Classifier
    states: list[TrainingState]
    keeps: bool

    def describe(self) -> RunRecord:
        """How the training went."""
        return self.classifier.describe()

    def predict(self, examples: Examples) -> NDArray[np.float64]:
        """Probabilities, shape (images, classes)."""
        return self.classifier.predictor.predict(examples)

    def keep(self, folder: Path) -> list[str]:
        """Keep the network, where the study says so."""
        if not self.keeps:
            return []
        self.classifier.predictor.save(folder / NETWORK)
        return [NETWORK]

    def discard(self) -> None:
        """Remove the states."""
        for state in self.states:
            state.discard()


class Finetuning(runs.Learner):
    """Trains by the evaluation's recipe."""

    def facts(self, plan: Plan) -> RunRecord:
        """What decides the result; the budget is in the steps, and that of other fractions not this run's business."""
        recipe = plan.material.entry.training.model_dump(mode="json", exclude={"steps", "epochs"})
        return plan.facts(recipe=recipe, steps=_count_steps(plan), code=code_hash(__name__))

    def learn(self, plan: Plan, key: str, progress: Progress) -> Finetuned:
        """Train; an unfinished training with the same key is gone on with."""
        recipe = plan.material.entry.training
        states = plan.session.states(key, recipe)
        classifier = train_classifier(
            plan.material.network,
            plan.train,
            plan.validation,
            recipe,
            objective=plan.objective,
            steps=_count_steps(plan),
            seed=plan.seed,
            session=plan.session,
            states=states,
            progress=progress,
        )
        return Finetuned(classifier, states, plan.material.entry.keep_networks)

    def recall(self, plan: Plan, record: Mapping[str, Any]) -> Callable[[Examples], NDArray[np.float64]] | None:
        """The network that was kept, if one was."""
        if NETWORK not in record["outputs"]:
            return None
        predictor = recall_predictor(
            plan.material.network,
            plan.folder / NETWORK,
            classes=len(plan.train.labels),
            side=plan.train.packed.shape[1],
            objective=plan.objective,
            hardware=plan.session.hardware,
            batch_size=record["micro_batch"],
        )
        return predictor.predict


def _count_steps(plan: Plan) -> int:
    return plan.material.entry.training.count_steps(images=len(plan.train), fraction=plan.material.axes.fraction)
