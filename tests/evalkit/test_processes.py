"""Work spread over processes: every result once, errors as they were."""

from __future__ import annotations

import math

import pytest

from evalkit.processes import count_cores, spread


def test_one_worker_goes_through_the_tasks_in_their_order():
    assert list(spread(math.factorial, [3, 1, 2], workers=1)) == [6, 1, 2]


def test_several_give_every_result_once():
    tasks = range(30)
    assert sorted(spread(math.factorial, tasks, workers=2)) == [math.factorial(task) for task in tasks]


def test_what_a_task_raises_is_raised_here():
    with pytest.raises(ValueError, match="negative"):
        list(spread(math.factorial, [1, -1], workers=2))


def test_this_process_may_use_a_core():
    assert count_cores() >= 1
