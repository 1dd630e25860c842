"""The small interface between a detection task and the code that holds the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol, TypedDict

from torch import Tensor, nn

from evalkit.config.detector import DetectorSpec

EngineName = Literal["torchvision", "detectron2"]


class Target(TypedDict):
    """The objects of one image.

    ``boxes``: float, shape (objects, 4), left, top, right and bottom in pixels, each box with an area.
    ``labels``: int64, shape (objects,), from 0. An image without objects has none of either, and counts like any other.
    """

    boxes: Tensor
    labels: Tensor


class Detection(TypedDict):
    """What was found in one image, the best first: a `Target` with ``scores``, probabilities of shape (found,)."""

    boxes: Tensor
    labels: Tensor
    scores: Tensor


class Engine(Protocol):
    """Builds and runs detectors. The same specification means the same function of the same weights in each engine.

    Images are float tensors of shape (channels, height, width) with grey values in [0, 1], one channel or as many as
    the specification has, of any sizes, on the network's device. The network normalises them.
    """

    def build(self, spec: DetectorSpec, weights: Path | None, seed: int) -> nn.Module:
        """Make a detector on the CPU; what `weights` does not hold is drawn from `seed`.

        Parameters
        ----------
        spec : DetectorSpec
            What to build.
        weights : pathlib.Path or None
            Canonical weights of the trunk, all of which are used; None draws the trunk too.
        seed : int
            Trunk and head are drawn from streams of their own: the head does not depend on where the trunk comes from.

        Raises
        ------
        InputError
            The weights are of another trunk, or there are none where the protocol would freeze them.
        """
        ...

    def losses(self, model: nn.Module, images: Sequence[Tensor], targets: Sequence[Target]) -> dict[str, Tensor]:
        """Give the parts of the training loss, whose plain sum is the loss.

        Anchors and regions are sampled from torch's global random state. Normalisation behaves as in training.

        Returns
        -------
        dict of str to Tensor
            Scalars ``loss_rpn_cls``, ``loss_rpn_loc``, ``loss_cls``, ``loss_box_reg``, with gradients. They are not
            finite where the training has diverged.

        Raises
        ------
        InputError
            A box without area or a label that is no class of the detector.
        """
        ...

    def detect(self, model: nn.Module, images: Sequence[Tensor]) -> list[Detection]:
        """Find objects, as in evaluation and without gradients; the model's mode is left as it was."""
        ...


def engine_named(name: EngineName) -> Engine:
    """Give an engine by its name.

    Raises
    ------
    InputError
        detectron2 is asked for and not installed.
    """
    if name == "detectron2":
        from evalkit.detection.detectron2_engine import Detectron2Engine

        return Detectron2Engine()
    from evalkit.detection.torchvision_engine import TorchvisionEngine

    return TorchvisionEngine()
