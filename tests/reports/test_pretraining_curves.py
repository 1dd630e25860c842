from __future__ import annotations

import sys

import numpy as np
import pytest
from matplotlib.colors import to_hex

from evalkit.atomic import write_json
from evalkit.commands import run_command
from evalkit.errors import InputError
from reports.figure_style import COLOURS, figure_style
from reports.pretraining_curves import Curve, draw, draw_curves, main, read_curves

RECIPE = {"lr": 0.01, "steps": 40, "batch_size": 4}


def made_up_history(level: float, *, ifa: float = 0.0) -> list[dict[str, float]]:
    """Numbers made up for these tests; no training gave them."""
    return [
        {
            "step": step,
            "loss": level + ifa,
            "contrastive": level - 0.01 * step,
            "ifa": ifa,
            "lr": 0.01,
            "feature_std": 0.02 * step,
            "alignment": 1.5 - 0.03 * step,
            "uniformity": -0.1 * step,
        }
        for step in (10, 20, 30, 40)
    ]


def entry(label: str, **changes: object) -> dict:
    pretrain = {"method": "simclr", "data": "other", "recipe": RECIPE, **changes}
    return {"label": label, "arch": "resnet10t", "in_channels": 1, "pretrain": pretrain}


@pytest.fixture
def study(make_study):
    study = make_study(backbones={"plain": entry("SimCLR"), "ifa": entry("SimCLR + IFA", ifa={"preset": "paper"})})
    for name, history in (("plain", made_up_history(3.0)), ("ifa", made_up_history(2.0, ifa=0.4))):
        record = {"key": "made-up", "outcome": "done", "history": history}
        write_json(study.layout.pretraining(name) / "run.json", record)
    return study


def lines_of(axis) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {line.get_label(): line.get_data() for line in axis.get_lines() if not line.get_label().startswith("_")}


def test_each_backbone_is_a_line_in_each_panel(study) -> None:
    with figure_style():
        figure = draw(read_curves(study))
    panels = {axis.get_title(loc="left"): axis for axis in figure.axes if axis.get_title(loc="left")}
    assert list(panels) == [
        "Contrastive loss",
        "IFA loss",
        "Standard deviation of features",
        "Alignment",
        "Uniformity",
    ]
    for title, axis in panels.items():
        shown = lines_of(axis)
        assert set(shown) == ({"SimCLR + IFA"} if title == "IFA loss" else {"SimCLR", "SimCLR + IFA"})
        assert axis.get_xlabel() == "Step"
    steps, values = lines_of(panels["Contrastive loss"])["SimCLR"]
    np.testing.assert_array_equal(steps, [10, 20, 30, 40])
    np.testing.assert_allclose(values, [2.9, 2.8, 2.7, 2.6])
    np.testing.assert_allclose(lines_of(panels["IFA loss"])["SimCLR + IFA"][1], 0.4)
    colours = {line.get_label(): to_hex(line.get_color()) for line in panels["Alignment"].get_lines()}
    own = {line.get_label(): to_hex(line.get_color()) for line in panels["IFA loss"].get_lines()}
    assert colours == dict(zip(("SimCLR", "SimCLR + IFA"), (each.lower() for each in COLOURS), strict=False))
    assert own["SimCLR + IFA"] == colours["SimCLR + IFA"], "a backbone has one colour in all panels"


def test_collapse_and_the_sphere_are_marked_in_the_panel_of_the_deviation(study) -> None:
    with figure_style():
        figure = draw(read_curves(study))
    (axis,) = [axis for axis in figure.axes if axis.get_title(loc="left").startswith("Standard")]
    marked = [line.get_ydata()[0] for line in axis.get_lines() if line.get_label().startswith("_")]
    assert sorted(marked) == [0, 1]
    low, high = axis.get_ylim()
    assert low < 0
    assert high > 1


def test_without_ifa_there_is_no_panel_for_it() -> None:
    with figure_style():
        figure = draw([Curve("SimCLR", made_up_history(3.0))])
    assert "IFA loss" not in [axis.get_title(loc="left") for axis in figure.axes]
    (legend,) = [axis.get_legend() for axis in figure.axes if axis.get_legend()]
    assert [text.get_text() for text in legend.get_texts()] == ["SimCLR"]


def test_more_backbones_than_colours_can_be_told_apart() -> None:
    with figure_style():
        figure = draw([Curve(f"Backbone {each}", made_up_history(each)) for each in range(2 * len(COLOURS))])
    looks = {(line.get_color(), line.is_dashed()) for line in figure.axes[0].get_lines()}
    assert len(looks) == 2 * len(COLOURS)


def test_the_command_writes_both_formats_and_the_same_bytes_each_time(study, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["reports.pretraining_curves", "--study", "tiny.yaml"])
    with pytest.raises(SystemExit, match="0"):
        run_command(main)
    expected = [study.layout.report(f"figure_pretraining.{ending}") for ending in ("pdf", "png")]
    assert capsys.readouterr().out.split() == [str(path) for path in expected]
    before = [path.read_bytes() for path in expected]
    assert [path.read_bytes() for path in draw_curves(study)] == before


def test_a_backbone_that_has_not_been_made_is_named_with_the_command(study) -> None:
    (study.layout.pretraining("ifa") / "run.json").unlink()
    with pytest.raises(InputError, match=r"(?s)ifa holds no record.*--backbone ifa"):
        draw_curves(study)


def test_a_study_without_contrastive_backbones_is_told_so(make_study) -> None:
    with pytest.raises(InputError, match="no backbone that is made by contrastive pretraining"):
        draw_curves(make_study())
