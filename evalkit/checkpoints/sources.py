"""From a backbone entry to canonical weights, wherever the entry says they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.backbones import declared_statistics
from evalkit.checkpoints.canonical import canonicalise
from evalkit.checkpoints.downloading import download
from evalkit.checkpoints.reading import RawCheckpoint, read_checkpoint
from evalkit.checkpoints.trunks import check_architecture
from evalkit.errors import InputError

if TYPE_CHECKING:
    import torch

    from evalkit.checkpoints.report import LoadReport
    from evalkit.config.backbones import BackboneEntry


def make_canonical(
    entry: BackboneEntry, *, path: Path | None = None, cache: Path | None = None
) -> tuple[dict[str, torch.Tensor], LoadReport]:
    """Read a backbone entry's weights into canonical form.

    Parameters
    ----------
    entry : BackboneEntry
        With one weight source: a local file, an address with sha256, a timm tag, or pretraining by the workflow.
    path : pathlib.Path, optional
        The local file: the entry's path with its variables filled in, or what pretraining wrote. None for an address
        and for a tag.
    cache : pathlib.Path, optional
        Where downloads are kept.

    Returns
    -------
    tensors : dict of str to torch.Tensor
        See `evalkit.checkpoints.canonical.canonicalise`.
    report : LoadReport
        Its source is what the entry says, not where the file lies on this machine.

    Raises
    ------
    InputError
        The weights are not there, or not exactly right.
    """
    check_architecture(entry.arch)
    raw = _read_source(entry, path, cache)
    mean, std, _ = declared_statistics(entry)
    return canonicalise(
        raw,
        arch=entry.arch,
        in_channels=entry.in_channels,
        format=entry.format,
        mean=mean,
        std=std,
    )


def _read_source(entry: BackboneEntry, path: Path | None, cache: Path | None) -> RawCheckpoint:
    if path is not None:
        source = entry.path or f"pretrained by the workflow ({path.name})"
        return replace(read_checkpoint(path, sha256=entry.sha256), source=source)
    if entry.url is not None:
        file = download(entry.url, sha256=entry.sha256, cache=cache)
        return replace(read_checkpoint(file, sha256=entry.sha256), source=entry.url)
    if entry.timm is not None:
        return _read_timm(entry.arch, entry.timm)
    raise InputError(
        f"the backbone {entry.label!r} has no weights to read",
        "path, url with sha256, timm, or pretrain",
        "a scratch backbone needs no canonical weights: it is drawn from each run's seed",
    )


def _read_timm(arch: str, tag: str) -> RawCheckpoint:
    import timm
    import torch

    name = f"{arch}.{tag}"
    known = timm.list_pretrained(f"{arch}.*")
    if name not in known:
        raise InputError(
            f"timm has no pretrained weights {name}",
            f"timm: one of {', '.join(one.partition('.')[2] for one in known)}" if known else "an arch that has some",
            "correct 'timm' in the backbone entry",
        )
    try:
        with torch.random.fork_rng(devices=[]):  # timm draws the weights that it then replaces
            network = timm.create_model(name, pretrained=True, num_classes=0)
    except (OSError, RuntimeError) as error:
        # The hub client raises OSError's kin for every way a network can fail, RuntimeError for a broken file.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"timm could not fetch {name}: {reason}",
            "a network connection, or these weights in timm's cache",
            "on a machine with a network: timm.create_model('" + name + "', pretrained=True).state_dict() saved with "
            "torch.save; then give that file as path instead of timm",
        ) from error
    return RawCheckpoint(f"timm:{name}", None, {"": dict(network.state_dict())})
