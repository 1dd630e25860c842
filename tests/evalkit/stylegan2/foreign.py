"""Writes generators as other programs write them."""

from __future__ import annotations

import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evalkit.stylegan2.generator import Generator
from evalkit.stylegan2.naming import ForeignFormat, constants_of, table_of

#: What would be executed if an embedded source were.
SOURCE = "raise SystemExit('the embedded source was executed')"


def in_foreign_names(generator: Generator, format: ForeignFormat) -> dict[str, Tensor]:
    """All tensors of a generator as the format has them, constants included."""
    spec = generator.spec
    table = table_of(format, resolution=spec.resolution, mapping_layers=spec.mapping_layers)
    ours = generator.state_dict()
    named = {there.name: ours[name].reshape(there.shape(ours[name].shape)) for name, there in table.items()}
    return named | constants_of(format, spec.resolution)


def write_rosinality(path: Path, generator: Generator, *, zipped: bool = True, **more: Any) -> None:
    """Write what rosinality's training writes, without its optimisers; by choice with `latent_avg`."""
    tensors = in_foreign_names(generator, "rosinality")
    content = {"g": tensors, "d": {}, "g_ema": tensors, "ada_aug_p": 0.1, **more}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)


@contextmanager
def _their_modules() -> Iterator[tuple[Any, Any]]:
    """Stand-ins for the modules that NVIDIA's pickles name, for as long as one is written."""
    made = {
        name: types.ModuleType(name) for name in ("torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util")
    }

    def _reconstruct_persistent_obj(meta: dict[str, Any]) -> Any:
        raise AssertionError("called")

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    made["torch_utils.persistence"]._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    easy = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
    made["dnnlib.util"].EasyDict = easy  # type: ignore[attr-defined]
    sys.modules.update(made)
    try:
        yield _reconstruct_persistent_obj, easy
    finally:
        for name in made:
            del sys.modules[name]


class _Persistent:
    """An object that pickles as NVIDIA's decorated classes do."""

    def __init__(self, hook: Any, meta: dict[str, Any]) -> None:
        self._hook, self._meta = hook, meta

    def __reduce__(self) -> tuple[Any, ...]:
        return self._hook, (self._meta,), None


def nvidia_attributes(generator: Generator) -> dict[str, dict[str, Any]]:
    """Attributes of NVIDIA's modules, by path, as far as a reader may want to know them."""
    spec = generator.spec
    found: dict[str, dict[str, Any]] = {
        "": {"class": "Generator", "c_dim": 0, "z_dim": spec.z_dim},
        "mapping": {"class": "MappingNetwork", "c_dim": 0},
        "synthesis": {"class": "SynthesisNetwork"},
    }
    linear = {"class": "FullyConnectedLayer"}
    for layer in range(spec.mapping_layers):
        found[f"mapping.fc{layer}"] = {**linear, "activation": "lrelu", "bias_gain": 0.01}
    for side in spec.resolutions:
        block = f"synthesis.b{side}"
        found[block] = {"class": "SynthesisBlock", "architecture": "skip"}
        for name in ("conv0", "conv1") if side > 4 else ("conv1",):
            found[f"{block}.{name}"] = {
                "class": "SynthesisLayer", "activation": "lrelu", "use_noise": True, "conv_clamp": spec.conv_clamp
            }  # fmt: skip
        found[f"{block}.torgb"] = {"class": "ToRGBLayer", "conv_clamp": spec.conv_clamp}
        for name in ("conv0", "conv1", "torgb") if side > 4 else ("conv1", "torgb"):
            found[f"{block}.{name}.affine"] = {**linear, "activation": "linear", "bias_gain": 1}
    return found


def write_nvidia(
    path: Path,
    generator: Generator,
    *,
    changes: dict[str, dict[str, Any]] | None = None,
    without: str = "",
    replacing: Mapping[str, Tensor] | None = None,
    protocol: int = 4,
    network: str = "G_ema",
) -> None:
    """Write a snapshot of stylegan2-ada-pytorch, as far as its generator goes.

    Parameters
    ----------
    path, generator, protocol
    changes : dict, optional
        Attributes to set, by the path of a module.
    without : str
        A tensor to leave out.
    replacing : dict, optional
        Tensors to write instead of the generator's, as they lie in memory.
    network : str
        Its name in the snapshot.
    """
    tensors = in_foreign_names(generator, "stylegan2-ada-pytorch") | {"mapping.w_avg": generator.w_avg}
    tensors.pop(without, None)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()} | dict(replacing or {})
    attributes = nvidia_attributes(generator)
    for module, values in (changes or {}).items():
        attributes[module] = attributes[module] | values

    with _their_modules() as (hook, easy):

        def build(module: str) -> _Persistent:
            plain = dict(attributes[module])
            name = plain.pop("class")
            prefix = f"{module}." if module else ""
            direct = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            direct = {key: value for key, value in direct.items() if "." not in key}
            buffers = {"resample_filter", "noise_const", "w_avg"}
            children = [
                key for key in attributes if key.startswith(prefix) and key != module and "." not in key[len(prefix) :]
            ]
            state = {
                **plain,
                "training": False,
                "_parameters": OrderedDict(
                    (key, nn.Parameter(value)) for key, value in direct.items() if key not in buffers
                ),
                "_buffers": OrderedDict((key, value) for key, value in direct.items() if key in buffers),
                "_non_persistent_buffers_set": set(),
                "_modules": OrderedDict((key[len(prefix) :], build(key)) for key in children),
                "_init_kwargs": easy(a=1),
            }
            meta = {"type": "class", "version": 6, "module_src": SOURCE, "class_name": name, "state": state}
            return _Persistent(hook, meta)

        content = {"training_set_kwargs": easy(path="images.zip"), "D": None, network: build("")}
        path.write_bytes(pickle.dumps(content, protocol=protocol))
