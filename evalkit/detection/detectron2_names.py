"""The tensors of a detector under detectron2's names, both ways and whole."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from evalkit.checkpoints.trunks import COUNTER
from evalkit.errors import InputError

#: Where a part of a detector is in detectron2, by how the name of its tensors begins.
_PLACES = (
    ("trunk.conv1.", "backbone.stem.conv1."),
    ("trunk.bn1.", "backbone.stem.conv1.norm."),
    ("trunk.layer1.", "backbone.res2."),
    ("trunk.layer2.", "backbone.res3."),
    ("trunk.layer3.", "backbone.res4."),
    ("trunk.layer4.", "backbone.res5."),
    # detectron2 has no such layer; this is where `detectron2_engine` puts it.
    ("trunk.reduce.0.", "backbone.reduce."),
    ("trunk.reduce.1.", "backbone.reduce.norm."),
    ("proposals.head.conv.0.0.", "proposal_generator.rpn_head.conv."),
    ("proposals.head.cls_logits.", "proposal_generator.rpn_head.objectness_logits."),
    ("proposals.head.bbox_pred.", "proposal_generator.rpn_head.anchor_deltas."),
    ("regions.head.stage.", "roi_heads.res5."),
    ("regions.head.norm.", "roi_heads.res5.norm."),
    ("regions.head.fc6.", "roi_heads.box_head.fc1."),
    ("regions.head.fc7.", "roi_heads.box_head.fc2."),
    ("regions.predictor.", "roi_heads.box_predictor."),
)

#: The same within a block of a ResNet.
_IN_BLOCK = (
    (r"\.bn(\d)\.", r".conv\1.norm."),
    (r"\.downsample\.0\.", ".shortcut."),
    (r"\.downsample\.1\.", ".shortcut.norm."),
)

#: Constants that older files of detectron2 hold beside the weights; they follow from the specification.
_CONSTANTS = re.compile(r"^(pixel_mean|pixel_std|proposal_generator\.anchor_generator\.cell_anchors\.\d+)$")


def detectron2_name(name: str) -> str:
    """Give detectron2's name for a tensor of our detector.

    Raises
    ------
    KeyError
        No part of a detector has such a tensor.
    """
    for ours, theirs in _PLACES:
        if name.startswith(ours):
            name = theirs + name.removeprefix(ours)
            for pattern, replacement in _IN_BLOCK:
                name = re.sub(pattern, replacement, name)
            return name
    raise KeyError(name)


def to_detectron2(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of our detector's state dict to detectron2's names; none is copied."""
    return {detectron2_name(name): tensor for name, tensor in state.items()}


def load_from_detectron2(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy detectron2's tensors into our detector.

    Parameters
    ----------
    model : nn.Module
        Of the torchvision engine, built with the same specification.
    state : mapping of str to Tensor
        A state dict of detectron2: the value of ``model`` in its checkpoints. Only normalisation's step counters may be
        absent, and only constants that follow from the specification may be there besides.

    Raises
    ------
    InputError
        A tensor is missing, left over, or of another shape. The model is unchanged then.
    """
    own = model.state_dict()
    places = {name: detectron2_name(name) for name in own}
    wanted = {name: place for name, place in places.items() if not name.endswith(COUNTER) or place in state}
    missing = [place for place in wanted.values() if place not in state]
    left = [name for name in state if name not in places.values() and not _CONSTANTS.match(name)]
    reshaped = [
        f"{place} {tuple(state[place].shape)} instead of {tuple(own[name].shape)}"
        for name, place in wanted.items()
        if place in state and state[place].shape != own[name].shape
    ]
    problems = [
        f"{len(found)} {what}, such as {found[0]}"
        for what, found in (("missing", missing), ("left over", left), ("of another shape", reshaped))
        if found
    ]
    if problems:
        raise InputError(
            f"detectron2's weights do not fit this detector: {'; '.join(problems)}",
            f"its {len(wanted)} tensors and no others",
            "build the detector with the head, protocol, trunk and classes of the weights",
        )
    model.load_state_dict({**own, **{name: state[place] for name, place in wanted.items()}})
