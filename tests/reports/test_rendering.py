"""Markdown, LaTeX and HTML: safe with any name, complete, and the same every time."""

import html.parser
import json
import re
import shutil
import subprocess

import pandas as pd
import pytest

from evalkit.comparisons.rows import write_rows
from evalkit.errors import InputError
from reports.escaping import Markup, escape_markdown, escape_tex
from reports.tables import render_html, render_markdown, render_table, render_tex


class Page(html.parser.HTMLParser):
    """Collects tags and the text of each cell, and sees to it that what is opened is closed."""

    VOID = ("meta", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.cells = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.cells and ("td" in self.open or "th" in self.open):
            self.cells[-1] += data


def parse_tex(text):
    """Read LaTeX as strictly as TeX does: every special character is escaped or has its place."""
    body = re.sub(r"(?m)^%.*\n", "", text)
    assert body.isascii()
    body = re.sub(r"Table~\\ref", r"Table \\ref", body)
    body = re.sub(r"\\[%&#_{}$\\`]", "", body)
    assert not re.search(r"[%#$~^_<>|]", body), "a bare special character"
    depth = 0
    for character in body:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    commands = set(re.findall(r"\\([A-Za-z]+)", body))
    assert commands <= {
        *(
            "begin",
            "end",
            "centering",
            "caption",
            "label",
            "toprule",
            "midrule",
            "bottomrule",
            "medskip",
            "linewidth",
            "ref",
        ),
        *("footnotesize", "par", "textbf", "textsuperscript", "shortstack", "ensuremath", "pm", "times", "Delta"),
        *("textless", "textgreater", "textbackslash", "textasciicircum", "textasciitilde", "textbar"),
    }
    return re.sub(r"\\(begin|end)\{\w+\}", "", body)


def test_html_holds_names_as_text(rows, context):
    text = render_html(rows, context)
    page = Page(text)
    assert "<script" not in text
    assert "script" not in [tag for tag, _ in page.tags]
    assert "<script>alert(1)</script>" in page.cells
    assert "A&B_1 % #{x} \\emph{y}~^$" in page.cells


def test_html_is_self_contained(rows, context):
    tags = Page(render_html(rows, context)).tags
    assert not [tag for tag, _ in tags if tag in ("script", "link", "img", "iframe")]
    assert not [attributes for _, attributes in tags if {"src", "href"} & set(attributes)]


def test_html_shows_every_number_with_its_interval_and_test(rows, context):
    text = " ".join(Page(render_html(rows, context)).cells)
    for shown in (".612 ± .013", "**", ".562 to .662", "Δ −.230, p = .008", "failed: out of memory", "Δ +.230"):
        assert shown in text


def test_drawn_data_are_watermarked_and_real_ones_are_not(rows, context):
    for render in (render_html, render_markdown, render_tex):
        assert "emonstration on drawn radiographs" in render(rows, context)
        assert "emonstration" not in render(rows, {**context, "drawn": False})
    assert 'class="watermark"' in render_html(rows, context)


def test_markdown_holds_names_as_text(rows, context):
    text = render_markdown(rows, context)
    assert "<script" not in text
    assert r"a\|b\*c\`d" in text
    grids = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in grids} == {4}


def test_markdown_is_a_table_like_the_papers(rows, context):
    text = render_markdown(rows, context)
    assert "| Backbone | 10 % | 100 % |" in text
    assert "**.842 ± .013**" in text
    assert r".612 ± .013 \*\*<br>.562 to .662<br>Δ −.230 (−.300 to −.100), p = .008" in text
    assert "failed: out of memory" in text


def test_tex_is_well_formed_and_holds_names_as_text(rows, context):
    text = render_tex(rows, context)
    parse_tex(text)
    assert r"A\&B\_1 \% \#\{x\} \textbackslash{}emph\{y\}\textasciitilde{}\textasciicircum{}\$" in text
    assert r"\textless{}script\textgreater{}" in text


def test_tex_holds_the_first_target_or_every_setting(rows, context):
    assert render_tex(rows, context).count(r"\begin{tabular}") == 1
    assert render_tex(rows, {**context, "columns": "target"}).count(r"\begin{tabular}") == 2


def test_several_metrics_are_named_in_each_format(rows, context):
    context["metrics"] = [
        {"name": "auc", "label": "AUC", "higher_is_better": True},
        {"name": "auprc", "label": "AUPRC", "higher_is_better": True},
    ]
    both = pd.concat([rows, rows.assign(metric="auprc", subgroup="sex=F")], ignore_index=True)
    context["test_set"]["subgroups"] = {"sex=F": {"cases": 40, "patients": 30}}
    assert "A study\\_1: AUC, AUPRC" in render_markdown(both, context)
    page = render_html(both, context)
    assert "A study_1: AUC, AUPRC" in page
    assert "<h2>Sex F (40 images of 30 patients), AUPRC, Mean over classes</h2>" in page
    text = render_tex(both, context)
    parse_tex(text)
    assert text.count(r"\begin{tabular}") == 2
    assert text.count("Holm") == 1
    assert text.count(r"As Table~\ref{tab:study-table7}.") == 1
    assert "A title \\& \\textless{}more\\textgreater{}. AUC, Mean over classes." in text


def test_tex_rows_have_as_many_cells_as_columns(rows, context):
    text = parse_tex(render_tex(rows, context))
    grid = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    assert {line.count("&") for line in grid.splitlines() if "&" in line} == {2}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_tex_compiles(rows, context, tmp_path):
    (tmp_path / "table.tex").write_text(render_tex(rows, context), encoding="utf-8")
    (tmp_path / "page.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\input{table}\\end{document}", encoding="utf-8"
    )
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_all_formats_carry_the_footnotes(rows, context):
    for text in (render_html(rows, context), render_markdown(rows, context), render_tex(rows, context)):
        assert "fingerprint 0123456789ab" in text
        assert "Holm" in text
        assert "A note of the study." in text


def test_rendering_twice_gives_the_same_bytes(rows, context, tmp_path):
    path = tmp_path / "table7.csv"
    write_rows(path, rows)
    path.with_suffix(".json").write_text(json.dumps(context), encoding="utf-8")
    written = render_table(path)
    assert [each.suffix for each in written] == [".md", ".tex", ".html"]
    first = [each.read_bytes() for each in written]
    assert [each.read_bytes() for each in render_table(path)] == first


def test_rows_without_their_facts_are_refused(rows, tmp_path):
    write_rows(tmp_path / "table7.csv", rows)
    with pytest.raises(InputError, match=r"table7\.json cannot be read"):
        render_table(tmp_path / "table7.csv")


def test_escaping_leaves_what_is_already_escaped():
    assert escape_tex(Markup(r"\textbf{a}")) == r"\textbf{a}"
    assert escape_markdown(Markup("**a**")) == "**a**"


def test_escaping_flattens_lines_and_drops_control_characters():
    assert escape_tex("a\n\nb\x00\x1b[31m") == "a b{[}31m"
    assert escape_markdown("a\r\nb") == "a b"
    assert escape_markdown("[x](javascript:alert(1)) <b>") == r"\[x\](javascript:alert(1)) &lt;b&gt;"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("[2pt] of a[1]", "{[}2pt] of a{[}1]"),
        ("*", "{*}"),
        (" * a * b", " {*} a * b"),
        ("p* < [x", r"p* \textless{} {[}x"),
    ],
)
def test_nothing_at_the_begin_of_a_cell_belongs_to_the_line_break_before_it(text, escaped):
    assert escape_tex(text) == escaped
