"""What columns are called by those who write such files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from evalkit.predictions import IDS

#: Columns of our own predictions.
TARGET, SCORE = "target:", "score:"

#: Names of columns, in lower case; where a file has several, the first counts.
TRUTHS = ("target", "y_true", "truth", "ground_truth", "gt", "true", "label", "labels")
CALLED = ("predicted", "prediction", "predictions", "pred", "y_pred", "called", "predicted_class", "predicted_label")
SCORED = ("score", "scores", "prob", "proba", "probability", "y_score", "y_prob", "y_proba", "p", "logit", "logits")
#: What stands beside predictions, and is none unless its name is also a label's.
BOOKKEEPING = ("fold", "split", "repeat", "seed", "run", "set", "age", "sex", "view", "site", "note", "comment")

_WORDS = "|".join(sorted(map(re.escape, CALLED + SCORED), key=len, reverse=True))
_AFFIXED = re.compile(
    rf"(?P<before>{_WORDS})[_.: -](?P<of>.+)|(?P<from>.+)[_.: -](?P<after>{_WORDS})", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True)
class Columns:
    """Which columns are no label and no prediction.

    Attributes
    ----------
    id : str
        What joins the files.
    group : str or None
        What says which cases are one patient's.
    """

    id: str
    group: str | None

    def others(self, frame: pd.DataFrame) -> list[str]:
        """A table's columns that may hold labels or predictions."""
        return [name for name in frame.columns if name not in {self.id, self.group, *IDS}]


def is_known(column: str) -> bool:
    """Whether a column's name alone says what it holds."""
    return column.lower() in (*TRUTHS, *CALLED, *SCORED, *BOOKKEEPING)


def split_affix(column: str) -> tuple[str, str]:
    """The word for predictions in a column's name, and what they are of; both empty where there is none."""
    match = _AFFIXED.fullmatch(column)
    if match is None:
        return "", ""
    return (match["before"] or match["after"]).lower(), match["of"] or match["from"]


def in_order_of(names: Iterable[str], present: Sequence[str]) -> list[str]:
    """Those present whose names are among `names`, in their order; where case alone differs, the first."""
    lowered = {name.lower(): name for name in reversed(present)}
    return [lowered[name] for name in names if name in lowered]
