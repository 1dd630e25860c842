"""Where a study's files are: every path below results/<study>/ is spelled here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: Files of a run folder, beside its record.
PREDICTIONS, VALIDATION, NETWORK = "predictions.parquet", "validation.parquet", "network.safetensors"
#: Those of a detection: COCO's files, of the test images and of the validation images.
GROUND_TRUTH, DETECTIONS = "ground_truth.json", "detections.json"
VALIDATION_TRUTH, VALIDATION_DETECTIONS = "validation_ground_truth.json", "validation_detections.json"
#: Those of an inversion, beside the measured `PREDICTIONS`.
RECONSTRUCTIONS, CURVES, LATENTS = "reconstructions.npz", "curves.parquet", "latents.npz"
#: Samples of a generator at each note of its training, beside its weights.
SNAPSHOTS = "snapshots.npz"


def external_predictions(dataset: str) -> str:
    """The file of a run folder that holds the predictions for another data set."""
    return f"predictions-{dataset}.parquet"


@dataclass(frozen=True)
class Layout:
    """The paths below one study's results folder.

    Attributes
    ----------
    root : pathlib.Path
        ``results/<study>``, relative to the working folder.
    """

    root: Path

    def phantom(self, dataset: str, layout: str) -> Path:
        """The folder a phantom data set is written to, in the layout of a format of the study file."""
        folder = {
            "chexpert": "CheXpert-v1.0-small",
            "nih": "ChestX-ray14",
            "folder": "classes",
            "kermany": "chest_xray",
            "siim": "siim-covid19-detection",
        }[layout]
        return self.root / "phantoms" / dataset / folder

    def manifest(self, dataset: str) -> Path:
        """The data set's table of images; beside it lies ``manifest.json``, the report of reading it."""
        return self.root / "datasets" / dataset / "manifest.parquet"

    def packed(self, dataset: str, size: int) -> Path:
        """The folder of a packed data set: ``images.npy``, ``index.parquet``, ``packing.json``."""
        return self.root / "datasets" / dataset / f"packed-{size}"

    def ragged(self, dataset: str, longest: int) -> Path:
        """The folder of a data set packed for detection: its images' longest side is `longest`, boxes beside them."""
        return self.root / "datasets" / dataset / f"ragged-{longest}"

    def apart(self, dataset: str, other: str) -> Path:
        """The mark that a data set to pretrain on shares no patient and no image with one to evaluate with."""
        return self.root / "datasets" / dataset / f"apart-from-{other}.json"

    def splits(self, evaluation: str) -> Path:
        """Who is in which split and draw; beside it lies the ``.json`` with counts and checks."""
        return self.root / "splits" / f"{evaluation}.parquet"

    def balanced(self, evaluation: str) -> Path:
        """The folder of an evaluation's training images with the copies that balance its classes, packed."""
        return self.root / "balanced" / evaluation

    def features(self, dataset: str, backbone: str) -> Path:
        """A backbone's features of every packed image of a data set (npy); beside them lies the ``.json``."""
        return self.root / "features" / dataset / f"{backbone}.npy"

    def features_job(self, dataset: str, backbone: str) -> Path:
        """The record of the job that computed these features; the workflow's mark that they are there."""
        return self.root / "jobs" / "features" / dataset / f"{backbone}.json"

    def pretraining(self, backbone: str) -> Path:
        """The folder of weights made by this study: ``checkpoint.pth`` and ``run.json``."""
        return self.root / "pretraining" / backbone

    def pretraining_job(self, backbone: str) -> Path:
        """The record of the job that made these weights; the workflow's mark that they are made."""
        return self.root / "jobs" / "pretraining" / f"{backbone}.json"

    def export(self, backbone: str) -> Path:
        """A backbone's weights in the layout of FAIR MoCo."""
        return self.root / "exports" / f"{backbone}-moco.pth"

    def weights(self, backbone: str) -> Path:
        """Canonical weights; beside them lies the ``.json``, the load report."""
        return self.root / "backbones" / f"{backbone}.safetensors"

    def generator(self, evaluation: str) -> Path:
        """The generator of an inversion: weights, and beside them the ``.json``, how it was made or read."""
        return self.root / "generators" / evaluation / "generator.safetensors"

    def generator_job(self, evaluation: str) -> Path:
        """The record of the job that made or read this generator; the workflow's mark that it is there."""
        return self.root / "jobs" / "generators" / f"{evaluation}.json"

    def run(self, evaluation: str, setting: str, backbone: str, repeat: int) -> Path:
        """The folder of one run: ``predictions.parquet``, ``validation.parquet``, ``run.json``."""
        return self.root / "runs" / evaluation / setting / backbone / f"repeat-{repeat}"

    def job(self, evaluation: str, setting: str, backbone: str, repeats: str) -> Path:
        """The record of a job that did some repeats (``0-9``) of a cell; the workflow's mark that they are done."""
        return self.root / "jobs" / evaluation / setting / backbone / f"repeats-{repeats}.json"

    def training_state(self, key: str) -> Path:
        """Where an unfinished training leaves its state, so that it can go on."""
        return self.root / "state" / f"{key}.pt"

    def report(self, name: str) -> Path:
        """A table or figure of this study, named with its ending."""
        return self.root / "reports" / name
