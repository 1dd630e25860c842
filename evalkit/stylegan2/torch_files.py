"""Files of torch.save, recorded: archives, and the format from before them."""

from __future__ import annotations

import functools
import io
import pickle
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evalkit.checkpoints.pickles import DISCARDED_NAMES
from evalkit.stylegan2.recording import Name, Recorded, Recorder, Stream, arguments_of, mapped

PARAMETER: Name = ("torch._utils", "_rebuild_parameter")
TENSOR: Name = ("torch._utils", "_rebuild_tensor_v2")

#: Types of storages, and what is in them.
_STORAGES: dict[Name, torch.dtype] = {
    ("torch", f"{kind}Storage"): dtype
    for kind, dtype in {
        "Double": torch.float64,
        "Float": torch.float32,
        "Half": torch.float16,
        "BFloat16": torch.bfloat16,
        "Long": torch.int64,
        "Int": torch.int32,
        "Short": torch.int16,
        "Char": torch.int8,
        "Byte": torch.uint8,
        "Bool": torch.bool,
    }.items()
}

#: What checkpoints ask for, of which only the tensors are read. Names are compared, never imported.
_NAMES = frozenset(
    {
        TENSOR,
        PARAMETER,
        *_STORAGES,
        ("collections", "OrderedDict"),
        ("_codecs", "encode"),
        ("builtins", "set"),
        ("__builtin__", "set"),
        ("torch", "Size"),
        ("torch", "device"),
        *((module, attribute) for module, _, attribute in (name.rpartition(".") for name in DISCARDED_NAMES)),
    }
)
_PROTOCOL = 1001
#: Of a tensor of a generator, and some more.
_MOST_AXES = 8


@dataclass(frozen=True)
class Storage:
    """What a pickle says of a storage, which lies beside it."""

    key: str
    dtype: torch.dtype
    length: int

    @property
    def bytes(self) -> int:
        """Its length in the file."""
        return self.length * self.dtype.itemsize


#: Gives the values that a pickle calls a storage.
Open = Callable[[Any], Tensor]


class _Saved(Recorder):
    """Records a pickle that has its storages beside it."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream, _NAMES)
        self.storages: dict[str, Storage] = {}

    def persistent_load(self, pid: Any) -> Storage:
        """Note a storage."""
        kind, holds, key, _, length, *view = pid
        if kind != "storage" or any(view) or not (isinstance(key, str) and type(length) is int and length >= 0):
            raise pickle.UnpicklingError("something outside the file that is no storage")
        return self.storages.setdefault(key, Storage(key, _STORAGES[holds.name], length))


@contextmanager
def opened(path: Path, *, zipped: bool) -> Iterator[tuple[Any, Open]]:
    """Record a file of torch.save.

    Parameters
    ----------
    path : pathlib.Path
    zipped : bool
        Whether it is an archive (since torch 1.6), or of the older format.

    Yields
    ------
    content : object
        What was saved, with `evalkit.stylegan2.recording.Recorded` in place of what the pickle would have called.
    open_storage : callable
        For `read_tensor`, while the file is open.
    """
    if zipped:
        with zipfile.ZipFile(path) as archive:
            yield _record_archive(archive, path.stat().st_size)
    else:
        with mapped(path) as stream:
            yield record_legacy(stream)


def record_legacy(stream: Stream) -> tuple[Any, Open]:
    """Record what torch.save wrote before it wrote archives: five pickles, and then the storages.

    Returns
    -------
    content, open_storage
        As of `opened`.
    """
    magic, protocol, system = (_Saved(stream).load() for _ in range(3))
    if (magic, protocol, system["little_endian"]) != (torch.serialization.MAGIC_NUMBER, _PROTOCOL, True):
        raise ValueError("it is of another version, or its bytes are in another order")
    recorder = _Saved(stream)
    content = recorder.load()
    places: dict[str, int] = {}
    for key in _Saved(stream).load():
        storage, length = recorder.storages[key], int.from_bytes(stream.read(8), "little")
        if length != storage.length:
            raise ValueError(f"a storage of {storage.length} values is cut short or lies elsewhere")
        places[key] = stream.tell()
        stream.read(storage.bytes)

    def read(key: str) -> bytes:
        stream.seek(places[key])
        return stream.read(recorder.storages[key].bytes)

    return content, _opening(read)


def read_tensor(value: Any, open_storage: Open) -> Tensor:
    """Make of a recorded tensor or parameter a tensor, which may share its memory with others of the file.

    Raises
    ------
    Exception
        Nearly any: it is none, or its values overlap or lie outside its storage.
    """
    if isinstance(value, Recorded) and value.name == PARAMETER:
        value = value.arguments[0]
    storage, offset, size, stride = arguments_of(value, TENSOR)[:4]
    values = open_storage(storage)
    if not len(size) == len(stride) <= _MOST_AXES or not all(
        type(number) is int and 0 <= number <= len(values) for number in (offset, *size, *stride)
    ):
        raise ValueError(f"a tensor of {len(values)} values with the shape {size}, strides {stride}, offset {offset}")
    reached = 0  # the furthest value along the axes with smaller strides
    for step, length in sorted(zip(stride, size, strict=True)):
        if length > 1 and step <= reached:
            raise ValueError(f"a tensor with the shape {size} and strides {stride}, which has values twice")
        reached += step * (length - 1)
    return values.as_strided(size, stride, offset)


def _record_archive(archive: zipfile.ZipFile, size: int) -> tuple[Any, Open]:
    records = archive.infolist()
    if sum(record.file_size for record in records) > size or any(
        record.compress_type != zipfile.ZIP_STORED or record.compress_size != record.file_size for record in records
    ):
        raise ValueError("its records are packed, which torch.save does not do")
    names = archive.namelist()
    name = next(name for name in names if name.rpartition("/")[2] == "data.pkl")
    folder = name.removesuffix("data.pkl")
    if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
        raise ValueError("its bytes are in another order")
    content = _Saved(io.BytesIO(archive.read(name))).load()
    return content, _opening(lambda key: archive.read(f"{folder}data/{key}"))


def _opening(read: Callable[[str], bytes]) -> Open:
    @functools.cache
    def open_storage(storage: Storage) -> Tensor:
        stored = read(storage.key)
        if len(stored) != storage.bytes:
            raise ValueError(f"a storage of {storage.bytes} bytes is cut short to {len(stored)}")
        # Of no bytes torch makes no tensor.
        return torch.frombuffer(bytearray(stored), dtype=storage.dtype) if stored else torch.empty(0)

    return open_storage
