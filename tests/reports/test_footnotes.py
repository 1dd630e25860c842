"""What stands under a table."""

from reports.footnotes import write_footnotes


def find(footnotes, start):
    (found,) = [footnote for footnote in footnotes if footnote.startswith(start)]
    return found


def test_footnotes_name_test_reference_n_adjustment_data_and_weights(rows, context):
    footnotes = write_footnotes(rows, context)
    assert "mean ± SD over the repeats (n = 10: 10 %)" in find(footnotes, "Cells")
    assert "one run per backbone (100 %)" in find(footnotes, "Cells")
    assert "chosen on the data it is tested on" in find(footnotes, "Reference: the best backbone")
    assert "two-way bootstrap, 10,000 replicates (10 %)" in find(footnotes, "Test:")
    assert find(footnotes, "Adjustment").startswith("Adjustment: Holm, for the 2 p-values of each column")
    assert "90 images of 80 patients" in find(footnotes, "Test set")
    assert "drawn anew in each run" in find(footnotes, "Weights")
    assert "fingerprint 0123456789ab" in find(footnotes, "Weights")
    assert "not there yet" in find(footnotes, "Weights")
    assert "variance between training seeds is not in the test" in find(
        footnotes, "Where each backbone was trained once"
    )
    assert "torch 2.15.0" in find(footnotes, "Made with")


def test_nothing_is_said_that_does_not_hold(rows, context):
    named = {**context, "policies": ["named"], "reference": "good", "runs": dict.fromkeys(context["runs"], 10)}
    text = "\n".join(write_footnotes(rows, {**named, "drawn": False, "family": "table"}))
    assert "chosen on" not in text
    assert "seeds" not in text
    assert "emonstration" not in text
    assert "of all settings and targets together" in text
    assert "role paper" not in text


def test_notes_and_caveats_are_there_word_for_word(rows, context):
    footnotes = write_footnotes(rows, context)
    for text in (
        "One caveat.",
        "A note of the study.",
        "Training: 300 images of 200 patients.",
        "Data: Data with 5 % of <tags> & more.",
    ):
        assert text in footnotes


def test_units_other_than_images_are_explained(rows, context):
    context["test_set"] |= {"unit": "study", "cases": 85}
    assert "scored as 85 studies (mean of their images' probabilities)" in find(
        write_footnotes(rows, context), "Test set"
    )


def test_compact_footnotes_speak_of_what_compact_cells_show(rows, context):
    cells = find(write_footnotes(rows, context, compact=True), "Cells")
    assert "Δ" not in cells
    assert "In parentheses: 95 % confidence interval (percentiles of the bootstrap over patients)" in cells


def test_a_table_of_nothing_yet_leaves_no_empty_brackets(rows, context):
    empty = rows.assign(ci_method="", p_adjusted=float("nan"), family_size=None)
    for compact in (False, True):
        assert "()" not in "".join(write_footnotes(empty, context, compact=compact))
