"""Random choices of patients, each from its own seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import InputError
from evalkit.seeds import seed_from
from evalkit.splits.stored import count_drawn
from evalkit.splits.tally import Tally

#: How often a repeat is drawn again before the classes are taken to be too rare.
ATTEMPTS = 1000


def shuffle(count: int, **names: str | int) -> NDArray[np.intp]:
    """Order the numbers below `count` at random.

    Parameters
    ----------
    count : int
        How many.
    **names : str or int
        What identifies the draw; see `evalkit.seeds.seed_from`.

    Returns
    -------
    ndarray of int, shape (count,)
        A permutation. It comes from the raw output of a bit generator, which NumPy keeps the same in every version.
    """
    return np.argsort(np.random.PCG64(seed_from(**names)).random_raw(count), kind="stable")


@dataclass(frozen=True)
class Order:
    """The order of one repeat.

    Attributes
    ----------
    patients : ndarray of int
        Positions of patients; a fraction takes the first ones.
    redraws : int
        How many orders were drawn and given up before this one.
    """

    patients: NDArray[np.intp]
    redraws: int


def draw_order(
    tally: Tally,
    labels: Sequence[str],
    *,
    fraction: float,
    redraw: bool,
    role: str,
    dataset: str,
    repeat: int,
    seed: int,
) -> Order:
    """Order the patients of a role for one repeat.

    Parameters
    ----------
    tally : Tally
        The role's patients.
    labels : sequence of str
        The classes.
    fraction : float
        The smallest fraction that will be taken. The larger ones contain it, so they have every class it has.
    redraw : bool
        Whether an order whose smallest fraction has no positive or no negative image of a class is drawn again. A
        class that the whole role lacks is not asked for.
    role, dataset, repeat, seed
        What the draw is for; they make its seed.

    Raises
    ------
    InputError
        No order of `ATTEMPTS` has every class.
    """
    patients = len(tally.images)
    drawn = count_drawn(fraction, patients)
    asked = ~tally.lacking(slice(None))
    purpose = "fraction" if role == "train" else f"fraction of {role}"
    missed: Counter[str] = Counter()
    for attempt in range(ATTEMPTS if redraw else 1):
        order = shuffle(patients, purpose=purpose, dataset=dataset, repeat=repeat, seed=seed, attempt=attempt)
        lacking = tally.lacking(order[:drawn]) & asked
        if not redraw or not lacking.any():
            return Order(order, attempt)
        missed.update(label for label, lacks in zip(labels, lacking, strict=True) if lacks)
    most = ", ".join(f"{label} in {times:,}" for label, times in missed.most_common(3))
    raise InputError(
        f"repeat {repeat}: {ATTEMPTS:,} draws of {fraction:g} of the {role} patients ({drawn:,} of {patients:,}) each "
        f"lack a positive or a negative image of some class ({most})",
        "draws in which every class can be learned",
        "take a larger smallest fraction, leave the rare classes out of 'labels'"
        + (", set 'validation: fixed'" if role == "validation" else "")
        + ", or set 'missing_class: keep' to keep such draws and mark them",
    )
