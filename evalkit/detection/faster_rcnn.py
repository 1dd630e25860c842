"""Faster R-CNN on one feature map (Ren et al., NeurIPS 2015), put together from its three parts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList

from evalkit.config.detector import DetectorSpec
from evalkit.detection.engine import Detection, Target
from evalkit.detection.proposals import ProposalNetwork
from evalkit.detection.regions import RegionHeads
from evalkit.detection.trunk import Trunk


class FasterRCNN(nn.Module):
    """A detector.

    Parameters
    ----------
    trunk : Trunk
        Images to one feature map.
    stage : nn.Module or None
        The trunk's last stage, if it is the head on regions.
    spec : DetectorSpec
        What the rest is made from, with torch's global random state.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, trunk: Trunk, stage: nn.Module | None, spec: DetectorSpec) -> None:
        super().__init__()
        self.trunk = trunk
        self.proposals = ProposalNetwork(trunk.out_channels, spec)
        self.regions = RegionHeads(trunk.out_channels, spec, stage)
        for name, values in (("mean", spec.mean), ("std", spec.std)):
            statistic = torch.tensor(values).reshape(-1, 1, 1).expand(spec.in_channels, 1, 1)
            self.register_buffer(name, statistic.clone(), persistent=False)

    def training_losses(self, images: Sequence[Tensor], targets: Sequence[Target]) -> dict[str, Tensor]:
        """Give the four losses; the module must be in training mode."""
        batch, features = self._look_at(images)
        # torchvision's proposal network takes plain dictionaries.
        proposals, losses = self.proposals(batch, {"": features}, [dict(each) for each in targets])
        return {
            "loss_rpn_cls": losses["loss_objectness"],
            "loss_rpn_loc": losses["loss_rpn_box_reg"],
            **self.regions.losses(features, proposals, targets),
        }

    def forward(self, images: Sequence[Tensor]) -> list[Detection]:
        """Find objects; the module must be in evaluation mode."""
        batch, features = self._look_at(images)
        proposals, _ = self.proposals(batch, {"": features})
        return self.regions.detect(features, proposals, batch.image_sizes)

    def batch(self, images: Sequence[Tensor]) -> ImageList:
        """Normalise images and pad them, right and below, to the largest height and width among them.

        What is padded is 0, the mean grey, as the padding of the convolutions inside. torchvision and others pad to a
        multiple of 32, which moves the border that the network sees.
        """
        sizes = [(int(image.shape[-2]), int(image.shape[-1])) for image in images]
        height, width = (max(extent) for extent in zip(*sizes, strict=True))
        padded = self.mean.new_zeros(len(images), len(self.mean), height, width)
        for place, image, (rows, columns) in zip(padded, images, sizes, strict=True):
            place[:, :rows, :columns] = (image - self.mean) / self.std
        return ImageList(padded, sizes)

    def _look_at(self, images: Sequence[Tensor]) -> tuple[ImageList, Tensor]:
        batch = self.batch(images)
        return batch, self.trunk(batch.tensors)
