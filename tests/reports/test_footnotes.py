"""What stands under a table."""

import pandas as pd

from evalkit.comparisons.rows import to_frame
from reports.footnotes import write_footnotes

LOW, ALL = "regime=finetune,fraction=0.1", "regime=finetune,fraction=1"


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
    assert "of all settings, targets and subgroups together" in text
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


def test_each_metrics_test_is_named(make_row, context):
    changes = {"sd": float("nan"), "unit": "image", "ci_method": "wilson"}
    rows = [
        make_row(ALL, "all", "bad", metric="accuracy", test="mcnemar_exact", **changes),
        make_row(ALL, "mean", "bad", metric="f1", test="bootstrap", **changes),
        make_row(ALL, "mean", "bad", metric="auc", test="bootstrap", **changes),
        make_row(ALL, "viral", "bad", metric="auc", test="delong", **changes),
    ]
    metrics = [("accuracy", "accuracy"), ("f1", "F1"), ("auc", "AUC")]
    context |= {
        "metrics": [{"name": name, "label": label, "higher_is_better": True} for name, label in metrics],
        "definitions": ["F1: macro."],
        "columns": "metric",
        "runs": {ALL: 1},
        "task": "multiclass",
        "tests": {"mcnemar_exact": "McNemar's exact test", "bootstrap": "bootstrap", "delong": "DeLong's test"},
    }
    footnotes = write_footnotes(to_frame(rows), context)
    assert find(footnotes, "Cells").startswith("Cells: accuracy, F1 and AUC of one run per backbone. ")
    assert "Wilson's score interval" in find(footnotes, "Cells")
    assert "F1: macro." in footnotes
    assert find(footnotes, "Test: ").startswith(
        "Test: McNemar's exact test (accuracy); bootstrap, 10,000 replicates (F1; AUC: Mean over classes); "
        "DeLong's test (AUC: viral). "
    )
    assert "; of class <script>alert(1)</script> 40." in find(footnotes, "Test set")


def test_subgroups_are_exploratory_unless_they_share_a_family(rows, context):
    both = pd.concat([rows, rows.assign(subgroup="sex=F")], ignore_index=True)
    assert "exploratory" in find(write_footnotes(both, context), "Subgroups")
    widened = find(write_footnotes(both, {**context, "family": "table"}), "Subgroups")
    assert "adjusted together with all others" in widened
    assert not [text for text in write_footnotes(rows, context) if text.startswith("Subgroups")]


def test_a_test_that_only_subgroups_have_is_named_as_such(rows, context):
    few = rows.assign(subgroup="sex=F", test="mcnemar_exact")
    context["tests"]["mcnemar_exact"] = "McNemar's exact test"
    words = find(write_footnotes(pd.concat([rows, few], ignore_index=True), context), "Test:")
    assert "McNemar's exact test (in some subgroups)" in words


def test_probes_have_no_seeds(rows, context):
    probe = ALL.replace("finetune", "probe")
    both = rows.replace({"setting": {LOW: probe}}).assign(sd=float("nan"), unit="image")
    single = find(write_footnotes(both, {**context, "runs": {probe: 1, ALL: 1}}), "Where each backbone was trained")
    assert single.startswith("Where each backbone was trained once (fine-tuned), the variance")
    only = write_footnotes(both[both["setting"] == probe], {**context, "runs": {probe: 1}})
    assert not [text for text in only if "seeds" in text]
    assert "none, one random trunk for all probes" in find(only, "Weights")


def test_settings_of_several_words_are_told_apart(rows, context):
    ways = {"regime=finetune,trainset=full": 3, "regime=probe,trainset=undersampled": 3}
    renamed = rows.replace({"setting": dict(zip((LOW, ALL), ways, strict=True))})
    cells = find(write_footnotes(renamed, {**context, "runs": ways}), "Cells")
    assert "(n = 3: fine-tuned, full; linear probe, undersampled)" in cells


def test_an_external_test_is_told(rows, context):
    assert "External test: so and so." in write_footnotes(rows, {**context, "external": "External test: so and so."})


def test_detections_are_counted_as_images_and_boxes(make_row, context):
    heads = ["head=R50-C4", "head=R50-DC5"]
    changes = {"ci_method": "map_bootstrap percentile", "unit": "image", "n": 40, "sd": float("nan")}
    rows = to_frame(
        [
            make_row(
                head, "mean", backbone, metric="ap50", **changes, test="" if backbone == "good" else "map_bootstrap"
            )
            for head in heads
            for backbone in ("bad", "good")
        ]
    )
    test_set = {
        **{"images": 40, "patients": 30, "unit": "image", "cases": 40, "with_boxes": 25},
        **{"boxes": {"opacity": 31, "nodule": 4}, "subgroups": {}},
    }
    facts = {
        **{"task": "detection", "test_set": test_set, "runs": dict.fromkeys(heads, 1), "resamples": 2000},
        "metrics": [{"name": "ap50", "label": "AP50", "higher_is_better": True}],
        "tests": {"map_bootstrap": "bootstrap over test images, patients as clusters"},
    }
    footnotes = write_footnotes(rows, {**context, **facts})
    assert find(footnotes, "Test set") == (
        "Test set: 40 images of 30 patients; 25 images with a box, 15 without; boxes: opacity 31, nodule 4."
    )
    assert "bootstrap over test images, patients as clusters, 2,000 replicates" in find(footnotes, "Test:")
    assert "percentiles of the bootstrap over images" in find(footnotes, "Cells")
    assert "AP50 of one run per backbone." in find(footnotes, "Cells")
