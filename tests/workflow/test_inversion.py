"""Inversion at a tiny size by the real Snakefile: a generator, encoders and controls, Table 10 and its figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel, wilcoxon
from skimage.metrics import structural_similarity

BACKBONES = {
    "pixels": {"label": "Pixels only", "control": "pixel-only"},
    "mean": {"label": "Mean image", "control": "mean-w"},
    "random": {"label": "Random", "arch": "resnet10t", "in_channels": 1, "control": "random"},
    "made": {
        "label": "Made here",
        "arch": "resnet10t",
        "in_channels": 1,
        "pretrain": {"method": "supervised", "data": "others", "recipe": {"lr": 0.002, "steps": 4, "batch_size": 16}},
    },
    "judge": {
        "label": "Judge",
        "arch": "resnet10t",
        "in_channels": 1,
        "pretrain": {"method": "supervised", "data": "others", "recipe": {"lr": 0.002, "steps": 3, "batch_size": 16}},
    },
    "late": {"label": "Three channels", "arch": "resnet10t", "in_channels": 3, "control": "random"},
}
STUDY = {
    "study": "back",
    "title": "Reconstructions",
    "image_size": 32,
    "device": "cpu",
    "backbones": ["mean", "pixels", "random", "made"],
    "datasets": {
        "phantoms": {"format": "nih", "phantom": {"patients": 50, "size": 48}},
        "others": {"format": "chexpert", "phantom": {"patients": 30, "first_patient": 501, "size": 48}},
    },
    "evaluations": {
        "inverted": {
            "task": "inversion",
            "dataset": "phantoms",
            "settings": {"space": ["w+"]},
            "images": 8,
            "calibration_images": 4,
            "generator": {
                "train": {
                    "spec": {
                        "resolution": 32,
                        "z_dim": 8,
                        "w_dim": 8,
                        "mapping_layers": 2,
                        "channel_base": 128,
                        "channel_max": 16,
                    },
                    "recipe": {"steps": 4, "notes": 2, "samples": 4, "average_images": 16},
                }
            },
            "projection": {"steps": 12, "record_every": 4, "latent_samples": 64},
            "batch_size": 4,
            "identity": "judge",
        }
    },
    "tables": {
        "table10": {
            "title": "Reconstructions",
            "evaluation": "inverted",
            "metric": ["psnr", "ssim", "rmse", "lpips", "identity"],
            "primary": "wilcoxon",
            "paper": "ttest_paired",
            "policies": ["named"],
            "reference": "pixels",
            "columns": "metric",
        }
    },
    "figures": {
        "figure3": {"kind": "inversions", "evaluation": "inverted", "images": 2},
        "figure_convergence": {"kind": "convergence", "evaluation": "inverted"},
        "figure_generator": {"kind": "generator", "evaluation": "inverted", "images": 4},
    },
}


@pytest.fixture(scope="module")
def place(make_place):
    place = make_place("inversion")
    place.write(STUDY, BACKBONES)
    done = place.snakemake("all", study="back")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return place


def read(place, backbone: str) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    folder = place.results("back") / "runs/inverted/space=w+" / backbone / "repeat-0"
    with np.load(folder / "reconstructions.npz") as arrays:
        return pd.read_parquet(folder / "predictions.parquet"), dict(arrays)


def test_metrics_are_those_of_the_saved_reconstructions(place) -> None:
    for backbone in STUDY["backbones"]:
        values, arrays = read(place, backbone)
        targets, found = arrays["target"].astype(np.float64), arrays["reconstruction"].astype(np.float64)
        error = np.sqrt(np.square(targets - found).mean(axis=(1, 2)))
        np.testing.assert_allclose(values["rmse"], error, rtol=1e-5)
        np.testing.assert_allclose(values["psnr"], 20 * np.log10(255 / error), rtol=1e-5)
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
        expected = [structural_similarity(one, two, **options) for one, two in zip(targets, found, strict=True)]
        np.testing.assert_allclose(values["ssim"], expected, rtol=1e-4)
        assert values["lpips"].isna().all()
        assert values["identity"].between(-1, 1).all()


def test_table_10_has_the_tests_of_scipy_and_says_what_is_unavailable(place) -> None:
    rows = pd.read_csv(place.folder / "reports/table10.csv")
    made, pixels = (read(place, name)[0] for name in ("made", "pixels"))
    patients = made["patient_id"]
    found = rows[(rows["backbone"] == "made") & (rows["metric"] == "psnr")].set_index("test")
    row, paper = found.loc["wilcoxon"], found.loc["ttest_paired"]
    means = [each["psnr"].groupby(patients).mean() for each in (made, pixels)]
    assert row["estimate"] == pytest.approx(means[0].mean())
    assert paper["difference"] == pytest.approx((means[0] - means[1]).mean())
    assert paper["p_value"] == pytest.approx(ttest_rel(*means).pvalue, rel=1e-6)
    assert row["p_value"] == pytest.approx(wilcoxon(means[0], means[1]).pvalue, rel=1e-6)
    assert set(rows.loc[rows["metric"] == "lpips", "status"]) == {"unavailable: trunk of LPIPS"}
    assert rows.loc[rows["metric"] == "lpips", "estimate"].isna().all()
    seen = rows[(rows["metric"] == "identity") & (rows["role"] == "primary")].set_index("backbone")
    assert set(seen.index) == set(STUDY["backbones"])
    for backbone in STUDY["backbones"]:
        expected = read(place, backbone)[0]["identity"].groupby(patients).mean().mean()
        assert seen.loc[backbone, "estimate"] == pytest.approx(expected)
    text = (place.folder / "reports/table10.md").read_text()
    assert "original and reconstruction, by Judge (fingerprint" in text


def test_what_a_generator_has_learnt_from_is_not_inverted(place) -> None:
    splits = pd.read_parquet(place.results("back") / "splits/inverted.parquet")
    trained = set(splits.loc[splits["role"] == "train", "patient_id"])
    assert not trained & set(read(place, "made")[0]["patient_id"])
    report = json.loads((place.results("back") / "generators/inverted/generator.json").read_text())
    assert report["data"]["train"]["patients"] == len(trained)


def test_what_measures_identity_is_made_though_not_listed_on_other_patients(place) -> None:
    layout = place.results("back")
    made = json.loads((layout / "backbones/judge.json").read_text())
    record = json.loads((layout / "runs/inverted/space=w+/mean/repeat-0/run.json").read_text())
    assert record["identity"]["weights"] == made["fingerprint"]
    assert (layout / "datasets/others/apart-from-phantoms.json").exists()


def test_figures_are_there_and_an_added_row_runs_nothing_else(place, tmp_path: Path) -> None:
    for name in STUDY["figures"]:
        for ending in (".pdf", ".png"):
            assert (place.folder / "reports" / f"{name}{ending}").stat().st_size > 5_000
    copied = place.copy(tmp_path / "copy")
    assert copied.planned("all", study="back") == {}
    copied.write({**STUDY, "backbones": [*STUDY["backbones"], "late"]}, BACKBONES)
    planned = copied.planned("reports/table10.csv", study="back")
    assert planned["invert"] == 1
    assert not {"make_generator", "pretrain", "split", "pack"} & set(planned)
