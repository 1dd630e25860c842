"""A convolutional network cut into the five stages at whose ends it can be tapped."""

from __future__ import annotations

from typing import Any

from torch import nn

from evalkit.errors import InputError

#: For messages: what can be tapped.
SERVES = "a ResNet or DenseNet of timm (resnet18, resnet50, resnext50_32x4d, densenet121, ...), or vgg16"

#: VGG-16's convolutions up to the activation of the last one of each group: conv1_2, 2_2, 3_3, 4_3, 5_3.
_VGG16_ENDS = (4, 9, 16, 23, 30)
VGG16_TAPS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")


def cut_into_stages(network: nn.Module, arch: str) -> tuple[nn.Sequential, ...]:
    """Cut a network into stem and four blocks.

    Parameters
    ----------
    network : nn.Module
        Timm's; its modules are taken over, not copied.
    arch : str
        Its name.

    Returns
    -------
    tuple of five nn.Sequential
        Of a ResNet: convolution, normalisation and activation; then pooling with the first layer; then a layer each.
        A DenseNet's transitions and pooling begin the next stage, and its last normalisation ends the last. VGG-16
        is cut after the activations of conv1_2, 2_2, 3_3, 4_3 and 5_3.

    Raises
    ------
    InputError
        Any other kind of network.
    """
    from timm.models.densenet import DenseNet
    from timm.models.resnet import ResNet

    parts: Any = network
    if isinstance(network, ResNet):
        return (
            nn.Sequential(parts.conv1, parts.bn1, parts.act1),
            nn.Sequential(parts.maxpool, parts.layer1),
            *(nn.Sequential(layer) for layer in (parts.layer2, parts.layer3, parts.layer4)),
        )
    if isinstance(network, DenseNet) and hasattr(parts.features, "pool0"):
        layers = parts.features
        return (
            nn.Sequential(layers.conv0, layers.norm0),
            nn.Sequential(layers.pool0, layers.denseblock1),
            nn.Sequential(layers.transition1, layers.denseblock2),
            nn.Sequential(layers.transition2, layers.denseblock3),
            nn.Sequential(layers.transition3, layers.denseblock4, layers.norm5),
        )
    if arch == "vgg16":
        return cut_vgg16(parts.features)
    raise InputError(
        f"{arch} cannot be a perceptual encoder: it has no stem and four blocks to tap",
        SERVES,
        "leave this backbone out of the inversion's backbones",
    )


def cut_vgg16(features: nn.Sequential) -> tuple[nn.Sequential, ...]:
    """Cut VGG-16's convolutions, as timm and torchvision lay them out, after the last activation of each group."""
    starts = (0, *_VGG16_ENDS[:-1])
    return tuple(features[start:end] for start, end in zip(starts, _VGG16_ENDS, strict=True))


def open_residual_branches(network: nn.Module) -> None:
    """Let the residual branches of a randomly drawn ResNet take part, in place.

    They end with a normalisation whose gain training starts at 0. Untrained, such a network is a chain of shortcuts;
    with the gain at 1 it is the random convolutional network that a control is meant to be.
    """
    for module in network.modules():
        gain: Any = getattr(module, "weight", None)
        if isinstance(module, nn.BatchNorm2d) and gain is not None and not bool(gain.any()):
            nn.init.ones_(gain)
