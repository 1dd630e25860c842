"""How numbers are printed."""

import math

import pytest

from reports.numbers import format_interval, format_number, format_pvalue, mark_pvalue


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (0.8416, False, ".842"),
        (1.0, False, "1.000"),
        (0.9999, False, "1.000"),
        (-0.0131, False, "−.013"),
        (0.0131, True, "+.013"),
        (0.0001, True, ".000"),
        (-0.0001, False, ".000"),
        (-12.5, False, "−12.500"),
        (math.nan, False, ""),
    ],
)
def test_numbers_lose_their_leading_zero_and_keep_their_sign(value, signed, text):
    assert format_number(value, 3, signed=signed) == text


def test_intervals_need_both_bounds():
    assert format_interval(-0.1, 0.25, 2, signed=True) == "−.10 to +.25"
    assert format_interval(math.nan, 0.2, 2) == ""


@pytest.mark.parametrize(
    ("p", "text", "mark"),
    [
        (0.0004, "p < .001", "***"),
        (0.001, "p = .001", "**"),
        (0.0099, "p = .010", "**"),
        (0.01, "p = .010", "*"),
        (0.0499, "p = .050", "*"),
        (0.05, "p = .050", ""),
        (0.9996, "p > .999", ""),
        (1.0, "p = 1", ""),
        (0.0, "p < .001", "***"),
        (math.nan, "", ""),
    ],
)
def test_pvalues_and_their_marks(p, text, mark):
    assert format_pvalue(p) == text
    assert mark_pvalue(p) == mark
