"""What a backbone may be made from: images whose patients no evaluation trains or tests with."""

from __future__ import annotations

from evalkit.config.loading import Study
from evalkit.packing.packed import load_packed
from evalkit.splits.leakage import check_disjoint


def check_apart_from_evaluations(study: Study, dataset: str) -> None:
    """Refuse to pretrain on what an evaluation trains or tests with.

    Raises
    ------
    InputError
        The data set shares patients or pixels with an evaluation's, or one of them has not been packed.
    """
    size, layout = study.file.image_size, study.layout
    own = load_packed(layout.packed(dataset, size)).index
    for other in dict.fromkeys(evaluation.dataset for evaluation in study.file.evaluations.values()):
        index = own if other == dataset else load_packed(layout.packed(other, size)).index
        check_disjoint(own, index, names=(f"the pretraining data {dataset!r}", f"the evaluations' data {other!r}"))
