"""Supervised pretraining: a network trained from random initialisation on the labels of a data set of its own.

The folder of a backbone made here gets ``checkpoint.pth`` (plain names, head included) and, last, ``run.json``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evalkit.config.loading import Study
from evalkit.config.pretraining import Supervised
from evalkit.errors import InputError
from evalkit.fingerprints import code_hash
from evalkit.pretraining.recording import Made, recorded_pretraining
from evalkit.records import RunRecord
from evalkit.seeds import seed_from
from evalkit.training.classifier import Classifier, train_classifier, why_undefined
from evalkit.training.examples import Examples, load_examples
from evalkit.training.networks import untrained_network
from evalkit.training.objectives import MultilabelObjective
from evalkit.training.progress import Progress
from evalkit.training.session import training_session
from evalkit.training.state import write_tensors

#: Share of the patients kept for choosing what is best.
VALIDATION_SHARE = 0.1


def pretrain(study: Study, backbone: str) -> RunRecord:
    """Make a backbone's weights, unless they are made already.

    Returns
    -------
    RunRecord
        As it lies in the backbone's folder.

    Raises
    ------
    InputError
        The backbone is not made by supervised pretraining, its data have not been packed, or the training came to
        nothing.
    """
    entry = _entry(study, backbone)
    examples = load_examples(study, entry.data, entry.labels)
    train, validation = divide(examples, dataset=entry.data, seed=study.file.seed)
    network, recipe = untrained_network(study, backbone), entry.recipe
    steps = recipe.count_steps(images=len(train))
    with training_session(study) as session:
        facts: RunRecord = {
            "task": "supervised pretraining",
            "run": {"backbone": backbone, "data": entry.data, "steps": steps},
            "seed": seed_from(purpose="pretraining", backbone=backbone, seed=study.file.seed),
            "labels": list(examples.labels),
            "recipe": recipe.model_dump(mode="json", exclude={"steps", "epochs"}),
            "network": network.describe(),
            "data": {"train": train.describe(), "validation": validation.describe()},
            "code": code_hash(__name__),
            **session.describe(),  # type: ignore[typeddict-item]
        }
        _refuse(backbone, why_undefined(train, validation), "add labelled images to the data set")

        def learn(key: str, progress: Progress) -> Made:
            states = session.states(key, recipe)
            classifier = train_classifier(
                network,
                train,
                validation,
                recipe,
                objective=MultilabelObjective(),
                steps=steps,
                seed=facts["seed"],
                session=session,
                states=states,
                progress=progress,
            )
            best, record = classifier.best, classifier.describe()
            failure = "" if best.outcome == "done" else f"{best.outcome} after {best.step} of {steps} steps"
            _refuse(backbone, failure, f"lower lr ({best.lr:g}) or batch_size ({recipe.batch_size}) of its recipe")
            epoch, selection = best.step * recipe.batch_size // len(train), record["selection"]
            return Made(
                write=lambda path: _write_weights(path, classifier, arch=network.arch, epoch=epoch),
                record=record,
                states=states,
                summary=f"{selection['kind']} {selection['score']:.3f} on validation",
            )

        return recorded_pretraining(study, backbone, session, facts, examples.inputs, learn)


def divide(examples: Examples, *, dataset: str, seed: int) -> tuple[Examples, Examples]:
    """Keep a tenth of the patients, one at least, for choosing what is best.

    Returns
    -------
    tuple of Examples
        To train and to validate with.
    """
    patients = np.sort(examples.images["patient_id"].unique().astype(str))
    generator = np.random.default_rng(seed_from(purpose="pretraining validation", dataset=dataset, seed=seed))
    kept = generator.permutation(patients)[: max(1, round(VALIDATION_SHARE * len(patients)))]
    validating = examples.images["patient_id"].isin(kept)
    ids = examples.images["image_id"]
    return examples.select(ids[~validating]), examples.select(ids[validating])


def _entry(study: Study, backbone: str) -> Supervised:
    entry = study.backbone(backbone).pretrain
    if not isinstance(entry, Supervised):
        raise InputError(
            f"the backbone {backbone!r} is not made by supervised pretraining",
            "a backbone whose weights this workflow makes",
            "name another backbone, or add 'pretrain' to its entry",
        )
    return entry


def _refuse(backbone: str, failure: str, remedy: str) -> None:
    if failure:
        raise InputError(f"pretraining of {backbone}: {failure}", "a training that can be carried to its end", remedy)


def _write_weights(path: Path, classifier: Classifier, *, arch: str, epoch: int) -> None:
    tensors = {name: value.cpu().contiguous() for name, value in classifier.network.state_dict().items()}
    write_tensors(path, {"arch": arch, "epoch": epoch, "state_dict": tensors})
