"""What each tensor of a generator is called in others' files: one table per format, read in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from evalkit.config.generator import FIRST, GeneratorSpec
from evalkit.stylegan2.resampling import binomial_kernel

ForeignFormat = Literal["stylegan2-ada-pytorch", "rosinality"]


@dataclass(frozen=True)
class Foreign:
    """One tensor of another format: its name there, and axes of length one it has before and after ours."""

    name: str
    before: int = 0
    after: int = 0

    def shape(self, ours: Iterable[int]) -> tuple[int, ...]:
        """The shape it has there."""
        return (1,) * self.before + tuple(ours) + (1,) * self.after


#: Our name -> theirs.
Table = dict[str, Foreign]


def table_of(format: ForeignFormat, *, resolution: int, mapping_layers: int) -> Table:
    """List every tensor of a generator but `w_avg`, for which formats differ in more than the name."""
    spec = GeneratorSpec(resolution=resolution, mapping_layers=mapping_layers)
    return dict((_nvidia if format == "stylegan2-ada-pytorch" else _rosinality)(spec))


def shapes_of(spec: GeneratorSpec) -> dict[str, tuple[int, ...]]:
    """List the shape of every tensor of a generator without making one, for which memory may not do."""
    shapes: dict[str, tuple[int, ...]] = {"w_avg": (spec.w_dim,)}
    for place in range(spec.mapping_layers):
        shapes |= _linear(f"mapping.layers.{place}", spec.w_dim if place else spec.z_dim, spec.w_dim)
    shapes["synthesis.constant"] = (spec.channels(FIRST), FIRST, FIRST)
    for side in spec.resolutions:
        block, maps = f"synthesis.blocks.{side}", spec.channels(side)
        inputs = {"refine": maps} if side == FIRST else {"grow": spec.channels(side // 2), "refine": maps}
        for layer, width in inputs.items():
            shapes |= _linear(f"{block}.{layer}.style", spec.w_dim, width)
            shapes |= {f"{block}.{layer}.weight": (maps, width, 3, 3), f"{block}.{layer}.bias": (maps,)}
            shapes |= {f"{block}.{layer}.noise": (side, side), f"{block}.{layer}.noise_gain": ()}
        shapes |= _linear(f"{block}.to_image.style", spec.w_dim, maps)
        shapes |= _linear(f"{block}.to_image", maps, spec.img_channels)
    return shapes


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def name_back(tensors: Mapping[str, Tensor], table: Table) -> dict[str, Tensor]:
    """Give tensors of another format our names and shapes.

    Raises
    ------
    KeyError
        A tensor of the table is missing.
    ValueError
        One has a length other than one along an axis that ours does not have.
    """
    named = {}
    for ours, there in table.items():
        tensor = tensors[there.name]
        kept = tuple(tensor.shape[there.before : tensor.ndim - there.after])
        if there.shape(kept) != tuple(tensor.shape):
            raise ValueError(f"{there.name} has the shape {tuple(tensor.shape)}")
        named[ours] = tensor.reshape(kept)
    return named


def constants_of(format: ForeignFormat, resolution: int) -> dict[str, Tensor]:
    """Tensors of another format that are no weights: the low-pass filter, wherever it is used."""
    kernel, sides = binomial_kernel(), GeneratorSpec(resolution=resolution).resolutions
    if format == "stylegan2-ada-pytorch":
        names = [f"b{side}." for side in sides] + [f"b{side}.conv1." for side in sides]
        names += [f"b{side}.conv0." for side in sides[1:]]
        return {f"synthesis.{name}resample_filter": kernel for name in names}
    upsampled = {f"to_rgbs.{place}.upsample.kernel": kernel * 4 for place in range(len(sides) - 1)}
    return upsampled | {f"convs.{2 * place}.conv.blur.kernel": kernel * 4 for place in range(len(sides) - 1)}


def resolution_of(format: ForeignFormat, names: Iterable[str]) -> int:
    """Tell the resolution from the names of tensors; 0 if there is not even the first layer that makes an image."""
    present = set(names)
    if format == "stylegan2-ada-pytorch":
        sides = [2**power for power in range(2, 13) if f"synthesis.b{2**power}.torgb.weight" in present]
        return max(sides, default=0)
    more = sum(f"to_rgbs.{place}.bias" in present for place in range(10))
    return FIRST * 2**more if "to_rgb1.bias" in present else 0


def mapping_layers_of(format: ForeignFormat, names: Iterable[str]) -> int:
    """Tell the depth of the mapping network from the names of tensors."""
    present = set(names)
    stem, first = ("mapping.fc", 0) if format == "stylegan2-ada-pytorch" else ("style.", 1)
    count = 0
    while f"{stem}{first + count}.weight" in present:
        count += 1
    return count


def _nvidia(spec: GeneratorSpec) -> Iterator[tuple[str, Foreign]]:
    for place in range(spec.mapping_layers):
        for part in ("weight", "bias"):
            yield f"mapping.layers.{place}.{part}", Foreign(f"mapping.fc{place}.{part}")
    yield "synthesis.constant", Foreign(f"synthesis.b{FIRST}.const")
    for side in spec.resolutions:
        ours, theirs = f"synthesis.blocks.{side}", f"synthesis.b{side}"
        for layer, name in (("grow", "conv0"), ("refine", "conv1")):
            if side == FIRST and layer == "grow":
                continue
            for part, there in (
                ("style.weight", "affine.weight"),
                ("style.bias", "affine.bias"),
                ("weight", "weight"),
                ("bias", "bias"),
                ("noise", "noise_const"),
                ("noise_gain", "noise_strength"),
            ):
                yield f"{ours}.{layer}.{part}", Foreign(f"{theirs}.{name}.{there}")
        for part, there in (("style.weight", "affine.weight"), ("style.bias", "affine.bias"), ("bias", "bias")):
            yield f"{ours}.to_image.{part}", Foreign(f"{theirs}.torgb.{there}")
        yield f"{ours}.to_image.weight", Foreign(f"{theirs}.torgb.weight", after=2)


def _rosinality(spec: GeneratorSpec) -> Iterator[tuple[str, Foreign]]:
    for place in range(spec.mapping_layers):
        for part in ("weight", "bias"):
            yield f"mapping.layers.{place}.{part}", Foreign(f"style.{place + 1}.{part}")
    yield "synthesis.constant", Foreign("input.input", before=1)
    noise = 0
    for place, side in enumerate(spec.resolutions):
        ours = f"synthesis.blocks.{side}"
        for layer in ("grow", "refine") if place else ("refine",):
            theirs = f"convs.{noise - 1}" if place else "conv1"
            yield f"{ours}.{layer}.style.weight", Foreign(f"{theirs}.conv.modulation.weight")
            yield f"{ours}.{layer}.style.bias", Foreign(f"{theirs}.conv.modulation.bias")
            yield f"{ours}.{layer}.weight", Foreign(f"{theirs}.conv.weight", before=1)
            yield f"{ours}.{layer}.bias", Foreign(f"{theirs}.activate.bias")
            yield f"{ours}.{layer}.noise_gain", Foreign(f"{theirs}.noise.weight", before=1)
            yield f"{ours}.{layer}.noise", Foreign(f"noises.noise_{noise}", before=2)
            noise += 1
        theirs = f"to_rgbs.{place - 1}" if place else "to_rgb1"
        yield f"{ours}.to_image.style.weight", Foreign(f"{theirs}.conv.modulation.weight")
        yield f"{ours}.to_image.style.bias", Foreign(f"{theirs}.conv.modulation.bias")
        yield f"{ours}.to_image.weight", Foreign(f"{theirs}.conv.weight", before=1, after=2)
        yield f"{ours}.to_image.bias", Foreign(f"{theirs}.bias", before=1, after=2)


def spec_of(
    tensors: Mapping[str, Tensor], *, resolution: int, mapping_layers: int, conv_clamp: float | None
) -> GeneratorSpec:
    """Tell what a generator is from its tensors under our names.

    Raises
    ------
    ValueError
        Numbers of feature maps that do not follow from a base and a maximum, or a tensor that lacks an axis.
    """

    def length(name: str, axis: int = 0) -> int:
        shape = tuple(tensors[name].shape)
        if axis >= len(shape):
            raise ValueError(f"{name} has the shape {shape}")
        return shape[axis]

    sides = GeneratorSpec(resolution=resolution).resolutions
    widths = {side: length(f"synthesis.blocks.{side}.refine.bias") for side in sides}
    spec = GeneratorSpec.model_validate(
        {
            "resolution": resolution,
            "img_channels": length(f"synthesis.blocks.{resolution}.to_image.bias"),
            "z_dim": length("mapping.layers.0.weight", 1),
            "w_dim": length(f"mapping.layers.{mapping_layers - 1}.weight"),
            "mapping_layers": mapping_layers,
            # The smallest base that can give these widths; if it does not, none does.
            "channel_base": max(side * width for side, width in widths.items()),
            "channel_max": max(widths.values()),
            "conv_clamp": conv_clamp,
        }
    )
    if any(spec.channels(side) != width for side, width in widths.items()):
        raise ValueError(f"feature maps per resolution are {widths}")
    return spec
