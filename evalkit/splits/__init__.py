"""Splits: which patients train, validate and test, and which of them each draw of a label fraction takes.

Patients are divided; images only where a study says so, and then never between test and the rest. A repeat orders the
training patients once; a fraction takes the first of that order, so that the draws of a repeat lie within one another.
The training sets of a multi-class task take so many images of each class, in an order of patients, too. All orders
depend on data set, repeat and the study's seed, never on a backbone: all backbones see the same draws.
"""

from evalkit.splits.leakage import check_disjoint
from evalkit.splits.making import make_splits
from evalkit.splits.stored import Splits, load_splits, write_splits

__all__ = ["Splits", "check_disjoint", "load_splits", "make_splits", "write_splits"]
