"""Generators on disk: ours, NVIDIA's and rosinality's are read, ours is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from evalkit.atomic import replacing
from evalkit.checkpoints.sniffing import Kind, kind_of
from evalkit.config.generator import GeneratorSpec
from evalkit.errors import InputError
from evalkit.fingerprints import file_sha256
from evalkit.stylegan2.generator import Generator
from evalkit.stylegan2.latents import mean_w
from evalkit.stylegan2.naming import (
    ForeignFormat,
    constants_of,
    mapping_layers_of,
    name_back,
    resolution_of,
    shapes_of,
    spec_of,
    table_of,
)
from evalkit.stylegan2.nvidia_check import check_nvidia
from evalkit.stylegan2.nvidia_pickle import read_network
from evalkit.stylegan2.recording import entries_of, explaining, first_line, is_dictionary
from evalkit.stylegan2.torch_files import opened, read_tensor

#: The format of our own files, and the one key of their metadata; with two, their order in the file would be random.
OURS = "cxr-evalkit-stylegan2"

_EXPECTED = "a generator of stylegan2-ada-pytorch (.pkl), of rosinality's stylegan2-pytorch (.pt), or of this program"


@dataclass(frozen=True)
class _Found:
    """Tensors of a file under our names."""

    format: str
    spec: GeneratorSpec
    tensors: dict[str, Tensor]
    w_avg: Literal["stored", "computed"] = "stored"
    constants: int = 0


def save_generator(path: Path, generator: Generator) -> None:
    """Write a generator as safetensors, its spec in the metadata; the same generator always gives the same bytes."""
    metadata = {OURS: json.dumps(generator.spec.model_dump(), sort_keys=True)}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in generator.state_dict().items()}
    with replacing(path) as temporary:
        save_file(tensors, str(temporary), metadata=metadata)


def load_generator(path: Path, *, sha256: str | None = None) -> tuple[Generator, dict[str, Any]]:
    """Read a generator in any of three formats, told apart by their content. Nothing in a file is executed.

    Of foreign files the averaged generator (G_ema, g_ema) is taken. Every tensor must have its place, and every place
    its tensor, except for constants, which are compared with what they should be.

    Parameters
    ----------
    path : pathlib.Path
    sha256 : str, optional
        What the file must have; it is checked before the file is read.

    Returns
    -------
    generator : Generator
        In evaluation mode, without gradients, on the CPU, with its mean w.
    report : dict
        source (file name), sha256, format, tensors (number used), constants (number compared), w_avg ("stored" or
        "computed" from 10,000 z, where the file does not have it) and spec.

    Raises
    ------
    InputError
        Anything else than such a generator; the message says what was found and what to do.
    """
    try:
        return _load(path, sha256)
    except InputError:
        raise
    except Exception as error:  # foreign files can be wrong in ways that nobody has thought of
        raise InputError(
            f"{path} cannot be read as a generator: {type(error).__name__}: {first_line(error)}",
            _EXPECTED,
            "download or copy it again and compare its sha256 with the source; if it is intact and this is a "
            "MemoryError, give it more memory",
        ) from error


def _load(path: Path, sha256: str | None) -> tuple[Generator, dict[str, Any]]:
    kind = kind_of(path)
    found_hash = file_sha256(path)
    if sha256 is not None and found_hash != sha256.lower():
        raise InputError(f"{path} has the sha256 {found_hash}", sha256, "download it again, or correct the hash")
    try:
        found = _reader(path, kind)(path)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its spec"
        raise InputError(f"{path}: {where}: {first['msg']}", _EXPECTED, "use another network") from error
    generator = _build(path, found)
    report = {
        "source": path.name,
        "sha256": found_hash,
        "format": found.format,
        "tensors": len(found.tensors),
        "constants": found.constants,
        "w_avg": found.w_avg,
        "spec": found.spec.model_dump(),
    }
    return generator, report


def _reader(path: Path, kind: Kind) -> Callable[[Path], _Found]:
    if kind == "safetensors":
        return _read_ours
    return _read_rosinality if kind == "torch-zip" or _is_of_torch_save(path) else _read_nvidia


def _is_of_torch_save(path: Path) -> bool:
    """Say whether a pickle begins with the number that torch.save has put first before it wrote zip archives."""
    with path.open("rb") as file:
        start = file.read(23)  # the protocol, which may be followed by the length of a frame, and the number
    return torch.serialization.MAGIC_NUMBER.to_bytes(10, "little") in start


def _read_ours(path: Path) -> _Found:
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        if OURS not in metadata:
            raise InputError(
                f"{path} is a safetensors file that does not say it is a generator", _EXPECTED, "see evalkit.stylegan2"
            )
        spec = GeneratorSpec.model_validate_json(metadata[OURS])
    except SafetensorError as error:
        raise InputError(f"{path} is damaged: {error}", _EXPECTED, "make or copy it again") from error
    return _Found(OURS, spec, tensors)


def _read_nvidia(path: Path) -> _Found:
    network = read_network(path)
    conv_clamp = check_nvidia(path, network)
    tensors = dict(network.tensors)
    w_avg = tensors.pop("mapping.w_avg", None)
    return _match(path, "stylegan2-ada-pytorch", tensors, w_avg, conv_clamp)


def _read_rosinality(path: Path) -> _Found:
    damaged, strange = "is damaged, cut short or no such file", "holds a g_ema that is not understood"
    with explaining(path, damaged, _EXPECTED), opened(path, zipped=kind_of(path) == "torch-zip") as (content, storages):
        entries = entries_of(content) if is_dictionary(content) else {}
        if not is_dictionary(entries.get("g_ema")):
            holds = ", ".join(map(str, list(entries)[:5])) or type(content).__name__
            raise InputError(
                f"{path} is no generator's checkpoint: no tensors under g_ema, but {holds[:200]}",
                _EXPECTED,
                "give a generator's whole checkpoint",
            )
        with explaining(path, strange, _EXPECTED):
            tensors = {_name(key): read_tensor(each, storages) for key, each in entries_of(entries["g_ema"]).items()}
            stored = entries.get("latent_avg")
            w_avg = None if stored is None else read_tensor(stored, storages).reshape(-1)
    return _match(path, "rosinality", tensors, w_avg, conv_clamp=None)


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise ValueError(f"{str(key)[:80]} is no name of a tensor")
    return key


def _match(
    path: Path, format: ForeignFormat, tensors: dict[str, Tensor], w_avg: Tensor | None, conv_clamp: float | None
) -> _Found:
    size = sum(tensor.nbytes for tensor in (*tensors.values(), *([] if w_avg is None else [w_avg])))
    if size > path.stat().st_size:
        raise InputError(
            f"{path} holds tensors of {size:,} bytes, more than the file has ({path.stat().st_size:,})",
            _EXPECTED,
            "use the unchanged file of the publisher",
        )
    resolution, layers = resolution_of(format, tensors), mapping_layers_of(format, tensors)
    if resolution < 8 or layers == 0:
        raise InputError(
            f"{path} holds no StyleGAN2 generator with skip connections: it has tensors such as "
            f"{', '.join(list(tensors)[:3]) or '(none)'}",
            _EXPECTED,
            "use a network of that architecture",
        )
    table, constants = table_of(format, resolution=resolution, mapping_layers=layers), constants_of(format, resolution)
    known = {there.name for there in table.values()}
    missing, unexpected = sorted(known - set(tensors)), sorted(set(tensors) - known - set(constants))
    if missing or unexpected:
        raise InputError(
            f"{path} is not exactly a generator of {resolution} pixels; missing: {_first(missing)}; "
            f"unexpected: {_first(unexpected)}",
            "every tensor of the network, and no other",
            "use the unchanged file of the publisher; networks with further inputs or parts are not supported",
        )
    wrong = [name for name, value in constants.items() if name in tensors and not _equal(tensors[name], value)]
    if wrong:
        raise InputError(
            f"{path} resamples with another filter: {_first(wrong)}", "the filter [1, 3, 3, 1]", "use another network"
        )
    try:
        named = {name: tensor.float() for name, tensor in name_back(tensors, table).items()}
        spec = spec_of(named, resolution=resolution, mapping_layers=layers, conv_clamp=conv_clamp)
    except ValidationError:
        raise
    except (ValueError, IndexError) as error:
        raise InputError(f"{path} has other shapes: {error}", _EXPECTED, "use another network") from error
    named |= {} if w_avg is None else {"w_avg": w_avg.float()}
    return _Found(format, spec, named, "computed" if w_avg is None else "stored", len(constants.keys() & set(tensors)))


def _build(path: Path, found: _Found) -> Generator:
    _check_shapes(path, found)
    with torch.random.fork_rng(devices=[]):
        generator = Generator(found.spec).eval().requires_grad_(False)
    generator.load_state_dict(found.tensors, strict=found.w_avg == "stored")
    if found.w_avg == "computed":
        generator.w_avg.copy_(mean_w(generator))
    broken = [name for name, tensor in generator.state_dict().items() if not torch.isfinite(tensor).all()]
    if broken:
        raise InputError(f"{path} holds values that are not finite: {_first(broken)}", "numbers", "use another file")
    return generator


def _check_shapes(path: Path, found: _Found) -> None:
    """Compare a file's tensors with those of its spec, before anything is made that is as large as the spec says."""
    if found.spec.mapping_layers > len(found.tensors):
        raise InputError(
            f"{path} does not fit its spec: it has {len(found.tensors)} tensors for "
            f"mapping_layers {found.spec.mapping_layers}",
            "every tensor of the network, and no other",
            "make or copy it again",
        )
    wanted = shapes_of(found.spec)
    if found.w_avg == "computed":
        del wanted["w_avg"]
    shapes = {name: tuple(tensor.shape) for name, tensor in found.tensors.items()}
    missing, unexpected = sorted(wanted.keys() - shapes.keys()), sorted(shapes.keys() - wanted.keys())
    both = [name for name in wanted if name in shapes]
    others = [f"{name} {shapes[name]} and not {wanted[name]}" for name in both if shapes[name] != wanted[name]]
    if missing or unexpected or others:
        raise InputError(
            f"{path} does not fit its spec; missing: {_first(missing)}; unexpected: {_first(unexpected)}; of another "
            f"shape: {_first(others)}",
            "every tensor of the network, and no other",
            "make or copy it again, or use the unchanged file of the publisher",
        )


def _equal(tensor: Tensor, constant: Tensor) -> bool:
    return tensor.shape == constant.shape and torch.allclose(tensor.float(), constant, atol=1e-6)


def _first(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") or "none"
