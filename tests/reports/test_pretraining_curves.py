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


def record(history: list[dict[str, float]], *, method: str = "simclr", **changes: object) -> dict:
    described = {"method": method} | ({"queue": 12} if method == "moco" else {})
    return {
        "key": "made-up",
        "outcome": "done",
        "history": history,
        "recipe": {"batch_size": 4},
        "pretraining": described,
        **changes,
    }


@pytest.fixture
def study(make_study):
    study = make_study(backbones={"plain": entry("SimCLR"), "ifa": entry("SimCLR + IFA", ifa={"preset": "paper"})})
    for name, history in (("plain", made_up_history(3.0)), ("ifa", made_up_history(2.0, ifa=0.4))):
        write_json(study.layout.pretraining(name) / "run.json", record(history))
    return study


def panels_of(figure) -> dict:
    return {axis.get_title(loc="left"): axis for axis in figure.axes if axis.get_title(loc="left")}


def notes_of(figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def lines_of(axis) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {line.get_label(): line.get_data() for line in axis.get_lines() if not line.get_label().startswith("_")}


def test_each_backbone_is_a_line_in_each_panel(study) -> None:
    with figure_style():
        figure = draw(read_curves(study))
    panels = panels_of(figure)
    assert list(panels) == [
        "SimCLR loss (NT-Xent)",
        "IFA loss",
        "Standard deviation of features",
        "Alignment",
        "Uniformity",
    ]
    for title, axis in panels.items():
        shown = lines_of(axis)
        assert set(shown) == ({"SimCLR + IFA"} if title == "IFA loss" else {"SimCLR", "SimCLR + IFA"})
        assert axis.get_xlabel() == "Step"
    steps, values = lines_of(panels["SimCLR loss (NT-Xent)"])["SimCLR"]
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
        figure = draw([Curve("SimCLR", "simclr", made_up_history(3.0))])
    assert "IFA loss" not in panels_of(figure)
    (legend,) = [axis.get_legend() for axis in figure.axes if axis.get_legend()]
    assert [text.get_text() for text in legend.get_texts()] == ["SimCLR"]


def test_more_backbones_than_colours_can_be_told_apart() -> None:
    with figure_style():
        figure = draw([Curve(f"Backbone {each}", "simclr", made_up_history(each)) for each in range(2 * len(COLOURS))])
    looks = {(line.get_color(), line.is_dashed()) for line in figure.axes[0].get_lines()}
    assert len(looks) == 2 * len(COLOURS)


def test_each_method_has_a_panel_of_its_own_loss_and_the_legend_stands_below() -> None:
    curves = [
        Curve("SimCLR", "simclr", made_up_history(3.0)),
        Curve("MoCo + IFA", "moco", made_up_history(8.0, ifa=0.4)),
        Curve("MoCo", "moco", made_up_history(9.0)),
    ]
    with figure_style():
        figure = draw(curves, notes=["A note."])
    panels = panels_of(figure)
    assert list(panels)[:3] == ["MoCo loss (InfoNCE)", "SimCLR loss (NT-Xent)", "IFA loss"]
    assert set(lines_of(panels["MoCo loss (InfoNCE)"])) == {"MoCo", "MoCo + IFA"}
    assert set(lines_of(panels["SimCLR loss (NT-Xent)"])) == {"SimCLR"}
    assert set(lines_of(panels["Uniformity"])) == {"SimCLR", "MoCo", "MoCo + IFA"}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["SimCLR", "MoCo + IFA", "MoCo"]
    assert notes_of(figure) == ["A note."]


def test_what_a_random_queue_gives_is_off_the_scale_and_marked() -> None:
    history = made_up_history(9.0)
    for each, value in zip(history, (2.0, 5.0, 9.0, 8.0), strict=True):
        each["contrastive"] = value
    curve = Curve("MoCo", "moco", history, random_steps=20)
    assert curve.settled().tolist() == [False, False, True, True]
    with figure_style():
        figure = draw([curve])
    axis = panels_of(figure)["MoCo loss (InfoNCE)"]
    low, high = axis.get_ylim()
    assert (low, high) == pytest.approx((7.94, 9.06))
    np.testing.assert_array_equal(lines_of(axis)["MoCo"][1], [2, 5, 9, 8], err_msg="all of them are drawn")
    (marks,) = [line for line in axis.get_lines() if line.get_label() == "_off scale"]
    assert (marks.get_xdata().tolist(), marks.get_ydata().tolist(), marks.get_marker()) == ([10, 20], [0, 0], "v")
    assert notes_of(figure)[0].startswith("Triangles are off the scale")


@pytest.mark.parametrize("random_steps", [0, 35])
def test_nothing_is_off_the_scale_where_the_queue_is_full_at_once_or_never(random_steps) -> None:
    curve = Curve("MoCo", "moco", made_up_history(9.0), random_steps=random_steps)
    assert curve.settled().all()
    with figure_style():
        figure = draw([curve])
    assert notes_of(figure) == []
    low, high = panels_of(figure)["MoCo loss (InfoNCE)"].get_ylim()
    assert low < 8.6
    assert high > 8.9


def test_curves_come_in_the_order_of_the_chain_and_the_notes_say_what_was_drawn(make_study, tmp_path) -> None:
    import yaml

    from evalkit.config.loading import load_study

    make_study()
    chain = {"last": "middle", "middle": "origin", "origin": None}
    entries = {
        name: entry(name.title(), method="moco", queue=12, **({"init": init} if init else {}))
        for name, init in chain.items()
    }
    values = yaml.safe_load((tmp_path / "tiny.yaml").read_text()) | {"backbones": ["last", "alone", "middle"]}
    values["datasets"]["other"] = {"format": "chexpert", "phantom": {"patients": 9}}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(values))
    (tmp_path / "backbones.yaml").write_text(yaml.safe_dump({**entries, "alone": entry("Alone")}))
    study = load_study("tiny.yaml")
    for name in entries:
        goes_on = {"continues": "0" * 64 if name == "last" else None}
        write_json(study.layout.pretraining(name) / "run.json", record(made_up_history(1), method="moco", **goes_on))
    write_json(study.layout.pretraining("alone") / "run.json", record(made_up_history(1)))
    curves = read_curves(study)
    assert [curve.label for curve in curves] == ["Origin", "Middle", "Last", "Alone"]
    assert [curve.random_steps for curve in curves] == [3, 3, 0, 0], "the queue goes on, or begins with random points"
    assert [curve.start for curve in curves] == [0, 40, 80, 0], "what it starts from was trained before"
    assert curves[2].steps.tolist() == [90, 100, 110, 120]
    drawn = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("reports.pretraining_curves.save_figure", lambda figure, path: drawn.append(figure) or [path])
        draw_curves(study)
    assert [note.split(";")[0] for note in notes_of(drawn[0])] == [
        "Demonstration on drawn radiographs (phantoms)",
        "Where a backbone starts from another one of this figure, its steps are counted on from there.",
    ]


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
