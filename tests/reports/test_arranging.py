"""Rows laid out as a paper lays them out."""

import pandas as pd
import pytest

from evalkit.comparisons.rows import to_frame
from reports.arranging import arrange
from reports.labels import label_metric, label_setting, label_subgroup, label_target

LOW, ALL = "regime=finetune,fraction=0.1", "regime=finetune,fraction=1"
METRICS = [
    {"name": "accuracy", "label": "accuracy", "higher_is_better": True},
    {"name": "brier", "label": "Brier score", "higher_is_better": False},
]


@pytest.fixture
def several(make_row, context):
    """Rows of two metrics in two settings; the second has a class beside its overall number; with their facts."""
    places = [("accuracy", "all"), ("brier", "all"), ("brier", "viral")]
    rows = [
        make_row(setting, target, backbone, metric=metric, higher_is_better=metric == "accuracy")
        for metric, target in places
        for setting in (LOW, ALL)
        for backbone in ("bad", "good")
    ]
    return to_frame(rows), {**context, "metrics": METRICS}


def test_settings_across_give_a_block_for_each_target(rows, context):
    blocks = arrange(rows, context)
    assert [block.title for block in blocks] == ["Mean over classes", "<script>alert(1)</script>"]
    assert blocks[0].columns == ("10 %", "100 %")
    assert [line.label for line in blocks[0].lines] == list(dict.fromkeys(rows["label"]))


def test_targets_across_give_a_block_for_each_setting(rows, context):
    blocks = arrange(rows, {**context, "columns": "target"})
    assert [block.title for block in blocks] == ["10 %", "100 %"]
    assert blocks[0].columns == ("Mean over classes", "<script>alert(1)</script>")


def test_a_cell_says_its_number_its_spread_and_its_test(rows, context):
    bad, good, failed = (line.cells[0] for line in arrange(rows, context)[0].lines)
    assert (bad.number, bad.spread, bad.interval) == (".612", ".013", ".562 to .662")
    assert (bad.difference, bad.difference_interval) == ("−.230", "−.300 to −.100")
    assert (bad.pvalue, bad.mark, bad.status) == ("p = .008", "**", "")
    assert (good.number, good.best, good.difference, good.status) == (".842", True, "", "")
    assert (failed.number, failed.interval, failed.status) == ("", "", "failed: out of memory")


def test_the_best_is_one_of_each_column(rows, context):
    for block in arrange(rows, context):
        for column in range(2):
            assert [line.cells[column].best for line in block.lines] == [False, True, False]


def test_unfinished_cells_are_not_the_best(rows, context):
    unfinished = (rows["backbone"] == "good") & (rows["setting"] == LOW)
    rows.loc[unfinished, ["n", "status"]] = [3, "3/10 repeats"]
    cells = [line.cells[0] for line in arrange(rows, context)[0].lines]
    assert [cell.best for cell in cells] == [True, False, False]
    assert cells[1].status == "3/10 repeats"


def test_lower_can_be_better(rows, context):
    lower = arrange(rows.assign(higher_is_better=False), context)
    assert [line.cells[0].best for line in lower[0].lines] == [True, False, False]


def test_marks_come_from_primary_rows_only(rows, context):
    rows.loc[rows["role"] == "secondary", "p_adjusted"] = 1e-6
    (comparison,) = arrange(rows, context)[0].further
    assert comparison.policy == "baseline"
    assert [line.label for line in comparison.lines] == [rows.loc[rows["backbone"] == "good", "label"].iloc[0]]
    cell = comparison.lines[0].cells[0]
    assert (cell.difference, cell.pvalue, cell.mark) == ("+.230", "p < .001", "")


def test_settings_are_named_by_what_varies():
    heads = ["fraction=0.1,head=C4", "fraction=0.1,head=C5"]
    assert label_setting(heads[1], heads) == "C5"
    both = ["fraction=0.01,head=C4", "fraction=0.1,head=C5"]
    assert label_setting(both[0], both) == "1 %, C4"
    assert label_setting(ALL, [ALL]) == "100 %"
    assert label_setting("head=C4", ["head=C4"]) == "C4"
    heads = ["head=R50-C4", "head=R50-DC5"]
    assert [label_setting(head, heads) for head in heads] == ["R50-C4", "R50-dilated-C5"]
    assert label_setting("", [""]) == ""


def test_a_table_without_further_rows_has_no_further_part(rows, context):
    primary = pd.DataFrame(rows[rows["role"] == "primary"])
    assert arrange(primary, context)[0].further == ()


def test_metrics_across_are_each_at_their_overall_target(several):
    rows, context = several
    blocks = arrange(rows, {**context, "columns": "metric"})
    assert [block.title for block in blocks] == ["10 %", "100 %", "10 %, viral", "100 %, viral"]
    assert blocks[0].columns == ("Accuracy", "Brier score")
    assert blocks[2].columns == ("Brier score",)
    assert [block.leading for block in blocks] == [True, True, False, False]


def test_the_best_of_each_metric_is_the_one_on_its_better_side(several):
    rows, context = several
    bad, good = arrange(rows, {**context, "columns": "metric"})[0].lines
    assert [cell.best for cell in bad.cells] == [False, True]
    assert [cell.best for cell in good.cells] == [True, False]


def test_several_metrics_give_a_block_each(several):
    rows, context = several
    assert [block.title for block in arrange(rows, context)] == [
        "Accuracy, Overall",
        "Brier score, Overall",
        "Brier score, viral",
    ]
    by_target = arrange(rows, {**context, "columns": "target"})
    assert [block.title for block in by_target] == [
        *("Accuracy, 10 %", "Accuracy, 100 %"),
        *("Brier score, 10 %", "Brier score, 100 %"),
    ]
    assert by_target[2].columns == ("Overall", "viral")
    assert all(block.leading for block in by_target)


def test_subgroups_follow_with_their_sizes(rows, context):
    women = rows.assign(subgroup="sex=F")
    context["test_set"]["subgroups"] = {"sex=F": {"cases": 40, "patients": 1}}
    blocks = arrange(pd.concat([rows, women], ignore_index=True), context)
    assert [block.title for block in blocks] == [
        *("Mean over classes", "<script>alert(1)</script>"),
        "Sex F (40 images of 1 patient), Mean over classes",
        "Sex F (40 images of 1 patient), <script>alert(1)</script>",
    ]
    assert blocks[2].lines == blocks[0].lines
    assert blocks[2].further == blocks[0].further
    context["test_set"]["unit"] = "patient"
    assert arrange(women, context)[0].title == "Sex F (1 patient), Mean over classes"


def test_ways_of_training_have_names_for_readers():
    ways = ["regime=finetune,trainset=full", "regime=probe,trainset=full", "regime=probe,trainset=undersampled"]
    assert [label_setting(way, ways) for way in ways] == [
        *("fine-tuned, full", "linear probe, full", "linear probe, undersampled")
    ]
    assert label_setting(ways[1], ways[:2]) == "linear probe"
    assert label_setting("trainset=modified", ["trainset=modified"]) == "modified"
    assert label_target("all") == "Overall"
    assert (label_subgroup("all"), label_subgroup("age=>=80")) == ("", "Age >=80")
    assert label_metric({"label": "sensitivity"}) == "Sensitivity"
