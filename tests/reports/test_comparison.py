"""What ``evalkit compare`` shows and writes."""

import json
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from evalkit.comparisons.free_form import Options, compare_files
from evalkit.comparisons.rows import COLUMNS, read_rows
from evalkit.errors import InputError
from reports.comparison import arrange_comparison, render_tex, require_places, write_comparison


@pytest.fixture
def comparison(tmp_path):
    """Two measured quantities of 40 images; model names that every format would read as its own markup."""
    rng = np.random.default_rng(2)
    ids = pd.DataFrame({"image_id": range(40)})
    for name, gain in (("a_1 & 50%", 0.4), ("b*[x]<i>", 0.0)):
        frame = ids.assign(psnr=30 + gain + rng.normal(size=40), rmse=5 - gain + rng.normal(size=40))
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    return compare_files(None, sorted(tmp_path.glob("*.csv")), Options())


def test_blocks_are_quantities_and_secondary_tests_follow(comparison):
    blocks = arrange_comparison(comparison.rows)
    assert [block.title for block in blocks] == ["PSNR", "RMSE"]
    first, second, third = blocks[0].lines
    assert (first.model, first.best, first.difference) == ("a_1 & 50%", True, "reference")
    assert (second.model, second.test, third.model, third.test) == ("b*[x]<i>", "paired t", "", "Wilcoxon")
    assert second.estimate
    assert not third.estimate


def test_every_format_is_written(comparison, tmp_path):
    for ending in ("csv", "json", "tex", "md"):
        write_comparison(tmp_path / f"out.{ending}", comparison)
    assert tuple(read_rows(tmp_path / "out.csv").columns) == COLUMNS
    content = json.loads((tmp_path / "out.json").read_text())
    assert len(content["rows"]) == len(comparison.rows)
    assert content["rows"][0]["p_value"] is None
    assert content["facts"][0].startswith("Test: ttest_paired, because")
    text = (tmp_path / "out.md").read_text()
    assert "b\\*\\[x\\]&lt;i&gt;" in text
    with pytest.raises(InputError, match=r"\.xlsx"):
        write_comparison(tmp_path / "out.xlsx", comparison)


def test_places_to_write_to_are_checked_beforehand(tmp_path):
    require_places([tmp_path / "a.csv", tmp_path / "b.MD"], [tmp_path / "labels.csv"])
    for outs, message in (
        ([tmp_path / "a.csv", tmp_path / "a.csv"], "also read, or written"),
        ([tmp_path / "labels.csv"], "also read, or written"),
        ([tmp_path], "a folder"),
        ([tmp_path / "none" / "a.csv"], "no folder"),
        ([tmp_path / "a"], r"\.csv, \.json, \.tex or \.md"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            require_places(outs, [tmp_path / "labels.csv"])
        assert caught.value.expected
        assert caught.value.remedy
    assert not (tmp_path / "none").exists()


def test_nothing_is_written_where_there_is_no_folder(comparison, tmp_path):
    with pytest.raises(InputError, match="no folder"):
        write_comparison(tmp_path / "none" / "a.csv", comparison)
    assert not (tmp_path / "none").exists()


def test_latex_escapes_names_and_compiles_where_there_is_latex(comparison, tmp_path):
    body = render_tex(comparison.rows, comparison.reasons)
    assert r"a\_1 \& 50\%" in body
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed: the escapes were checked, the compilation was not")
    page = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}" + body + "\\end{document}"
    (tmp_path / "page.tex").write_text(page)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
