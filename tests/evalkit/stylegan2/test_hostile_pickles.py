"""Pickles that want something done: refused, with nothing of it done."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import resource
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from evalkit.errors import InputError
from evalkit.stylegan2.loading import load_generator
from evalkit.stylegan2.nvidia_pickle import NAMES
from evalkit.stylegan2.recording import Recorded, Recorder

from .conftest import make_generator
from .foreign import write_nvidia
from .opcodes import in_storage, named, short, torch_legacy, torch_zip, whole


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


EVIL = "open('MARK', 'w')"
HOSTILE = {
    "os.system": lambda mark: pickle.dumps({"G_ema": Calls(os.system, f"touch {mark}")}),
    "builtins.eval": lambda mark: pickle.dumps({"G_ema": Calls(eval, EVIL.replace("MARK", mark))}),
    "builtins.exec": lambda mark: pickle.dumps({"G_ema": Calls(exec, EVIL.replace("MARK", mark))}),
    "builtins.getattr": lambda mark: pickle.dumps({"G_ema": Calls(getattr, Calls(__import__, "os"), "system")}),
    "io.open": lambda mark: pickle.dumps({"G_ema": Calls(open, mark, "w")}),
    "torch.load": lambda mark: pickle.dumps({"G_ema": Calls(torch.load, mark)}),
    "torch.hub.load": lambda mark: pickle.dumps({"G_ema": Calls(torch.hub.load, mark, "x")}),
    "torch_utils.persistence._src_to_module": lambda mark: whole(
        named("torch_utils.persistence", "_src_to_module") + short(EVIL.replace("MARK", mark)) + b"\x85R"
    ),
    # Names that only resemble allowed ones, or reach through one.
    "collections.OrderedDict.fromkeys": lambda mark: whole(named("collections", "OrderedDict.fromkeys")),
    "torch._utils._rebuild_tensor_v2.__globals__": lambda mark: whole(
        named("torch._utils", "_rebuild_tensor_v2.__globals__")
    ),
    "torch._utils._rebuild_tensor": lambda mark: whole(named("torch._utils", "_rebuild_tensor")),
    "dnnlib.util.call_func_by_name": lambda mark: whole(named("dnnlib.util", "call_func_by_name")),
    # The same by older operations.
    "posix.system": lambda mark: f"cposix\nsystem\n(S'touch {mark}'\ntR.".encode(),
    "nt.system": lambda mark: f"(S'touch {mark}'\nint\nsystem\n.".encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_are_not_listed_are_refused(name: str, tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "network.pkl"
    path.write_bytes(HOSTILE[name](str(mark)))
    with pytest.raises(InputError, match=r"asks to import .*nothing in it was executed") as refused:
        load_generator(path)
    # Unix calls os.system posix.system.
    assert name.replace("os.system", "system").rpartition(".")[2] in str(refused.value)
    assert not mark.exists()


@pytest.mark.parametrize("around", [torch_legacy, torch_zip, in_storage])
@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_are_not_listed_are_refused_in_files_of_torch(
    name: str, around: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    mark, path = tmp_path / "mark", tmp_path / "network.pt"
    path.write_bytes(around(HOSTILE[name](str(mark))))
    with pytest.raises(InputError, match=r"asks to import .*nothing in it was executed"):
        load_generator(path)
    assert not mark.exists()


def test_embedded_source_is_never_executed(tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    write_nvidia(path, make_generator())
    assert b"the embedded source was executed" in path.read_bytes()
    load_generator(path)


def test_a_hostile_pickle_inside_a_storage_is_refused(tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "network.pkl"
    write_nvidia(path, make_generator(), protocol=3)  # without frames, whose lengths would have to be rewritten
    evil = io.BytesIO()
    torch.save(Calls(os.system, f"touch {mark}"), evil, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    blob = next(argument for operation, argument, _ in pickletools.genops(content) if operation.name == "BINBYTES")

    def counted(data: bytes) -> bytes:
        return b"B" + struct.pack("<I", len(data)) + data

    assert counted(blob) in content
    path.write_bytes(content.replace(counted(blob), counted(evil.getvalue()), 1))
    with pytest.raises(InputError, match=r"asks to import posix\.system"):
        load_generator(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (named("collections", "OrderedDict") + b"}" + b"b", "a state put into a class"),
        (named("collections", "OrderedDict") + b"N}" + short("arguments") + b"Ks\x86b", "slots put into a class"),
        (b"Vx\n" + b"Q", "an object outside the file"),
        (b"\x82\x01", "an extension code"),
        (short("text") + b")R", "a call of a text"),
        (named("collections", "OrderedDict") + b")R)R", "a call of a result"),
        (named("collections", "OrderedDict") + b")R](K\x01ee", "appending to a dictionary"),
    ],
)
def test_tricks_of_the_machine_are_refused(body: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(whole(body))
    with pytest.raises(InputError, match="damaged, cut short or no such pickle"):
        load_generator(path)


def test_a_class_that_a_file_changes_is_not_that_of_the_next_file(tmp_path: Path) -> None:
    made = {Recorder(io.BytesIO(), NAMES).find_class("collections", "OrderedDict") for _ in range(2)}
    assert len(made) == 2
    assert Recorded not in made


def test_a_far_place_in_the_memory_takes_none(tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(whole(b"Nr\xff\xff\xff\xff"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="holds no G_ema but a NoneType"):
        load_generator(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 500_000


def test_nothing_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    write_nvidia(path, make_generator())
    load_generator(path)
    assert not {"torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util"} & set(sys.modules)


@pytest.mark.parametrize("name", ["dnnlib.tflib.network Network", "tfutil Network"])
def test_networks_of_tensorflow_are_sent_to_their_converter(name: str, tmp_path: Path) -> None:
    path = tmp_path / "stylegan2-ffhq.pkl"
    module, _, attribute = name.partition(" ")
    one = named(module, attribute) + b")\x81}b"
    path.write_bytes(whole(one * 3 + b"\x87"))
    with pytest.raises(InputError, match=r"TensorFlow era.*(\n.*)*legacy\.py"):
        load_generator(path)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    write_nvidia(path, make_generator())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="damaged"):
        load_generator(path)
    path.write_bytes(pickle.dumps({"G_ema": None}))
    with pytest.raises(InputError, match="not understood"):
        load_generator(path)
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(InputError, match="holds no G_ema but a list"):
        load_generator(path)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04",
        b"\x80\x04\xff",
        b"\x80\x04.",
        *(b"\x80\x04" + code + struct.pack("<Q", length) for code in (b"\x95", b"\x8d", b"\x8e", b"\x96")
          for length in (2**40, 2**62, 2**64 - 1)),
        b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1),
        b"\x80\x04T" + struct.pack("<i", 2**31 - 1),
        b"\x80\x02Vtext",
        whole(b"]" * 100_000 + b"a" * 99_999),
    ],
    ids=lambda content: content[:12].hex(),
)  # fmt: skip
def test_streams_that_end_too_early_are_refused(content: bytes, tmp_path: Path) -> None:
    for name, written in (
        ("network.pkl", content),
        ("legacy.pt", torch_legacy(content)),
        ("archive.pt", torch_zip(content)),
        ("storage.pkl", in_storage(content)),
    ):
        path = tmp_path / name
        path.write_bytes(written)
        with pytest.raises(InputError) as refused:
            load_generator(path)
        assert str(path) in refused.value.found
        assert refused.value.expected
        assert refused.value.remedy


def test_a_network_inside_itself_is_refused(tmp_path: Path) -> None:
    # meta["state"]["_modules"]["again"] is the network itself.
    path = tmp_path / "network.pkl"
    state = b"}" + short("_parameters") + b"}s" + short("_buffers") + b"}s"
    modules = short("_modules") + b"}\x94s"  # remembered as 0
    meta = b"}" + short("class_name") + short("Generator") + b"s" + short("state") + state + modules + b"s"
    network = named("torch_utils.persistence", "_reconstruct_persistent_obj") + meta + b"\x85R\x94"  # as 1
    inside = b"h\x00" + short("again") + b"h\x01s0"
    body = b"}" + short("G_ema") + network + b"s" + inside
    path.write_bytes(whole(body))
    with pytest.raises(
        InputError, match="not understood: ValueError: a part of a module that belongs to another as well"
    ):
        load_generator(path)
