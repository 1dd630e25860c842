"""How far a training is: a bar on a terminal, a quiet line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

#: Seconds between two signs of life: on a terminal, in a log.
_TERMINAL_SECONDS, _LOG_SECONDS = 0.25, 10.0


class Progress:
    """Tells what a training does; made by `showing_progress`."""

    def __init__(self, title: str, *, bar: Bar | None, quiet: bool) -> None:
        self._title, self._bar, self._quiet = title, bar, quiet
        self._every = _TERMINAL_SECONDS if bar else _LOG_SECONDS
        self._shown = time.monotonic()
        self._task: Any = None
        self._rate = (0, self._shown)

    def start(self, *, step: int, steps: int) -> None:
        """Begin a training, or go on with one at `step`."""
        self._rate = (step, time.monotonic())
        if self._bar:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(self._title, total=steps, completed=step, figures="")

    def update(self, *, step: int, steps: int, batch_size: int, images: int) -> None:
        """Show the state after a step, if it is time to.

        Parameters
        ----------
        step, steps : int
            Steps done, and to do in all.
        batch_size, images : int
            Images of a step and of an epoch.
        """

        def describe(rate: float) -> str:
            return f"epoch {step * batch_size / images:.1f}, {rate * batch_size:.0f} images/s"

        self.show(step=step, steps=steps, describe=describe)

    def show(self, *, step: int, steps: int, describe: Callable[[float], str]) -> None:
        """Show how far it is, if it is time to.

        Parameters
        ----------
        step, steps : int
            Steps done, and to do in all.
        describe : callable
            From steps per second to what else is to be told.
        """
        now = time.monotonic()
        if self._quiet or now - self._shown < self._every:
            return
        self._shown = now
        first, since = self._rate
        rate = (step - first) / max(now - since, 1e-9)
        figures = f"{describe(rate)}, {_clock((steps - step) / max(rate, 1e-9))} left"
        if self._bar:
            self._bar.update(self._task, completed=step, figures=figures)
        else:
            self.say(f"step {step}/{steps}, {figures}")

    def say(self, text: str) -> None:
        """Print a line about this training."""
        if self._quiet:
            return
        line = f"{self._title}: {text}"
        if self._bar:
            self._bar.console.print(line, highlight=False, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)


@contextmanager
def showing_progress(title: str, *, quiet: bool = False) -> Iterator[Progress]:
    """Show a training on the error stream: a bar if it is a terminal, else lines.

    Parameters
    ----------
    title : str
        What is trained.
    quiet : bool
        Show nothing: in all but the first of several processes.

    Yields
    ------
    Progress
    """
    if quiet or not sys.stderr.isatty():
        yield Progress(title, bar=None, quiet=quiet)
        return
    from rich import progress
    from rich.console import Console

    columns = ("{task.description}", progress.BarColumn(), progress.MofNCompleteColumn(), "{task.fields[figures]}")
    with progress.Progress(*columns, console=Console(stderr=True), refresh_per_second=4, transient=True) as bar:
        yield Progress(title, bar=bar, quiet=False)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
