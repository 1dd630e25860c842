"""Runs that are missing or failed: refused, or shown for what they are."""

import shutil

import numpy as np
import pytest

from evalkit.comparisons import write_table
from evalkit.comparisons.rows import read_rows
from evalkit.errors import InputError

LOW, ALL = "regime=finetune,fraction=0.1", "regime=finetune,fraction=1"


def make_partial(study, table="table7"):
    path = write_table(study, table, partial=True)
    assert path.parent.name == "partial", "a partial table must never be taken for the complete one"
    return read_rows(path)


def cell(rows, setting, backbone, *, target="mean", role="primary"):
    found = rows[
        (rows["setting"] == setting)
        & (rows["backbone"] == backbone)
        & (rows["target"] == target)
        & (rows["role"] == role)
        & (rows["policy"] == rows["policy"].iloc[0])
    ]
    assert len(found) == 1
    return found.iloc[0]


def remove(study, setting, backbone, *repeats):
    for repeat in repeats:
        shutil.rmtree(study.layout.run("main", setting, backbone, repeat))


def test_a_missing_run_is_refused_by_name(results):
    study = results.write()
    remove(study, LOW, "twin", 2)
    with pytest.raises(InputError) as caught:
        write_table(study, "table7")
    assert "1 of 15 runs of table7.csv are missing" in str(caught.value)
    assert str(study.layout.run("main", LOW, "twin", 2)) in str(caught.value)
    assert "--partial" in caught.value.remedy
    assert not study.layout.report("table7.csv").exists()


def test_a_partial_cell_is_compared_on_the_repeats_both_have(results):
    study = results.write()
    remove(study, LOW, "scratch", 0, 3)
    rows = make_partial(study)
    row = cell(rows, LOW, "scratch")
    assert (row["status"], row["n"]) == ("2/4 repeats", 2)
    assert row["p_value"] < 1
    both = cell(rows, LOW, "scratch", role="paper")
    assert both["df"] == 1
    assert cell(rows, LOW, "twin")["status"] == "ok"


def test_repeats_that_only_one_of_both_has_are_left_out(results):
    study = results.write()
    remove(study, LOW, "good", 0)
    remove(study, LOW, "twin", 0)
    remove(study, LOW, "scratch", 3)
    row = cell(make_partial(study), LOW, "scratch")
    assert row["status"] == "2/4 repeats in common"
    assert row["n"] == 3


def test_one_repeat_in_common_is_no_sample(results):
    study = results.write()
    remove(study, LOW, "scratch", 0, 1, 2)
    for role in ("primary", "paper"):
        row = cell(make_partial(study), LOW, "scratch", role=role)
        assert row["status"] == "1/4 repeats"
        assert np.isnan(row["p_value"])
        assert not np.isnan(row["difference"])
    assert row["ci_method"] == "bootstrap percentile"


def test_an_unfinished_cell_is_no_reference(results):
    study = results.write()
    remove(study, LOW, "good", 0)
    rows = make_partial(study)
    assert cell(rows, LOW, "scratch")["reference"] == "twin"
    assert cell(rows, LOW, "good")["status"] == "3/4 repeats"


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("diverged", "failed: diverged"),
        ("out of memory", "failed: out of memory"),
        ("undefined: no positive of Edema", "undefined: no positive of Edema"),
    ],
)
def test_failures_are_results_and_need_no_partial(results, outcome, status):
    study = results.write()
    shutil.rmtree(study.layout.run("main", ALL, "scratch", 0))
    results.write_run("main", ALL, "scratch", 0, cases=results.make_cases(), outcome=outcome)
    rows = read_rows(write_table(study, "table7"))
    for role in ("primary", "paper"):
        row = cell(rows, ALL, "scratch", role=role)
        assert row["status"] == status
        assert np.isnan(row["estimate"])
        assert np.isnan(row["p_value"])
    compared = rows[(rows["setting"] == ALL) & (rows["policy"] == "baseline")]
    assert set(compared["status"]) == {f"undefined: reference {status}"}


def test_single_failed_repeats_are_told_beside_the_table(results):
    study = results.write()
    shutil.rmtree(study.layout.run("main", LOW, "good", 1))
    results.write_run("main", LOW, "good", 1, cases=results.make_cases(), outcome="diverged")
    path = write_table(study, "table7")
    assert cell(read_rows(path), LOW, "good")["status"] == "3/4 repeats"
    assert "repeat 1 failed: diverged" in path.with_suffix(".json").read_text(encoding="utf-8")


def test_what_has_not_been_run_says_why(results):
    study = results.write()
    for backbone in ("scratch", "twin"):
        remove(study, ALL, backbone, 0)
    study.layout.weights("twin").with_suffix(".json").unlink()
    rows = make_partial(study)
    assert cell(rows, ALL, "scratch")["status"] == "not run"
    assert cell(rows, ALL, "twin")["status"] == "unavailable: weights"
    assert cell(rows, ALL, "good")["status"] == "reference"


def test_a_study_of_which_nothing_has_been_run_renders(results):
    study = results.write()
    shutil.rmtree(study.layout.root)
    for table in ("table7", "table5"):
        rows = make_partial(study, table)
        assert set(rows["status"]) <= {"not run", "unavailable: weights"}
        assert list(dict.fromkeys(rows["target"])) == ["mean", "Edema", "Effusion", "Atelectasis"]
        assert (rows[rows["role"] == "primary"].groupby(["backbone", "setting", "target"]).size() == 1).all()


@pytest.mark.parametrize("package", ["datasets", "splits"])
def test_runs_without_the_reports_of_their_data_are_refused(results, package):
    study = results.write()
    report = {"datasets": study.layout.manifest("drawn"), "splits": study.layout.splits("main")}[package]
    report.with_suffix(".json").unlink()
    with pytest.raises(InputError, match=rf"python -m evalkit\.{package}"):
        write_table(study, "table7")


def test_targets_can_be_named_before_anything_is_known_of_the_classes(results):
    study = results.write(changes={"evaluations.main.labels": None, "tables.table7.targets": ["mean", "Edema"]})
    shutil.rmtree(study.layout.root)
    rows = make_partial(study)
    assert list(dict.fromkeys(rows["target"])) == ["mean", "Edema"]
    assert set(rows["status"]) <= {"not run", "unavailable: weights"}
