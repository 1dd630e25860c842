"""How often a true null hypothesis is rejected at 5 %, in simulation: why these tests are used and not others."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stats import delong_test, ttest_paired, two_way_bootstrap

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
