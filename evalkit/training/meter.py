"""What a training costs and whether its loss is a number, without making the device wait at each step."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from evalkit.training.devices import Hardware


class Meter:
    """Time spent on training steps, and their losses, kept on the device until somebody looks.

    Parameters
    ----------
    hardware : Hardware
    seconds : float
        Time spent by earlier processes.
    loss_sum : float
        Sum of the losses since the last validation, from an earlier process.
    """

    def __init__(self, hardware: Hardware, *, seconds: float = 0.0, loss_sum: float = 0.0) -> None:
        self._hardware = hardware
        self._seconds = seconds
        self._loss_sum = torch.tensor(loss_sum, dtype=torch.float64, device=hardware.device)
        self._finite = torch.tensor(True, device=hardware.device)
        self._began: float | None = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Time spent so far, pauses left out."""
        self._hardware.synchronize()
        return self._seconds + (0.0 if self._began is None else time.perf_counter() - self._began)

    def note(self, loss: Tensor) -> None:
        """Take note of a step's loss; the device is not waited for."""
        self._loss_sum += loss
        self._finite &= torch.isfinite(loss)

    def is_finite(self) -> bool:
        """Whether every loss noted was a finite number; waits for the device."""
        return bool(self._finite.item())

    @property
    def loss_sum(self) -> float:
        """Sum of the losses noted since `take_losses`."""
        return float(self._loss_sum.item())

    def take_losses(self) -> float:
        """Give the sum of the losses noted, and begin a new one."""
        total = self.loss_sum
        self._loss_sum.zero_()
        return total

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the time spent inside out of the count."""
        self._seconds, self._began = self.seconds, None
        try:
            yield
        finally:
            self._hardware.synchronize()
            self._began = time.perf_counter()
