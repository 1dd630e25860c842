"""Progress of long work: a bar on a terminal, a quiet line every few seconds in a log."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

#: Seconds between two lines in a log.
INTERVAL = 10.0


@contextlib.contextmanager
def progress(title: str, total: int, *, done: int = 0, unit: str = "images") -> Iterator[Callable[[int], None]]:
    """Show how far a piece of work is, on standard error.

    Parameters
    ----------
    title : str
        What is being done, for example ``"packing nih at 64 px"``.
    total : int
        How much there is to do.
    done : int
        How much was done before.
    unit : str
        What is counted, in the plural.

    Yields
    ------
    callable
        To be called with the number of units just done.
    """
    show = _on_terminal if sys.stderr.isatty() else _in_log
    with show(title, total, done, unit) as advance:
        yield advance


@contextlib.contextmanager
def _on_terminal(title: str, total: int, done: int, unit: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, completed=done, rate="")
        started, count = time.monotonic(), 0

        def advance(units: int) -> None:
            nonlocal count
            count += units
            rate = count / max(time.monotonic() - started, 1e-9)
            bar.update(task, advance=units, rate=f"{rate:,.0f} {unit}/s")

        yield advance


@contextlib.contextmanager
def _in_log(title: str, total: int, done: int, unit: str) -> Iterator[Callable[[int], None]]:
    started = said = time.monotonic()
    count = 0

    def advance(units: int) -> None:
        nonlocal count, said
        count += units
        now = time.monotonic()
        if now - said < INTERVAL:
            return
        said = now
        rate = count / (now - started)
        left = (total - done - count) / rate if rate else float("nan")
        print(
            f"{title}: {done + count:,} of {total:,} {unit}, {rate:,.0f}/s, {left:,.0f} s left",
            file=sys.stderr,
            flush=True,
        )

    yield advance
