"""Work spread over processes, each result given as soon as it is there."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def count_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(work: Callable[[T], R], tasks: Sequence[T], *, workers: int) -> Iterator[R]:
    """Do tasks in processes and give the results, in the order in which they are done.

    Parameters
    ----------
    work : callable
        Takes a task. It goes to each process once, so it may hold much: a function of a module, or a method of an
        object that can be pickled.
    tasks : sequence
        Few of them wait in a process's queue, so that results do not pile up.
    workers : int
        Processes; with 1 the work is done here, in the order of the tasks. Processes import the script that calls
        this, which must therefore do its work below ``if __name__ == "__main__":``.
    """
    if workers == 1:
        yield from map(work, tasks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(work,)) as pool:
        waiting: set[Future[R]] = set()
        for task in tasks:
            if len(waiting) >= 2 * workers:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
            waiting.add(pool.submit(_do, task))
        yield from (future.result() for future in waiting)


_work: Callable[[Any], Any] | None = None


def _start_worker(work: Callable[[Any], Any]) -> None:
    global _work
    _work = work
    # A worker whose parent is killed would wait for work for ever.
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(task: Any) -> Any:
    assert _work is not None
    return _work(task)
