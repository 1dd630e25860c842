"""Counts as a paper prints them, in every format."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys

import pytest

from evalkit.counting import CountRow, read_counts, write_counts
from evalkit.errors import InputError
from reports.count_grid import Group, arrange_counts
from reports.counts import render_counts

SCRIPT = "<script>alert(1)</script>"
HOSTILE = "A&B_1 % #{x} a|b"


def row(setting, split, class_, value="positive", images=0.0, patients=0.0, **more):
    place = ("table2", "study_1", more.pop("dataset", "mine"), "e")
    return CountRow(*place, setting, split, class_, value, images, patients, **more)


def count(labels, settings, *, values=("positive",)):
    """Rows whose numbers tell their place: thousands for the setting, ones for the class."""
    rows = []
    for number, (setting, split) in enumerate(settings, start=1):
        for place, label in enumerate(labels, start=1):
            rows += [row(setting, split, label, value, 1000 * number + place, place) for value in values]
        rows.append(row(setting, split, "all", "", 1000 * number, 100))
    return rows


TRAINSETS = [("trainset=full", "train"), ("trainset=undersampled", "train"), ("", "validation"), ("", "test")]


@pytest.fixture
def context():
    return {
        "table": "table2",
        "title": "A title & <more>",
        "study": "study_1",
        "study_title": "A study_1",
        "evaluation": "e",
        "dataset": "mine",
        "task": "multiclass",
        "drawn": False,
        "repeats": 0,
        "test_set": "the official 10 % list",
        "copies": "",
        "data": ["Data with 5 % of <tags>."],
        "external": [],
        "draws": ["Training: 300 images of 200 patients."],
        "notes": ["A note."],
    }


@pytest.fixture
def render(tmp_path, context):
    """Write rows and facts, render them and give the text of each format."""

    def rendered(rows, **changes):
        path = tmp_path / "table2.csv"
        write_counts(path, rows)
        path.with_suffix(".json").write_text(json.dumps(context | changes))
        return {written.suffix: written.read_text() for written in render_counts(path)}

    return rendered


@pytest.fixture
def arrange(tmp_path, context):
    """Lay rows out as they are read back."""

    def arranged(rows, **changes):
        write_counts(tmp_path / "table2.csv", rows)
        return arrange_counts(read_counts(tmp_path / "table2.csv"), context | changes)

    return arranged


def test_classes_are_down_and_splits_with_their_settings_across(arrange):
    (grid,) = arrange(count(["Normal", "Nodule"], TRAINSETS))
    assert grid.title == ""
    assert grid.groups == (Group("Training", 2, 3), Group("Validation", 4, 4), Group("Test", 5, 5))
    assert grid.columns == ("full", "undersampled", "", "")
    assert grid.headings == ("Training: full", "Training: undersampled", "Validation", "Test")
    assert [label for label, _ in grid.lines] == ["Normal", "Nodule", "All images"]
    assert [[cell.images for cell in cells] for _, cells in grid.lines] == [
        ["1,001", "2,001", "3,001", "4,001"],
        ["1,002", "2,002", "3,002", "4,002"],
        ["1,000", "2,000", "3,000", "4,000"],
    ]
    assert [cells[0].patients for _, cells in grid.lines] == ["1", "2", "100"]


def test_what_labels_say_else_has_grids_of_its_own_where_there_is_any(arrange):
    values = ("positive", "negative", "missing")
    rows = count(["Edema"], TRAINSETS, values=values)
    assert [grid.title for grid in arrange(rows)] == ["Positive", "Negative", "Label missing"]
    assert [len(grid.lines) for grid in arrange(rows)] == [2, 1, 1]
    none_missing = [each for each in rows if each.value != "missing"]
    none_missing += [row(*place, "Edema", "missing") for place in TRAINSETS]
    assert [grid.title for grid in arrange(none_missing)] == ["Positive", "Negative"]


def test_shares_are_means_with_their_spread(arrange):
    drawn = {"images_sd": 12.25, "n_draws": 10}
    rows = [
        row("fraction=0.01", "train", "Edema", images=1234.56, patients=77.5, **drawn),
        row("fraction=0.01", "train", "all", "", 5000, 400, **{**drawn, "images_sd": 0.0}),
        *count(["Edema"], [("fraction=1", "train")]),
    ]
    (grid,) = arrange(rows, task="multilabel")
    assert grid.columns == ("1 %", "100 %")
    cell = grid.lines[0][1][0]
    assert (cell.images, cell.patients, cell.status) == ("1,234.6 ± 12.2", "77.5", "")
    assert grid.lines[1][1][0].images == "5,000.0 ± 0.0"


def test_a_class_that_is_absent_or_unknown_is_said_so(arrange, render):
    rows = [
        row("", "test", "Rare", images=0, patients=0, status="absent"),
        row("", "test", "all", "", 20, 10),
        row(
            "", "test", "Rare", images=math.nan, patients=math.nan, n_draws=None, status="unavailable", dataset="other"
        ),
        row("", "test", "all", "", math.nan, math.nan, n_draws=None, status="unavailable", dataset="other"),
    ]
    (grid,) = arrange(rows)
    assert grid.groups == (Group("Test", 2, 2), Group("Test, other", 3, 3))
    (absent, unknown) = grid.lines[0][1]
    assert (absent.images, absent.patients, absent.status) == ("0", "0", "absent")
    assert (unknown.images, unknown.patients, unknown.status) == ("", "", "unavailable")
    texts = render(rows)
    assert "| Rare | 0 (0)<br>absent | unavailable |" in texts[".md"]
    assert "Rare & 0 (0); absent & unavailable \\\\" in texts[".tex"]
    assert "Absent: there is no such image" in texts[".md"]


def test_what_is_set_aside_has_no_column(arrange):
    rows = [*count(["Normal"], TRAINSETS), row("", "set aside", "all", "", 12, 10)]
    assert arrange(rows) == arrange(rows[:-1])


def test_markdown_has_one_line_for_each_class(render):
    text = render(count([HOSTILE], TRAINSETS))[".md"]
    assert "| Class | Training: full | Training: undersampled | Validation | Test |" in text
    assert "| A&amp;B\\_1 % #{x} a\\|b | 1,001 (1) | 2,001 (1) | 3,001 (1) | 4,001 (1) |" in text
    assert "- Cells: images of the class and, in parentheses, patients with at least one of them." in text
    assert "- Test: the official 10 % list." in text


def test_latex_spans_the_columns_of_a_split(render):
    text = render(count([HOSTILE], TRAINSETS))[".tex"]
    assert " & \\multicolumn{2}{c}{Training} & Validation & Test \\\\" in text
    assert "\\cmidrule(lr){2-3}" in text
    assert "Class & full & undersampled &  &  \\\\" in text
    assert "A\\&B\\_1 \\% \\#\\{x\\} a\\textbar{}b & 1,001 (1)" in text
    assert "\\label{tab:study_1-table2}" in text
    columns = re.search(r"\\begin\{tabular\}\{(\w+)\}", text)
    assert columns is not None
    assert len(columns[1]) == 5


def test_latex_holds_positive_images_only_and_says_so(render):
    rows = count(["Edema"], TRAINSETS, values=("positive", "negative"))
    texts = render(rows, task="multilabel")
    assert texts[".tex"].count("\\begin{tabular}") == 1
    assert "Cells: images for which the label is positive and," in texts[".tex"]
    assert "Cells: images for which the label is positive, negative or missing and," in texts[".md"]
    assert texts[".html"].count("<table>") == 2
    assert "<h2>Negative</h2>" in texts[".html"]


def test_no_label_is_code_in_a_page(render):
    page = render(count([SCRIPT], TRAINSETS))[".html"]
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page
    assert '<th scope="colgroup" colspan="2">Training</th>' in page


def test_drawn_radiographs_are_marked_in_every_format(render):
    rows = count(["Normal"], TRAINSETS)
    real, drawn = render(rows), render(rows, drawn=True)
    assert "DEMONSTRATION" in drawn[".html"]
    assert "DEMONSTRATION" not in real[".html"]
    for ending in (".md", ".tex", ".html"):
        assert "Demonstration on drawn radiographs" in drawn[ending]
        assert "Demonstration" not in real[ending]


def test_the_same_rows_give_the_same_bytes_with_every_footnote(render):
    rows = count(["Normal"], TRAINSETS)
    facts = {"copies": "Balanced: copies.", "external": ["Test images of far left out: blurred (3)."]}
    texts = render(rows, **facts)
    assert render(rows, **facts) == texts
    for said in (
        *facts["external"],
        "Balanced: copies.",
        "Training: 300 images of 200 patients.",
        "Data: Data with 5",
        "A note.",
    ):
        assert said in texts[".html"]


def test_draws_are_explained_where_there_are_any(render):
    rows = [
        row("fraction=0.1", "train", "Edema", images=5.5, patients=3, images_sd=1.0, n_draws=10),
        row("fraction=0.1", "train", "all", "", 50, 30, images_sd=2.0, n_draws=10),
    ]
    text = render(rows, task="multilabel", repeats=10)[".md"]
    assert "where 10 draws of a share were made, means over them (images ± SD)." in text
    assert "draws" not in render(count(["Edema"], TRAINSETS), task="multilabel")[".md"]


def count_boxes(labels):
    """Rows of a detection, with numbers that tell their place."""
    rows = []
    for number, split in enumerate(("train", "validation", "test"), start=1):
        for place, label in enumerate(labels, start=1):
            rows.append(row("", split, label, "with a box", 10 * number + place, place, boxes=1000 * number + place))
        rows.append(row("", split, "all", "with a box", 60 + number, 6, boxes=2000 + number))
        rows.append(row("", split, "all", "without a box", 70 + number, 7, boxes=0.0))
        rows.append(row("", split, "all", "", 80 + number, 8, boxes=2000 + number))
    return [*rows, row("", "set aside", "all", "", 5, 5, boxes=0.0)]


def test_boxes_stand_below_images_and_patients(render):
    texts = render(count_boxes(["opacity", "nodule"]), task="detection")
    lines = [line for line in texts[".md"].splitlines() if line.startswith("| ")][2:]
    assert lines == [
        "| opacity | 11 (1)<br>1,001 boxes | 21 (1)<br>2,001 boxes | 31 (1)<br>3,001 boxes |",
        "| nodule | 12 (2)<br>1,002 boxes | 22 (2)<br>2,002 boxes | 32 (2)<br>3,002 boxes |",
        "| Any class | 61 (6)<br>2,001 boxes | 62 (6)<br>2,002 boxes | 63 (6)<br>2,003 boxes |",
        "| Without a box | 71 (7) | 72 (7) | 73 (7) |",
        "| All images | 81 (8)<br>2,001 boxes | 82 (8)<br>2,002 boxes | 83 (8)<br>2,003 boxes |",
    ]
    assert (
        "Cells: images with a box of the class and, in parentheses, patients with at least one of them; then boxes."
        in (texts[".md"])
    )
    assert "An image may have boxes of several classes" in texts[".md"]
    assert "<span>1,001 boxes</span>" in texts[".html"]
    assert "11 (1); 1,001 boxes" in texts[".tex"]


def test_boxes_of_one_class_are_counted_once(render):
    texts = render(count_boxes(["opacity"]), task="detection")
    assert "Any class" not in texts[".md"]
    assert "Cells: images with a box and, in parentheses" in texts[".md"]
    assert "several classes" not in texts[".md"]


def test_missing_facts_are_refused(tmp_path):
    write_counts(tmp_path / "table2.csv", count(["Normal"], TRAINSETS))
    with pytest.raises(InputError, match=r"table2\.json cannot be read[^$]*python -m evalkit\.counting"):
        render_counts(tmp_path / "table2.csv")


def test_the_command_renders_without_torch(tmp_path, context):
    write_counts(tmp_path / "table2.csv", count(["Normal"], TRAINSETS))
    (tmp_path / "table2.json").write_text(json.dumps(context))
    code = (
        f"import sys, runpy; sys.argv = ['x', {str(tmp_path / 'table2.csv')!r}]\n"
        "try: runpy.run_module('reports.counts', run_name='__main__')\n"
        "except SystemExit as done: assert not done.code, done.code\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("table2.csv", "table2.html", "table2.json", "table2.md", "table2.tex")
    ]
