"""Small files that ask for much: refused with little memory, in little time."""

from __future__ import annotations

import io
import json
import multiprocessing
import resource
import struct
import zipfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from evalkit.errors import InputError
from evalkit.stylegan2.loading import OURS, load_generator, save_generator

from .conftest import make_generator
from .foreign import in_foreign_names, write_nvidia, write_rosinality
from .opcodes import (
    call,
    get,
    in_storage,
    long,
    mapping,
    module,
    named,
    put,
    short,
    snapshot,
    torch_legacy,
    torch_zip,
    whole,
)

MIB = 2**20
#: What reading a small file may take: memory beyond what the process had, and seconds.
MOST, SECONDS = 64 * MIB, 20


def peak() -> int:
    """Largest resident memory of this process so far."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def load_and_tell(path: Path, said: Connection) -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + 4096 * MIB  # so that a failing test harms nobody else
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    before = peak()
    try:
        load_generator(path)
        outcome = "loaded"
    except InputError as error:
        outcome = str(error)
    except BaseException as error:
        outcome = f"a traceback: {error!r}"
    said.send((outcome, peak() - before))


def load_apart(path: Path) -> str:
    """Load in a process of its own, which can be ended while it hangs in C; gives the refusal, or "loaded"."""
    context = multiprocessing.get_context("fork")
    heard, said = context.Pipe(duplex=False)
    process = context.Process(target=load_and_tell, args=(path, said))
    process.start()
    said.close()
    try:
        if not heard.poll(SECONDS):
            pytest.fail(f"no answer after {SECONDS} s")
        outcome, grown = heard.recv()
    except EOFError:
        pytest.fail("the process died")
    finally:
        process.kill()
        process.join()
    assert grown < MOST, f"{grown / MIB:.0f} MiB for {path.stat().st_size:,} bytes: {outcome}"
    return outcome


def refusal(path: Path) -> str:
    outcome = load_apart(path)
    assert str(path) in outcome
    assert "expected: " in outcome
    assert "to do: " in outcome
    return outcome


def test_an_intact_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "generator.safetensors"
    save_generator(path, make_generator())
    assert load_apart(path) == "loaded"


# Tensors that are larger than the file

EXPANDED = torch.zeros(1).expand(10, 30_000_000)  # 4 bytes that would be 1.2 GB
OVERLAPPING = torch.zeros(40_000).as_strided((20_000, 20_000), (1, 1))  # 160 kB that would be 1.6 GB


@pytest.mark.parametrize("tensor", [EXPANDED, OVERLAPPING], ids=["expanded", "overlapping"])
@pytest.mark.parametrize("format", ["nvidia", "zip", "legacy"])
def test_tensors_larger_than_their_storage(format: str, tensor: torch.Tensor, tmp_path: Path) -> None:
    path, generator = tmp_path / "network.pkl", make_generator()
    if format == "nvidia":
        write_nvidia(path, generator, replacing={"mapping.fc0.weight": tensor})
    else:
        tensors = in_foreign_names(generator, "rosinality") | {"style.1.weight": tensor}
        torch.save({"g_ema": tensors}, path, _use_new_zipfile_serialization=format == "zip")
    assert "not understood" in refusal(path)


@pytest.mark.parametrize("zipped", [False, True])
def test_tensors_that_share_a_storage(zipped: bool, tmp_path: Path) -> None:
    # 4 MiB, as 60 tensors that take 8 MiB each in 32 bits.
    path, shared = tmp_path / "network.pt", torch.zeros(2 * MIB, dtype=torch.float16)
    names = [name for name in in_foreign_names(make_generator(), "rosinality") if not name.endswith("kernel")]
    torch.save({"g_ema": dict.fromkeys(names, shared)}, path, _use_new_zipfile_serialization=zipped)
    assert "more than the file" in refusal(path)


@pytest.mark.parametrize("zipped", [False, True])
def test_storages_that_the_file_does_not_hold(zipped: bool, tmp_path: Path) -> None:
    path, length = tmp_path / "network.pt", 12_345
    write_rosinality(path, make_generator(), zipped=zipped, latent_avg=torch.zeros(length))
    true, false = b"M" + struct.pack("<H", length), b"J" + struct.pack("<i", 2**31 - 1)
    if zipped:
        with zipfile.ZipFile(path) as archive:
            records = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, record in records.items():
                archive.writestr(name, record.replace(true, false) if name.endswith("data.pkl") else record)
    else:
        path.write_bytes(path.read_bytes().replace(true, false))
    assert "cut short" in refusal(path)


def test_packed_records(tmp_path: Path) -> None:
    path, inflated = tmp_path / "network.pt", tmp_path / "inflated.pt"
    torch.save({"g_ema": {"style.1.weight": torch.zeros(32 * MIB)}}, inflated)
    with zipfile.ZipFile(inflated) as archive, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in archive.namelist():
            packed.writestr(name, archive.read(name))
    inflated.unlink()
    assert path.stat().st_size < MIB
    assert "packed" in refusal(path)


# Specs that are larger than the tensors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w_dim": 30_000}, "mapping.layers.0.weight"),
        ({"z_dim": 10**9, "w_dim": 10**9}, "mapping.layers.0.weight"),
        ({"mapping_layers": 10**9}, "mapping_layers 1000000000"),
        ({"w_dim": 10**30}, ""),
    ],
)
def test_specs_larger_than_their_tensors(changes: dict[str, int], message: str, tmp_path: Path) -> None:
    path, generator = tmp_path / "generator.safetensors", make_generator(resolution=8)
    metadata = {OURS: json.dumps(generator.spec.model_dump() | changes)}
    save_file(generator.state_dict(), str(path), metadata=metadata)
    assert message in refusal(path)
    save_file({}, str(path), metadata=metadata)
    refusal(path)


# Pickles that ask for more than they hold

NESTED = b")" + b"q\x00h\x00\x86" * 60  # (), and then sixty times (x, x): to hash it takes 2 ** 60 steps
PLACES = {
    "a key": b"}" + NESTED + b"Ns",
    "a key of several": b"}(" + NESTED + b"Nu",
    "a key of a dictionary of old": b"(" + NESTED + b"Nd",
    "an element of a set": b"\x8f(" + NESTED + b"\x90",
    "an element of a frozen set": b"(" + NESTED + b"\x91",
    "a key within a tuple": b"}" + NESTED + b"\x85Ns",
    "the name of a storage": b"(" + short("storage") + named("torch", "FloatStorage") + NESTED + short("cpu") + b"NtQ",
    "the name of a storage, of old": b"(X\x07\0\0\0storagectorch\nFloatStorage\n" + NESTED + b"X\x03\0\0\0cpuNtQ",
}


@pytest.mark.parametrize("around", [bytes, torch_legacy, torch_zip, in_storage])
@pytest.mark.parametrize("place", PLACES)
def test_hashes_that_would_never_end(place: str, around: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(around(whole(PLACES[place], 2)))
    assert path.stat().st_size < 3_000
    refusal(path)


def test_a_hash_that_would_exhaust_the_stack(tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(whole(b"})" + b"\x85" * 200_000 + b"Ns"))
    assert "damaged" in refusal(path)


def of_all(calls: bytes) -> bytes:
    """A list of values."""
    return b"(" + calls + b"l"


LIST = b"](" + b"N" * 100_000 + b"e"
ORDERED = named("collections", "OrderedDict")
PAIRS = b"".join(b"(M" + struct.pack("<H", number) + b"Nl" for number in range(60_000))
COSTLY = {
    "a bytearray": whole(b"\x96" + struct.pack("<Q", 2**32 - 1)),
    "a bytearray that is called for": torch_zip(whole(b"cbuiltins\nbytearray\nJ\0\0\0\x70\x85R", 2)),
    "a list as arguments": whole(LIST + put(0) + ORDERED + put(1) + of_all((get(1) + get(0) + b"R") * 10_000)),
    "a text as arguments": whole(
        long("a" * 100_000) + put(0) + ORDERED + put(1) + of_all((get(1) + get(0) + b"R") * 10_000)
    ),
    "dictionaries of one list": torch_legacy(
        whole(b"](" + PAIRS + b"e\x85" + put(0) + b"ccollections\nOrderedDict\n" + put(1)
              + of_all((get(1) + get(0) + b"R") * 500), 2)
    ),
    "classes": whole(
        short("collections") + put(0) + short("OrderedDict") + put(1) + of_all((get(0) + get(1) + b"\x93") * 60_000)
    ),
    "a number of many digits": whole(b"\x8b" + struct.pack("<i", 500_000) + b"\x7f" * 500_000),
}  # fmt: skip


@pytest.mark.parametrize("what", COSTLY)
def test_values_that_take_more_than_they_are_written_in(what: str, tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(COSTLY[what])
    assert path.stat().st_size < MIB
    refusal(path)


def test_modules_in_two_places_sixty_levels_deep(tmp_path: Path) -> None:
    path, body = tmp_path / "network.pkl", module() + put(0)
    for level in range(60):
        body += module(modules=mapping((short("a"), get(level)), (short("b"), get(level)))) + put(level + 1)
    path.write_bytes(snapshot(body + get(60)))
    assert "not understood" in refusal(path)


def test_names_that_grow_from_level_to_level(tmp_path: Path) -> None:
    path, body = tmp_path / "network.pkl", long("a" * 500_000) + put(1_000) + module() + put(0)
    for level in range(100):
        body += module(modules=mapping((get(1_000), get(level)))) + put(level + 1)
    path.write_bytes(snapshot(body + get(100)))
    assert "not understood" in refusal(path)


@pytest.mark.parametrize("shared", ["storage", "bytes"])
def test_tensors_of_one_storage(shared: str, tmp_path: Path) -> None:
    path, saved = tmp_path / "network.pkl", io.BytesIO()
    torch.save(torch.zeros(MIB)._typed_storage(), saved, _use_new_zipfile_serialization=False)
    load = named("torch.storage", "_load_from_bytes")
    blob = b"B" + struct.pack("<I", len(saved.getvalue())) + saved.getvalue() + put(0)
    storage = call(load, get(0)) + put(1)
    whole_storage = b"J" + struct.pack("<i", MIB) + b"\x85"  # (MIB,)
    tensor = call(
        named("torch._utils", "_rebuild_tensor_v2"),
        get(1) if shared == "storage" else call(load, get(0)),
        b"K\x00",
        whole_storage,
        b"K\x01\x85",
        b"\x89",
        b"}",
    )
    parameters = mapping(*((short(f"weight{number}"), tensor) for number in range(300)))
    path.write_bytes(snapshot(blob + storage + module(parameters=parameters)))
    assert "more than the file" in refusal(path)
