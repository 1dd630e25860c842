"""Estimates and tests, one module for each kind of prediction; the rest of the comparison knows only `Estimates`."""
