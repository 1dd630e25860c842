"""What a fine-tuning job costs before its first batch, imports aside, on a packed data set of 200,000 images.

The data set is simulated: labels at random, pixels black (a sparse file). Printed are the seconds of each part, the
median over a few jobs: reading labels, pixels' index and splits; choosing a repeat's images; everything else until the
first batch is on the device.

    python benchmarks/job_start.py --images 200000
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

SIDE, LABELS = 32, ["Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"]


def simulate(folder: Path, images: int):
    """Write a data set as reading and packing leave it, and its splits."""
    from evalkit.atomic import write_json, write_parquet
    from evalkit.config.loading import load_study
    from evalkit.datasets.manifest import Manifest, write_manifest
    from evalkit.splits.making import make_splits
    from evalkit.splits.stored import write_splits

    recipe = {"lr": 0.001, "batch_size": 32, "steps": 1}
    evaluation = {"task": "multilabel", "dataset": "many", "settings": {"fraction": [0.01, 1.0]}, "recipe": recipe}
    study = {"study": "job-start", "title": "Job start", "image_size": SIDE, "device": "cpu", "backbones": ["scratch"]}
    study |= {"datasets": {"many": {"format": "csv", "root": "."}}, "evaluations": {"main": evaluation}}
    (folder / "job-start.yaml").write_text(yaml.safe_dump(study))
    entries = {"scratch": {"label": "Scratch", "arch": "resnet10t", "in_channels": 1}}
    (folder / "backbones.yaml").write_text(yaml.safe_dump(entries))
    loaded = load_study("job-start.yaml")
    random = np.random.default_rng(0)
    patients = np.array([f"patient{number:06d}" for number in np.sort(random.integers(0, images // 3, images))])
    rows = pd.DataFrame({"image_id": [f"CheXpert-v1.0/train/{p}/study1/view{k}" for k, p in enumerate(patients)]})
    rows["patient_id"], rows["study_id"] = patients, patients + "/study1"
    rows["path"], rows["split"], rows["age"], rows["sex"], rows["view"] = rows["image_id"] + ".jpg", "", 50.0, "F", "PA"
    for label in LABELS:
        rows[label] = random.choice([0.0, 1.0, np.nan], images, p=[0.7, 0.2, 0.1])
    manifest = Manifest(rows, LABELS, LABELS, "image", None, {"test_set": "drawn at random", "footnote": ""})
    write_manifest(manifest, loaded.layout.manifest("many"))
    packed = loaded.layout.packed("many", SIDE)
    packed.mkdir(parents=True)
    np.lib.format.open_memmap(packed / "images.npy", "w+", np.uint8, (images, SIDE, SIDE)).flush()
    index = pd.DataFrame({"row": np.arange(images), "image_id": rows["image_id"], "patient_id": patients})
    index["sha256"], index["low"], index["cap"] = [f"{k:032x}" for k in range(images)], 0.0, 255.0
    write_parquet(packed / "index.parquet", index)
    write_json(packed / "packing.json", {"manifest": manifest.fingerprint(), "images": images})
    splits = make_splits(manifest, index, loaded.evaluation("main"), name="main", seed=0)
    write_splits(splits, loaded.layout.splits("main"))


def start_job(setting: str) -> dict[str, float]:
    """Do what a job does until its first batch, and time the parts."""
    from evalkit.config.loading import load_study
    from evalkit.training.batches import Batches
    from evalkit.training.pixels import Normaliser
    from evalkit.training.session import training_session
    from tasks.classification.finetuning import Finetuning
    from tasks.classification.plans import load_material, plan_run

    marks = [time.perf_counter()]
    study = load_study("job-start.yaml")
    with training_session(study) as session:
        material = load_material(study, "main", setting, "scratch")
        marks.append(time.perf_counter())
        plan = plan_run(material, 0, session)
        Finetuning().facts(plan)
        marks.append(time.perf_counter())
        network, device = material.network, session.hardware.device
        network.build(classes=len(LABELS), seed=0, image_size=SIDE)
        normalise = Normaliser(network.mean, network.std, in_channels=network.in_channels, device=device)
        batches = Batches(
            plan.train.pixels(device),
            plan.train.targets,
            normalise,
            objective=plan.objective,
            batch_size=32,
            augmentation=None,
            seed=0,
            device=device,
        )
        next(batches.load(0, share=slice(0, 32), size=32))
        marks.append(time.perf_counter())
    names = ("loading", "choosing images", "first batch")
    return dict(zip(names, np.diff(marks).tolist(), strict=True)) | {"in all": marks[-1] - marks[0]}


def main() -> None:
    """Simulate and time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--jobs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        simulate(Path(folder), arguments.images)
        for setting in ("regime=finetune,fraction=0.01", "regime=finetune,fraction=1"):
            start_job(setting)  # The first one imports.
            jobs = [start_job(setting) for _ in range(arguments.jobs)]
            parts = {name: statistics.median(job[name] for job in jobs) for name in jobs[0]}
            print(setting, ", ".join(f"{name} {seconds:.2f} s" for name, seconds in parts.items()), flush=True)
        os.chdir("/")


if __name__ == "__main__":
    main()
