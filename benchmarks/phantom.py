"""Images per second of the phantom at 128 pixels, findings included, in one process on one thread.

Run: ``python benchmarks/phantom.py``. Patients, their studies and one lateral view for every three frontal ones are
drawn and rendered; nothing is written. Prints the median and the spread of the repeats.
"""

from __future__ import annotations

import statistics
import time

from threadpoolctl import threadpool_limits

from evalkit.phantom import draw_patient, draw_study, render

_SIZE, _PATIENTS, _REPEATS = 128, 60, 7


def render_patients() -> int:
    images = 0
    for number in range(1, _PATIENTS + 1):
        patient = draw_patient(number)
        study = draw_study(patient, 1)
        views = ("frontal", "lateral") if number % 3 == 0 else ("frontal",)
        for view in views:
            render(patient, study, view=view, size=_SIZE)
            images += 1
    return images


def main() -> None:
    rates = []
    with threadpool_limits(limits=1):
        render_patients()
        for _ in range(_REPEATS):
            start = time.process_time()
            images = render_patients()
            rates.append(images / (time.process_time() - start))
    print(
        f"{statistics.median(rates):.0f} images/s at {_SIZE} px on one core "
        f"({min(rates):.0f} to {max(rates):.0f} over {_REPEATS} repeats of {images} images)"
    )


if __name__ == "__main__":
    main()
