"""A ResNet as the trunk of a detector: whole images in, one feature map out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from evalkit.backbones import build_network
from evalkit.config.detector import DetectorSpec
from evalkit.detection.freezing import FrozenNormalisation, freeze_normalisation, freeze_weights

#: Channels of R50-DC5's feature map under the moco protocol.
REDUCED = 512


class Trunk(nn.Module):
    """Stem and stages of a ResNet, under their canonical names, up to the stage whose output the detector works on.

    Parameters
    ----------
    network : nn.Module
        Timm's ResNet; its modules are taken over, not copied.
    dilated : bool
        With the last stage, at stride 16 like the one before.
    reduced : bool
        With a 3x3 convolution to `REDUCED` channels and its normalisation at the end.
    """

    def __init__(self, network: Any, *, dilated: bool, reduced: bool) -> None:
        super().__init__()
        self.conv1, self.bn1, self.act1, self.maxpool = network.conv1, network.bn1, network.act1, network.maxpool
        self.layer1, self.layer2, self.layer3 = network.layer1, network.layer2, network.layer3
        self.layer4 = dilate(network.layer4) if dilated else nn.Identity()
        width = last_width(network.layer4 if dilated else network.layer3)
        self.reduce = _reduction(width) if reduced else nn.Identity()
        self.out_channels = REDUCED if reduced else width

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, channels, h, w) to features (n, out_channels, ceil(h / 16), ceil(w / 16))."""
        stem = self.maxpool(self.act1(self.bn1(self.conv1(images))))
        return self.reduce(self.layer4(self.layer3(self.layer2(self.layer1(stem)))))


def build_trunk(spec: DetectorSpec, weights: Path | None, seed: int) -> tuple[Trunk, nn.Module | None]:
    """Build a trunk, and the last stage apart from it where that is the head on regions (R50-C4).

    Parameters
    ----------
    spec : DetectorSpec
        What to build.
    weights : pathlib.Path or None
        Canonical weights, all of which are used; None draws them from `seed`.
    seed : int
        Only of the ResNet; what is added to it is drawn from torch's global random state.

    Raises
    ------
    InputError
        The weights are of another architecture or another number of channels.
    """
    network: Any = build_network(
        spec.arch, in_channels=spec.in_channels, num_classes=0, weights=weights, seed=seed, image_size=None
    )
    if spec.is_frozen:
        freeze_normalisation(network)
        freeze_weights(network.conv1, network.layer1)
    trunk = Trunk(network, dilated=spec.is_dilated, reduced=spec.is_dilated and not spec.is_frozen)
    return trunk, None if spec.is_dilated else network.layer4


def dilate(stage: nn.Module) -> nn.Module:
    """Take the stride out of a stage and dilate each of its 3x3 convolutions by 2 instead, in place.

    Where a shortcut averages before its convolution (timm's ``t`` variants), the averaging goes with the stride.

    torchvision and timm leave the first of them undilated; the weights then see another grid than in pretraining.
    """
    for module in stage.modules():
        if isinstance(module, nn.AvgPool2d):
            module.kernel_size = module.stride = 1
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)
            if module.kernel_size == (3, 3):
                module.dilation = module.padding = (2, 2)
    return stage


def last_width(stage: nn.Module) -> int:
    """Channels that leave a stage: those of its last normalisation, which each block ends with."""
    norms = [module for module in stage.modules() if isinstance(module, nn.BatchNorm2d | FrozenNormalisation)]
    return len(norms[-1].running_mean)  # type: ignore[arg-type]


def _reduction(width: int) -> nn.Sequential:
    convolution = nn.Conv2d(width, REDUCED, kernel_size=3, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(REDUCED))
