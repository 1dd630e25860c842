"""From canonical weights, or from nothing, to a network ready to train.

A network is its trunk (from canonical weights, or drawn from the run's seed) and a new head drawn from the same seed
in a stream of its own, so that every backbone of one run starts with the same head where its width is the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.checkpoints.trunks import check_architecture
from evalkit.checkpoints.writing import load_canonical
from evalkit.errors import InputError
from evalkit.seeds import seed_from

if TYPE_CHECKING:
    import torch

    from evalkit.checkpoints.report import LoadReport
    from evalkit.config.backbones import BackboneEntry

#: Normalisation of [0, 1] gray where nothing else is known: about what a radiograph's own statistics are.
DEFAULT_MEAN, DEFAULT_STD = 0.5, 0.25


@dataclass(frozen=True)
class InputStatistics:
    """How [0, 1] gray is normalised before a network sees it: ``(x - mean) / std`` per channel.

    Attributes
    ----------
    mean, std : tuple of float
        One value per input channel.
    origin : str
        Where they come from, for the run record.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    origin: str


def input_channels(entry: BackboneEntry, report: LoadReport | None) -> int:
    """Give the channels of a backbone's input: its weights' own, else the entry's, else 1 (scratch on gray images)."""
    return report.in_channels if report is not None else entry.in_channels or 1


def input_statistics(entry: BackboneEntry, report: LoadReport | None) -> InputStatistics:
    """Say how images are normalised for a backbone.

    Parameters
    ----------
    entry : BackboneEntry
        Its mean and std count first.
    report : LoadReport or None
        Of its weights; None for scratch.

    Returns
    -------
    InputStatistics
        The entry's; else those timm states for the tag; else 0.5 and 0.25 for every channel.

    Raises
    ------
    InputError
        The entry gives another number of values than 1 or the network's channels.
    """
    channels = input_channels(entry, report)
    mean, std, origin = declared_statistics(entry)
    return InputStatistics(_per_channel(mean, channels, "mean"), _per_channel(std, channels, "std"), origin)


def build_network(
    arch: str,
    *,
    in_channels: int,
    num_classes: int,
    weights: Path | None,
    seed: int,
    image_size: int | None = None,
) -> torch.nn.Module:
    """Build a trunk with a new head of `num_classes` outputs.

    Parameters
    ----------
    arch : str
        Timm's name.
    in_channels : int
        Channels of the input.
    num_classes : int
        Outputs of the head; 0 for none.
    weights : pathlib.Path or None
        Canonical weights, loaded strictly; None draws the trunk from `seed`.
    seed : int
        Trunk and head are drawn from streams of their own, so the head does not depend on where the trunk comes from.
    image_size : int, optional
        Side of the square input in pixels. Needed by networks with a fixed grid (Vision Transformers), whose position
        embedding is resampled to it; others take any size.

    Returns
    -------
    torch.nn.Module
        On the CPU, in training mode. The global random state is as it was before.

    Raises
    ------
    InputError
        The weights are of another architecture or another number of channels.
    """
    import timm

    check_architecture(arch)
    pretrained_cfg = timm.get_pretrained_cfg(arch)
    fixed = image_size is not None and pretrained_cfg is not None and pretrained_cfg.fixed_input_size
    sized: dict[str, Any] = {"img_size": image_size} if fixed else {}
    with _random_stream(seed_from(purpose="trunk", seed=seed)):
        network: Any = timm.create_model(arch, pretrained=False, num_classes=0, in_chans=in_channels, **sized)
    if weights is not None:
        network.load_state_dict(_trunk_weights(network, arch, in_channels, weights))
    if num_classes:
        with _random_stream(seed_from(purpose="head", seed=seed)):
            network.reset_classifier(num_classes)
    return network


def declared_statistics(entry: BackboneEntry) -> tuple[Sequence[float], Sequence[float], str]:
    """Mean, std and where they come from: the entry, else timm for its tag, else the default; one value or three."""
    if entry.mean is not None and entry.std is not None:
        return entry.mean, entry.std, "backbone entry"
    if entry.timm is not None:
        import timm

        stated = timm.get_pretrained_cfg(f"{entry.arch}.{entry.timm}")
        if stated is not None:
            return stated.mean, stated.std, f"timm, {entry.arch}.{entry.timm}"
    return (DEFAULT_MEAN,), (DEFAULT_STD,), "default: nothing stated in the backbone entry"


def _per_channel(values: Sequence[float], channels: int, name: str) -> tuple[float, ...]:
    if len(set(values)) == 1:
        return (float(values[0]),) * channels
    if len(values) == channels:
        return tuple(float(value) for value in values)
    raise InputError(
        f"{name} has {len(values)} values, the network {channels} input channels",
        f"1 or {channels} values",
        f"correct {name} in the backbone entry",
    )


def _trunk_weights(network: Any, arch: str, in_channels: int, path: Path) -> dict[str, torch.Tensor]:
    tensors, report = load_canonical(path)
    if (report.arch, report.in_channels) != (arch, in_channels):
        raise InputError(
            f"{path} holds {report.arch} with {report.in_channels} input channels",
            f"{arch} with {in_channels}",
            "make the canonical weights again from the backbone entry as it is now",
        )
    if "pos_embed" in tensors and tensors["pos_embed"].shape != network.state_dict()["pos_embed"].shape:
        from timm.layers import resample_abs_pos_embed

        tensors["pos_embed"] = resample_abs_pos_embed(
            tensors["pos_embed"],
            new_size=list(network.patch_embed.grid_size),
            num_prefix_tokens=network.num_prefix_tokens,
        )
    return tensors


@contextlib.contextmanager
def _random_stream(seed: int) -> Iterator[None]:
    """Draw from `seed` on the CPU inside the block; the global generators of all devices stay as they were."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
