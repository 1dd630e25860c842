"""Pictures of inversions and curves of their searches, from run folders."""

import numpy as np
import pandas as pd
import pytest

from evalkit.errors import InputError
from evalkit.figures.files import read_figure_data, write_figure_data
from evalkit.figures.inversions import choose_limit, find_residuals
from evalkit.figures.making import compute_figure, write_figure


def folder_of(study, backbone):
    return study.layout.run("back", "space=w", backbone, 0)


def test_pictures_are_originals_then_each_backbones_reconstructions(inverted):
    study = inverted.write(images=12, patients=4)
    data = compute_figure(study, "figure_3")
    names = [each["image_id"] for each in data.facts["images"]]
    keys = [panel["backbone"] for panel in data.facts["panels"]]
    assert len(names) == 3
    assert keys == list(study.backbones)
    ids = pd.read_parquet(folder_of(study, "good") / "predictions.parquet").set_index("image_id")
    assert ids.loc[names, "patient_id"].is_unique, "different patients while there are any"
    assert len(data.pictures) == 3 * (1 + len(keys))
    for number, key in enumerate(keys, start=1):
        with np.load(folder_of(study, key) / "reconstructions.npz") as stored:
            for place, name in enumerate(names):
                row = stored["image_id"].tolist().index(name)
                np.testing.assert_array_equal(data.pictures[place], stored["target"][row])
                shown = data.pictures[3 * number + place]
                assert shown.dtype == np.uint8
                np.testing.assert_array_equal(shown, stored["reconstruction"][row].round().astype(np.uint8))
        measured = pd.read_parquet(folder_of(study, key) / "predictions.parquet").set_index("image_id")
        rows = data.frame[data.frame["backbone"] == key].set_index("image_id")
        for metric in ("psnr", "ssim", "rmse"):
            np.testing.assert_array_equal(rows[metric], measured.loc[rows.index, metric])


def test_another_setting_shows_the_same_images_and_another_seed_others(inverted):
    study = inverted.write()
    first = compute_figure(study, "figure_3").facts["images"]
    study = inverted.write_study({"figures.figure_3.setting": "space=w+"})
    assert compute_figure(study, "figure_3").facts["images"] == first
    study = inverted.write_study({"seed": 3})
    assert compute_figure(study, "figure_3").facts["images"] != first


def test_a_figure_reads_back_as_it_was_written(inverted, tmp_path):
    data = compute_figure(inverted.write(images=4, patients=4), "figure_3")
    write_figure_data(tmp_path / "figure_3.csv", data)
    again = read_figure_data(tmp_path / "figure_3.csv")
    pd.testing.assert_frame_equal(again.frame, data.frame, check_dtype=False)
    assert all(np.array_equal(one, other) for one, other in zip(again.pictures, data.pictures, strict=True))


def test_residuals_are_signed_and_their_scale_is_that_of_the_backbones():
    originals = [np.full((4, 4), 200, np.uint8), np.full((4, 4), 10, np.uint8)]
    made = [np.full((4, 4), value, np.uint8) for value in (190, 23, 0, 255)]
    residuals = find_residuals([*originals, *made], 2)
    assert [each[0, 0] for each in residuals] == [-10, 13, -200, 245]
    assert choose_limit(residuals, [False, False, True, True]) == 15
    assert choose_limit(residuals[2:], [True, True]) == 245
    assert choose_limit([np.zeros((2, 2), np.int16)], [False]) == 5


def test_runs_on_other_pixels_or_without_reconstructions_are_refused(inverted):
    study = inverted.write(images=4, patients=4)
    path = folder_of(study, "bad") / "reconstructions.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **{**arrays, "target": arrays["target"] + 1})
    with pytest.raises(InputError, match="other originals"):
        compute_figure(study, "figure_3")
    np.savez(path, **{**arrays, "image_id": arrays["image_id"][::-1].astype(object)})
    with pytest.raises(InputError, match="is not readable"):
        compute_figure(study, "figure_3")
    np.savez_compressed(path, **arrays)
    whole = path.read_bytes()
    for place in range(60, len(whole), len(whole) // 12):
        path.write_bytes(whole[:place] + bytes(8) + whole[place + 8 :])
        with pytest.raises(InputError, match=r"is not readable|other originals"):
            compute_figure(study, "figure_3")
    path.unlink()
    with pytest.raises(InputError, match="is not readable"):
        compute_figure(study, "figure_3")


@pytest.mark.parametrize("term", ["pixel", "objective"])
def test_curves_are_medians_and_quartiles_over_images(inverted, term):
    study = inverted.write(changes={"figures.figure_curves.term": term})
    data = compute_figure(study, "figure_curves")
    assert [panel["backbone"] for panel in data.facts["panels"]] == ["good", "twin", "bad", "pixels", "dice"]
    assert "Mean w: no curve, for nothing is optimised." in data.facts["notes"]
    rows = data.frame[data.frame["backbone"] == "bad"]
    curves = pd.read_parquet(folder_of(study, "bad") / "curves.parquet")
    by_step = curves[curves["term"] == term].groupby("step")["value"]
    np.testing.assert_array_equal(rows["step"], list(range(0, 100, 10)))
    for column, share in (("low", 0.25), ("median", 0.5), ("high", 0.75)):
        np.testing.assert_allclose(rows[column], by_step.quantile(share))


def test_a_search_of_nothing_has_no_figure(inverted):
    study = inverted.write(changes={"figures.figure_curves.backbones": ["mean"]})
    with pytest.raises(InputError, match="no run of space=w recorded"):
        write_figure(study, "figure_curves")
