from __future__ import annotations

import math

import numpy as np
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


def test_pictures_come_back_and_are_the_same_bytes_each_time(tmp_path) -> None:
    path = tmp_path / "figure_boxes.csv"
    pictures = tuple(np.full(shape, 7, np.uint8) for shape in ((2, 3), (4, 1)))
    empty = pd.DataFrame(columns=list(COLUMNS["boxes"]))
    write_figure_data(path, FigureData(empty, {"kind": "boxes"}, pictures))
    back = read_figure_data(path)
    assert len(back.pictures) == 2
    for one, other in zip(pictures, back.pictures, strict=True):
        np.testing.assert_array_equal(one, other)
    before = path.with_suffix(".npz").read_bytes()
    write_figure_data(path, back)
    assert path.with_suffix(".npz").read_bytes() == before


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_a_figure_without_its_pictures_is_refused(tmp_path, content) -> None:
    path = tmp_path / "figure_boxes.csv"
    write_figure_data(path, FigureData(pd.DataFrame(columns=list(COLUMNS["boxes"])), {"kind": "boxes"}))
    path.with_suffix(".npz").unlink()
    if content is not None:
        path.with_suffix(".npz").write_bytes(content)
    with pytest.raises(InputError, match=r"(?s)figure_boxes.npz is not readable.*python -m evalkit.figures"):
        read_figure_data(path)


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
