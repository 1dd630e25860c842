"""Rows laid out as a paper lays them out."""

import pandas as pd

from reports.arranging import arrange, label_setting

LOW, ALL = "regime=finetune,fraction=0.1", "regime=finetune,fraction=1"


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
    assert label_setting("", [""]) == ""


def test_a_table_without_further_rows_has_no_further_part(rows, context):
    primary = pd.DataFrame(rows[rows["role"] == "primary"])
    assert arrange(primary, context)[0].further == ()
