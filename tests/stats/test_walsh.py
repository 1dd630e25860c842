from __future__ import annotations

import numpy as np
import pytest

from stats import walsh


def all_averages(ordered):
    i, j = np.triu_indices(ordered.size)
    return np.sort((ordered[i] + ordered[j]) / 2)


SAMPLES = {
    "normal": lambda g, n: g.normal(size=n),
    "many ties": lambda g, n: np.round(g.normal(size=n), 1),
    "two values": lambda g, n: g.integers(0, 2, n).astype(float),
    "constant": lambda g, n: np.full(n, -0.3),
    "far apart": lambda g, n: g.standard_cauchy(n) ** 5,
}


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 30])
def test_order_statistics_are_those_of_all_averages(sample, n, monkeypatch):
    monkeypatch.setattr(walsh, "FEW", 0)  # so that few are many, and windows shrink
    ordered = np.sort(SAMPLES[sample](np.random.default_rng(n), n))
    averages = all_averages(ordered)
    assert walsh.walsh_count(n) == averages.size
    assert [walsh.walsh_average(ordered, k) for k in range(1, averages.size + 1)] == averages.tolist()
    assert walsh.hodges_lehmann(ordered) == np.median(averages)


@pytest.mark.parametrize("sample", SAMPLES)
def test_more_averages_than_are_formed_at_once(sample):
    ordered = np.sort(SAMPLES[sample](np.random.default_rng(0), 1501))
    averages = all_averages(ordered)
    assert averages.size > walsh.FEW + ordered.size
    assert walsh.hodges_lehmann(ordered) == np.median(averages)
    for k in (1, 1000, averages.size // 3, averages.size):
        assert walsh.walsh_average(ordered, k) == averages[k - 1]


def test_twenty_thousand_differences_need_no_table_of_two_hundred_million():
    differences = np.sort(np.random.default_rng(1).normal(0.02, 1, 20_000))
    centre = walsh.hodges_lehmann(differences)
    above = sum(int((differences[i:] + differences[i] > 2 * centre).sum()) for i in range(20_000))
    assert above == walsh.walsh_count(20_000) // 2
