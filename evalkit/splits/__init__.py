"""Splits: which patients train, validate and test, and which of them each draw of a label fraction takes.

Patients are divided, never images. A repeat orders the training patients once; a fraction takes the first of that
order, so that the draws of a repeat lie within one another. The order depends on data set, repeat and the study's
seed, never on a backbone: all backbones see the same draws.
"""

from evalkit.splits.leakage import check_disjoint
from evalkit.splits.making import make_splits
from evalkit.splits.stored import Splits, load_splits, write_splits

__all__ = ["Splits", "check_disjoint", "load_splits", "make_splits", "write_splits"]
