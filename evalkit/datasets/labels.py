"""What becomes of labels that are uncertain (-1) or blank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from evalkit.config.datasets import UncertainPolicy
from evalkit.config.strict import nearest
from evalkit.errors import InputError

_BECOMES = {"ignore": float("nan"), "zeros": 0.0, "ones": 1.0}


@dataclass(frozen=True)
class LabelPolicy:
    """How uncertain and blank labels are read.

    Attributes
    ----------
    uncertain : str or mapping of str to str
        ``ignore`` (missing), ``zeros`` or ``ones``; a mapping gives it per class, the rest being ignored.
    blank : str
        ``ignore`` or ``zeros``.
    """

    uncertain: UncertainPolicy | Mapping[str, UncertainPolicy] = "ignore"
    blank: str = "ignore"

    def check(self, labels: Sequence[str]) -> None:
        """Refuse a mapping that names a class the data set does not have (`InputError`)."""
        for label in () if isinstance(self.uncertain, str) else self.uncertain:
            if label not in labels:
                raise InputError(
                    f"the setting 'uncertain' names the class {label!r}, which the data set does not have"
                    + nearest(label, labels),
                    "classes of the data set",
                    "correct the name in the study file",
                )

    def apply(self, raw: pd.DataFrame) -> pd.DataFrame:
        """Read raw labels.

        Parameters
        ----------
        raw : DataFrame of float64, one column per class
            1, 0, -1 (uncertain) or NaN (blank).

        Returns
        -------
        DataFrame of float64
            1, 0 or NaN (missing).
        """
        labels = raw.copy()
        for label in labels:
            uncertain = self.uncertain if isinstance(self.uncertain, str) else self.uncertain.get(str(label), "ignore")
            blank = raw[label].isna()
            labels.loc[raw[label] == -1, label] = _BECOMES[uncertain]
            labels.loc[blank, label] = _BECOMES[self.blank]
        return labels

    def describe(self) -> str:
        """The policy as part of a footnote."""
        if isinstance(self.uncertain, str):
            uncertain: str = self.uncertain
        else:
            uncertain = ", ".join([*(f"{label} {each}" for label, each in self.uncertain.items()), "others ignore"])
        return f"uncertain labels: {uncertain}; blank labels: {self.blank}"


def count_labels(raw: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count raw labels per class: positive, negative, uncertain, blank."""
    return {
        str(label): {
            "positive": int((raw[label] == 1).sum()),
            "negative": int((raw[label] == 0).sum()),
            "uncertain": int((raw[label] == -1).sum()),
            "blank": int(raw[label].isna().sum()),
        }
        for label in raw
    }
