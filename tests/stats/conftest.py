"""Reference cases with answers computed in R (each file names its source), and helpers to compare with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CASES = Path(__file__).parent / "cases"


@pytest.fixture
def reference() -> Callable[[str], tuple[dict[str, Any], Callable[..., None]]]:
    """Load a case by file name: its content, and a check of a value against it within the case's tolerance."""

    def load(name: str) -> tuple[dict[str, Any], Callable[..., None]]:
        case = json.loads((CASES / f"{name}.json").read_text())

        def agree(value: Any, expected: Any) -> None:
            np.testing.assert_allclose(value, expected, rtol=case["tol"]["rtol"], atol=case["tol"]["atol"])

        return case, agree

    return load
