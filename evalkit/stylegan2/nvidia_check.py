"""Whether a pickled network computes what ours does: settings that its tensors do not show."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from evalkit.errors import InputError
from evalkit.stylegan2.generator import MAPPING_RATE
from evalkit.stylegan2.nvidia_pickle import PickledNetwork

_EXPECTED = "a StyleGAN2 generator with skip connections, leaky ReLU, noise inputs, and without class labels"

#: Classes of the modules there may be.
_CLASSES = {
    "Generator",
    "MappingNetwork",
    "SynthesisNetwork",
    "SynthesisBlock",
    "SynthesisLayer",
    "ToRGBLayer",
    "FullyConnectedLayer",
}


def check_nvidia(path: Path, network: PickledNetwork) -> float | None:
    """Refuse a network with other settings than ours.

    Parameters
    ----------
    path : pathlib.Path
        For the message.
    network : PickledNetwork

    Returns
    -------
    float or None
        Its conv_clamp.

    Raises
    ------
    InputError
        It is class-conditional, or has another architecture, activation or rate; the message says which.
    """
    labels = network.attributes[""].get("c_dim", 0)
    if labels:
        raise InputError(
            f"{path} is class-conditional: it takes a label of {_shown(labels)} values (c_dim)",
            "a generator without class labels (c_dim 0)",
            "train or choose an unconditional network; which label an image to invert would have is not known",
        )
    _refuse_any(
        path, "module", {module: kind for module, kind in network.tried("class").items() if kind not in _CLASSES}
    )
    _refuse_any(path, "architecture", _other(network, "architecture", "skip"))
    _refuse_any(path, "use_noise", _other(network, "use_noise", True))
    for module, settings in network.attributes.items():
        if settings["class"] == "FullyConnectedLayer":
            of_mapping = module.startswith("mapping.")
            wanted = {
                "activation": "lrelu" if of_mapping else "linear",
                "bias_gain": MAPPING_RATE if of_mapping else 1,
            }
        else:
            wanted = {"activation": "lrelu"}
        for name, value in wanted.items():
            if name in settings and settings[name] != value:
                _refuse_any(path, name, {module: settings[name]})
    clamps = network.tried("conv_clamp")
    _refuse_any(path, "conv_clamp", {module: clamp for module, clamp in clamps.items() if not _is_limit(clamp)})
    values = set(clamps.values())
    if len(values) > 1:
        _refuse_any(path, "conv_clamp (not the same everywhere)", clamps)
    clamp = values.pop() if values else None
    return None if clamp is None else float(clamp)


def _is_limit(value: Any) -> bool:
    return value is None or (type(value) in {int, float} and 0 < value <= sys.float_info.max)


def _other(network: PickledNetwork, name: str, value: Any) -> dict[str, Any]:
    return {module: found for module, found in network.tried(name).items() if found != value}


def _refuse_any(path: Path, name: str, found: dict[str, Any]) -> None:
    for module, value in found.items():
        raise InputError(
            f"{path} has {name} = {_shown(value)} at {module or 'the network'}",
            _EXPECTED,
            "use a network of that kind",
        )


def _shown(value: Any) -> str:
    return repr(value)[:80]
