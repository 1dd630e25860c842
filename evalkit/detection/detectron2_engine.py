"""detectron2 itself behind the same interface, for who has it; it is on no package index."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evalkit.config.detector import BOTTLENECKS, DetectorSpec
from evalkit.detection.detectron2_names import to_detectron2
from evalkit.detection.engine import Detection, Target
from evalkit.detection.targets import check_targets
from evalkit.detection.torchvision_engine import TorchvisionEngine, in_mode
from evalkit.detection.trunk import REDUCED
from evalkit.errors import InputError


class Detectron2Engine:
    """Builds detectron2's own network with the weights that the torchvision engine would start from.

    Raises
    ------
    InputError
        detectron2 is not installed.
    """

    def __init__(self) -> None:
        try:
            importlib.import_module("detectron2")
        except ImportError as error:
            raise InputError(
                f"the engine detectron2 is asked for and cannot be imported: {error}",
                "an installed detectron2, which is on no package index",
                "choose the engine torchvision, which computes the same; or install fvcore, iopath, omegaconf and "
                "hydra-core, and build https://github.com/facebookresearch/detectron2 with setuptools below 81",
            ) from error

    def build(self, spec: DetectorSpec, weights: Path | None, seed: int) -> nn.Module:
        """Make a detector; see `Engine.build`. The trunk must have bottlenecks, which detectron2's heads ask for."""
        if spec.arch not in BOTTLENECKS:
            raise InputError(
                f"{spec.head} on {spec.arch} with the engine detectron2",
                "resnet50, resnet101 or resnet152: detectron2's last stage for both heads is made of bottlenecks",
                "choose the engine torchvision",
            )
        ours = TorchvisionEngine().build(spec, weights, seed)
        with torch.random.fork_rng(devices=[]):  # detectron2 draws the weights that are then replaced
            model = _network(spec)
        model.load_state_dict(to_detectron2(ours.state_dict()))
        return model

    def losses(self, model: nn.Module, images: Sequence[Tensor], targets: Sequence[Target]) -> dict[str, Tensor]:
        """Give the parts of the training loss; see `Engine.losses`."""
        from detectron2.structures import Boxes, Instances
        from detectron2.utils.events import EventStorage

        network: Any = model
        check_targets(images, targets, network.roi_heads.num_classes)
        inputs = [_input(each) for each in images]
        for one, target in zip(inputs, targets, strict=True):
            fields = {"gt_boxes": Boxes(target["boxes"]), "gt_classes": target["labels"]}
            one["instances"] = Instances((one["height"], one["width"]), **fields)
        with in_mode(network, training=True), EventStorage():
            return network(inputs)

    def detect(self, model: nn.Module, images: Sequence[Tensor]) -> list[Detection]:
        """Find objects; see `Engine.detect`."""
        with in_mode(model, training=False), torch.no_grad():
            found = [each["instances"] for each in model([_input(image) for image in images])]
        return [{"boxes": each.pred_boxes.tensor, "labels": each.pred_classes, "scores": each.scores} for each in found]


def configuration(spec: DetectorSpec) -> Any:
    """Write a specification as a configuration of detectron2 (a ``CfgNode``)."""
    from detectron2.config import get_cfg

    config = get_cfg()
    channels, feature = spec.in_channels, "res5" if spec.is_dilated else "res4"
    config.MODEL.DEVICE = "cpu"
    config.MODEL.META_ARCHITECTURE = "GeneralizedRCNN"
    config.MODEL.PIXEL_MEAN, config.MODEL.PIXEL_STD = (
        [float(value) for value in (values * channels)[:channels]] for values in (spec.mean, spec.std)
    )
    config.MODEL.BACKBONE.FREEZE_AT = 2 if spec.is_frozen else 0
    resnet = config.MODEL.RESNETS
    resnet.DEPTH = int(spec.arch.removeprefix("resnet"))
    resnet.NORM = "FrozenBN" if spec.is_frozen else "BN"
    resnet.STRIDE_IN_1X1 = False  # True belongs to the weights detectron2 distributes, not to torchvision's layout
    resnet.OUT_FEATURES = [feature]
    resnet.RES5_DILATION = 2 if spec.is_dilated else 1
    config.MODEL.ANCHOR_GENERATOR.SIZES = [[float(size) for size in spec.anchors.sizes]]
    config.MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS = [[float(ratio) for ratio in spec.anchors.ratios]]
    _set_proposals(config.MODEL.RPN, spec, feature)
    _set_regions(config.MODEL, spec, feature)
    config.TEST.DETECTIONS_PER_IMAGE = spec.regions.detections
    return config


def _set_proposals(config: Any, spec: DetectorSpec, feature: str) -> None:
    numbers = spec.proposals
    config.IN_FEATURES = [feature]
    config.BATCH_SIZE_PER_IMAGE, config.POSITIVE_FRACTION = numbers.sampled, numbers.positive_share
    config.IOU_THRESHOLDS = [numbers.background_iou, numbers.foreground_iou]
    config.PRE_NMS_TOPK_TRAIN, config.POST_NMS_TOPK_TRAIN = numbers.before_nms, numbers.after_nms
    config.PRE_NMS_TOPK_TEST, config.POST_NMS_TOPK_TEST = numbers.before_nms_test, numbers.after_nms_test
    config.NMS_THRESH = numbers.nms


def _set_regions(config: Any, spec: DetectorSpec, feature: str) -> None:
    numbers, heads, box = spec.regions, config.ROI_HEADS, config.ROI_BOX_HEAD
    heads.NAME = "StandardROIHeads" if spec.is_dilated else "Res5ROIHeads"
    heads.IN_FEATURES, heads.NUM_CLASSES = [feature], spec.classes
    heads.BATCH_SIZE_PER_IMAGE, heads.POSITIVE_FRACTION = numbers.sampled, numbers.positive_share
    heads.IOU_THRESHOLDS = [numbers.foreground_iou]
    heads.SCORE_THRESH_TEST, heads.NMS_THRESH_TEST = numbers.score, numbers.nms
    box.POOLER_RESOLUTION = 7 if spec.is_dilated else 14
    box.NAME, box.NUM_FC, box.FC_DIM = "FastRCNNConvFCHead" if spec.is_dilated else "", 2, numbers.hidden


def _network(spec: DetectorSpec) -> nn.Module:
    from detectron2.layers import get_norm
    from detectron2.modeling import GeneralizedRCNN, build_backbone, build_proposal_generator, build_roi_heads

    config = configuration(spec)
    backbone = build_backbone(config)
    if spec.is_dilated and not spec.is_frozen:
        backbone = _reduced(backbone)
    shape = backbone.output_shape()
    heads = build_roi_heads(config, shape)
    if not spec.is_dilated and not spec.is_frozen:
        heads.res5.add_module("norm", get_norm("BN", 2 * next(iter(shape.values())).channels))
    return GeneralizedRCNN(
        backbone=backbone,
        proposal_generator=build_proposal_generator(config, shape),
        roi_heads=heads,
        pixel_mean=config.MODEL.PIXEL_MEAN,
        pixel_std=config.MODEL.PIXEL_STD,
    )


def _reduced(resnet: Any) -> Any:
    """A trunk of detectron2 that ends with the moco protocol's convolution to `REDUCED` channels."""
    from detectron2.layers import Conv2d, ShapeSpec, get_norm
    from detectron2.modeling import Backbone

    stages = [name for name, _ in resnet.named_children()]
    ((feature, shape),) = resnet.output_shape().items()

    class Reduced(Backbone):
        def __init__(self) -> None:
            super().__init__()
            for name, stage in resnet.named_children():
                self.add_module(name, stage)
            norm = get_norm("BN", REDUCED)
            self.reduce = Conv2d(shape.channels, REDUCED, kernel_size=3, padding=1, bias=False, norm=norm)

        def forward(self, images: Tensor) -> dict[str, Tensor]:
            for name in stages:
                images = getattr(self, name)(images)
            return {feature: self.reduce(images)}

        def output_shape(self) -> dict[str, Any]:
            return {feature: ShapeSpec(channels=REDUCED, stride=shape.stride)}

    return Reduced()


def _input(image: Tensor) -> dict[str, Any]:
    """Describe one image to detectron2, which repeats a grey one over the channels of its means."""
    return {"image": image, "height": int(image.shape[-2]), "width": int(image.shape[-1])}
