"""NVIDIA's pickled networks, read without running anything.

Their files embed the Python source of each network, which their own loader executes, and ask for functions that build
tensors. Here such a file is recorded (see `evalkit.stylegan2.recording`), and the tensors are read from the record by
plain code.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from evalkit.errors import InputError
from evalkit.stylegan2.recording import (
    Name,
    NotListedError,
    Recorder,
    arguments_of,
    entries_of,
    explaining,
    mapped,
)
from evalkit.stylegan2.torch_files import PARAMETER, TENSOR, read_tensor, record_legacy

_NETWORK: Name = ("torch_utils.persistence", "_reconstruct_persistent_obj")
_STORAGE: Name = ("torch.storage", "_load_from_bytes")
_BYTES: Name = ("_codecs", "encode")

#: The module and name of everything that such a file asks for. They are compared, never imported.
NAMES = frozenset(
    {
        _NETWORK,
        PARAMETER,
        TENSOR,
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
#: Of the path of a module, and of a tensor's whole name.
_LONGEST_NAME = 200


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
    with explaining(path, "is damaged, cut short or no such pickle", _EXPECTED), mapped(path) as stream:
        try:
            content = Recorder(stream, NAMES).load()
        except NotListedError as error:
            _refuse_tensorflow(path, error)
            raise
    if not isinstance(content, dict) or network not in content:
        holds = ", ".join(map(str, list(content)[:5])) if isinstance(content, dict) else f"a {type(content).__name__}"
        raise InputError(
            f"{path} holds no {network} but {holds[:200]}", _EXPECTED, "give a network snapshot of a training"
        )
    read = PickledNetwork()
    with explaining(path, f"holds a {network} that is not understood", _EXPECTED):
        _Reader(read).read_module(content[network], "")
    return read


def _refuse_tensorflow(path: Path, error: NotListedError) -> None:
    if error.name.startswith(("dnnlib.tflib", "tfutil.")):
        raise InputError(
            f"{path} is a network of the TensorFlow era ({error.name[:200]}); nothing in it was executed",
            _EXPECTED,
            "convert it once, in an environment of its own, with the script of NVIDIA's stylegan2-ada-pytorch: "
            "python legacy.py --source=OLD.pkl --dest=NEW.pkl",
        ) from error


class _Reader:
    """Reads the modules of a network, each part of the record once: it can have a part in many places."""

    def __init__(self, read: PickledNetwork) -> None:
        self._read = read
        self._met: set[int] = set()
        self._opened: dict[int, Tensor] = {}

    def read_module(self, module: Any, path: str) -> None:
        (meta,) = arguments_of(module, _NETWORK)
        state = self._entries(meta["state"])
        plain = {name: value for name, value in state.items() if value is None or isinstance(value, int | float | str)}
        kind = meta["class_name"]
        if not isinstance(kind, str):
            raise ValueError(f"a class_name that is a {type(kind).__name__}")
        self._read.attributes[path] = {**plain, "class": kind}
        for part in ("_parameters", "_buffers"):
            for name, value in self._entries(state[part]).items():
                if value is not None:
                    self._read.tensors[_joined(path, name)] = read_tensor(value, self._open)
        for name, value in self._entries(state["_modules"]).items():
            self.read_module(value, _joined(path, name))

    def _entries(self, value: Any) -> dict[Any, Any]:
        entries = entries_of(value)
        if id(entries) in self._met:
            raise ValueError("a part of a module that belongs to another as well")
        self._met.add(id(entries))
        return entries

    def _open(self, storage: Any) -> Tensor:
        (stored,) = arguments_of(storage, _STORAGE)
        # Protocol 2 writes bytes as a text.
        text, encoding = (stored, None) if isinstance(stored, bytes) else arguments_of(stored, _BYTES)
        if encoding not in {None, "latin1"}:
            raise ValueError(f"bytes in the encoding {encoding!r}")
        if id(text) not in self._opened:
            content, open_storage = record_legacy(io.BytesIO(text if encoding is None else text.encode("latin1")))
            self._opened[id(text)] = open_storage(content)
        return self._opened[id(text)]


def _joined(path: str, name: Any) -> str:
    if not isinstance(name, str) or len(path) + len(name) > _LONGEST_NAME:
        raise ValueError(f"a part of {path or 'the network'} with the name {str(name)[:80]}")
    return f"{path}.{name}" if path else name
