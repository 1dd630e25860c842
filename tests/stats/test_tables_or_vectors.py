"""A table, or two models' vectors, by place or by name: all the ways to pass them to the tests that take either."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import stats

try:
    from stats import r_reference

    ENGINES = [stats, r_reference]
except ImportError:
    ENGINES = [stats]

GENERATOR = np.random.default_rng(0)
A, B = GENERATOR.integers(0, 2, (2, 80))
TABLE = np.array([[np.sum((i == A) & (j == B)) for j in (1, 0)] for i in (1, 0)])
NAMES = {"stuart_maxwell": "labels", "bowker": "labels", "mcnemar": "correct"}
both = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__.split(".")[-1])
named = pytest.mark.parametrize("name", NAMES)


@both
@named
def test_every_form_of_call_gives_the_same(engine, name):
    test, first, second = getattr(engine, name), f"{NAMES[name]}_a", f"{NAMES[name]}_b"
    expected = test(TABLE)
    for arguments, keywords in (
        ((), {"table": TABLE}),
        ((A, B), {}),
        ((A,), {second: B}),
        ((), {first: A, second: B}),
        ((TABLE.tolist(),), {second: None}),
        ((A.tolist(),), {second: tuple(B.tolist()), "groups": None} if name != "bowker" else {second: B}),
    ):
        result = test(*arguments, **keywords)
        assert (result.statistic, result.pvalue) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-12)


@both
@named
def test_what_is_neither_a_table_nor_two_vectors_is_refused(engine, name):
    test, first, second = getattr(engine, name), f"{NAMES[name]}_a", f"{NAMES[name]}_b"
    expected = f"expected a table alone, or {first} and {second}"
    for arguments, keywords, found in (
        ((), {}, "nothing was given"),
        ((), {first: A}, f"only {first} was given"),
        ((), {second: B}, f"only {second} was given"),
        ((TABLE,), {first: A}, f"a table, or a vector by place, was given beside {first}"),
        ((), {"table": TABLE, first: A, second: B}, f"beside {first}"),
        ((A, B), {first: A}, f"beside {first}"),
    ):
        with pytest.raises(TypeError, match=f"{found}.*{expected}"):
            test(*arguments, **keywords)
    with pytest.raises(ValueError, match=rf"{first} has shape \(2, 2\)"):
        test(TABLE, **{second: B})


@named
def test_the_engines_name_their_parameters_alike(name):
    names = [list(inspect.signature(getattr(engine, name)).parameters)[:3] for engine in ENGINES]
    assert names == [["table", f"{NAMES[name]}_b", f"{NAMES[name]}_a"]] * len(ENGINES)
