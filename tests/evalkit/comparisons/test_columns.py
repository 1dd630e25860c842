"""Which column is taken for what: each untidy file must give what the tidy one gives, or be refused."""

import numpy as np
import pandas as pd
import pytest

from evalkit.comparisons.free_form import Options, compare_files
from evalkit.errors import InputError

N = 90
MODELS = ("a", "b")
CLASSES = np.array(["bacterial", "normal", "viral"])

_RNG = np.random.default_rng(8)
IDS = [f"i{k}" for k in range(N)]
BINARY = _RNG.integers(0, 2, N)
OTHER = _RNG.integers(0, 2, N)
FINDING = _RNG.choice(CLASSES, N)
SCORES = {name: BINARY * gain + _RNG.normal(size=N) for name, gain in (("a", 1.5), ("b", 0.6))}
OTHERS = {name: OTHER * gain + _RNG.normal(size=N) for name, gain in (("a", 0.7), ("b", 1.1))}
DECIDED = {name: (SCORES[name] > 0.5).astype(int) for name in MODELS}
CALLED = {
    name: np.where(_RNG.random(N) < share, FINDING, _RNG.choice(CLASSES, N))
    for name, share in zip(MODELS, (0.8, 0.5), strict=True)
}
CODES = {name: pd.Categorical(CALLED[name], categories=list(CLASSES)).codes for name in MODELS}
AGE, FOLD = np.arange(N) // 2, np.arange(N) % 5


@pytest.fixture
def write(tmp_path):
    """Write labels and, for each model, predictions whose columns are functions of the model's name or fixed."""

    def to(name, columns):
        pd.DataFrame({"image_id": IDS, **columns}).to_csv(tmp_path / f"{name}.csv", index=False)

    def both(labels, predictions):
        if labels is not None:
            to("labels", labels)
        for model in MODELS:
            to(model, {name: value[model] if isinstance(value, dict) else value for name, value in predictions.items()})

    return both


@pytest.fixture
def compare(tmp_path):
    def run(labels="labels.csv", **options):
        paths = [tmp_path / f"{name}.csv" for name in MODELS]
        return compare_files(labels and tmp_path / labels, paths, Options(**{"resamples": 200} | options))

    return run


def numbers(comparison):
    return comparison.rows[["backbone", "metric", "role", "test", "estimate", "difference", "p_value", "ci_low"]]


def assert_same(first, second):
    pd.testing.assert_frame_equal(numbers(first), numbers(second))


def one_note(comparison, *parts):
    found = [note for note in comparison.notes if all(part in note for part in parts)]
    assert len(found) == 1, comparison.notes
    return found[0]


@pytest.mark.parametrize(
    ("label", "predictions", "metric"),
    [
        ("label", {"label": BINARY, "pred": DECIDED}, "accuracy"),
        ("label", {"label": BINARY, "prob": SCORES}, "auc"),
        ("label", {"y_true": BINARY, "y_score": SCORES}, "auc"),
        ("label", {"y_true": BINARY, "network": SCORES}, "auc"),
        ("finding", {"finding": FINDING, "pred": CALLED}, "accuracy"),
        ("finding", {"truth": FINDING, "finding": CALLED}, "accuracy"),
        ("finding", {"finding": FINDING, "network": CALLED, "note": "seen"}, "accuracy"),
    ],
)
def test_a_copy_of_the_labels_is_not_taken_for_the_predictions(write, compare, label, predictions, metric):
    truth = FINDING if label == "finding" else BINARY
    own = next(value for value in predictions.values() if isinstance(value, dict))
    write({label: truth}, {"prediction": own})
    tidy = compare()
    write({label: truth}, predictions)
    untidy = compare()
    assert set(untidy.rows["metric"]) == {metric}
    assert_same(untidy, tidy)
    chosen = next(name for name, value in predictions.items() if isinstance(value, dict))
    assert any(note.startswith("a.csv, b.csv: ") and note.endswith(f"are {chosen!r}") for note in untidy.notes)


def test_a_copy_is_known_where_the_labels_are_not_all_known(write, compare):
    write({"Edema": ["", *BINARY[1:]]}, {"Edema": ["-1", *BINARY[1:]], "prob": SCORES})
    comparison = compare()
    assert set(comparison.rows["n"]) == {N - 1}
    assert one_note(comparison, "'Edema' holds the labels themselves", "'prob'")


def test_predictions_that_all_equal_the_labels_are_told(write, compare):
    write({"finding": FINDING}, {"finding": FINDING})
    comparison = compare()
    assert set(comparison.rows["estimate"]) == {1.0}
    assert one_note(comparison, "a.csv, b.csv: every prediction of finding equals its label")
    write({"A": BINARY, "B": OTHER}, {"A": BINARY, "B": OTHER})
    assert one_note(compare(), "a.csv, b.csv: every prediction of A, B equals its label")


def test_one_perfect_model_stays_a_model_beside_columns_of_notes(write, compare):
    write({"finding": FINDING}, {"finding": {"a": FINDING, "b": CALLED["b"]}, "fold": FOLD, "note": "one two"})
    comparison = compare()
    assert comparison.rows["estimate"].max() == 1
    assert one_note(comparison, "a.csv: every prediction of finding equals its label")
    assert one_note(comparison, "columns left aside: fold, note")


def test_scores_are_preferred_and_options_choose_decisions(write, compare):
    write({"label": BINARY}, {"label": BINARY, "pred": DECIDED, "prob": SCORES})
    by_score = compare()
    assert set(by_score.rows["metric"]) == {"auc"}
    assert one_note(by_score, "columns left aside: pred; predictions are 'prob'")
    for options in ({"metric": "Accuracy"}, {"test": "McNemar_Exact"}):
        by_class = compare(**options)
        assert set(by_class.rows["metric"]) == {"accuracy"}
        assert one_note(by_class, "columns left aside: prob; predictions are 'pred'")


def test_merged_files_of_several_labels(write, compare):
    labels = {"age": AGE, "sex": OTHER, "A": BINARY, "B": OTHER}
    write({"A": BINARY, "B": OTHER}, {"A": SCORES, "B": OTHERS})
    tidy = compare()
    write(labels, {**labels, "prob_A": SCORES, "B_score": OTHERS})
    merged = compare()
    assert_same(merged, tidy)
    assert one_note(merged, "'A', 'B' hold the labels themselves", "'prob_A', 'B_score'")
    assert one_note(merged, "columns left aside: age, sex")
    write(labels, {**labels, "A": SCORES, "B": OTHERS})
    assert_same(compare(), tidy)


@pytest.mark.parametrize(
    ("truth", "predictions", "found", "remedy"),
    [
        (FINDING, {"pred": CODES}, ["0, 1, 2", "bacterial, normal, viral"], "what a number stands for"),
        (FINDING, {"finding": FINDING, "network": CODES}, ["0, 1, 2", "bacterial"], "replace the names"),
        (FINDING, {"pred": {m: np.char.upper(CALLED[m]) for m in MODELS}}, ["BACTERIAL", "bacterial"], "same case"),
        (np.where(BINARY, "yes", "no"), {"pred": DECIDED}, ["0, 1", "no, yes"], "write 1 and 0"),
        (
            BINARY,
            {"pred": {m: np.where(DECIDED[m], "Yes", "No") for m in MODELS}},
            ["No, Yes", "0, 1"],
            "write 1 and 0",
        ),
        (BINARY, {"pred": {m: np.where(DECIDED[m], "ill", "well") for m in MODELS}}, ["ill, well", "0, 1"], "replace"),
    ],
)
def test_classes_that_are_none_of_the_truths_are_refused(write, compare, truth, predictions, found, remedy):
    write({"finding": truth}, predictions)
    with pytest.raises(InputError, match=r"a\.csv calls") as caught:
        compare()
    assert all(part in caught.value.found for part in found)
    assert caught.value.expected
    assert remedy in caught.value.remedy


def test_yes_and_no_beside_scores_are_to_be_mapped(write, compare):
    write({"finding": np.where(BINARY, "Yes", "No")}, {"prob": SCORES})
    with pytest.raises(InputError, match=r"labels\.csv, line .*'finding' is '(Yes|No)'") as caught:
        compare()
    assert "write 1 and 0 in place of" in caught.value.remedy
    write({"finding": np.where(BINARY, "yes", "no")}, {"pred": {m: np.where(DECIDED[m], "yes", "no") for m in MODELS}})
    assert set(compare().rows["metric"]) == {"accuracy"}


def test_extra_columns_are_left_aside(write, compare):
    extra = {"note": "seen", "fold": FOLD, "extra": AGE}
    for labels, predictions in (
        ({"A": BINARY, "B": OTHER}, {"A": SCORES, "B": OTHERS}),
        ({"A": BINARY}, {"A": SCORES}),
    ):
        write(labels, predictions)
        tidy = compare()
        write(labels, {**predictions, **extra})
        untidy = compare()
        assert_same(untidy, tidy)
        assert one_note(untidy, "columns left aside: note, fold, extra")


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ({"A": BINARY, "Edema": OTHER}, {"A": SCORES, "edema": OTHERS}, "'edema', .*nearest: 'Edema'"),
        ({"A": BINARY, "Edema": OTHER}, {"A": SCORES, "prob_Edma": OTHERS}, "'prob_Edma', .*nearest: 'Edema'"),
        (
            {"A": BINARY, "Edema": OTHER},
            {"X": SCORES, "Y": OTHERS},
            r"predictions of 'X', 'Y', for which .*labels\.csv",
        ),
        ({"A": BINARY, "Edema": OTHER}, {"score": SCORES}, "no labels .*valid: A, Edema"),
        ({"A": BINARY}, {"x": SCORES, "y": OTHERS}, "columns x, y, and any of them may hold the predictions of A"),
        ({"A": FINDING, "B": FINDING[::-1]}, {"A": FINDING, "B": FINDING[::-1], "n": AGE}, "cannot be told which"),
        ({"A": [""] * N}, {"score": SCORES}, "A is empty in every row"),
        ({}, {"score": SCORES}, r"labels\.csv has the columns image_id"),
    ],
)
def test_columns_that_cannot_be_matched_are_refused(write, compare, labels, predictions, message):
    write(labels, predictions)
    with pytest.raises(InputError, match=message) as caught:
        compare()
    assert caught.value.expected
    assert caught.value.remedy


@pytest.mark.parametrize("names", [("0", "1"), ("prob_0", "prob_1")])
def test_of_a_pair_of_probabilities_that_of_the_positive_class_is_taken(write, compare, names):
    pair = dict(zip(names, ({m: 1 - SCORES[m] for m in MODELS}, SCORES), strict=True))
    write({"label": BINARY}, {"score": SCORES})
    tidy = compare()
    write({"label": BINARY}, pair)
    untidy = compare()
    assert_same(untidy, tidy)
    assert one_note(untidy, f"columns left aside: {names[0]}; predictions are {names[1]!r}")
    write({"label": BINARY}, {"pred": DECIDED})
    decided = compare()
    write({"label": BINARY}, pair)
    called = compare(metric="accuracy")
    assert_same(called, decided)
    assert one_note(called, "highest score (of 0, 1)")


def test_scores_of_classes_are_known_by_their_names(write, compare):
    scores = {f"prob_{name}": {m: (CALLED[m] == name) + 0.1 for m in MODELS} for name in CLASSES}
    write({"finding": FINDING}, {"finding": FINDING, "fold": FOLD, **scores, "prob_covid": 0.2})
    by_score = compare()
    assert one_note(by_score, "highest score (of bacterial, covid, normal, viral)")
    assert one_note(by_score, "columns left aside: fold")
    write({"finding": FINDING}, {"pred": CALLED, "confidence": SCORES})
    assert_same(by_score, compare())


def test_decisions_among_scores_are_told(write, compare):
    for names in (("a", "b"), ("b", "a")):
        write({"label": BINARY}, {"label": {names[0]: DECIDED[names[0]], names[1]: SCORES[names[1]]}})
        comparison = compare()
        assert set(comparison.rows["metric"]) == {"auc"}
        assert one_note(comparison, f"{names[0]}.csv: predictions that are 1 and 0 only were taken as scores")


def test_labels_that_stand_with_the_predictions(write, compare):
    write({"finding": FINDING}, {"pred": CALLED})
    tidy = compare()
    for labels, called in (("finding", "pred"), ("target", "predicted"), ("label", "network")):
        write(None, {labels: FINDING, called: CALLED})
        assert_same(compare(labels="a.csv"), tidy)
    write({"A": BINARY, "B": OTHER}, {"A": SCORES, "B": OTHERS})
    tidy = compare()
    write(None, {"A": BINARY, "B": OTHER, "prob_A": SCORES, "prob_B": OTHERS})
    assert_same(compare(labels="a.csv"), tidy)


@pytest.mark.parametrize(
    "columns",
    [
        {"finding": FINDING, "network": CALLED},
        {"finding": CALLED},
        {"label": FINDING, "fold": FOLD},
        {"finding": FINDING, "scanner": FINDING[::-1], "pred": CALLED},
    ],
)
def test_one_file_in_both_roles_must_say_which_column_is_which(write, compare, columns):
    write(None, columns)
    with pytest.raises(InputError, match="given with --labels and as a model") as caught:
        compare(labels="a.csv")
    assert all(name in caught.value.found for name in columns)
    assert "target and predicted" in caught.value.expected


def test_predictions_without_labels_are_not_compared_as_values(write, compare):
    write(None, {"label": BINARY, "prob": SCORES})
    with pytest.raises(InputError, match="holds predictions") as caught:
        compare(labels=None)
    assert "--labels" in caught.value.remedy


def test_bookkeeping_is_no_measured_quantity(write, compare):
    write(None, {"psnr": SCORES, "fold": FOLD})
    comparison = compare(labels=None)
    assert set(comparison.rows["metric"]) == {"psnr"}
    assert one_note(comparison, "a.csv, b.csv: columns without measured numbers left aside: fold")


def test_one_quantity_may_be_chosen(write, compare):
    write(None, {"PSNR": SCORES, "blur": OTHERS})
    assert set(compare(labels=None, metric="psnr").rows["metric"]) == {"psnr"}
    with pytest.raises(InputError, match="--metric is auc") as caught:
        compare(labels=None, metric="auc")
    assert "PSNR, blur" in caught.value.expected
    with pytest.raises(InputError, match="nearest: 'blur'"):
        compare(labels=None, lower_is_better=("blurr",))


def test_files_of_the_same_name_are_told_apart_in_notes(write, compare, tmp_path):
    write({"label": BINARY}, {"prob": SCORES, "fold": FOLD})
    for model in MODELS:
        (tmp_path / f"run-{model}").mkdir()
        (tmp_path / f"{model}.csv").rename(tmp_path / f"run-{model}" / "p.csv")
    paths = [tmp_path / f"run-{model}" / "p.csv" for model in MODELS]
    note = one_note(compare_files(tmp_path / "labels.csv", paths, Options()), "columns left aside: fold")
    assert all(f"run-{model}" in note for model in MODELS)
