"""Features of a frozen backbone, for linear probes: computed once for each data set and kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from evalkit.atomic import replacing, write_json
from evalkit.config.loading import Study
from evalkit.damage import refusing_damage
from evalkit.errors import InputError
from evalkit.fingerprints import code_hash, file_sha256, value_hash
from evalkit.packing.packed import load_packed
from evalkit.seeds import seed_from
from evalkit.training.devices import Hardware, is_out_of_memory, release_memory
from evalkit.training.networks import Network, pretrained_network
from evalkit.training.pixels import Normaliser, Pixels
from evalkit.training.prediction import predict
from evalkit.training.progress import showing_progress
from evalkit.training.session import training_session

#: Images of a forward pass to begin with.
BATCH = 64


@dataclass(frozen=True)
class Features:
    """Features of every packed image.

    Attributes
    ----------
    values : ndarray of float32, shape (rows, features)
        By row of the packed data set; memory-mapped.
    key : str
        Hash of the weights, pixels, normalisation, device and code that they come from.
    """

    values: NDArray[np.float32]
    key: str


def make_features(study: Study, dataset: str, backbone: str) -> Path:
    """Compute a backbone's features of a data set, unless they are there already.

    The backbone is frozen and in evaluation mode, so that batch normalisation uses its running statistics. Scratch is
    one random trunk, drawn from the study's seed: what a probe finds without any training of the trunk.

    Returns
    -------
    pathlib.Path
        The features (npy); their key is in the ``.json`` beside them.

    Raises
    ------
    InputError
        The data set or the weights have not been made yet, or not even one image fits into memory.
    """
    path = study.layout.features(dataset, backbone)
    network, packed = pretrained_network(study, backbone), load_packed(_packed_folder(study, dataset))
    with (
        training_session(study) as session,
        showing_progress(f"features of {dataset} by {backbone}", quiet=not session.ranks.is_first) as progress,
    ):
        facts = _facts(study, dataset, network) | session.describe()
        key = value_hash(facts)
        if _read_key(path) == key:
            progress.say(f"done before, with the same key {key[:12]}")
            return path
        progress.start(step=0, steps=len(packed.images))
        values = extract(
            build_trunk(network, side=packed.images.shape[1], seed=study.file.seed, hardware=session.hardware),
            network,
            packed.images,
            session.hardware,
            tell=lambda done: progress.update(
                step=done, steps=len(packed.images), batch_size=1, images=len(packed.images)
            ),
        )
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, values)
        write_json(path.with_suffix(".json"), {"key": key, **facts, "features": values.shape[1]})
        progress.say(f"{len(values):,} images, {values.shape[1]:,} features each")
    return path


def load_features(study: Study, dataset: str, backbone: str) -> Features:
    """Load features that `make_features` left.

    Raises
    ------
    InputError
        They are not there, are damaged, or were made from other weights or pixels.
    """
    path = study.layout.features(dataset, backbone)
    remedy = f"make them: python -m tasks.classification features --study {study.source} --dataset {dataset}"
    remedy += f" --backbone {backbone}"
    key = _read_key(path)
    if not key or not path.exists():
        raise InputError(f"{path} does not exist", f"the features of {dataset} by {backbone}", remedy)
    with refusing_damage(path, expected="features as this program wrote them", remedy=remedy):
        recorded = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    expected = _facts(study, dataset, pretrained_network(study, backbone))
    changed = [name for name, value in expected.items() if recorded.get(name) != value]
    if changed:
        raise InputError(
            f"{path} was made from another state of: {', '.join(changed)}",
            "features of the backbone and images as they are now",
            remedy,
        )
    return Features(values, key)


def build_trunk(plan: Network, *, side: int, seed: int, hardware: Hardware) -> nn.Module:
    """Build a frozen trunk for images of this side, on the device; the seed draws it where it has no weights."""
    trunk = plan.build(classes=0, seed=seed_from(purpose="probe", seed=seed), image_size=side)
    return trunk.to(hardware.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def extract(
    trunk: nn.Module,
    plan: Network,
    images: NDArray[np.uint8],
    hardware: Hardware,
    *,
    tell: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Run a frozen trunk over images.

    Parameters
    ----------
    trunk : nn.Module
        Of `build_trunk`.
    plan : Network
        How images are normalised for it.
    images : ndarray of uint8, shape (n, side, side)
    hardware : Hardware
    tell : callable, optional
        Told how many images are done.

    Returns
    -------
    ndarray of float32, shape (n, features)
        The pooled output of the trunk.

    Raises
    ------
    InputError
        Not even one image fits into memory.
    """
    device = hardware.device
    normalise = Normaliser(plan.mean, plan.std, in_channels=plan.in_channels, device=device)
    pixels = Pixels(images, np.arange(len(images)), device)
    size = BATCH
    while True:
        try:
            return predict(trunk, pixels, normalise, hardware, batch_size=size, tell=tell)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if size == 1:
                raise InputError(
                    "memory does not hold one image and its features",
                    "room for a forward pass",
                    "take a smaller image_size or a larger machine",
                ) from None
            release_memory(hardware)
            size //= 2


def _packed_folder(study: Study, dataset: str) -> Path:
    return study.layout.packed(dataset, study.file.image_size)


def _facts(study: Study, dataset: str, network: Network) -> dict[str, Any]:
    """What decides features, apart from the machine."""
    return {
        "network": network.describe(),
        "seed": study.file.seed if network.weights is None else None,
        "packed": file_sha256(_packed_folder(study, dataset) / "index.parquet"),
        "code": code_hash(__name__),
    }


def _read_key(path: Path) -> str:
    try:
        return str(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["key"]) if path.exists() else ""
    except (OSError, ValueError, KeyError):
        return ""
