"""That each kind shows its rows."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from evalkit.figures.files import FigureData
from reports.figure_style import COLOURS, COLUMN, figure_style, look_of
from reports.figures.boxes import draw_boxes
from reports.figures.calibration import draw_calibration
from reports.figures.confusion import draw_confusion
from reports.figures.convergence import draw_convergence
from reports.figures.detection_curves import draw_froc, draw_precision_recall
from reports.figures.fractions import draw_fractions
from reports.figures.generator import draw_generator
from reports.figures.inversions import draw_inversions
from reports.figures.ranks import _stack, draw_ranks
from reports.figures.roc import draw_roc

TWO = ["Edema", "Nodule"]


def draw(function, data: FigureData):
    with figure_style():
        return function(data)


def panels_of(figure) -> dict:
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_title(loc="left")}


def legend_of(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def notes_of(figure) -> str:
    return " ".join(text.get_text() for text in reversed(figure.texts)).replace("\N{NO-BREAK SPACE}", " ")


def test_curves_begin_in_the_corner_and_areas_stand_beside_their_lines(figures) -> None:
    data = figures.roc(classes=TWO)
    figure = draw(draw_roc, data)
    panels = panels_of(figure)
    assert list(panels) == TWO
    for panel in data.facts["panels"]:
        axes = panels[panel["target"]]
        curves = [line for line in axes.get_lines() if line.get_drawstyle() == "steps-post"]
        assert len(curves) == len(axes.collections) == 2, "a curve and a band for each backbone"
        for number, (line, own) in enumerate(zip(curves, panel["curves"], strict=True)):
            rows = data.frame[(data.frame["target"] == panel["target"]) & (data.frame["backbone"] == own["backbone"])]
            np.testing.assert_array_equal(line.get_xdata(), [0, *rows["fpr"]])
            np.testing.assert_array_equal(line.get_ydata(), [0, *rows["tpr"]])
            assert to_hex(line.get_color()) == COLOURS[number].lower()
            band = axes.collections[number].get_paths()[0].vertices
            assert band[:, 1].max() == rows["high"].max()
            area = legend_of(axes)[number]
            assert area == f"{own['auc']:.3f} ({own['low']:.3f} to {own['high']:.3f})".replace("0.", ".")
    assert "from a bootstrap of patients, 30 replicates" in notes_of(figure)


def test_a_backbones_look_follows_its_place_in_the_study(figures) -> None:
    data = figures.roc(classes=TWO)
    data.facts["backbones"][1]["place"] = 5
    figure = draw(draw_roc, data)
    line = [line for line in figure.axes[0].get_lines() if line.get_drawstyle() == "steps-post"][1]
    assert to_hex(line.get_color()) == look_of(5).colour.lower()


def test_runs_are_mentioned_and_an_undefined_class_says_why(figures) -> None:
    figure = draw(draw_roc, figures.roc(classes=TWO, absent=1, runs=3))
    axes = panels_of(figure)["Nodule"]
    said = [text.get_text() for text in axes.texts]
    assert said == ["0 positive of 90 images", "undefined: no positive image"]
    assert not axes.get_lines()
    assert "means of 3 runs" in notes_of(figure)
    assert "a bootstrap of runs and of patients" in notes_of(figure)


def test_an_area_without_an_interval_stands_alone(figures) -> None:
    data = figures.roc(classes=["Edema"], backbones=1)
    data.facts["panels"][0]["curves"][0] |= {"auc": 0.5, "low": None, "high": None}
    figure = draw(draw_roc, data)
    assert legend_of(figure.axes[0]) == [".500"]


def test_means_intervals_and_repeats_stand_side_by_side(figures) -> None:
    data = figures.fractions(regimes=("finetune", "probe"))
    figure = draw(draw_fractions, data)
    (axes,) = panels_of(figure).values()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "10", "50", "100"]
    assert len(axes.containers) == 4, "two backbones, each used in two ways"
    shares = np.array([0.01, 0.1, 0.5, 1])
    offsets = []
    for container, (key, regime) in zip(
        axes.containers, [(key, regime) for key in ("b0", "b1") for regime in ("finetune", "probe")], strict=True
    ):
        rows = data.frame[(data.frame["backbone"] == key) & (data.frame["regime"] == regime)]
        means, repeats = rows[rows["repeat"] == "mean"], rows[rows["repeat"] != "mean"]
        line, _, (bars,) = container.lines
        np.testing.assert_allclose(line.get_ydata(orig=False), means["value"])
        offset = line.get_xdata(orig=False) / shares
        np.testing.assert_allclose(offset, offset[0])
        offsets.append(offset[0])
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        np.testing.assert_allclose(ends, means[["low", "high"]])
        points = [
            other for other in axes.get_lines() if len(other.get_ydata()) == 9 and other.get_color() == line.get_color()
        ]
        assert any(np.allclose(each.get_ydata(orig=False), repeats["value"]) for each in points)
        assert line.is_dashed() == (regime == "probe")
    assert offsets == sorted(offsets)
    assert len(set(offsets)) == 4
    assert max(offsets) / min(offsets) < 2, "those of 50 % and of 100 % do not mix"


def test_where_lower_is_better_the_axis_says_so(figures) -> None:
    figure = draw(draw_fractions, figures.fractions(metrics=("auc", "brier"), repeats=1))
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == ["AUC", "Brier score (lower is better)"]
    assert "Small points" not in notes_of(figure)


def test_cells_show_per_cent_and_counts_and_absent_classes_are_hatched(figures) -> None:
    data = figures.confusion(classes=["no", "yes", "perhaps"], absent=1, backbones=1)
    figure = draw(draw_confusion, data)
    (axes,) = panels_of(figure).values()
    assert len(axes.patches) == 3
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert len(cells) == 6
    classes = ["no", "yes", "perhaps"]
    for row in data.frame[data.frame["true"] != "yes"].itertuples():
        place = (classes.index(row.called), classes.index(row.true))
        assert cells[place] == f"{100 * row.share:.0f}\n{row.count:.0f}"
    assert [label.get_text() for label in axes.get_yticklabels()][1] == "yes (0)"
    assert "Hatched: no case of yes in the test set." in notes_of(figure)


def test_means_over_runs_have_a_decimal_and_long_names_become_numbers(figures) -> None:
    data = figures.confusion(backbones=7, runs=10)
    figure = draw(draw_confusion, data)
    axes = next(iter(panels_of(figure).values()))
    counts = [text.get_text().split("\n")[1] for text in axes.texts]
    assert all(count == f"{float(count):.1f}" for count in counts)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "3", "4", "5"]
    assert axes.get_yticklabels()[1].get_text().split()[0] == "2"
    assert "means of 10 runs" in notes_of(figure)


def test_reliability_shows_bins_with_cases_and_all_counts(figures) -> None:
    data = figures.calibration(classes=TWO)
    figure = draw(draw_calibration, data)
    diagram = panels_of(figure)["Edema"]
    strip = figure.axes[figure.axes.index(diagram) + 1]
    rows = data.frame[(data.frame["target"] == "Edema") & (data.frame["backbone"] == "b0")]
    there = rows[rows["cases"] > 0]
    line = next(line for line in diagram.get_lines() if line.get_marker() == "o")
    np.testing.assert_array_equal(line.get_xdata(), there["predicted"])
    np.testing.assert_array_equal(line.get_ydata(), there["observed"])
    bars = np.array([segment[:, 1] for segment in diagram.collections[0].get_segments()])
    np.testing.assert_array_equal(bars, there[["low", "high"]])
    np.testing.assert_array_equal(strip.patches[0].get_data().values, rows["cases"])
    curve = data.facts["panels"][0]["curves"][0]
    assert legend_of(diagram)[0] == f"{curve['ece']:.3f}, {curve['brier']:.3f}".replace("0.", ".")


def test_the_called_class_has_one_panel_with_its_scores_in_the_legend(figures) -> None:
    data = figures.calibration(task="multiclass", runs=2)
    figure = draw(draw_calibration, data)
    assert list(panels_of(figure)) == ["Called class"]
    (legend,) = figure.legends
    curve = data.facts["panels"][0]["curves"][0]
    expected = f"Scratch: ECE {curve['ece']:.3f}, Brier {curve['brier']:.3f}".replace("0.", ".")
    assert legend.get_texts()[0].get_text().replace("\n", " ") == expected
    assert "The cases of 2 runs are pooled" in notes_of(figure)


def test_an_unlabelled_class_has_no_diagram(figures) -> None:
    figure = draw(draw_calibration, figures.calibration(classes=TWO, unlabelled=0))
    assert panels_of(figure)["Edema"].texts[-1].get_text() == "undefined: no image with a label"


def test_precision_falls_in_steps_to_its_recalls_and_scores_stand_in_the_free_corner(figures) -> None:
    data = figures.precision_recall(classes=TWO)
    figure = draw(draw_precision_recall, data)
    panels = panels_of(figure)
    assert list(panels) == TWO
    for panel in data.facts["panels"]:
        axes = panels[panel["target"]]
        assert len(axes.get_lines()) == len(axes.collections) == 2, "a curve and a band for each backbone"
        for line, own in zip(axes.get_lines(), panel["curves"], strict=True):
            rows = data.frame[(data.frame["target"] == panel["target"]) & (data.frame["backbone"] == own["backbone"])]
            np.testing.assert_array_equal(line.get_ydata(), rows["precision"])
            assert line.get_drawstyle() == "steps-pre"
        assert legend_of(axes) == [
            f"{own['ap']:.3f} ({own['low']:.3f} to {own['high']:.3f})".replace("0.", ".") for own in panel["curves"]
        ]
        assert f"{panel['boxes']} boxes in {panel['images_with']} images" in axes.texts[0].get_text()
    assert "AP is the mean of these (COCO)" in notes_of(figure)
    assert "from a bootstrap of patients, 30 replicates; the 95 % intervals of the AP" in notes_of(figure)


def test_sensitivity_is_drawn_against_the_logarithm_and_the_score_is_defined(figures) -> None:
    data = figures.froc(classes=["Only one"], runs=3)
    figure = draw(draw_froc, data)
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1/8", "1/4", "1/2", "1", "2", "4", "8"]
    (legend,) = figure.legends
    (panel,) = data.facts["panels"]
    own = panel["curves"][0]
    expected = f"Scratch: FROC score {own['score']:.3f} ({own['low']:.3f} to {own['high']:.3f})".replace("0.", ".")
    assert legend.get_texts()[0].get_text().replace("\n", " ") == expected
    assert "mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives per image (as defined for LUNA16)" in (
        notes_of(figure)
    )
    assert "Curves are means of 3 runs" in notes_of(figure)
    assert "a bootstrap of runs and of patients" in notes_of(figure)


def test_scores_go_where_curves_are_not_and_give_up_their_intervals_for_it(figures) -> None:
    data = figures.precision_recall(classes=TWO)
    at = data.frame["recall"]
    data.frame["precision"] = np.where(at < 0.2, 0.1, 0.0)
    low = draw(draw_precision_recall, data)
    assert {axes.get_legend()._get_loc() for axes in panels_of(low).values()} == {1}, "the upper right is free"
    data.frame["precision"] = np.where(at < 0.5, 0.1, 0.9)
    between = draw(draw_precision_recall, data)
    assert "(" in legend_of(low.axes[0])[0]
    assert "(" not in legend_of(between.axes[0])[0]
    assert "intervals" not in notes_of(between)


def test_a_class_without_a_box_says_why(figures) -> None:
    figure = draw(draw_froc, figures.froc(classes=TWO, absent=2))
    said = [text.get_text() for text in panels_of(figure)["Nodule"].texts]
    assert said == ["0 boxes in 0 images", "undefined: no box"]


def test_each_image_is_shown_plain_and_with_every_backbones_boxes(figures) -> None:
    data = figures.boxes(classes=["Only one"], images=3)
    figure = draw(draw_boxes, data)
    assert len(figure.axes) == 3 * 3
    assert [axes.get_title(loc="left").replace("\n", " ") for axes in figure.axes[:3]] == [
        "Ground truth",
        "Scratch",
        "ImageNet, supervised, ResNet-50",
    ]
    dashes = {}
    for number, image in enumerate(data.facts["images"]):
        for key, axes in zip(["", "b0", "b1"], figure.axes[3 * number : 3 * number + 3], strict=True):
            rows = data.frame[(data.frame["image_id"] == image["image_id"]) & (data.frame["backbone"] == key)]
            assert axes.images[0].get_extent() == [0, image["width"], image["height"], 0]
            drawn = [(*patch.get_xy(), patch.get_width(), patch.get_height()) for patch in axes.patches]
            assert sorted(drawn) == sorted(rows[["x", "y", "width", "height"]].itertuples(index=False, name=None))
            for patch in axes.patches:
                x, y = patch.get_xy()
                (outcome,) = rows["outcome"][(rows["x"] == x) & (rows["y"] == y)].unique()
                dashes.setdefault(outcome, set()).add(str(patch.get_linestyle()))
            scores = {text.get_text() for text in axes.texts} - {"score ≥ .60"}
            assert scores <= {f"{score:.2f}".replace("0.", ".") for score in rows["score"].dropna()}
            assert bool(scores) == (rows["outcome"].isin(["true", "false"])).any()
    assert set(dashes) == {"truth", "true", "false"} or set(dashes) == {"truth", "true", "false", "missed"}
    assert dashes["true"].isdisjoint(dashes["false"])
    notes = notes_of(figure)
    assert "3 images drawn at random from the test set, 2 with a box and 1 without." in notes
    assert "the highest F1 on the run's validation images" in notes
    assert "the first is shown" not in notes


def test_classes_are_numbered_and_images_chosen_by_hand_said_so(figures) -> None:
    data = figures.boxes(classes=TWO, runs=2, drawn_at_random=False)
    figure = draw(draw_boxes, data)
    truth = data.frame[(data.frame["image_id"] == data.facts["images"][0]["image_id"]) & (data.frame["backbone"] == "")]
    assert {text.get_text() for text in figure.axes[0].texts} == {
        str(1 + TWO.index(target)) for target in truth["target"]
    }
    notes = notes_of(figure)
    assert "Classes: 1 Edema; 2 Nodule." in notes
    assert "4 images chosen by hand" in notes
    assert "Of several runs of a backbone the first is shown." in notes


def test_a_backbone_without_a_threshold_has_missed_boxes_alone(figures) -> None:
    figure = draw(draw_boxes, figures.boxes(classes=["Only one"], threshold=None))
    assert [text.get_text() for text in figure.axes[1].texts] == ["no threshold"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["Ground truth", "Ground truth, missed"]


def test_few_tables_show_ranks_with_intervals_and_say_why(figures) -> None:
    data = figures.cd(backbones=3, blocks=2)
    figure = draw(draw_ranks, data)
    for table, axes in panels_of(figure).items():
        rows = data.frame[data.frame["table"] == table]
        points = [line.get_xdata()[0] for line in axes.get_lines()]
        assert points == rows["rank"].tolist()
        ends = [each.get_segments()[0][:, 0].tolist() for each in axes.collections]
        assert ends == rows[["low", "high"]].to_numpy().tolist()
        low, high = axes.get_ylim()
        assert low > high, "the study's first is at the top"
    assert "2 blocks are too few for a critical difference (Friedman, Nemenyi), which takes 5 or more." in notes_of(
        figure
    )
    assert "1 block is too few" in notes_of(draw(draw_ranks, figures.cd(blocks=1)))


def test_a_diagram_has_every_backbone_at_its_mean_rank(figures) -> None:
    data = figures.cd(backbones=4, blocks=6)
    result = data.facts["friedman"]
    figure = draw(draw_ranks, data)
    (axes,) = figure.axes
    said = [text.get_text().replace("\n", " ") for text in axes.texts]
    for each in data.facts["backbones"]:
        assert any(f"({result['average_ranks'][each['key']]:.2f})" in text for text in said)
    assert f"Critical difference {result['critical_difference']:.2f}" in said
    assert len([line for line in axes.get_lines() if line.get_linewidth() == 2.5]) == len(result["alike"])
    assert "Friedman's test: χ² =" in notes_of(figure)
    assert "Bars join" in notes_of(figure)
    # The best stands at the left, where the scale begins.
    best = min(result["average_ranks"], key=result["average_ranks"].get)
    places = {line.get_xdata()[0] for line in axes.get_lines() if len(line.get_xdata()) == 3}
    label = next(
        text for text in axes.texts if f"({result['average_ranks'][best]:.2f})" in text.get_text().replace("\n", " ")
    )
    assert label.get_ha() == "right"
    assert len(places) == 4


def test_no_difference_is_claimed_where_friedman_does_not_reject(figures) -> None:
    data = figures.cd(backbones=2, blocks=5)
    data.facts["friedman"]["p_value"] = 0.3
    assert "so no difference is claimed" in notes_of(draw(draw_ranks, data))


@pytest.mark.parametrize(
    ("bars", "levels"),
    [([(1, 2), (1.5, 3), (2.5, 4)], [0, 1, 0]), ([(1, 2), (3, 4)], [0, 0]), ([(1, 4), (2, 5), (3, 6)], [0, 1, 2])],
)
def test_bars_that_overlap_lie_one_below_the_other(bars, levels) -> None:
    assert _stack(bars) == levels


def test_residuals_are_the_pictures_differences_on_one_scale_around_zero(figures) -> None:
    data = figures.inversions(backbones=2, images=3)
    figure = draw(draw_inversions, data)
    shown = [axes.get_images()[0] for axes in figure.axes if axes.get_images()]
    coloured = [image for image in shown if image.get_array().ndim == 2]
    grey = [image.get_array()[:, :, 0] for image in shown if image.get_array().ndim == 3]
    assert (len(grey), len(coloured)) == (3 + 6, 6)
    assert {image.norm.vmin for image in coloured} == {-40}
    assert {image.norm.vmax for image in coloured} == {40}
    # Row by row: each image's original, then its reconstruction by each backbone.
    for image in range(3):
        original = data.pictures[image].astype(int)
        np.testing.assert_array_equal(grey[3 * image], original)
        for backbone in range(2):
            made = data.pictures[3 * (1 + backbone) + image].astype(int)
            np.testing.assert_array_equal(grey[3 * image + 1 + backbone], made)
            np.testing.assert_array_equal(coloured[2 * image + backbone].get_array(), made - original)
    numbers = [text.get_text() for text in figure.texts if text.get_text().endswith(" dB")]
    assert numbers == ["20.0 dB", "21.0 dB", "21.0 dB", "22.0 dB", "22.0 dB", "23.0 dB"]
    assert "3 images of 24 x 24 px, drawn at random" in notes_of(figure)
    # In the middle of a journal's column or page: what is left of the originals' names is right of the last column.
    places = [axes.get_position() for axes in figure.axes if axes.get_images()]
    outer = min(place.x0 for place in places), 1 - max(place.x1 for place in places)
    assert outer[0] * figure.get_figwidth() == pytest.approx(outer[1] * figure.get_figwidth() + 0.16, abs=0.1)
    assert figure.get_figwidth() == COLUMN


def test_curves_of_a_search_are_medians_with_bands_on_a_logarithmic_axis(figures) -> None:
    data = figures.convergence(backbones=2)
    data.facts["panels"] = data.facts["panels"][:1]
    figure = draw(draw_convergence, FigureData(data.frame[data.frame["backbone"] == "b0"], data.facts))
    (axes,) = figure.axes
    (line,) = axes.get_lines()
    np.testing.assert_array_equal(line.get_ydata(), data.frame["median"][:50])
    assert len(axes.collections) == 1
    assert axes.get_yscale() == "log"
    assert [text.get_text() for legend in figure.legends for text in legend.get_texts()] == ["Scratch"]
    assert "band: half of them" in notes_of(figure)


def test_samples_of_each_snapshot_lie_above_training_images_and_the_course_below(figures) -> None:
    data = figures.generator(images=4, snapshots=3)
    figure = draw(draw_generator, data)
    *shown, distance, verdicts = figure.axes
    assert len(shown) == len(data.pictures) == 16
    for axes, picture in zip(shown, data.pictures, strict=True):
        np.testing.assert_array_equal(axes.get_images()[0].get_array()[:, :, 0], picture)
    for row in range(4):
        assert len({axes.get_position().y0 for axes in shown[4 * row : 4 * row + 4]}) == 1
    named = [text.get_text() for text in figure.texts if text.get_text().startswith(("Step", "Training images"))]
    assert named == ["Step 120,000", "Step 600,000", "Step 1,200,000", "Training images"]
    frame = data.frame
    line, reference = distance.get_lines()
    np.testing.assert_array_equal(line.get_xdata(), frame["images"] / 1000)
    np.testing.assert_array_equal(line.get_ydata(), frame["frechet"])
    assert set(reference.get_ydata()) == {1.5}
    r_t, probability, target = verdicts.get_lines()
    np.testing.assert_array_equal(r_t.get_ydata(), frame["r_t"])
    np.testing.assert_array_equal(probability.get_ydata(), frame["probability"])
    assert r_t.get_linestyle() != probability.get_linestyle()
    assert set(target.get_ydata()) == {0.6}
    assert verdicts.get_ylim()[0] < -0.1, "a negative mean is on the panel"
    notes = notes_of(figure)
    assert "between 500 training images and as many samples" in notes
    assert "It is no FID" in notes
    assert "out of 12,345 images of 6,789 patients (data)" in notes


def test_what_a_training_does_not_have_is_not_drawn(figures) -> None:
    figure = draw(draw_generator, figures.generator(augmentation=False, distance=False))
    distance, verdicts = figure.axes[-2:]
    assert not distance.get_lines()
    assert [text.get_text() for text in distance.texts] == ["undefined: one training image"]
    assert len(verdicts.get_lines()) == 1
    assert "Frechet" not in notes_of(figure)
    assert "augmentation" not in notes_of(figure)
