"""The region proposal network: torchvision's, with the ranking, the limits and the loss of detectron2."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import clip_boxes_to_image, nms

from evalkit.config.detector import STRIDE, DetectorSpec
from evalkit.detection.anchors import Anchors


class ProposalHead(RPNHead):
    """torchvision's head; what it predicts is float32 also under autocast, since boxes need their last bits."""

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Give logits (n, anchors per cell, rows, columns) and box codes (n, 4 * anchors per cell, rows, columns)."""
        logits, codes = super().forward(x)
        return [each.float() for each in logits], [each.float() for each in codes]


class ProposalNetwork(RegionProposalNetwork):
    """Scores and moves the anchors; the best of them are the proposals.

    Parameters
    ----------
    in_channels : int
        Of the feature map, and of the hidden layer.
    spec : DetectorSpec
        Its `anchors` and `proposals` are used.
    """

    def __init__(self, in_channels: int, spec: DetectorSpec) -> None:
        numbers = spec.proposals
        super().__init__(
            Anchors(spec.anchors.sizes, spec.anchors.ratios, STRIDE),
            ProposalHead(in_channels, spec.anchors.per_cell),
            fg_iou_thresh=numbers.foreground_iou,
            bg_iou_thresh=numbers.background_iou,
            batch_size_per_image=numbers.sampled,
            positive_fraction=numbers.positive_share,
            pre_nms_top_n={"training": numbers.before_nms, "testing": numbers.before_nms_test},
            post_nms_top_n={"training": numbers.after_nms, "testing": numbers.after_nms_test},
            nms_thresh=numbers.nms,
        )

    def filter_proposals(
        self,
        proposals: Tensor,
        objectness: Tensor,
        image_shapes: Sequence[tuple[int, int]],
        num_anchors_per_level: list[int],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Choose the proposals of each image.

        Parameters
        ----------
        proposals : Tensor, shape (n, anchors, 4)
            The moved anchors.
        objectness : Tensor, shape (n * anchors, 1)
            Logits. They, not their sigmoid, rank the boxes: where the sigmoid saturates it would tie them.
        image_shapes : sequence of (height, width)
            Sizes before padding; boxes are cut off there, and those left without area go.
        num_anchors_per_level : list of int
            Unused: there is one feature map.

        Returns
        -------
        boxes, logits : list of Tensor
            Per image, the best first.
        """
        logits = objectness.detach().reshape(len(proposals), -1)
        logits, best = logits.topk(min(self.pre_nms_top_n(), logits.shape[1]), dim=1)
        proposals = proposals.gather(1, best[:, :, None].expand(-1, -1, 4))
        kept = [self._compete(*each) for each in zip(proposals, logits, image_shapes, strict=True)]
        return [boxes for boxes, _ in kept], [scores for _, scores in kept]

    def _compete(self, boxes: Tensor, logits: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        # A diverged network gives values that are not finite, on which pooling would not end; its loss tells of it.
        finite = torch.isfinite(boxes).all(dim=1) & torch.isfinite(logits)
        boxes = clip_boxes_to_image(boxes[finite], size)
        has_area = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
        boxes, logits = boxes[has_area], logits[finite][has_area]
        keep = nms(boxes, logits, self.nms_thresh)[: self.post_nms_top_n()]
        return boxes[keep], logits[keep]

    def compute_loss(
        self, objectness: Tensor, pred_bbox_deltas: Tensor, labels: list[Tensor], regression_targets: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Give the losses of a sample of the anchors.

        Both are sums divided by the intended size of the sample, ``sampled * images``, whatever its actual size: images
        with few anchors near objects, or with none, weigh no more than others.

        Parameters
        ----------
        objectness : Tensor, shape (n * anchors, 1)
            Logits.
        pred_bbox_deltas : Tensor, shape (n * anchors, 4)
            Predicted codes of the boxes.
        labels : list of Tensor
            Per image 1 on an object, 0 on none, -1 in between.
        regression_targets : sequence of Tensor
            Per image the codes of the true boxes; used where the label is 1.

        Returns
        -------
        objectness : Tensor
            Binary cross-entropy.
        location : Tensor
            L1 distance of the codes of anchors on objects.
        """
        on, off = (torch.cat(masks).bool() for masks in self.fg_bg_sampler(labels))
        truth, sampled = torch.cat(labels), on | off
        location = functional.l1_loss(pred_bbox_deltas[on], torch.cat(list(regression_targets))[on], reduction="sum")
        score = functional.binary_cross_entropy_with_logits(
            objectness.flatten()[sampled], truth[sampled], reduction="sum"
        )
        intended = self.fg_bg_sampler.batch_size_per_image * len(labels)
        return score / intended, location / intended
