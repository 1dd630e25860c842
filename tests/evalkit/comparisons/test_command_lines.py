"""From finished runs to rendered tables through the commands, as the workflow and a user call them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evalkit.comparisons.rows import COLUMNS, read_rows

ROOT = Path(__file__).parents[3]


def run(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False)


def test_runs_become_rows_and_rows_become_tables(results):
    study = results.write()
    for table in ("table7", "table5"):
        made = run("-m", "evalkit.comparisons", "--study", results.file.name, "--table", table)
        assert made.returncode == 0, made.stderr
        path = study.layout.report(f"{table}.csv")
        assert tuple(read_rows(path).columns) == COLUMNS
        rendered = run("-m", "reports.tables", str(path))
        assert rendered.returncode == 0, rendered.stderr
        for ending in ("md", "tex", "html"):
            text = path.with_suffix(f".{ending}").read_text(encoding="utf-8")
            assert study.table(table).title in text
            assert "<none>" not in text, "the label 'Scratch & <none>' is to be escaped"


def test_a_missing_run_ends_with_a_message_and_status_2(results):
    study = results.write()
    (study.layout.run("main", "regime=finetune,fraction=1", "good", 0) / "run.json").unlink()
    made = run("-m", "evalkit.comparisons", "--study", results.file.name, "--table", "table7")
    assert made.returncode == 2
    assert made.stderr.startswith("error: 1 of 15 runs of table7.csv are missing")
    assert "Traceback" not in made.stderr
    partial = run("-m", "evalkit.comparisons", "--study", results.file.name, "--table", "table7", "--partial")
    assert partial.returncode == 0, partial.stderr
    rendered = run("-m", "reports.tables", str(study.layout.report("partial/table7.csv")))
    assert rendered.returncode == 0, rendered.stderr
    assert "unavailable" not in study.layout.report("partial/table7.md").read_text(encoding="utf-8")
    assert "not run" in study.layout.report("partial/table7.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("module", ["evalkit.comparisons", "evalkit.comparisons.free_form", "reports.tables"])
def test_comparing_and_rendering_need_no_torch(module):
    program = f"import sys, {module}; print([name for name in ('torch', 'timm', 'tasks') if name in sys.modules])"
    assert run("-c", program).stdout.strip() == "[]"


def test_comparing_imports_no_rendering():
    program = "import sys, evalkit.comparisons.free_form; print('reports' in sys.modules)"
    assert run("-c", program).stdout.strip() == "False"


def test_a_tables_numbers_take_seconds(results):
    # As many replicates, runs and images as the demo's Table 7 has in two of its settings; generous for a busy machine.
    study = results.write(results.make_cases(patients=250), changes={"tables.table7.resamples": 10_000})
    start = time.perf_counter()
    made = run("-m", "evalkit.comparisons", "--study", results.file.name, "--table", "table7")
    assert made.returncode == 0, made.stderr
    assert study.layout.report("table7.csv").exists()
    assert time.perf_counter() - start < 30
