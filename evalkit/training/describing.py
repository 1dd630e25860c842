"""How a training went, for a record."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.records import RunRecord
from evalkit.training.devices import Hardware
from evalkit.training.loop import Fit


def describe_fits(best: Fit, fits: Sequence[Fit], *, batch_size: int, hardware: Hardware) -> RunRecord:
    """Describe the trainings of a run.

    Parameters
    ----------
    best : Fit
        The one that was kept.
    fits : sequence of Fit
        One for each learning rate tried.
    batch_size : int
        Images of a step.
    hardware : Hardware
        What they ran on.
    """
    images = best.step * batch_size
    return {
        "outcome": best.outcome,
        "selection": {
            "lr": best.lr,
            "steps": best.step,
            "best_step": best.best_step,
            "score": best.best.value if best.best else None,
            "kind": best.best.kind if best.best else None,
            "tried": [
                {"lr": each.lr, "outcome": each.outcome, "steps": each.step, "history": each.history} for each in fits
            ],
        },
        "micro_batch": best.micro_batch,
        "images_per_second": round(images / best.seconds, 2) if best.seconds else 0.0,
        "peak_memory_bytes": hardware.peak_memory(),
    }
