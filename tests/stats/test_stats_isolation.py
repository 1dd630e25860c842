"""stats stands alone: a laptop without torch can use it, and its import costs little."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import stats

FORBIDDEN = ("torch", "pandas", "evalkit", "tasks", "reports", "matplotlib", "sklearn")


def test_importing_stats_imports_nothing_of_the_project_and_nothing_heavy():
    program = f"import sys, stats; print([name for name in {FORBIDDEN!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_modules_import_numpy_and_scipy_only():
    for module in Path(stats.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            for name in names:
                root = name.split(".")[0]
                assert root in {"stats", "numpy", "scipy"} or root in sys.stdlib_module_names, f"{module.name}: {name}"


def test_public_names_are_documented():
    for name in stats.__all__:
        assert getattr(stats, name).__doc__, name
