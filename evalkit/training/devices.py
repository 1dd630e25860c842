"""Which device computes, how precisely, and that it computes the same every time."""

from __future__ import annotations

import contextlib
import gc
import logging
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from filelock import FileLock, Timeout

from evalkit.errors import InputError

Precision = Literal["fp32", "bf16"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hardware:
    """What a training runs on.

    Attributes
    ----------
    device : torch.device
    precision : {"fp32", "bf16"}
        bf16 is automatic mixed precision: weights, sums and the loss stay in 32 bits. fp32 is exactly that, without
        TF32 shortcuts.
    threads : int
        CPU threads.
    card : FileLock or None
        Held as long as this object lives, where the device is one card of several.
    """

    device: torch.device
    precision: Precision
    threads: int
    card: FileLock | None = field(default=None, repr=False)

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a card, which works behind the back of the Python process."""
        return self.device.type == "cuda"

    @property
    def name(self) -> str:
        """The device as a record names it."""
        return torch.cuda.get_device_name(self.device) if self.on_gpu else "cpu"

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """The context for the forward pass."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def seed(self, value: int) -> None:
        """Seed the generators that dropout and the like draw from on this device."""
        # torch.manual_seed would do the same for every device there is, at a millisecond a call.
        torch.default_generator.manual_seed(value)
        if self.on_gpu:
            torch.cuda.manual_seed(value)

    def synchronize(self) -> None:
        """Wait until the device has done what it was given; for honest timing."""
        if self.on_gpu:
            torch.cuda.synchronize(self.device)

    def forget_peak_memory(self) -> None:
        """Let the peak begin anew, where the device can: on a card. The system keeps a process's peak to its end."""
        if self.on_gpu:
            torch.cuda.reset_peak_memory_stats(self.device)

    def peak_memory(self) -> int:
        """Most memory used, in bytes: of the card since `forget_peak_memory`; on a CPU, of the process so far."""
        if self.on_gpu:
            return torch.cuda.max_memory_allocated(self.device)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def choose_hardware(
    device: Literal["auto", "cpu", "cuda"],
    precision: Literal["auto", "fp32", "bf16"],
    threads: int,
    *,
    local_rank: int | None = None,
) -> Hardware:
    """Choose device and precision, and make every operation deterministic from here on.

    Parameters
    ----------
    device, precision, threads
        As in the study file. ``auto`` is a GPU where there is one, and bf16 on a GPU that has it.
    local_rank : int, optional
        Number of this process on its machine under torchrun; it decides the card. Without it, and with several cards,
        the first one that no other training has locked is taken.

    Raises
    ------
    InputError
        The study asks for a GPU or for bf16 and there is none.
    """
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # Deterministic mode also fills every new tensor with NaN, for debugging: a cost without a use here.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.fp32_precision = "ieee"  # type: ignore[attr-defined]
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "the study says 'device: cuda', and torch sees no GPU",
            "a machine with an NVIDIA GPU and a driver that fits this torch",
            "run on such a machine, or set 'device: auto' in the study",
        )
    if device == "cpu" or not torch.cuda.is_available():
        return Hardware(torch.device("cpu"), "fp32" if precision == "auto" else precision, threads)
    index, card = (local_rank, None) if local_rank is not None else _choose_card()
    chosen = torch.device("cuda", index)
    torch.cuda.set_device(chosen)
    has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == "bf16" and not has_bf16:
        raise InputError(
            f"the study says 'precision: bf16', which {torch.cuda.get_device_name(chosen)} does not have",
            "a GPU of compute capability 8.0 or later",
            "set 'precision: auto' or 'fp32' in the study",
        )
    return Hardware(chosen, "bf16" if precision != "fp32" and has_bf16 else "fp32", threads, card)


def lock_card(cards: Sequence[str], *, folder: Path | None = None, poll: float = 5.0) -> tuple[int, FileLock]:
    """Take the first card that no other process has taken, waiting for one if need be.

    The scheduler limits how many trainings run but does not say on which card. The lock is the kernel's: it ends with
    the process, however that ends.

    Parameters
    ----------
    cards : sequence of str
        A name for each visible card that is the same in every process.
    folder : pathlib.Path, optional
        Where the lock files lie; by default the machine's folder for temporary files.
    poll : float
        Seconds between two looks.

    Returns
    -------
    tuple of int and FileLock
        The card's place in `cards`, and the lock, which must be kept.
    """
    folder = folder or Path(tempfile.gettempdir())
    locks = [FileLock(folder / f"evalkit-gpu-{card}.lock", mode=0o666) for card in cards]
    waiting = False
    while True:
        for index, lock in enumerate(locks):
            with contextlib.suppress(Timeout):
                lock.acquire(blocking=False)
                return index, lock
        if not waiting:
            log.info("all %d cards are taken by other trainings; waiting for one", len(cards))
            waiting = True
        time.sleep(poll)


def _choose_card() -> tuple[int, FileLock | None]:
    cards = [str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count())]
    return lock_card(cards) if len(cards) > 1 else (0, None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device's memory does not hold the batch."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )


def release_memory(hardware: Hardware) -> None:
    """Give back what a failed attempt still holds."""
    gc.collect()
    if hardware.on_gpu:
        torch.cuda.empty_cache()
