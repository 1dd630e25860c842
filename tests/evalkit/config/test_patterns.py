"""Regular expressions of a study file: valid, one group, and none that searches for ever."""

from __future__ import annotations

import time

import pytest
from pydantic import ValidationError

from evalkit.config.datasets import FolderEntry
from evalkit.config.patterns import check_pattern


@pytest.mark.parametrize(
    "pattern",
    [
        r"patient(\d+)",
        r"^(?:IM|NORMAL2-IM)-(\d+)",
        r"(?P<id>[a-z]+\d{4})_",
        r"\((\d+)\)",
        r"[(+*](\d+)",
        r"(\d+)(?:_a)*",
        r"(?:ab){2}(\d+)",
    ],
)
def test_plain_patterns_are_taken(pattern):
    check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"patient(\d+", "is not a regular expression"),
        ("[", "is not a regular expression"),
        (r"patient\d+", "has 0 groups"),
        (r"(\w)(\d+)", "has 2 groups"),
        (r"(a+)+$", "can match in several ways"),
        (r"(?:(\w+)x)*", "can match in several ways"),
        (r"(?:a|a)*(b)", "can match in several ways"),
        (r"(?:a?a)*(b)", "can match in several ways"),
        (r"(?:(?:x+))+(y)", "can match in several ways"),
        (r"((?:x{1,}){2,})", "can match in several ways"),
    ],
)
def test_others_are_refused(pattern, message):
    with pytest.raises(ValueError, match=message):
        check_pattern(pattern)


@pytest.mark.parametrize("pattern", ["", "(" + "a" * 300 + ")", r"(a+)+$"])
def test_an_entry_refuses_them_at_once(pattern):
    started = time.perf_counter()
    with pytest.raises(ValidationError, match="patient_pattern"):
        FolderEntry.model_validate({"format": "folder", "root": "x", "patient_pattern": pattern})
    assert time.perf_counter() - started < 1
