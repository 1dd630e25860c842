from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from evalkit.commands import run_command
from evalkit.config.pretraining import Views
from evalkit.errors import InputError
from evalkit.packing.packed import load_packed
from evalkit.pretraining.examples_of_views import _alone, describe_bounds, main, make_panels, write_examples
from evalkit.pretraining.views import draw_views, make_views

RECIPE = {"lr": 0.01, "steps": 2, "batch_size": 4}


def made(**changes: object) -> dict:
    pretrain = {"method": "simclr", "data": "other", "recipe": RECIPE, **changes}
    return {"made": {"label": "Made here", "arch": "resnet10t", "in_channels": 1, "pretrain": pretrain}}


def test_panels_are_the_original_each_change_at_its_bound_and_two_views() -> None:
    images = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.3
    views = Views.model_validate({"brightness": 0.2, "noise": 0.05, "hole": 0.5, "holes": 1, "median_blur": 0})
    panels, names, probabilities = make_panels(images, views, seed=1)
    of = dict(zip(names.tolist(), panels.transpose(1, 0, 2, 3).astype(float), strict=True))
    original = np.round(images[:, 0].numpy() * 255)
    assert panels.shape == (2, 16, 32, 32)
    np.testing.assert_array_equal(of["original"], original)
    np.testing.assert_array_equal(of["median_blur"], original, err_msg="off in these views")
    assert of["brighter"] - original == pytest.approx(51, abs=1)
    assert of["darker"] - original == pytest.approx(-51, abs=1)
    assert np.std(of["gauss_noise"] - original) == pytest.approx(0.05 * 255, rel=0.1)
    assert ((of["cutout"] == 0).sum(axis=(1, 2)) == 16 * 16).all(), "a hole of full size"
    unchanged = {name for name in names if np.array_equal(of[name], original)}
    assert unchanged == {"original", "median_blur"}
    shown = dict(zip(names.tolist(), probabilities.tolist(), strict=True))
    assert shown["median_blur"] == 0
    assert shown["cutout"] == views.cutout
    assert np.isnan([shown["original"], shown["view_1"], shown["view_2"]]).all()


def test_bounds_are_told_as_a_reader_sees_them() -> None:
    views = Views.model_validate({"shift": 0.05, "rotate": 7.5, "distortion": 0.125, "noise": 0.005, "holes": 3})
    bounds = describe_bounds(views, side=64)
    _, names, _ = make_panels(torch.rand(1, 1, 64, 64), views, seed=1)
    assert set(bounds) == set(names.tolist()) - {"original", "view_1", "view_2"}
    assert bounds["shift_scale_rotate"] == "5 %, 20 %,\n7.5\N{DEGREE SIGN}"
    assert bounds["pincushion"] == "12.5 %"
    assert bounds["darker"] == "\N{MINUS SIGN}15 %"
    assert bounds["gauss_noise"] == "SD 0.5 %"
    assert bounds["cutout"] == "3 of 25 %"


@pytest.mark.parametrize(("side", "blur"), [(32, 0.03), (64, 0.1), (64, 0.14), (96, 0.03)])
def test_the_length_of_the_motion_blur_is_the_one_that_is_made(side: int, blur: float) -> None:
    views = Views.model_validate({"blur": blur})
    dot = torch.zeros(1, 1, side, side)
    dot[..., side // 2, side // 2] = 1
    draws = _alone(draw_views(1, seed=1, step=0, view=0, views=views), "motion_blur", {"direction": 0})
    streak = make_views(dot, draws, views)[0, 0, side // 2] > 0
    assert describe_bounds(views, side=side)["motion_blur"] == f"{streak.sum()} pixels"


def test_a_change_whose_bound_is_zero_is_off() -> None:
    views = Views.model_validate({"noise": 0, "holes": 0, "shift": 0})
    _, names, probabilities = make_panels(torch.rand(1, 1, 32, 32), views, seed=1)
    of = dict(zip(names.tolist(), probabilities.tolist(), strict=True))
    assert (of["gauss_noise"], of["cutout"], of["shift_scale_rotate"]) == (0, 0, views.shift_scale_rotate)


def test_the_file_holds_packed_images_and_is_the_same_each_time(make_study, monkeypatch, capsys) -> None:
    study = make_study(backbones=made())
    path = write_examples(study, "made")
    before = path.read_bytes()
    monkeypatch.setattr(
        sys, "argv", ["evalkit.pretraining.examples_of_views", "--study", "tiny.yaml", "--backbone", "made"]
    )
    with pytest.raises(SystemExit, match="0"):
        run_command(main)
    assert capsys.readouterr().out.strip() == str(path)
    assert path.read_bytes() == before
    packed = load_packed(study.layout.packed("other", study.file.image_size)).images
    with np.load(path, allow_pickle=False) as stored:
        originals, about = stored["panels"][:, 0], {name: stored[name] for name in ("names", "bounds")}
        assert (str(stored["backbone"]), bool(stored["drawn"])) == ("Made here", False)
    assert dict(zip(about["names"].tolist(), about["bounds"].tolist(), strict=True))["brighter"] == "+15 %"
    assert all((packed == original).all(axis=(1, 2)).any() for original in originals)


def test_a_backbone_that_is_not_contrastive_is_named(make_study) -> None:
    with pytest.raises(InputError, match="'scratch' has no contrastive pretraining"):
        write_examples(make_study(), "scratch")
