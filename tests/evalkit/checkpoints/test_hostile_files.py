"""Nothing in a checkpoint is executed: each of these would create a marker file if it were."""

from __future__ import annotations

import argparse
import builtins
import collections
import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

from evalkit.checkpoints.pickles import Discarded, names_asked_for
from evalkit.checkpoints.reading import read_checkpoint
from evalkit.errors import InputError


class Calls:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.function, self.arguments


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "executed"


def _attacks(marker: Path) -> dict[str, tuple[Calls, str]]:
    code = f"open({str(marker)!r}, 'w')"
    return {
        "system": (Calls(os.system, f"touch {marker}"), "posix.system"),
        "exec": (Calls(builtins.exec, code), "builtins.exec"),
        "eval": (Calls(builtins.eval, code), "builtins.eval"),
        "open": (Calls(builtins.open, str(marker), "w"), "io.open"),
        "torch.load": (Calls(torch.load, str(marker)), "torch.serialization.load"),
        "model class": (Calls(torch.nn.Linear, 2, 2), "torch.nn.modules.linear.Linear"),
        "defaultdict": (Calls(collections.defaultdict, list), "collections.defaultdict"),
    }


def _refusal(path: Path) -> str:
    with pytest.raises(InputError) as refused:
        read_checkpoint(path)
    return str(refused.value)


@pytest.mark.parametrize("attack", _attacks(Path()))
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_torch_files(attack, zipped, marker, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # torch's own way around its restriction
    call, name = _attacks(marker)[attack]
    payload = {"state_dict": {"conv1.weight": torch.zeros(2)}, "extra": call}
    torch.save(payload, tmp_path / "weights.pth", _use_new_zipfile_serialization=zipped)
    message = _refusal(tmp_path / "weights.pth")
    # Pickle protocol 2, which torch.save uses, spells this module as Python 2 did.
    assert name in message or name.replace("builtins", "__builtin__") in message
    assert "nothing in it was executed" in message
    assert "NEW_FILE" in message
    assert not marker.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_bare_pickles_of_every_protocol(protocol, marker, tmp_path) -> None:
    call, _ = _attacks(marker)["system"]
    (tmp_path / "weights.pth").write_bytes(pickle.dumps({"state_dict": call}, protocol=protocol))
    message = _refusal(tmp_path / "weights.pth")
    assert "posix.system" in message
    assert "nothing in it was executed" in message
    assert not marker.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_good_torch_file_whose_pickle_was_replaced(protocol, marker, tmp_path) -> None:
    call, _ = _attacks(marker)["system"]
    torch.save({"conv1.weight": torch.zeros(2)}, tmp_path / "good.pth")
    with zipfile.ZipFile(tmp_path / "good.pth") as good, zipfile.ZipFile(tmp_path / "bad.pth", "w") as bad:
        for name in good.namelist():
            bad.writestr(name, pickle.dumps(call, protocol) if name.endswith("data.pkl") else good.read(name))
    assert "posix.system" in _refusal(tmp_path / "bad.pth")
    assert not marker.exists()


def test_a_good_torch_file_with_a_pickle_appended(marker, tmp_path) -> None:
    call, _ = _attacks(marker)["system"]
    path = tmp_path / "legacy.pth"
    torch.save({"conv1.weight": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    with path.open("ab") as file:
        file.write(pickle.dumps(call, 2))
    assert torch.equal(read_checkpoint(path).containers[""]["conv1.weight"], torch.ones(2))
    assert not marker.exists()


def test_the_oldest_tar_format(marker, tmp_path) -> None:
    """Torch before 0.1.10 wrote a tar of pickles: packed archives are refused before any reader sees them."""
    call, _ = _attacks(marker)["system"]
    with tarfile.open(tmp_path / "weights.pth.tar", "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            data = pickle.dumps(call, 2)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    assert "packed archive" in _refusal(tmp_path / "weights.pth.tar")
    assert not marker.exists()


def test_an_allowed_name_used_with_hostile_arguments(marker, tmp_path) -> None:
    """`Discarded` stands in for argparse.Namespace; an attack in its state is still refused."""
    call, _ = _attacks(marker)["system"]
    torch.save({"w": torch.zeros(1), "args": argparse.Namespace(lr=call)}, tmp_path / "weights.pth")
    message = _refusal(tmp_path / "weights.pth")
    assert "posix.system" in message
    assert "argparse" not in message
    assert not marker.exists()


def test_a_stand_in_keeps_nothing() -> None:
    stand_in = Discarded(1, 2)
    stand_in.__setstate__({"a": 1})
    assert vars(stand_in) == {}


def test_the_allow_list_does_not_outlive_the_reading(tmp_path) -> None:
    before = set(torch.serialization.get_safe_globals())
    torch.save({"w": torch.zeros(1)}, tmp_path / "weights.pth")
    read_checkpoint(tmp_path / "weights.pth")
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_torchscript_is_refused_unread(tmp_path) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "weights.pt"))
    message = _refusal(tmp_path / "weights.pt")
    assert "TorchScript" in message
    assert "nothing in it was executed" in message


@pytest.mark.filterwarnings("ignore:TypedStorage:UserWarning")
def test_a_tensor_larger_than_its_storage_is_refused(tmp_path) -> None:
    storage = torch.arange(4.0).storage()
    huge = Calls(torch._utils._rebuild_tensor_v2, storage, 0, (1000,), (1,), False, collections.OrderedDict())
    torch.save({"conv1.weight": huge}, tmp_path / "weights.pth")
    assert "damaged" in _refusal(tmp_path / "weights.pth")


def test_names_are_found_without_unpickling() -> None:
    for protocol in range(6):
        data = pickle.dumps([Calls(os.system, "x"), Calls(os.system, "y"), Calls(exec, "z")], protocol)
        names = [name.replace("__builtin__", "builtins") for name in names_asked_for(io.BytesIO(data + b"\xff rest"))]
        assert names == ["posix.system", "builtins.exec"]
