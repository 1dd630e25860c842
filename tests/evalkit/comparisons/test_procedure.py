"""What a table may not ask for; found out without any results."""

import pytest

from evalkit.comparisons import check_table, write_table
from evalkit.comparisons.procedure import make_procedure
from evalkit.errors import InputError

LOW = "regime=finetune,fraction=0.1"


@pytest.mark.parametrize("key", ["primary", "paper"])
@pytest.mark.parametrize("test", ["delong", "bootstrap"])
def test_tests_of_two_fixed_networks_are_refused_where_runs_vary(results, key, test):
    study = results.write(changes={f"tables.table7.{key}": test})
    with pytest.raises(InputError) as caught:
        check_table(study, "table7")
    assert f"{LOW} has 4 runs" in caught.value.found
    assert "bootstrap_two_way" in caught.value.remedy


def test_several_seeds_make_several_runs(results):
    study = results.write(changes={"evaluations.main.seeds": 3})
    with pytest.raises(InputError, match="has 3 runs"):
        check_table(study, "table5")
    assert make_procedure(study, "table7").primary == "bootstrap_two_way"


def test_delong_is_for_the_auc(results):
    study = results.write(changes={"tables.table5.metric": "auprc"})
    with pytest.raises(InputError, match="metric: auc"):
        check_table(study, "table5")


def test_the_reference_must_be_a_row(results):
    study = results.write(changes={"tables.table5.backbones": ["scratch", "twin"]})
    with pytest.raises(InputError, match="not among its backbones"):
        check_table(study, "table5")


def test_a_target_must_have_been_predicted(results):
    # A misspelt class is found when the configuration is read where the evaluation names its labels.
    changes = {"evaluations.main.labels": None, "tables.table7.targets": ["mean", "Edemaa"]}
    with pytest.raises(InputError, match="nearest: 'Edema'"):
        write_table(results.write(changes=changes), "table7")


def test_the_seed_is_the_tables_own(results):
    study = results.write()
    assert make_procedure(study, "table7").seed == make_procedure(study, "table7").seed
    assert make_procedure(study, "table7").seed != make_procedure(study, "table5").seed


def test_the_paired_t_test_is_for_comparison_with_papers_only(results):
    study = results.write(changes={"tables.table7.primary": "ttest_paired"})
    with pytest.raises(InputError, match="takes the test patients for fixed") as caught:
        check_table(study, "table7")
    assert "bootstrap_two_way" in caught.value.remedy
