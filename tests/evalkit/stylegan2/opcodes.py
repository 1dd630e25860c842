"""Pickles put together by hand, operation by operation."""

from __future__ import annotations

import io
import struct
import zipfile

import torch


def whole(body: bytes, protocol: int = 4) -> bytes:
    return b"\x80" + bytes([protocol]) + body + b"."


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def long(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def named(module: str, name: str) -> bytes:
    return short(module) + short(name) + b"\x93"  # STACK_GLOBAL


def put(place: int) -> bytes:
    """Remember the last value, and take it off the stack."""
    return b"r" + struct.pack("<I", place) + b"0"


def get(place: int) -> bytes:
    return b"j" + struct.pack("<I", place)


def mapping(*entries: tuple[bytes, bytes]) -> bytes:
    return b"}" + b"".join(key + value + b"s" for key, value in entries)


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def module(*, parameters: bytes = b"}", modules: bytes = b"}") -> bytes:
    """A module of NVIDIA's."""
    parts = {"_parameters": parameters, "_buffers": b"}", "_modules": modules}
    state = mapping(*((short(name), part) for name, part in parts.items()))
    meta = mapping((short("class_name"), short("Generator")), (short("state"), state))
    return call(named("torch_utils.persistence", "_reconstruct_persistent_obj"), meta)


def snapshot(network: bytes) -> bytes:
    """A file of NVIDIA's."""
    return whole(mapping((short("G_ema"), network)))


def torch_legacy(pickle: bytes) -> bytes:
    """A file of torch.save from before it wrote archives, around a pickle."""
    saved = io.BytesIO()
    torch.save({}, saved, _use_new_zipfile_serialization=False)
    before, found, after = saved.getvalue().partition(b"\x80\x02}q\x00.")
    assert found
    return before + pickle + after


def torch_zip(pickle: bytes) -> bytes:
    """A file of torch.save around a pickle."""
    saved, rewritten = io.BytesIO(), io.BytesIO()
    torch.save({}, saved)
    with zipfile.ZipFile(saved) as archive, zipfile.ZipFile(rewritten, "w") as other:
        for name in archive.namelist():
            other.writestr(name, pickle if name.endswith("data.pkl") else archive.read(name))
    return rewritten.getvalue()


def in_storage(pickle: bytes) -> bytes:
    """A file of NVIDIA's whose only storage is a file of torch.save around a pickle."""
    blob = torch_legacy(pickle)
    storage = call(named("torch.storage", "_load_from_bytes"), b"B" + struct.pack("<I", len(blob)) + blob)
    one = b"K\x01\x85"  # (1,)
    tensor = call(named("torch._utils", "_rebuild_tensor_v2"), storage, b"K\x00", one, one, b"\x89", b"}")
    return snapshot(module(parameters=mapping((short("weight"), tensor))))
