"""What is measured on reconstructions. Files it needs are opened before the search, which takes far longer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from evalkit.inversion.identity import NOT_ASKED, Identity
from evalkit.inversion.lpips_distance import Lpips, open_lpips
from evalkit.inversion.metrics import IMAGE_METRICS, Floats
from evalkit.inversion.published import NO_TRUNK
from evalkit.training.devices import Hardware
from tasks.inversion.plans import Material

#: Columns of the predictions, after the ids.
_COLUMNS = ("psnr", "ssim", "rmse", "lpips", "ms_ssim", "identity")
_TOO_SMALL = "undefined: images below 176 px"


@dataclass(frozen=True)
class Measures:
    """The metrics that look through a network; None where one is not available."""

    lpips: Lpips | None
    identity: Identity | None

    def measure(
        self, targets: NDArray[np.uint8], images: NDArray[np.float32]
    ) -> tuple[dict[str, str], dict[str, Floats]]:
        """Measure every image.

        Parameters
        ----------
        targets, images : array, shape (n, side, side)
            Grey values from 0 to 255.

        Returns
        -------
        unavailable : dict of str to str
            The metrics that could not be measured, and why.
        values : dict of str to ndarray of float64, shape (n,)
            Of every metric; NaN throughout where it is not available.
        """
        unavailable: dict[str, str] = {}
        values = {name: measure(targets, images) for name, measure in IMAGE_METRICS.items()}
        if np.isnan(values["ms_ssim"]).all():
            unavailable["ms_ssim"] = _TOO_SMALL
        pair = [torch.from_numpy(np.asarray(each))[:, None] for each in (targets, images)]
        for name, look, lacking in (("lpips", self.lpips, NO_TRUNK), ("identity", self.identity, NOT_ASKED)):
            if look is None:
                unavailable[name] = lacking
            values[name] = np.full(len(targets), np.nan) if look is None else look(*pair)
        return unavailable, {name: values[name] for name in _COLUMNS}


def open_measures(material: Material, hardware: Hardware) -> Measures:
    """Open what the study's metrics look through.

    Raises
    ------
    InputError
        The trunk of LPIPS is not what the study says.
    """
    asked, lpips = material.entry.lpips, None
    if asked is not None:
        lpips = open_lpips(material.lpips, asked.digest, trunk=asked.trunk, hardware=hardware)
    side, identity = material.study.file.image_size, material.identity
    return Measures(lpips, None if identity is None else Identity(identity, side=side, hardware=hardware))
