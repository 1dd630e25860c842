"""stats stands alone: a laptop without torch can use it, and its import costs little."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import stats

FORBIDDEN = ("torch", "pandas", "evalkit", "tasks", "reports", "matplotlib", "sklearn", "rpy2")
# Nothing of stats imports what is under this folder.
R_REFERENCE = "r_reference"


def test_importing_stats_imports_nothing_of_the_project_and_nothing_heavy():
    program = f"import sys, stats; print([name for name in {FORBIDDEN!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_modules_import_numpy_and_scipy_only():
    folder = Path(stats.__file__).parent
    for module in folder.rglob("*.py"):
        place = module.relative_to(folder)
        allowed = {"stats", "numpy", "scipy"} | ({"rpy2"} if place == Path(R_REFERENCE, "session.py") else set())
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            for name in names:
                root = name.split(".")[0]
                assert root in allowed or root in sys.stdlib_module_names, f"{place}: {name}"
                if place.parts[0] != R_REFERENCE:
                    assert R_REFERENCE not in name, f"{place}: {name}"


def test_public_names_are_documented():
    for name in stats.__all__:
        assert getattr(stats, name).__doc__, name
