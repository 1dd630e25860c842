"""What all kinds have in common: files, letters, room, notes."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations

import matplotlib
import pytest
from matplotlib.text import Text
from PIL import Image

from evalkit.commands import run_command
from evalkit.errors import InputError
from evalkit.figures.files import write_figure_data
from reports.figure_style import DRAWN, figure_style
from reports.figures.__main__ import main
from reports.figures.drawing import KINDS, draw_figure, lay_out

#: The kinds with what is hard to find room for.
CASES = {
    "roc": [
        {},
        {"backbones": 7, "absent": 2},
        {"backbones": 7, "runs": 10, "classes": ["Only one"]},
        {"backbones": 7, "classes": ["A class whose name is too long for a panel and needs two lines", *"abcde"]},
        {"task": "multiclass", "classes": ["no", "yes"]},
        {"classes": ["one", "other"], "absent": 0},
    ],
    "fractions": [
        {},
        {"backbones": 7, "repeats": 10, "regimes": ("finetune", "probe")},
        {"backbones": 3, "repeats": 1, "metrics": ("auc", "auprc", "brier")},
        {"metrics": ("auc", "sensitivity95")},
    ],
    "confusion": [
        {},
        {"backbones": 7, "runs": 10, "absent": 1},
        {"backbones": 1, "classes": ["no", "yes"]},
        {"backbones": 3, "classes": ["normal", "bacterial", "viral"]},
        {"backbones": 2, "classes": [f"A class called {number}" for number in range(14)]},
    ],
    "calibration": [
        {},
        {"backbones": 7, "unlabelled": 2},
        {"backbones": 7, "runs": 10, "task": "multiclass"},
        {"classes": ["Only one"]},
    ],
    "precision_recall": [
        {},
        {"backbones": 7, "absent": 2},
        {"backbones": 7, "runs": 3, "classes": ["Only one"]},
        {"backbones": 4, "classes": ["A class whose name is too long for a panel and needs two lines", *"abc"]},
    ],
    "froc": [
        {},
        {"backbones": 7, "absent": 2},
        {"backbones": 7, "runs": 3, "classes": ["Only one"]},
    ],
    "boxes": [
        {},
        {"backbones": 1, "images": 1, "classes": ["Only one"]},
        {"backbones": 7, "runs": 3},
        {"backbones": 7, "images": 8, "classes": ["Only one"]},
        {"backbones": 3, "images": 8, "threshold": None},
        {"backbones": 2, "images": 2, "threshold": 0.0},
    ],
    "inversions": [
        {},
        {"backbones": 1, "images": 1},
        {"backbones": 7, "images": 6, "runs": 3},
        {"backbones": 7, "images": 2},
        {"backbones": 3, "images": 6},
    ],
    "convergence": [
        {},
        {"backbones": 1, "term": "objective"},
        {"backbones": 7, "runs": 3},
    ],
    "generator": [
        {},
        {"images": 1, "snapshots": 1, "augmentation": False},
        {"images": 10, "colour": True, "averaged": 512},
        {"images": 3, "snapshots": 2, "distance": False},
        {"images": 2, "reference": False},
    ],
    "cd": [
        {},
        {"backbones": 7, "blocks": 4},
        {"backbones": 7, "blocks": 6},
        {"backbones": 7, "blocks": 5, "spread": 0.0},
        {"backbones": 2, "blocks": 5},
        {"backbones": 2, "blocks": 1},
    ],
}
EVERY = [
    pytest.param(kind, options, id=f"{kind}-{k}") for kind, cases in CASES.items() for k, options in enumerate(cases)
]
#: Little to draw, where only files and notes are of interest.
WITHOUT_CLASSES = ("fractions", "inversions", "convergence", "generator", "cd")
SMALL = {kind: {} if kind in WITHOUT_CLASSES else {"classes": ["no", "yes"]} for kind in CASES}
TITLE = (
    "A title that is long enough to need a second line where the figure is as wide as a page, and a third in a column"
)


@pytest.mark.parametrize(("kind", "options"), EVERY)
def test_every_text_is_on_the_page_large_enough_and_over_no_other(figures, texts_on_page, kind, options) -> None:
    data = getattr(figures, kind)(**options, title=TITLE, drawn=True)
    with figure_style():
        figure = lay_out(data)
        texts = texts_on_page(figure)
        width, height = figure.get_size_inches()
    assert width in (3.5, 7)
    assert height < 11, "no higher than a page"
    for text, place in texts:
        assert min(place.x0, place.y0) >= -0.005, text
        assert place.x1 <= width + 0.005, text
        assert place.y1 <= height + 0.005, text
    for (one, first), (other, second) in combinations(texts, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        down = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert across <= 0.01 or down <= 0.02, f"{one!r} and {other!r} lie over each other"
    assert min(each.get_fontsize() for each in figure.findobj(Text)) >= 7


@pytest.mark.parametrize("kind", list(KINDS))
def test_files_are_vector_and_300_dpi_and_the_same_each_time(figures, tmp_path, kind) -> None:
    path = tmp_path / f"figure_{kind}.csv"
    write_figure_data(path, getattr(figures, kind)(**SMALL[kind]))
    written = draw_figure(path)
    assert written == [path.with_suffix(".pdf"), path.with_suffix(".png")]
    before = [each.read_bytes() for each in written]
    assert before[0].startswith(b"%PDF")
    assert b"/FontFile2" in before[0], "letters are embedded as a TrueType font"
    assert b"/Type3" not in before[0]
    assert b"CreationDate" not in before[0]
    image = Image.open(written[1])
    assert round(image.info["dpi"][0]) == 300
    assert image.width in (1050, 2100)
    assert [each.read_bytes() for each in draw_figure(path)] == before


@pytest.mark.parametrize("kind", list(KINDS))
def test_phantoms_are_called_so_and_notes_stand_below(figures, texts_on_page, kind) -> None:
    with figure_style():
        real, drawn = (lay_out(getattr(figures, kind)(**SMALL[kind], drawn=drawn)) for drawn in (False, True))
        noted = getattr(figures, kind)(**SMALL[kind], drawn=True)
        noted.facts["notes"] = ["Broken: failed: diverged."]
        below = [text for text, _ in texts_on_page(lay_out(noted))]
    said = [
        " ".join(text.get_text() for text in reversed(figure.texts)).replace("\N{NO-BREAK SPACE}", " ")
        for figure in (real, drawn)
    ]
    assert DRAWN not in said[0]
    assert DRAWN in said[1]
    assert "Broken: failed: diverged." in below


def test_settings_of_matplotlib_are_as_before(figures, tmp_path) -> None:
    write_figure_data(tmp_path / "figure.csv", figures.cd())
    before = dict(matplotlib.rcParams)
    draw_figure(tmp_path / "figure.csv")
    assert dict(matplotlib.rcParams) == before


def test_the_command_draws_a_file(figures, tmp_path, monkeypatch, capsys) -> None:
    path = tmp_path / "figure_cd.csv"
    write_figure_data(path, figures.cd())
    monkeypatch.setattr(sys, "argv", ["reports.figures", str(path)])
    with pytest.raises(SystemExit, match="0"):
        run_command(main)
    assert capsys.readouterr().out.split() == [str(path.with_suffix(ending)) for ending in (".pdf", ".png")]


def test_a_missing_file_is_told(tmp_path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        draw_figure(tmp_path / "figure_roc.csv")


def test_figures_need_no_torch() -> None:
    program = "import sys, reports.figures.drawing; print([name for name in ('torch', 'timm') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
