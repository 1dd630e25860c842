"""Whether pretraining can be done, as far as that can be told before anything is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from evalkit.backbones import declared_statistics, input_channels, input_statistics
from evalkit.checkpoints.trunks import trunk_of
from evalkit.config.loading import Study
from evalkit.config.pretraining import Contrastive, Moco, Pretraining
from evalkit.datasets.overlap import describe_overlap
from evalkit.errors import InputError
from evalkit.pretraining.encoders import build_encoder
from evalkit.training.networks import Network

_APART = (
    "different patients",
    "choose ranges of 'patients' that do not overlap, for phantoms another first_patient, or another data set",
)


@dataclass
class Known:
    """What data and weights have told; empty where only the configuration is looked at.

    Attributes
    ----------
    images : dict of str to int
        Images of a data set.
    patients : dict of str to frozenset of str
        Their patients' ids.
    channels : dict of str to int
        Input channels of a backbone's weights.
    fingerprints : dict of str to str
        Of a backbone's weights.
    """

    images: dict[str, int] = field(default_factory=dict)
    patients: dict[str, frozenset[str]] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)


def describe_pretraining(study: Study, backbone: str) -> str:
    """Say how a backbone is made, as ``moco on the data 'archive', from 'chess', IFA at block 3``."""
    entry = _pretraining(study, backbone)
    parts = [f"{entry.method} on the data {entry.data!r}"]
    if entry.init is not None:
        parts.append(f"from {entry.init!r}")
    if isinstance(entry, Contrastive) and entry.ifa is not None:
        blocks = sorted(entry.ifa.terms)
        parts.append(f"IFA at block{'s' if blocks[1:] else ''} {' and '.join(map(str, blocks))}")
    return ", ".join(parts)


def find_obstacles(study: Study, backbone: str, known: Known) -> Iterator[InputError]:
    """Find what would end a backbone's pretraining, or make it worthless, one obstacle at a time."""
    for check in (_check_apart, _check_start, _check_network, _check_count):
        try:
            check(study, backbone, known)
        except InputError as error:
            yield error


def find_doubts(study: Study, backbone: str, known: Known) -> Iterator[str]:
    """Find what a backbone's pretraining can be done with, but most likely is not what is wanted."""
    entry = _pretraining(study, backbone)
    images = known.images.get(entry.data)
    if isinstance(entry, Moco) and images is not None and entry.queue > images >= entry.recipe.batch_size:
        size = entry.recipe.batch_size
        yield (
            f"the queue of {entry.queue:,} keys is longer than the {images:,} images of {entry.data!r}: a query's own "
            f"image is in it {entry.queue / images:.1f} times on average, and is pushed away as if it were another\n"
            f"  to do:    lower queue to {images // size * size} or less (a multiple of recipe.batch_size, {size}), or "
            "pretrain on more images"
        )


def _pretraining(study: Study, backbone: str) -> Pretraining:
    entry = study.backbone(backbone).pretrain
    assert entry is not None
    return entry


def _check_apart(study: Study, backbone: str, known: Known) -> None:
    """No patient of the pretraining may be in an evaluation."""
    data = _pretraining(study, backbone).data
    for name, evaluation in study.file.evaluations.items():
        other = evaluation.dataset
        if other == data:
            raise InputError(
                f"pretrain.data is {data!r}, which the evaluation {name!r} trains and tests with",
                "a data set of other patients",
                "divide the patients between two data sets (patients: [0, 0.3] and [0.3, 1]; for phantoms, another "
                "first_patient), and name here the one that no evaluation has",
            )
        shared = describe_overlap(study.dataset(data), study.dataset(other))
        common = known.patients.get(data, frozenset()) & known.patients.get(other, frozenset())
        if common and not shared:
            shared = f"{len(common):,} patients, {min(common)!r} for example,"
        if shared:
            raise InputError(
                f"{shared} are in {data!r}, the data of pretraining, and in {other!r}, the data of {name!r}", *_APART
            )


def _check_start(study: Study, backbone: str, known: Known) -> None:
    """The channels and the normalisation must be those of the weights it starts from.

    As `evalkit.pretraining.contrastive.start_network` has it, where the weights themselves are at hand.
    """
    entry, init = study.backbone(backbone), _pretraining(study, backbone).init
    if init is None:
        input_statistics(entry, None)
        return
    start, channels = study.backbone(init), _find_channels(study, init, known)
    if channels is not None and entry.in_channels not in (None, channels):
        raise InputError(
            f"in_channels is {entry.in_channels}, and {init!r}, which the pretraining starts from, has {channels}",
            "the same channels",
            f"leave in_channels of {backbone!r} out, or change that of {init!r}",
        )
    declared = declared_statistics(start)[0]
    counted = {"in_channels": channels or entry.in_channels or (3 if len(declared) == 3 else 1)}
    own = input_statistics(entry.model_copy(update=counted), None)
    there = input_statistics(start.model_copy(update=counted), None)
    if entry.mean is None and (own.mean, own.std) != (there.mean, there.std):
        raise InputError(
            f"neither mean nor std is given, and {init!r}, which the pretraining starts from, has mean "
            f"{list(there.mean)} and std {list(there.std)} ({there.origin})",
            "the normalisation that the weights are used to, in pretraining and in what follows",
            f"write the same mean and std into the entry of {backbone!r}",
        )


def _check_network(study: Study, backbone: str, known: Known) -> None:
    """What is built must be readable afterwards and have the blocks that IFA asks for; nothing is allocated for it."""
    backbone_entry, entry = study.backbone(backbone), _pretraining(study, backbone)
    trunk_of(backbone_entry.arch)
    if not isinstance(entry, Contrastive):
        return
    channels = _find_channels(study, backbone, known) or 1
    network = Network(backbone_entry.arch, channels, (0.5,) * channels, (0.25,) * channels, "none")
    blocks = entry.ifa.terms if entry.ifa is not None else ()
    with torch.device("meta"):
        build_encoder(network, projection=entry.projection, blocks=blocks, seed=0, image_size=study.file.image_size)


def _check_count(study: Study, backbone: str, known: Known) -> None:
    """A batch of contrastive pretraining holds an image once."""
    entry = _pretraining(study, backbone)
    images, size = known.images.get(entry.data), entry.recipe.batch_size
    if isinstance(entry, Contrastive) and images is not None and images < size:
        raise InputError(
            f"recipe.batch_size is {size}, and {entry.data!r} has {images:,} images",
            "at least as many images as a batch holds, or an image would be compared with itself",
            "lower recipe.batch_size, or pretrain on more images",
        )


def _find_channels(study: Study, backbone: str, known: Known) -> int | None:
    """Input channels of a backbone; None where only its file can tell."""
    entry = study.backbone(backbone)
    if backbone in known.channels:
        return known.channels[backbone]
    if entry.in_channels is not None:
        return entry.in_channels
    if entry.pretrain is not None and entry.pretrain.init is not None:
        return _find_channels(study, entry.pretrain.init, known)
    if entry.timm is not None:
        import timm

        stated = timm.get_pretrained_cfg(f"{entry.arch}.{entry.timm}")
        return None if stated is None else stated.input_size[0]
    return None if entry.path or entry.url else input_channels(entry, None)
