"""Canonical weights: a checkpoint accepted whole, in torchvision/timm names and float32, or refused with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalkit.checkpoints.formats import FORMATS, format_named
from evalkit.checkpoints.matching import Reading, readings_of, tensors_at
from evalkit.checkpoints.refusals import refuse_ambiguous, refuse_incomplete
from evalkit.checkpoints.report import LoadReport, Stem, fingerprint_of
from evalkit.checkpoints.trunks import COUNTER, Trunk, trunk_of
from evalkit.errors import InputError

if TYPE_CHECKING:
    import torch

    from evalkit.checkpoints.reading import RawCheckpoint


def canonicalise(
    raw: RawCheckpoint,
    *,
    arch: str,
    in_channels: int | None = None,
    format: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> tuple[dict[str, torch.Tensor], LoadReport]:
    """Turn a checkpoint into the weights of an architecture's trunk.

    Parameters
    ----------
    raw : RawCheckpoint
        What `read_checkpoint` gave.
    arch : str
        Timm's name.
    in_channels : {None, 1, 3}
        Input channels the network shall have; None keeps the checkpoint's.
    format : str, optional
        A name of `FORMATS`; without it the format is detected.
    mean, std : sequence of float, optional
        Input normalisation per channel. Only used to refuse a change of the stem's channels that would not be exact.

    Returns
    -------
    tensors : dict of str to torch.Tensor
        Every tensor of timm's trunk, in the network's order, float32 (step counters int64), none sharing memory with
        the checkpoint.
    report : LoadReport
        What was read, left out and changed.

    Raises
    ------
    InputError
        Anything short of the full trunk: a tensor missing or of another shape, a leftover that is no known head or
        momentum copy, several networks to choose from, values that are not finite, another architecture.

    Notes
    -----
    For gray replicated to three channels that are normalised alike, conv(x, x, x; w) = conv(x; sum_c w_c), so three
    channels fold into one by summing, and one expands to three as w/3, exactly. With statistics m_c, s_c that differ,
    sum_c w_c (x - m_c) / s_c differs from a one-channel convolution by a constant everywhere but at the zero-padded
    border, so that change is refused.
    """
    trunk = trunk_of(arch)
    reading = _only_network(raw, trunk, format)
    tensors = tensors_at(raw, reading)
    dtypes = {str(tensor.dtype) for name, tensor in tensors.items() if not name.endswith(COUNTER)}
    missing = tuple(name for name in trunk.shapes if name not in tensors)
    weights = {name: _owned(name, tensors.get(name), raw.source) for name in trunk.shapes}
    stem = _fit_stem(weights, trunk.stem, in_channels, mean, std)
    report = LoadReport(
        source=raw.source,
        sha256=raw.sha256,
        container=reading.container,
        prefix=reading.prefix,
        format=reading.format.name,
        arch=arch,
        matched=len(tensors),
        missing=missing,
        unexpected=reading.dropped,
        stem=stem,
        dtypes=tuple(sorted(dtype.removeprefix("torch.") for dtype in dtypes)),
        fingerprint=fingerprint_of(weights),
        about=raw.extras,
        notes=_notes(weights, trunk),
    )
    return weights, report


def _only_network(raw: RawCheckpoint, trunk: Trunk, format: str | None) -> Reading:
    formats = FORMATS if format is None else (format_named(format),)
    readings = readings_of(raw, trunk, formats)
    complete = [reading for reading in readings if reading.complete]
    if not complete:
        refuse_incomplete(raw, trunk, readings, format)
    if len(complete) > 1:
        refuse_ambiguous(raw, trunk, complete)
    return complete[0]


def _owned(name: str, tensor: torch.Tensor | None, source: str) -> torch.Tensor:
    """Copy a tensor out of the checkpoint as float32, or refuse it for what it holds."""
    import torch

    if name.endswith(COUNTER):
        return torch.zeros((), dtype=torch.int64) if tensor is None else tensor.detach().to(torch.int64, copy=True)
    assert tensor is not None  # a complete reading has every other tensor
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized or not tensor.is_floating_point():
        raise InputError(
            f"{source}: {name} is a {str(tensor.dtype).removeprefix('torch.')} tensor"
            f"{' without values' if tensor.is_meta else ''} ({tensor.layout})",
            "dense floating-point values",
            "save the weights before quantisation, pruning to sparse storage or a move to the meta device",
        )
    values = tensor.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    bad = int((~torch.isfinite(values)).sum())
    if bad:
        raise InputError(
            f"{source}: {name} has {bad} values of {values.numel()} that are NaN or infinite",
            "finite weights",
            "the pretraining diverged or the file is damaged: use an earlier checkpoint",
        )
    if name.endswith("running_var") and bool((values < 0).any()):
        raise InputError(
            f"{source}: {name} has a negative variance ({float(values.min()):.3g})",
            "BatchNorm variances of zero or more",
            "the file is damaged, or not a state dict of this network: get it again",
        )
    return values


def _fit_stem(
    weights: dict[str, torch.Tensor],
    name: str,
    in_channels: int | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> Stem:
    """Change `weights[name]` in place of the dict to the channels asked for, and say what was done."""
    in_file = weights[name].shape[1]
    if in_file not in {1, 3} or in_channels not in {None, 1, 3}:
        raise InputError(
            f"the first convolution {name} takes {in_file} channels, the entry asks for {in_channels or in_file}",
            "1 (gray) or 3 (gray replicated) channels",
            "correct in_channels, or use a backbone for radiographs or photographs",
        )
    wanted = in_channels or in_file
    if wanted == in_file:
        action = f"{in_file} channel{'s' if in_file > 1 else ''}, kept" + (
            "; gray is replicated at the input" if in_file == 3 else ""
        )
        return Stem(name, in_file, wanted, action)
    if any(len(set(statistic or ())) > 1 for statistic in (mean, std)):
        raise InputError(
            f"in_channels: {wanted} for a checkpoint of {in_file}, with mean {mean} and std {std} differing by channel",
            "one mean and one std for all channels, without which the change is not exact at the image border",
            "write one value each (mean: [0.5], std: [0.25]), or leave in_channels out",
        )
    if wanted == 3:
        weights[name] = (weights[name].double() / 3).float().expand(-1, 3, *weights[name].shape[2:]).contiguous()
        return Stem(name, in_file, wanted, "1 channel expanded to 3 as w/3, exact for replicated gray")
    weights[name] = weights[name].double().sum(dim=1, keepdim=True).float()
    return Stem(name, in_file, wanted, "3 channels folded into 1 by their sum, exact for gray normalised alike")


def _notes(weights: dict[str, torch.Tensor], trunk: Trunk) -> tuple[str, ...]:
    if "pos_embed" not in trunk.shapes or tuple(weights["pos_embed"].shape) == trunk.shapes["pos_embed"]:
        return ()
    side = round((weights["pos_embed"].shape[1] - trunk.prefix_tokens) ** 0.5)
    return (f"position embedding for a grid of {side} x {side} patches, kept; it is resampled to the image size used",)
