"""NVIDIA's pickled networks, read without running anything.

Their files embed the Python source of each network, which their own loader executes, and ask for functions that build
tensors. Here a pickle is only recorded: every name it asks for must be in `NAMES`, and each of them stands for a
class that remembers with which arguments it was called. Nothing is imported, and nothing that the file names is
called. From that record the tensors are then read by plain code; the storages inside go through torch's own
restricted reader.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import torch
from torch import Tensor

from evalkit.checkpoints.pickles import names_asked_for
from evalkit.errors import InputError

_NETWORK = ("torch_utils.persistence", "_reconstruct_persistent_obj")
_PARAMETER = ("torch._utils", "_rebuild_parameter")
_TENSOR = ("torch._utils", "_rebuild_tensor_v2")
_STORAGE = ("torch.storage", "_load_from_bytes")
_BYTES = ("_codecs", "encode")

#: The module and name of everything that such a file asks for. They are compared, never imported.
NAMES = frozenset(
    {
        _NETWORK,
        _PARAMETER,
        _TENSOR,
        _STORAGE,
        _BYTES,  # bytes, in protocol 2
        ("collections", "OrderedDict"),
        ("builtins", "set"),
        ("__builtin__", "set"),
        ("dnnlib.util", "EasyDict"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    }
)

_EXPECTED = "a pickle of stylegan2-ada-pytorch that holds the network G_ema"


class Recorded:
    """What a pickle asked for: a name, the arguments of its call, and what was put into the result."""

    name: tuple[str, str]

    arguments: tuple[Any, ...]
    entries: dict[Any, Any]

    def __new__(cls, *arguments: Any) -> Recorded:  # noqa: D102 - a pickle may make an object without __init__
        made = super().__new__(cls)
        made.arguments, made.entries = arguments, {}
        return made

    def __setitem__(self, key: Any, value: Any) -> None:
        self.entries[key] = value

    def __setstate__(self, _state: Any) -> None:
        # Attributes of dictionaries and numpy's types: nothing that is read here.
        pass


class _Recorder(pickle._Unpickler):
    """Makes of a pickle dictionaries, lists, numbers, strings, bytes and `Recorded`.

    The unpickler written in Python keeps its memory in a dictionary. The one written in C has a table, which a file of
    ten bytes can make as large as the machine's memory.
    """

    def find_class(self, module: str, name: str) -> type[Recorded]:
        if (module, name) not in NAMES:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        # A class of its own for each mention: whatever a file might do to it, it does to nothing else.
        return type("Recorded", (Recorded,), {"name": (module, name)})

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("objects outside the file are not allowed")


@dataclass
class PickledNetwork:
    """A network as a pickle holds it.

    Attributes
    ----------
    tensors : dict of str to Tensor
        Parameters and buffers, under the names of its state dictionary.
    attributes : dict
        For each module's path ("" is the network) its attributes that are numbers, strings or None, and its class
        under ``class``.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def tried(self, name: str) -> dict[str, Any]:
        """The values of an attribute, by module, of those modules that have it."""
        return {path: each[name] for path, each in self.attributes.items() if name in each}


def read_network(path: Path, network: str = "G_ema") -> PickledNetwork:
    """Read one network of a pickle written by stylegan2-ada-pytorch. Nothing in the file is executed.

    Parameters
    ----------
    path : pathlib.Path
    network : str
        G_ema, the averaged generator, is the one to use.

    Raises
    ------
    InputError
        The file asks for anything but the names in `NAMES`, is of the TensorFlow era, is damaged, or holds no such
        network.
    """
    with path.open("rb") as file:
        content = _record(path, file)
    if not isinstance(content, dict) or network not in content:
        holds = ", ".join(map(str, content)) if isinstance(content, dict) else f"a {type(content).__name__}"
        raise InputError(f"{path} holds no {network} but {holds}", _EXPECTED, "give a network snapshot of a training")
    read = PickledNetwork()
    try:
        _read_module(content[network], "", read)
    except MemoryError:
        raise
    except Exception as error:  # a record that is no network fails in one of many ways, and a nested pickle in others
        raise InputError(
            f"{path} holds a {network} that is not understood: {type(error).__name__}: {_first_line(error)}",
            _EXPECTED,
            "download or copy it again and compare its sha256 with the source; nothing in it was executed",
        ) from error
    return read


def _record(path: Path, file: BinaryIO) -> Any:
    try:
        return _Recorder(file).load()
    except MemoryError:
        raise
    except Exception as error:  # a hostile or damaged stream can fail at any point, with nearly any exception
        file.seek(0)
        known = {".".join(name) for name in NAMES}
        asked = [name for name in names_asked_for(file) if name not in known]
        _refuse(path, asked, error)


def _refuse(path: Path, asked: list[str], error: Exception) -> NoReturn:
    if any(name.startswith(("dnnlib.tflib", "tfutil.")) for name in asked):
        raise InputError(
            f"{path} is a network of the TensorFlow era ({asked[0]}); nothing in it was executed",
            _EXPECTED,
            "convert it once, in an environment of its own, with the script of NVIDIA's stylegan2-ada-pytorch: "
            "python legacy.py --source=OLD.pkl --dest=NEW.pkl",
        ) from error
    if asked:
        listed = ", ".join(asked[:5]) + (f" and {len(asked) - 5} more" if len(asked) > 5 else "")
        raise InputError(
            f"{path} asks to import {listed} while it is being read; it was refused and nothing in it was executed",
            _EXPECTED,
            "get the file from its publisher and compare its sha256; a network of another program must be converted",
        ) from error
    raise InputError(
        f"{path} is damaged, cut short or no such pickle: {type(error).__name__}: {_first_line(error)}",
        _EXPECTED,
        "download or copy it again and compare its size and sha256 with the source; nothing in it was executed",
    ) from error


def _read_module(module: Any, path: str, read: PickledNetwork) -> None:
    (meta,) = _arguments(module, _NETWORK)
    state = _entries(meta["state"])
    plain = {name: value for name, value in state.items() if value is None or isinstance(value, int | float | str)}
    read.attributes[path] = {**plain, "class": meta["class_name"]}
    prefix = f"{path}." if path else ""
    for kind in ("_parameters", "_buffers"):
        for name, value in _entries(state[kind]).items():
            if value is not None:
                read.tensors[prefix + name] = _read_tensor(value)
    for name, value in _entries(state["_modules"]).items():
        _read_module(value, prefix + name, read)


def _read_tensor(value: Any) -> Tensor:
    if isinstance(value, Recorded) and value.name == _PARAMETER:
        value = value.arguments[0]
    storage, offset, size, stride = _arguments(value, _TENSOR)[:4]
    (stored,) = _arguments(storage, _STORAGE)
    if isinstance(stored, Recorded):
        text, encoding = _arguments(stored, _BYTES)
        if encoding != "latin1":
            raise ValueError(f"bytes in the encoding {encoding!r}")
        stored = text.encode("latin1")
    loaded = torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True)
    flat = torch.empty(0, dtype=loaded.dtype).set_(loaded)
    return flat.as_strided(size, stride, offset).clone()


def _arguments(value: Any, name: tuple[str, str]) -> tuple[Any, ...]:
    if not isinstance(value, Recorded) or value.name != name:
        found = ".".join(value.name) if isinstance(value, Recorded) else type(value).__name__
        raise ValueError(f"{found} instead of {'.'.join(name)}")
    return value.arguments


def _entries(value: Any) -> dict[str, Any]:
    """The entries of a dictionary, or of what was written as one of its kinds."""
    if isinstance(value, dict):
        return value
    if isinstance(value, Recorded) and value.name in {("collections", "OrderedDict"), ("dnnlib.util", "EasyDict")}:
        return value.entries
    raise ValueError(f"{type(value).__name__} instead of a dictionary")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no further detail"])[0][:200]
