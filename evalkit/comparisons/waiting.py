"""What a long computation is doing, on standard error: a bar on a terminal, one line anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def waiting(items: Iterable[T], title: str, total: int) -> Iterator[T]:
    """Go through `items`, each of which takes long.

    Parameters
    ----------
    items : iterable
    title : str
        What is computed and how much of it, for example ``"bootstrap: 10,000 resamples of 300 images"``.
    total : int
        How many items there are.
    """
    if not sys.stderr.isatty():
        print(title, file=sys.stderr, flush=True)
        yield from items
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield from bar.track(items, total=total, description=title)
