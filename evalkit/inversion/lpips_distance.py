"""LPIPS by the package `lpips`: its linear heads, on a trunk whose file is checked."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evalkit.config.published import TrunkName
from evalkit.errors import InputError
from evalkit.inversion.metrics import Floats
from evalkit.inversion.published import PublishedTrunk, read_trunk
from evalkit.training.devices import Hardware

#: What the package calls the trunks.
_NETS = {"alexnet": "alex", "vgg16": "vgg"}

#: Images compared at once, and the smallest side that AlexNet's pooling leaves anything of.
_BATCH, _SMALLEST = 16, 32


class Lpips:
    """The distance of image pairs, version 0.1 of the package; made by `open_lpips`.

    Parameters
    ----------
    trunk : PublishedTrunk
    hardware : Hardware
        The metric is computed in 32 bits whatever its precision says.
    """

    def __init__(self, trunk: PublishedTrunk, hardware: Hardware) -> None:
        self._trunk, self._device = trunk, hardware.device
        self._network = _build(trunk).to(hardware.device)

    @torch.no_grad()
    def __call__(self, originals: Tensor, images: Tensor) -> Floats:
        """Measure.

        Parameters
        ----------
        originals, images : Tensor, shape (n, 1 or 3, side, side)
            From 0 to 255; one channel is repeated over three.

        Returns
        -------
        ndarray of float64, shape (n,)
            0 for equal images; lower is better.

        Raises
        ------
        InputError
            The images are smaller than 32 pixels.
        """
        if min(images.shape[-2:]) < _SMALLEST:
            raise InputError(
                f"LPIPS of images of {images.shape[-1]} px",
                f"{_SMALLEST} px or more, or the trunk's pooling leaves nothing",
                "take larger images, or leave LPIPS out",
            )
        parts = [
            self._network(self._scaled(one), self._scaled(other)).flatten().double().cpu()
            for one, other in zip(originals.split(_BATCH), images.split(_BATCH), strict=True)
        ]
        return np.asarray(torch.cat(parts))

    def describe(self) -> dict[str, Any]:
        """What decides a result, for a run's key and its record."""
        return self._trunk.describe()

    def _scaled(self, images: Tensor) -> Tensor:
        return (images.to(self._device, torch.float32) / 127.5 - 1).expand(-1, 3, -1, -1)


def open_lpips(path: Path | None, sha256: str, *, trunk: TrunkName = "alexnet", hardware: Hardware) -> Lpips | None:
    """Build LPIPS from a trunk's local file.

    Parameters
    ----------
    path : pathlib.Path or None
        ``alexnet-owt-7be5be79.pth`` or ``vgg16-397923af.pth`` of torchvision.
    sha256 : str
        The hash it must have.
    trunk : {"alexnet", "vgg16"}
        AlexNet is the package's choice for a metric; VGG favours a reconstruction through VGG-16.
    hardware : Hardware

    Returns
    -------
    Lpips or None
        None where the file is not there: the metric is then `evalkit.inversion.published.UNAVAILABLE`. There is no
        number from other weights.

    Raises
    ------
    InputError
        The file is not that trunk, whole, or has another hash.
    """
    read = read_trunk(trunk, path, sha256)
    return None if read is None else Lpips(read, hardware)


def _build(trunk: PublishedTrunk) -> torch.nn.Module:
    """The package's network with its heads; the trunk it draws at random is replaced, every tensor of it."""
    # The import prints nothing, but building warns of torchvision's older interface, which the package uses.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        import lpips

        network = lpips.LPIPS(net=_NETS[trunk.name], pnet_rand=True, verbose=False)
    # Convolutions are numbered as in torchvision, inside five slices: slice2.3.weight is features.3.weight.
    named = {name: f"features.{name.partition('.')[2]}" for name in network.net.state_dict()}
    if set(named.values()) != set(trunk.tensors):
        raise ValueError(f"this version of lpips has another {trunk.name}: {sorted(named)}")
    network.net.load_state_dict({name: trunk.tensors[source] for name, source in named.items()})
    return network.requires_grad_(False).eval()
