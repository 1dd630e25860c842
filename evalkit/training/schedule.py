"""After which steps of a training something is done beside training."""

from __future__ import annotations

#: Steps between two looks at the loss on a card. Looking waits for the card; a loss that is not finite stays so.
LOOK_EVERY = 25


def validation_steps(steps: int, validations: int) -> frozenset[int]:
    """After which steps the network is validated: equally spaced, the last one included.

    Parameters
    ----------
    steps : int
        Length of the run.
    validations : int
        How many are asked for; no more than one per step are made.
    """
    return frozenset(max(1, round(steps * each / validations)) for each in range(1, validations + 1))
