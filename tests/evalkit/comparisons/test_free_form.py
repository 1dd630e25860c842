"""``evalkit compare``: files of any origin, joined by id."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn.metrics import roc_auc_score

from evalkit.comparisons.files.joining import name_models
from evalkit.comparisons.free_form import Options, compare_files
from evalkit.comparisons.rows import COLUMNS, read_rows, write_rows
from evalkit.errors import InputError
from reports.comparison import list_facts, render_terminal
from stats import adjust_pvalues, delong_test


@pytest.fixture
def files(tmp_path):
    """Labels of 80 images of 50 patients, and three models, each file in an order of its own."""
    rng = np.random.default_rng(5)
    labels = pd.DataFrame(
        {
            "image_id": [f"{k:04d}" for k in range(80)],
            "patient_id": [f"p{k % 50}" for k in range(80)],
            "Edema": rng.integers(0, 2, 80),
            "Effusion": rng.integers(0, 2, 80),
        }
    )
    labels.to_csv(tmp_path / "labels.csv", index=False)
    for name, quality in (("weak", 0.3), ("strong", 2.0), ("fair", 1.0)):
        scores = labels[["image_id"]].copy()
        for column in ("Edema", "Effusion"):
            scores[column] = quality * labels[column] + rng.normal(size=80)
        scores.sample(frac=1, random_state=len(name)).to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def run(folder, *names, labels="labels.csv", **options):
    paths = [folder / f"{name}.csv" for name in names or ("weak", "strong")]
    return compare_files(folder / labels, paths, Options(**options))


def compare(folder, *names, labels="labels.csv", **options):
    return run(folder, *names, labels=labels, **options).rows


def pick(rows, **values):
    found = rows
    for column, value in values.items():
        found = found[found[column] == value]
    assert len(found) == 1
    return found.iloc[0]


def joined(folder, name):
    labels = pd.read_csv(folder / "labels.csv", dtype={"image_id": str})
    return labels.merge(pd.read_csv(folder / f"{name}.csv", dtype={"image_id": str}), on="image_id")


def test_rows_are_joined_by_id(files):
    rows = compare(files)
    strong, weak = joined(files, "strong"), joined(files, "weak")
    row = pick(rows, backbone="weak", target="Edema")
    assert row["estimate"] == pytest.approx(roc_auc_score(weak["Edema_x"], weak["Edema_y"]), abs=1e-12)
    expected = delong_test(strong["Edema_x"], weak["Edema_y"], strong["Edema_y"])
    assert (row["reference"], row["test"], row["role"]) == ("strong", "delong", "primary")
    assert row["p_value"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert tuple(rows.columns) == COLUMNS


def test_pvalues_are_adjusted_within_each_class(files):
    rows = compare(files, "weak", "strong", "fair")
    of_class = rows[(rows["target"] == "Edema") & rows["p_value"].notna()]
    assert of_class["p_adjusted"].tolist() == adjust_pvalues(of_class["p_value"].to_numpy()).tolist()
    assert set(of_class["family_size"]) == {2}


def test_several_classes_have_a_mean_and_one_has_none(files):
    assert list(dict.fromkeys(compare(files)["target"])) == ["mean", "Edema", "Effusion"]
    one = pd.read_csv(files / "labels.csv", dtype=str).drop(columns="Effusion")
    one.rename(columns={"Edema": "truth"}).to_csv(files / "one.csv", index=False)
    for name in ("weak", "strong"):
        scores = pd.read_csv(files / f"{name}.csv", dtype=str).drop(columns="Effusion")
        scores.rename(columns={"Edema": f"p_{name}"}).to_csv(files / f"{name}.csv", index=False)
    rows = compare(files, labels="one.csv")
    assert set(rows["target"]) == {"truth"}
    assert len(rows) == 2


def test_groups_cluster_the_test(files):
    strong, weak = joined(files, "strong"), joined(files, "weak")
    row = pick(compare(files, group_column="patient_id"), backbone="weak", target="Edema")
    expected = delong_test(strong["Edema_x"], weak["Edema_y"], strong["Edema_y"], groups=strong["patient_id"])
    assert (row["test"], row["n"], row["n_clusters"]) == ("delong_clustered", 80, 50)
    assert row["p_value"] == pytest.approx(expected.pvalue, rel=1e-9)


def test_forgotten_groups_are_mentioned(files):
    assert any("--group patient_id" in note for note in run(files).notes)
    assert not run(files, group_column="patient_id").notes


def test_a_named_reference(files):
    rows = compare(files, reference="weak")
    assert set(rows["reference"]) == {"weak"}
    assert set(rows["policy"]) == {"named"}
    assert set(rows[rows["backbone"] == "weak"]["status"]) == {"reference"}


def test_empty_labels_do_not_count(files):
    labels = pd.read_csv(files / "labels.csv", dtype=str)
    labels.loc[:9, "Edema"] = ""
    labels.to_csv(files / "labels.csv", index=False)
    assert pick(compare(files), backbone="weak", target="Edema")["n"] == 70


def test_our_own_predictions_serve_as_labels_and_as_scores(results):
    study = results.write()
    setting = "regime=finetune,fraction=1"
    paths = [study.layout.run("main", setting, name, 0) / "predictions.parquet" for name in study.backbones]
    rows = compare_files(paths[0], paths, Options()).rows
    assert list(dict.fromkeys(rows["backbone"])) == ["scratch", "good", "twin"]
    assert list(dict.fromkeys(rows["target"])) == ["mean", "Edema", "Effusion", "Atelectasis"]
    assert (pick(rows, backbone="twin", target="Edema")[["difference", "p_value"]] == [0, 1]).all()


def test_columns_without_scores_are_left_aside_and_told(files):
    labels = pd.read_csv(files / "labels.csv", dtype=str).assign(age="57")
    labels.to_csv(files / "labels.csv", index=False)
    assert any("age" in note for note in run(files).notes)


def edit(folder, name, change):
    frame = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
    change(frame).to_csv(folder / name, index=False)


def put(column, row, value):
    def change(frame):
        frame.loc[row, column] = value
        return frame

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("weak.csv", lambda frame: frame.iloc[:-2], r"weak.csv has no row for image_id .* \(2 missing\)"),
        ("weak.csv", put("image_id", 3, "9999"), r"weak.csv, line 5: image_id '9999' is not in .*labels.csv"),
        ("weak.csv", lambda frame: pd.concat([frame, frame[:1]]), r"weak.csv, line 82: image_id .* a second time"),
        ("weak.csv", put("image_id", 0, " "), r"weak.csv, line 2: image_id is empty"),
        ("weak.csv", put("Edema", 7, "high"), r"weak.csv, line 9: the score 'Edema' is 'high'"),
        ("weak.csv", put("Edema", 7, ""), r"weak.csv, line 9: the score 'Edema' is ''"),
        ("weak.csv", put("Edema", 7, "nan"), r"weak.csv, line 9: the score 'Edema' is 'nan'"),
        ("labels.csv", put("Edema", 1, "-1"), r"labels.csv, line 3: the label 'Edema' is '-1'"),
        ("labels.csv", put("Edema", 1, "yes"), r"labels.csv, line 3: the label 'Edema' is 'yes'"),
        ("labels.csv", put("patient_id", 1, ""), r"labels.csv, line 3: patient_id is empty"),
        ("weak.csv", lambda frame: frame.rename(columns={"Edema": "Edma"}), r"'Edma', .* \(nearest: 'Edema'"),
        ("weak.csv", lambda frame: frame.drop(columns="image_id"), r"weak.csv has no column 'image_id'"),
        ("weak.csv", lambda frame: frame[["image_id"]], r"weak.csv has the columns image_id"),
        ("strong.csv", lambda frame: frame.drop(columns="Edema"), r"strong.csv has predictions of Effusion"),
        ("strong.csv", lambda frame: frame[:0], r"strong.csv has no row"),
    ],
)
def test_bad_files_are_refused_with_their_place(files, name, change, message):
    edit(files, name, change)
    with pytest.raises(InputError, match=message) as caught:
        compare(files, group_column="patient_id")
    assert caught.value.expected
    assert caught.value.remedy


def test_bad_arguments_are_refused(files):
    with pytest.raises(InputError, match="nearest: 'strong'"):
        compare(files, reference="strnog")
    with pytest.raises(InputError, match="two or more"):
        compare(files, "weak")
    with pytest.raises(InputError, match="given twice"):
        compare(files, "weak", "weak")
    with pytest.raises(InputError, match="--group"):
        compare(files, group_column="patient")
    with pytest.raises(InputError, match=r"absent\.csv does not exist"):
        compare(files, "weak", "absent")
    with pytest.raises(InputError, match=r"a file ending in \.csv, \.tsv, \.txt or \.parquet"):
        compare_files(files / "labels.csv", [files / "weak.csv", files / "strong.xlsx"], Options())


def test_models_are_named_by_what_sets_their_files_apart(tmp_path):
    names = ["runs/a/repeat-0/p.csv", "runs/a/repeat-1/p.csv", "runs/b/repeat-0/p.csv"]
    assert name_models([tmp_path / name for name in names]) == ["a/repeat-0", "a/repeat-1", "b/repeat-0"]
    assert name_models([tmp_path / "x/one.csv", tmp_path / "y/two.csv"]) == ["one", "two"]
    mixed = ["x/one.csv", "y/one.csv", "y/two.csv"]
    assert name_models([tmp_path / name for name in mixed]) == ["x/one", "y/one", "y/two"]
    assert len(set(name_models([tmp_path / "one.csv", tmp_path / "deep/one.csv"]))) == 2


def test_the_terminals_table_shows_names_as_they_are(files):
    (files / "weak.csv").rename(files / "[red]weak[bold].csv")
    comparison = run(files, "[red]weak[bold]", "strong")
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render_terminal(comparison.rows, list_facts(comparison)))
    text = console.export_text()
    assert "[red]weak[bold]" in text
    assert "80 images" in text
    assert "chosen on the same cases" in text
    assert "DeLong's test is made for AUCs" in text


def test_the_rows_are_the_same_tidy_rows(files, tmp_path):
    rows = compare(files)
    write_rows(tmp_path / "out.csv", rows)
    pd.testing.assert_frame_equal(read_rows(tmp_path / "out.csv"), rows, check_exact=True)
