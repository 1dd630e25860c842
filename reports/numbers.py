"""Numbers as they are printed: without a leading zero, with a true minus sign."""

from __future__ import annotations

import math

#: Marks by the adjusted p-value they stand for, the smallest first.
MARKS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))


def format_number(value: float, decimals: int, *, signed: bool = False) -> str:
    """Print a number: ``.842``, ``1.000``, ``−.013``; empty for NaN.

    Parameters
    ----------
    value : float
    decimals : int
        Digits after the point.
    signed : bool
        Print a plus before what is above 0, too.
    """
    if math.isnan(value):
        return ""
    text = f"{abs(value):.{decimals}f}"
    text = text[1:] if text.startswith("0.") else text
    if not float(text):
        return text
    return ("−" if value < 0 else "+" if signed else "") + text


def format_interval(low: float, high: float, decimals: int, *, signed: bool = False) -> str:
    """Print an interval: ``.801 to .879``; empty where a bound is missing."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"{format_number(low, decimals, signed=signed)} to {format_number(high, decimals, signed=signed)}"


def format_pvalue(p: float) -> str:
    """Print a p-value with its sign of relation: ``p = .012``, ``p < .001``; empty for NaN."""
    if math.isnan(p):
        return ""
    if p == 1:
        return "p = 1"
    if p < 0.001:
        return "p < .001"
    return "p > .999" if p >= 0.9995 else f"p = {format_number(p, 3)}"


def mark_pvalue(p: float) -> str:
    """The mark of an adjusted p-value: up to three asterisks; none for NaN."""
    return next((mark for bound, mark in MARKS if p < bound), "")
