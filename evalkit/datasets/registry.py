"""Which reader reads which format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from evalkit.config.datasets import Dataset
from evalkit.datasets.chexpert import read_chexpert
from evalkit.datasets.coco import read_coco
from evalkit.datasets.folder import read_folder
from evalkit.datasets.kermany import read_kermany
from evalkit.datasets.manifest import Manifest
from evalkit.datasets.nih import read_nih
from evalkit.datasets.rsna import read_rsna
from evalkit.datasets.siim import read_siim
from evalkit.datasets.table import read_table
from evalkit.datasets.vindr import read_vindr
from evalkit.errors import InputError

#: A data set's format, as the study file names it, and its reader.
READERS: dict[str, Callable[[Any, Path], Manifest]] = {
    "chexpert": read_chexpert,
    "nih": read_nih,
    "siim": read_siim,
    "rsna": read_rsna,
    "vindr": read_vindr,
    "folder": read_folder,
    "kermany": read_kermany,
    "coco": read_coco,
    "csv": read_table,
}


def read_dataset(entry: Dataset, root: Path) -> Manifest:
    """Read a data set in its own layout.

    Parameters
    ----------
    entry : Dataset
        The data set's entry of the study file.
    root : pathlib.Path
        Its folder.

    Raises
    ------
    InputError
        The folder is missing, or what it holds is not what the format prescribes.
    """
    if not root.is_dir():
        raise InputError(
            f"the data set's folder {root} {'is a file' if root.exists() else 'does not exist'}",
            f"a folder in the layout of {entry.format}",
            "download the data set and name its folder in the study file, or in the variable the study file names"
            if entry.phantom is None
            else "draw the phantoms first: the workflow does it, or python -m evalkit.phantom write",
        )
    return READERS[entry.format](entry, root)
