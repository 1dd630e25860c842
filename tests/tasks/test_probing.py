from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from evalkit.backbones import build_network
from evalkit.config.evaluations import Probe
from evalkit.errors import InputError
from evalkit.predictions import read_predictions
from evalkit.seeds import seed_from
from evalkit.splits.stored import load_splits
from evalkit.training.features import load_features, make_features
from tasks.classification.jobs import run_job
from tasks.classification.probing import fit_strengths

HALF = "regime=probe,fraction=0.5"
PROBE = {"settings": {"regime": ["probe"], "fraction": [0.5, 1.0]}, "probe": {"strengths": [0.01, 1.0]}}


def test_features_are_the_frozen_trunks_outputs_in_evaluation_mode(make_study) -> None:
    study = make_study(evaluation=PROBE)
    path = make_features(study, "main", "scratch")
    values = np.load(path)
    pixels = np.load(study.layout.packed("main", 32) / "images.npy")
    trunk = build_network(
        "resnet10t", in_channels=1, num_classes=0, weights=None, seed=seed_from(purpose="probe", seed=0)
    ).eval()
    report = json.loads(path.with_suffix(".json").read_text())
    mean, std = report["network"]["mean"][0], report["network"]["std"][0]
    with torch.inference_mode():
        expected = trunk((torch.from_numpy(pixels[:5])[:, None] / 255 - mean) / std)
    assert values.shape == (len(pixels), 512)
    np.testing.assert_allclose(values[:5], expected.numpy(), rtol=1e-3, atol=1e-5)


def test_features_are_made_once_and_stale_ones_are_refused(make_study) -> None:
    study = make_study(evaluation=PROBE)
    path = make_features(study, "main", "scratch")
    made = path.stat().st_mtime_ns
    make_features(study, "main", "scratch")
    assert path.stat().st_mtime_ns == made
    index = study.layout.packed("main", 32) / "index.parquet"
    pd.read_parquet(index).assign(cap=254.0).to_parquet(index)
    with pytest.raises(InputError, match=r"another state of: packed[\s\S]*features --study tiny.yaml --dataset main"):
        load_features(study, "main", "scratch")


def test_a_probe_without_features_says_how_to_make_them(make_study) -> None:
    with pytest.raises(InputError, match=r"python -m tasks.classification features --study tiny.yaml --dataset main"):
        run_job(make_study(evaluation=PROBE), "main", HALF, "scratch", [0])


def test_a_probe_is_logistic_regression_with_the_strength_chosen_on_validation(make_study) -> None:
    study = make_study(evaluation=PROBE)
    make_features(study, "main", "scratch")
    record = run_job(study, "main", HALF, "scratch", [0])[0]
    assert record["outcome"] == "done"
    assert record["run"]["steps"] == 0
    assert record["recipe"]["strengths"] == [0.01, 1.0]
    tried = record["selection"]["tried"]
    assert [each["strength"] for each in tried] == [0.01, 1.0]
    assert record["selection"]["score"] == max(each["score"] for each in tried)

    frame = read_predictions(study.layout.run("main", HALF, "scratch", 0) / "predictions.parquet")
    features = load_features(study, "main", "scratch").values
    manifest = pd.read_parquet(study.layout.manifest("main"))
    rows = pd.Series(np.arange(len(manifest)), index=manifest["image_id"])
    train = load_splits(study.layout.splits("main")).image_ids("train", 0.5, 0)
    known = manifest.set_index("image_id").loc[train, "Edema"].dropna()
    scaler = StandardScaler().fit(features[rows[sorted(train)]])
    model = LogisticRegression(C=record["selection"]["strength"], max_iter=500)
    model.fit(scaler.transform(features[rows[known.index]]), known)
    expected = model.predict_proba(scaler.transform(features[rows[frame["image_id"]]]))[:, 1]
    np.testing.assert_allclose(frame["score:Edema"], expected, atol=5e-3)


def test_a_multiclass_probe_gives_probabilities_that_add_up(make_study) -> None:
    changes = {**PROBE, "task": "multiclass", "settings": {"regime": ["probe"]}, "test_on": ["other"]}
    study = make_study(evaluation=changes)
    for dataset in ("main", "other"):
        make_features(study, dataset, "scratch")
    setting = "regime=probe,trainset=full"
    record = run_job(study, "main", setting, "scratch", [0])[0]
    folder = study.layout.run("main", setting, "scratch", 0)
    for name in ("predictions.parquet", "predictions-other.parquet"):
        frame = read_predictions(folder / name)
        np.testing.assert_allclose(frame.filter(like="score:").sum(axis=1), 1, atol=1e-12)
        assert (frame["target"] == frame["predicted"]).mean() > 0.6
    assert record["features"] == load_features(study, "main", "scratch").key
    assert run_job(study, "main", setting, "scratch", [0])[0] == record


def test_labels_of_one_value_missing_labels_and_dead_features_are_no_trouble() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 4)).astype(np.float32)
    features[:, 3] = 7
    targets = np.stack([features[:, 0] > 0, np.ones(60), random.integers(0, 2, 60)], axis=1).astype(np.float32)
    targets[10:50, 2] = np.nan
    fits = fit_strengths(features, targets, Probe(strengths=[1.0, 0.1]), multiclass=False, balanced=False)
    others = features.copy()
    others[:, 3] = 1e6
    (weak, _), (strong, _) = fits
    probabilities = strong.probabilities(others)
    assert np.isfinite(probabilities).all()
    assert (probabilities[:, 1] == 1).all(), "all training images have the label"
    assert ((probabilities[:, 0] > 0.5) == (targets[:, 0] == 1)).mean() > 0.95
    assert np.ptp(weak.probabilities(features)[:, 0]) < np.ptp(probabilities[:, 0]), "the larger penalty shrinks"


def test_a_class_without_a_training_image_gets_no_probability() -> None:
    random = np.random.default_rng(1)
    features = random.normal(size=(40, 3)).astype(np.float32)
    targets = np.eye(3, dtype=np.float32)[np.where(features[:, 0] > 0, 2, 0)]
    ((linear, _),) = fit_strengths(features, targets, Probe(strengths=[1.0]), multiclass=True, balanced=True)
    probabilities = linear.probabilities(features)
    assert (probabilities[:, 1] == 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
