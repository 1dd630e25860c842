"""p-values computed a second time in R."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalkit.comparisons.crosscheck import AGREES, COLUMNS, NOT_IN_R, check_study, require_agreement_with_r
from evalkit.comparisons.free_form import Options, compare_files
from evalkit.comparisons.rows import read_rows, write_rows
from evalkit.comparisons.tables import write_table
from evalkit.errors import InputError

ROOT = Path(__file__).parents[3]

try:
    from stats import r_reference
except ImportError as error:
    r_reference = None
    WHY = f"R cannot be used: {error}"
else:
    WHY = ""
needs_r = pytest.mark.skipif(r_reference is None, reason=WHY)


@needs_r
def test_a_studys_p_values_agree_with_r(results):
    study = results.write()
    for name in study.file.tables:
        write_table(study, name)
    check = check_study(study)
    assert tuple(check.columns) == COLUMNS
    rows = pd.concat([read_rows(study.layout.report(f"{name}.csv")) for name in study.file.tables])
    tested = rows["p_value"].notna().sum()
    assert (check["quantity"] == "p_value").sum() == (check["quantity"] == "p_adjusted").sum() == tested
    of_tests = check[check["quantity"] == "p_value"].groupby("test")["status"].unique()
    # Of equal models R says nothing where stats has its defined answer, p = 1.
    assert set(of_tests["ttest_paired"]) == {AGREES, "not in R: it gives no p-value here"}
    assert AGREES in of_tests["delong"]
    assert set(of_tests["bootstrap_two_way"]) == {"not in R"}
    assert set(check[check["quantity"] == "p_adjusted"]["status"]) == {AGREES}
    assert "agree with R" in require_agreement_with_r(check)


@needs_r
def test_called_classes_agree_with_r(class_results):
    study = class_results.write(
        class_results.make_cases(images_per_patient=1), changes={"tables.table8.subgroups": ["sex"]}
    )
    cases = class_results.make_cases(images_per_patient=1)
    class_results.write_manifest("children", cases, sex=["F", "M"] * (len(cases) // 2))
    write_table(study, "table8")
    check = check_study(study)
    of_tests = check[check["quantity"] == "p_value"].groupby(["subgroup", "test"])["status"].unique().map(set)
    for subgroup in ("all", "sex=F", "sex=M"):
        assert AGREES in of_tests[subgroup, "mcnemar_exact"]
        assert AGREES in of_tests[subgroup, "stuart_maxwell"]
        assert of_tests[subgroup, "bootstrap"] == {"not in R"}
    assert "agree with R" in require_agreement_with_r(check)


@needs_r
def test_what_a_publication_did_is_checked_where_patients_repeat(class_results):
    study = class_results.write()
    write_table(study, "table8")
    check = check_study(study)
    of_tests = check[check["quantity"] == "p_value"].groupby("test")["status"].unique().map(set)
    assert AGREES in of_tests["stuart_maxwell"]
    assert of_tests["mcnemar_clustered"] == {"not in R"}
    assert "agree with R" in require_agreement_with_r(check)


@needs_r
def test_a_changed_p_value_is_found(results):
    study = results.write()
    for name in study.file.tables:
        write_table(study, name)
    path = study.layout.report("table7.csv")
    rows = read_rows(path)
    rows.loc[rows["p_adjusted"].notna().idxmax(), "p_adjusted"] *= 1.001
    write_rows(path, rows)
    with pytest.raises(InputError, match=r"1 of .* p-values are others in R"):
        require_agreement_with_r(check_study(study))


@needs_r
def test_compare_checks_scores_classes_and_values(tmp_path):
    rng = np.random.default_rng(0)
    ids = pd.DataFrame({"image_id": [str(k) for k in range(80)]})
    y, classes = rng.integers(0, 2, 80), rng.choice(["a", "b", "c"], 80)
    ids.assign(Edema=y).to_csv(tmp_path / "binary.csv", index=False)
    ids.assign(finding=classes).to_csv(tmp_path / "classes.csv", index=False)
    for name in ("one", "two", "three"):
        ids.assign(Edema=y + rng.normal(size=80)).to_csv(tmp_path / f"scores-{name}.csv", index=False)
        called = np.where(rng.random(80) < 0.7, classes, "a")
        ids.assign(finding=called).to_csv(tmp_path / f"classes-{name}.csv", index=False)
        ids.assign(psnr=rng.normal(size=80)).to_csv(tmp_path / f"values-{name}.csv", index=False)
    for kind, labels, tests in (
        ("scores", "binary.csv", {"delong"}),
        ("classes", "classes.csv", {"mcnemar_exact", "stuart_maxwell"}),
        ("values", None, {"ttest_paired", "wilcoxon"}),
    ):
        paths = [tmp_path / f"{kind}-{name}.csv" for name in ("one", "two", "three")]
        comparison = compare_files(labels and tmp_path / labels, paths, Options(), engine=r_reference)
        check = comparison.check
        assert set(check["test"]) == tests
        assert set(check["status"]) == {AGREES}, check
        assert len(check) == 2 * comparison.rows["p_value"].notna().sum()


def test_the_verdict_tells_tests_from_adjustments():
    lines = [
        ("delong", "p_value", AGREES),
        ("delong_clustered", "p_value", NOT_IN_R),
        ("delong_clustered", "p_value", NOT_IN_R),
        ("delong", "p_adjusted", AGREES),
        ("delong", "p_adjusted", AGREES),
        ("bootstrap", "p_adjusted", f"{NOT_IN_R}: max_t"),
    ]
    check = pd.DataFrame(lines, columns=["test", "quantity", "status"])
    assert require_agreement_with_r(check) == (
        "1 test and 2 adjustments agree with R to 1e-06 in log10; 2 tests are not in R: delong_clustered; "
        "1 adjustment is not in R: bootstrap (max_t)"
    )
    assert require_agreement_with_r(check[:1]) == "1 test and 0 adjustments agree with R to 1e-06 in log10"


@needs_r
def test_the_command_writes_the_check(results):
    study = results.write()
    for name in study.file.tables:
        write_table(study, name)
    done = _run("-m", "evalkit.comparisons.crosscheck", "--study", results.file.name)
    assert done.returncode == 0, done.stderr
    assert "agree with R" in done.stdout
    assert tuple(pd.read_csv(study.layout.report("crosscheck.csv")).columns) == COLUMNS


def test_without_r_the_message_says_what_to_install(results, tmp_path):
    results.write()
    done = _run("-m", "evalkit.comparisons.crosscheck", "--study", results.file.name, PATH=str(tmp_path), R_HOME=None)
    assert done.returncode == 2
    assert "r-cran-proc" in done.stderr
    assert "Traceback" not in done.stderr


def _run(*arguments, **changes):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **changes}
    environment = {name: value for name, value in environment.items() if value is not None}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False)
