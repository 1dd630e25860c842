"""What images without a box are for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

from evalkit.splits.stored import Role

EmptyImages = Literal["keep", "not_in_training", "exclude"]


def drop_empty(
    image_ids: Iterable[str], boxed_ids: Collection[str], empty_images: EmptyImages, role: Role
) -> list[str]:
    """Leave out the images of a role that do not serve because they have no box.

    Parameters
    ----------
    image_ids : iterable of str
        The images of the role.
    boxed_ids : collection of str
        Images that have a box of the evaluation's classes.
    empty_images : {'keep', 'not_in_training', 'exclude'}
        As in the study file.
    role : {'train', 'validation', 'test'}

    Returns
    -------
    list of str
        In the order given.
    """
    if empty_images == "keep" or (empty_images == "not_in_training" and role != "train"):
        return list(image_ids)
    return [name for name in image_ids if name in boxed_ids]
