from __future__ import annotations

import math

import pandas as pd
import pytest

from evalkit.errors import InputError
from evalkit.figures.files import COLUMNS, FigureData, read_figure_data, write_figure_data

ROWS = [["NA", "a", 'A, "quoted"', 0.1 + 0.2, 1 / 3, math.nan, 1e-17]]


def data():
    return FigureData(pd.DataFrame(ROWS, columns=list(COLUMNS["roc"])), {"kind": "roc", "notes": ["ß"]})


def test_rows_come_back_bit_for_bit(tmp_path) -> None:
    path = tmp_path / "figure_roc.csv"
    write_figure_data(path, data())
    back = read_figure_data(path)
    assert back.facts == data().facts
    pd.testing.assert_frame_equal(back.frame, data().frame, check_exact=True, check_dtype=False)
    before = path.read_bytes()
    write_figure_data(path, back)
    assert path.read_bytes() == before
    assert before.startswith(b"target,backbone,label,fpr,tpr,low,high\nNA,a,")
    assert b"\r" not in before


def test_a_figure_without_rows_can_be_kept(tmp_path) -> None:
    path = tmp_path / "figure_roc.csv"
    write_figure_data(path, FigureData(pd.DataFrame(columns=list(COLUMNS["roc"])), {"kind": "roc"}))
    assert read_figure_data(path).frame.empty


@pytest.mark.parametrize(
    ("csv", "facts", "message"),
    [
        (None, '{"kind": "roc"}', "figure.csv cannot be read"),
        ("a,b\n1,2\n", '{"kind": "roc"}', "has the columns a, b"),
        ("target,backbone,label,fpr,tpr,low,high\nx,y,z,high,0,0,0\n", '{"kind": "roc"}', "than numbers"),
        ("", '{"kind": "pie"}', "figure.json cannot be read"),
        ("", "[]", "figure.json cannot be read"),
        ("", "{", "figure.json cannot be read"),
        ("", None, "figure.json cannot be read"),
    ],
)
def test_other_files_are_refused_with_the_command_that_makes_them(tmp_path, csv, facts, message) -> None:
    for ending, text in (("csv", csv), ("json", facts)):
        if text is not None:
            (tmp_path / f"figure.{ending}").write_text(text)
    with pytest.raises(InputError, match=rf"(?s){message}.*python -m evalkit.figures"):
        read_figure_data(tmp_path / "figure.csv")
