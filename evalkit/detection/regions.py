"""What happens on each proposed region: pooling, its class, the correction of its box, the choice of detections."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler, BoxCoder, Matcher
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.ops import batched_nms, box_iou, clip_boxes_to_image

from evalkit.config.detector import STRIDE, DetectorSpec
from evalkit.detection.engine import Detection, Target
from evalkit.detection.pooling import pool_regions
from evalkit.detection.trunk import last_width

#: Cells along each side of a pooled region.
_POOLED_FOR_STAGE, _POOLED_FOR_LAYERS = 14, 7
_CODE_WEIGHTS = (10.0, 10.0, 5.0, 5.0)


class StageHead(nn.Module):
    """A ResNet's last stage on each region, then the mean over its cells.

    Parameters
    ----------
    stage : nn.Module
        Halves the side of a region from 14 to 7.
    normalised : bool
        With one more normalisation after the stage (the moco protocol).
    """

    def __init__(self, stage: nn.Module, *, normalised: bool) -> None:
        super().__init__()
        self.out_channels = last_width(stage)
        self.stage = stage
        self.norm = nn.BatchNorm2d(self.out_channels) if normalised else nn.Identity()

    def forward(self, pooled: Tensor) -> Tensor:
        """Map regions (r, channels, 14, 14) to features (r, out_channels)."""
        return self.norm(self.stage(pooled)).mean(dim=(2, 3))


class Predictor(nn.Module):
    """Logits of the classes, background last, and the code of one box for each class.

    Parameters
    ----------
    in_channels : int
        Width of a region's features.
    classes : int
    """

    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(in_channels, classes + 1)
        self.bbox_pred = nn.Linear(in_channels, 4 * classes)
        for layer, spread in ((self.cls_score, 0.01), (self.bbox_pred, 0.001)):
            nn.init.normal_(layer.weight, std=spread)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Give logits (r, classes + 1) and codes (r, 4 * classes), float32 also under autocast."""
        return self.cls_score(features).float(), self.bbox_pred(features).float()


class RegionHeads(nn.Module):
    """Classifies proposals and corrects their boxes. Unlike torchvision's, the background is the last class.

    Parameters
    ----------
    in_channels : int
        Of the feature map.
    spec : DetectorSpec
        Its `classes` and `regions` are used.
    stage : nn.Module or None
        The trunk's last stage for R50-C4; None for two hidden layers (R50-DC5).
    """

    def __init__(self, in_channels: int, spec: DetectorSpec, stage: nn.Module | None) -> None:
        super().__init__()
        self.classes, self.numbers = spec.classes, spec.regions
        self.head: nn.Module
        if stage is None:
            self.side, width = _POOLED_FOR_LAYERS, self.numbers.hidden
            self.head = _hidden_layers(in_channels * self.side**2, width)
        else:
            self.side = _POOLED_FOR_STAGE
            self.head = StageHead(stage, normalised=not spec.is_frozen)
            width = self.head.out_channels
        self.predictor = Predictor(width, self.classes)
        self.coder = BoxCoder(_CODE_WEIGHTS)
        self._matcher = Matcher(self.numbers.foreground_iou, self.numbers.foreground_iou)
        self._sampler = BalancedPositiveNegativeSampler(self.numbers.sampled, self.numbers.positive_share)

    def predict(self, features: Tensor, regions: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Give logits (r, classes + 1) and box codes (r, 4 * classes) of all images' regions, image after image."""
        return self.predictor(self.head(pool_regions(features, regions, self.side, scale=1 / STRIDE)))

    def losses(self, features: Tensor, proposals: Sequence[Tensor], targets: Sequence[Target]) -> dict[str, Tensor]:
        """Give the losses of a sample of the proposals, to which the true boxes are added.

        Returns
        -------
        dict of str to Tensor
            ``loss_cls``: mean cross-entropy over the sample. ``loss_box_reg``: L1 distance of the codes of regions on
            objects, for the true class, summed and divided by the size of the whole sample.
        """
        with torch.no_grad():
            sampled = [self._sample(*each) for each in zip(proposals, targets, strict=True)]
        regions, labels, truth = ([each[part] for each in sampled] for part in range(3))
        logits, codes = self.predict(features, regions)
        labels_of_all = torch.cat(labels)
        on = torch.nonzero(labels_of_all < self.classes).flatten()
        predicted = codes.reshape(-1, self.classes, 4)[on, labels_of_all[on]]
        wanted = self.coder.encode_single(torch.cat(truth)[on], torch.cat(regions)[on])
        count = max(len(labels_of_all), 1)
        return {
            "loss_cls": functional.cross_entropy(logits, labels_of_all, reduction="sum") / count,
            "loss_box_reg": functional.l1_loss(predicted, wanted, reduction="sum") / count,
        }

    def detect(
        self, features: Tensor, proposals: Sequence[Tensor], image_sizes: Sequence[tuple[int, int]]
    ) -> list[Detection]:
        """Turn proposals into detections within the images of the given (height, width)."""
        logits, codes = self.predict(features, proposals)
        boxes = self.coder.decode_single(codes, torch.cat(list(proposals))).reshape(-1, self.classes, 4)
        scores = logits.softmax(dim=-1)[:, :-1]
        counts = [len(each) for each in proposals]
        return [
            self._choose(*each) for each in zip(boxes.split(counts), scores.split(counts), image_sizes, strict=True)
        ]

    def _sample(self, proposals: Tensor, target: Target) -> tuple[Tensor, Tensor, Tensor]:
        """Choose regions of one image for the loss: boxes (r, 4), labels (r,) and the true boxes (r, 4)."""
        candidates = torch.cat((proposals, target["boxes"]))
        labels = torch.full((len(candidates),), self.classes, device=candidates.device)
        truth = torch.zeros_like(candidates)
        if len(target["boxes"]):
            matched = self._matcher(box_iou(target["boxes"], candidates))
            on = matched >= 0
            labels[on], truth[on] = target["labels"][matched[on]], target["boxes"][matched[on]]
        # The sampler takes 0 for the background.
        positive, negative = self._sampler([(labels + 1) % (self.classes + 1)])
        chosen = (positive[0] | negative[0]).bool()
        return candidates[chosen], labels[chosen], truth[chosen]

    def _choose(self, boxes: Tensor, scores: Tensor, size: tuple[int, int]) -> Detection:
        finite = torch.isfinite(boxes).flatten(1).all(dim=1) & torch.isfinite(scores).all(dim=1)
        boxes, scores = clip_boxes_to_image(boxes[finite], size), scores[finite]
        region, label = torch.nonzero(scores > self.numbers.score, as_tuple=True)
        boxes, scores = boxes[region, label], scores[region, label]
        keep = batched_nms(boxes, scores, label, self.numbers.nms)[: self.numbers.detections]
        keep = keep[(boxes[keep, 2:] > boxes[keep, :2]).all(dim=1)]
        return {"boxes": boxes[keep], "labels": label[keep], "scores": scores[keep]}


def _hidden_layers(in_channels: int, width: int) -> TwoMLPHead:
    layers = TwoMLPHead(in_channels, width)
    for layer in (layers.fc6, layers.fc7):
        nn.init.kaiming_uniform_(layer.weight, a=1)
        nn.init.zeros_(layer.bias)
    return layers
