"""How often a true null hypothesis is rejected at 5 %, in simulation: why these tests are used and not others."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.special import ndtr

from stats import (
    auc,
    bootstrap_replicates,
    bowker,
    compare_with_best,
    delong_matrix,
    delong_test,
    difference_from_replicates,
    mcnemar,
    paired_bootstrap,
    stuart_maxwell,
    ttest_corrected,
    ttest_paired,
    two_way_bootstrap,
    wilcoxon,
)
from stats.delong_unpaired import delong_unpaired
from stats.friedman import friedman_nemenyi
from stats.noninferiority import noninferiority

ALPHA = 0.05


def margin(n_studies: int) -> float:
    """Three standard deviations of a rejection rate that is 5 %."""
    return 3 * math.sqrt(ALPHA * (1 - ALPHA) / n_studies)


def test_delong_rejects_five_percent():
    generator = np.random.default_rng(0)
    n_studies, n = 2000, 120
    rejected = 0
    for _ in range(n_studies):
        y = generator.random(n) < 0.3
        shared = generator.normal(size=n) + y
        a, b = shared + generator.normal(size=(2, n))
        rejected += delong_test(y, a, b).pvalue < ALPHA
    assert rejected / n_studies == pytest.approx(ALPHA, abs=margin(n_studies))


def test_clustered_delong_holds_where_patients_repeat():
    generator = np.random.default_rng(1)
    n_studies, n_patients, images = 1000, 80, 4
    patient = np.repeat(np.arange(n_patients), images)
    plain = clustered = 0
    for _ in range(n_studies):
        y = (generator.random(n_patients) < 0.4)[patient]
        of_patient = generator.normal(size=(2, n_patients))[:, patient]  # what a model sees again in every image
        a, b = y + of_patient + 0.5 * generator.normal(size=(2, patient.size))
        plain += delong_test(y, a, b).pvalue < ALPHA
        clustered += delong_test(y, a, b, groups=patient).pvalue < ALPHA
    assert clustered / n_studies == pytest.approx(ALPHA, abs=margin(n_studies))
    assert plain / n_studies > 0.2


def test_clustered_delong_rejects_five_percent_of_500_images():
    generator = np.random.default_rng(10)
    n_studies, n_patients, images = 2000, 250, 2
    patient = np.repeat(np.arange(n_patients), images)
    rejected = 0
    for _ in range(n_studies):
        y = (generator.random(n_patients) < 0.4)[patient]
        of_patient = generator.normal(size=(2, n_patients))[:, patient]
        a, b = y + of_patient + 0.5 * generator.normal(size=(2, patient.size))
        rejected += delong_test(y, a, b, groups=patient).pvalue < ALPHA
    assert rejected / n_studies == pytest.approx(ALPHA, abs=margin(n_studies))


def test_delong_of_all_pairs_and_its_omnibus_test_reject_five_percent():
    generator = np.random.default_rng(16)
    n_studies, n = 1500, 250
    omnibus = any_pair = 0
    for _ in range(n_studies):
        y = generator.random(n) < 0.35
        result = delong_matrix(y, y + generator.normal(size=n) + generator.normal(size=(4, n)))
        omnibus += result.omnibus.pvalue < ALPHA
        any_pair += result.pvalues_adjusted.min() < ALPHA
    assert omnibus / n_studies == pytest.approx(ALPHA, abs=margin(n_studies))
    assert 0.01 < any_pair / n_studies < ALPHA + margin(n_studies)


@pytest.mark.parametrize("images", [1, 3])
def test_unpaired_delong_rejects_five_percent(images):
    generator = np.random.default_rng(14)
    n_studies = 2000
    patients = np.repeat(np.arange(150), images), np.repeat(np.arange(150, 400), images)
    rejected = 0
    for _ in range(n_studies):
        positive, of_patient = generator.random(400) < 0.35, generator.normal(size=400)
        y_a, y_b = (positive[patient] for patient in patients)
        a, b = (y + of_patient[patient] for y, patient in zip((y_a, y_b), patients, strict=True))
        a, b = a + 0.5 * generator.normal(size=a.size), 3 * (b + 0.5 * generator.normal(size=b.size))
        rejected += delong_unpaired(y_a, a, y_b, b, groups=patients if images > 1 else None).pvalue < ALPHA
    assert rejected / n_studies == pytest.approx(ALPHA, abs=margin(n_studies))


def test_two_way_bootstrap_holds_where_repeats_share_a_test_set():
    generator = np.random.default_rng(2)
    n_studies, n_repeats, n = 300, 10, 150
    two_way = plain_t = 0
    for _ in range(n_studies):
        y = generator.random(n) < 0.3
        shared = y + generator.normal(size=n)
        of_model = 0.8 * generator.normal(size=(2, 1, n))  # how a backbone sees a patient, whatever the training draw
        of_draw = 0.15 * generator.normal(size=(2, n_repeats, 1)) * y  # how good a training draw happens to be
        a, b = shared + of_model + of_draw + 0.5 * generator.normal(size=(2, n_repeats, n))
        two_way += two_way_bootstrap("auc", y, a, b, n_resamples=500).pvalue < ALPHA
        centred = [np.argsort(np.argsort(one, axis=1), axis=1)[:, y].mean(axis=1) for one in (a, b)]
        plain_t += ttest_paired(*centred).pvalue < ALPHA  # mean rank of positives: the AUC up to scale
    assert two_way / n_studies < ALPHA + margin(n_studies)
    assert two_way / n_studies > 0.01
    assert plain_t / n_studies > 0.3


# Counts: exact sizes by enumeration where the sample space is small enough


def mcnemar_sizes(method, most):
    """P(p <= ALPHA) for each number of discordant images up to `most`, of which either kind is equally likely."""
    return np.array(
        [
            sum(
                scipy_stats.binom.pmf(n12, discordant, 0.5)
                for n12 in range(discordant + 1)
                if mcnemar([[50, n12], [discordant - n12, 50]], method=method).pvalue <= ALPHA
            )
            for discordant in range(most + 1)
        ]
    )


@pytest.mark.parametrize("method", ["exact", "chi2_cc"])
def test_exact_mcnemar_never_rejects_more_than_five_percent(method):
    sizes = mcnemar_sizes(method, 60)
    assert sizes.max() <= ALPHA
    assert sizes[40:].min() > 0.02  # nor is it empty


@pytest.mark.parametrize("method", ["midp", "chi2"])
def test_mcnemar_by_mid_p_and_chi_square_reject_five_percent_of_200_images(method):
    sizes = mcnemar_sizes(method, 110)
    for discordance in (0.1, 0.2, 0.35):
        share = scipy_stats.binom.pmf(np.arange(sizes.size), 200, discordance)
        assert share.sum() == pytest.approx(1, abs=1e-6)
        assert share @ sizes == pytest.approx(ALPHA, abs=0.007)


def test_clustered_mcnemar_holds_where_patients_repeat():
    generator = np.random.default_rng(3)
    n_studies, n_patients, images = 1000, 60, 5
    patient = np.repeat(np.arange(n_patients), images)
    rejected = np.zeros(3)
    for _ in range(n_studies):
        of_patient = generator.normal(size=(2, n_patients))[:, patient]  # how well a model does on all of a patient
        a, b = of_patient + 0.5 * generator.normal(size=(2, patient.size)) > -0.5
        pvalues = [
            mcnemar(a, b, method="chi2").pvalue,
            mcnemar(a, b, method="chi2", groups=patient).pvalue,
            mcnemar(a, b, groups=patient).pvalue,
        ]
        rejected += np.array(pvalues) < ALPHA
    plain, clustered, exact = rejected / n_studies
    assert plain > 0.2
    assert clustered == pytest.approx(ALPHA, abs=margin(n_studies))
    assert exact < ALPHA + margin(n_studies)


def test_tests_of_margins_and_of_symmetry_reject_five_percent_of_symmetric_tables():
    generator = np.random.default_rng(4)
    n_studies, n = 2000, 400
    symmetric = np.diag([0.3, 0.15, 0.1, 0.05]) + 0.4 / 12 * (1 - np.eye(4))
    tables = generator.multinomial(n, symmetric.ravel(), size=n_studies).reshape(-1, 4, 4)
    for test in (stuart_maxwell, partial(stuart_maxwell, method="bhapkar"), bowker):
        rejected = sum(test(table).pvalue < ALPHA for table in tables)
        assert rejected / n_studies == pytest.approx(ALPHA, abs=margin(n_studies))


def test_tests_of_margins_hold_where_only_symmetry_fails():
    generator = np.random.default_rng(5)
    n_studies, n = 1000, 400
    cyclic = 0.2 * np.eye(3) + 0.09 * np.roll(np.eye(3), 1, axis=1) + 0.13 / 3 * np.roll(np.eye(3), 2, axis=1)
    tables = generator.multinomial(n, cyclic.ravel() / cyclic.sum(), size=n_studies).reshape(-1, 3, 3)
    rejected = [sum(test(table).pvalue < ALPHA for table in tables) / n_studies for test in (stuart_maxwell, bowker)]
    assert rejected[0] == pytest.approx(ALPHA, abs=margin(n_studies))
    assert rejected[1] > 0.5


def test_clustered_stuart_maxwell_holds_where_patients_repeat():
    generator = np.random.default_rng(6)
    n_studies, n_patients, images = 600, 60, 4
    patient = np.repeat(np.arange(n_patients), images)
    plain = clustered = 0
    for study in range(n_studies):
        # A model calls the class with the largest score; part of a score belongs to the patient.
        of_patient = generator.normal(size=(2, n_patients, 3))[:, patient]
        a, b = (of_patient + 0.7 * generator.normal(size=(2, patient.size, 3))).argmax(axis=2)
        plain += stuart_maxwell(a, b).pvalue < ALPHA
        clustered += stuart_maxwell(a, b, groups=patient, n_resamples=399, rng=study).pvalue <= ALPHA
    assert plain / n_studies > 0.2
    assert clustered / n_studies == pytest.approx(ALPHA, abs=margin(n_studies))


# Paired values


@pytest.mark.parametrize(("n", "skewed"), [(10, False), (200, False), (200, True)])
def test_paired_t_rejects_five_percent(n, skewed):
    generator = np.random.default_rng(7)
    n_studies = 3000
    differences = generator.normal(size=(n_studies, n))
    if skewed:
        differences = np.exp(0.6 * differences) - math.exp(0.18)  # mean 0, skewness 2.3
    rejected = sum(ttest_paired(row, np.zeros(n)).pvalue < ALPHA for row in differences)
    assert rejected / n_studies == pytest.approx(ALPHA, abs=margin(n_studies))


def test_corrected_t_rejects_five_percent_where_test_sets_are_redrawn_and_the_plain_one_more():
    # Two learners predict their own outcome by its mean in the training patients; what is compared is their error.
    generator = np.random.default_rng(8)
    n_studies, n_repeats, n_train, n_test = 2000, 10, 180, 20
    n = n_train + n_test
    plain = corrected = 0
    for _ in range(n_studies):
        outcome = generator.normal(size=(2, n))
        tested = generator.permuted(np.tile(np.arange(n) < n_test, (n_repeats, 1)), axis=1)
        means = (outcome.sum(axis=1)[:, None] - outcome @ tested.T) / n_train
        squares = (outcome[:, None, :] - means[:, :, None]) ** 2
        a, b = np.einsum("mrn,rn->mr", squares, tested.astype(float)) / n_test
        plain += ttest_paired(a, b).pvalue < ALPHA
        corrected += ttest_corrected(a, b, n_train=n_train, n_test=n_test).pvalue < ALPHA
    assert corrected / n_studies == pytest.approx(ALPHA, abs=margin(n_studies))
    assert plain / n_studies > 0.1


@pytest.mark.parametrize("zero_method", ["wilcox", "pratt"])
@pytest.mark.parametrize(
    "size", [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 2, 2, 2, 3, 3, 3, 3], [0, 0, 1, 1, 2, 3, 4, 5, 6]]
)
def test_exact_wilcoxon_never_rejects_more_than_any_level(size, zero_method):
    # All signs of given absolute differences are equally likely: the whole null distribution of the p-value.
    signs = 1 - 2 * ((np.arange(2 ** len(size))[:, None] >> np.arange(len(size))) & 1)
    zeros = np.zeros(len(size))
    for alternative in ("two-sided", "greater"):
        pvalues = np.array(
            [
                wilcoxon(row, zeros, method="exact", zero_method=zero_method, alternative=alternative).pvalue
                for row in signs * size
            ]
        )
        for level in np.unique(pvalues):
            assert np.mean(pvalues <= level * (1 + 1e-12)) <= level * (1 + 1e-9)
        assert pvalues.min() < ALPHA


@pytest.mark.parametrize("zero_method", ["wilcox", "pratt"])
def test_asymptotic_wilcoxon_rejects_five_percent(zero_method):
    generator = np.random.default_rng(9)
    n_studies, n = 2000, 200
    differences = generator.standard_t(3, size=(n_studies, n))
    tied = np.round(2 * differences) / 2  # a fifth are 0
    for rows in (differences, tied):
        rejected = sum(
            wilcoxon(row, np.zeros(n), method="asymptotic", zero_method=zero_method).pvalue < ALPHA for row in rows
        )
        assert rejected / n_studies == pytest.approx(ALPHA, abs=margin(n_studies))


def test_friedman_and_nemenyi_reject_five_percent():
    generator = np.random.default_rng(11)
    n_studies, n, k = 600, 200, 5
    scores = generator.normal(size=(n_studies, n, 1)) + generator.normal(size=(n_studies, n, k))
    scores[::2] = np.round(scores[::2])  # every other study with ties
    results = [friedman_nemenyi(study) for study in scores]
    friedman = sum(result.pvalue < ALPHA for result in results) / n_studies
    nemenyi = sum(result.pvalues.min() < ALPHA for result in results) / n_studies  # any pair
    assert friedman == pytest.approx(ALPHA, abs=margin(n_studies))
    assert 0.01 < nemenyi < ALPHA + margin(n_studies)


# Bootstraps


@pytest.mark.parametrize("images", [1, 3])
def test_paired_bootstrap_rejects_five_percent(images):
    generator = np.random.default_rng(12)
    n_studies, n_patients = 1000, 200
    patient = np.repeat(np.arange(n_patients), images)
    rejected = 0
    for study in range(n_studies):
        y = (generator.random(n_patients) < 0.3)[patient]
        of_patient = generator.normal(size=(2, n_patients))[:, patient]
        a, b = y + of_patient + 0.5 * generator.normal(size=(2, patient.size))
        groups = patient if images > 1 else None
        result = paired_bootstrap("auc", y, a, b, groups=groups, n_resamples=399, rng=study)
        rejected += result.pvalue <= ALPHA
    assert rejected / n_studies == pytest.approx(ALPHA, abs=margin(n_studies))


@pytest.mark.slow
def test_comparison_with_the_best_auc_holds_where_the_best_is_chosen_on_the_same_data():
    generator = np.random.default_rng(13)
    n_studies, n, k, n_resamples = 500, 200, 5, 399
    naive = simultaneous = 0
    for study in range(n_studies):
        y = generator.random(n) < 0.3
        scores = y + generator.normal(size=n) + generator.normal(size=(k, n))
        estimates = [auc(y, score) for score in scores]
        replicates = [bootstrap_replicates("auc", y, score, n_resamples=n_resamples, rng=study) for score in scores]
        result = compare_with_best(estimates, np.transpose(replicates))
        simultaneous += np.nanmin(result.pvalues) <= ALPHA
        naive += any(
            difference_from_replicates(
                estimates[model], replicates[model], estimates[result.best], replicates[result.best]
            ).pvalue
            <= ALPHA
            for model in range(k)
            if model != result.best
        )
    assert simultaneous / n_studies < ALPHA + margin(n_studies)
    assert simultaneous / n_studies > 0.01
    assert naive / n_studies > 0.2


# Non-inferiority where the loss is the margin itself


def paired_means(generator):
    return ttest_paired(generator.normal(size=30) - 0.2, np.zeros(30)), 0.2


def correlated_aucs(generator):
    y, seen_by_both = generator.random(300) < 0.4, generator.normal(size=300)
    a, b = (separation * y + seen_by_both + generator.normal(size=300) for separation in (1.2, 1.5))
    return delong_test(y, a, b), ndtr(0.75) - ndtr(0.6)  # AUC = Phi(separation / 2)


def independent_aucs(generator):
    y_a, y_b = generator.random((2, 300)) < 0.4
    a, b = (separation * y + generator.normal(size=300) for separation, y in ((1.2, y_a), (1.5, y_b)))
    return delong_unpaired(y_a, a, y_b, b), ndtr(1.5 / math.sqrt(2)) - ndtr(1.2 / math.sqrt(2))


def accuracies(generator):
    kind = generator.choice(4, size=500, p=[0.7, 0.08, 0.12, 0.1])  # right: both, a, b, none
    return mcnemar(kind < 2, kind % 2 == 0), 0.04


def accuracies_of_patients(generator):
    kind = np.repeat(generator.choice(4, size=250, p=[0.7, 0.08, 0.12, 0.1]), 2)
    kind = np.where(generator.random(500) < 0.8, kind, 0)  # most errors are made on all of a patient's images
    return mcnemar(kind < 2, kind % 2 == 0, groups=np.repeat(np.arange(250), 2)), 0.8 * 0.04


@pytest.mark.parametrize(
    "compare", [paired_means, correlated_aucs, independent_aucs, accuracies, accuracies_of_patients]
)
def test_noninferiority_is_claimed_in_five_percent_at_the_margin(compare):
    generator = np.random.default_rng(15)
    n_studies = 2000
    claimed = 0
    for _ in range(n_studies):
        result, loss = compare(generator)
        claimed += noninferiority(result, margin=loss).pvalue < ALPHA
    assert claimed / n_studies == pytest.approx(ALPHA, abs=margin(n_studies))
