"""Files that are no checkpoint, damaged ones and wrong ones: each has its own message, and none gives weights."""

from __future__ import annotations

import gzip
import hashlib
import random

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from evalkit.checkpoints.canonical import canonicalise
from evalkit.checkpoints.reading import read_checkpoint
from evalkit.errors import InputError


def _refusal(path, arch="resnet18", **options) -> str:
    with pytest.raises(InputError) as refused:
        canonicalise(read_checkpoint(path), arch=arch, **options)
    assert refused.value.expected or refused.value.remedy
    return str(refused.value)


BYTES = {
    "empty": (b"", "is empty (0 bytes)"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 98\n", "Git LFS pointer"),
    "html": (b"\n<!DOCTYPE html><html><title>Quota exceeded</title></html>", "is a web page"),
    "text": (b"Not Found\n", 'is text that begins "Not Found"'),
    "json": (b'{"error": "no access"}', "is text that begins"),
    "bytes": (bytes(range(0x90, 0xB0)) * 9, "begins with the bytes 90 91 92"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(64), "TensorFlow or Keras"),
    "tf index": (bytes(40) + bytes.fromhex("57fb808b247547db"), "TensorFlow or Keras"),
    "gzip": (gzip.compress(b"weights"), "packed archive"),
    "zip start": (b"PK\x03\x04" + bytes(100), "is cut short"),
    "safetensors start": (
        (1000).to_bytes(8, "little") + b'{"conv1.weight":',
        "its safetensors header should have 1,000 bytes",
    ),
}


@pytest.mark.parametrize("kind", BYTES)
def test_what_is_no_checkpoint_is_named(kind, tmp_path) -> None:
    content, expected = BYTES[kind]
    (tmp_path / "weights.pth").write_bytes(content)
    assert expected in _refusal(tmp_path / "weights.pth")


def test_missing_files_and_folders(tmp_path) -> None:
    assert "there is no checkpoint" in _refusal(tmp_path / "weights.pth")
    assert "its folder does not exist either" in _refusal(tmp_path / "nowhere" / "weights.pth")
    assert "is a folder, holding nothing" in _refusal(tmp_path)
    (tmp_path / "model.ckpt-500.index").touch()
    assert "prefix of a TensorFlow checkpoint" in _refusal(tmp_path / "model.ckpt-500")
    assert "folder of a TensorFlow model" in _refusal(tmp_path)


def test_another_hash(trunk, write) -> None:
    path = write(trunk())
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_checkpoint(path, sha256=right.upper()).sha256 == right
    with pytest.raises(InputError, match=f"has the sha256 {right}"):
        read_checkpoint(path, sha256="0" * 64)
    with pytest.raises(InputError, match="is not a SHA-256 hash"):
        read_checkpoint(path, sha256=right[:8])


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_truncated_torch_files(share, zipped, trunk, write) -> None:
    path = write(trunk(), _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "cut short" in _refusal(path)


def test_one_flipped_bit_in_a_tensor(trunk, write) -> None:
    path = write(trunk())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "does not have the checksum stored with it" in _refusal(path) or "Bad CRC" in _refusal(path)
    read_checkpoint(path, sha256=hashlib.sha256(content).hexdigest())


def test_damaged_files_are_refused_in_words_or_read(write, tmp_path) -> None:
    """Whatever byte is wrong: an InputError or a reading, never another exception."""
    state = {f"layer{index}.weight": torch.zeros(2, index) for index in range(3)}
    save_file(state, str(tmp_path / "a.safetensors"))
    files = [write(state), write(state, "legacy.pth", _use_new_zipfile_serialization=False), tmp_path / "a.safetensors"]
    draw, outcomes = random.Random(0), set()
    for _ in range(300):
        content = bytearray(draw.choice(files).read_bytes())
        content[draw.randrange(len(content))] = draw.randrange(256)
        (tmp_path / "damaged").write_bytes(content)
        try:
            read_checkpoint(tmp_path / "damaged")
            outcomes.add("read")
        except InputError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


@pytest.mark.parametrize("share", [0.00001, 0.5, 0.999])
def test_truncated_safetensors(share, trunk, tmp_path) -> None:
    save_file(trunk(), str(tmp_path / "weights.safetensors"))
    content = (tmp_path / "weights.safetensors").read_bytes()
    (tmp_path / "weights.safetensors").write_bytes(content[: int(len(content) * share)])
    message = _refusal(tmp_path / "weights.safetensors")
    assert "cut short" in message or "damaged safetensors" in message


def test_a_zip_of_something_else(tmp_path) -> None:
    np.savez(tmp_path / "weights.npz", a=np.ones(2))
    assert "zip archive without weights of torch.save" in _refusal(tmp_path / "weights.npz")


@pytest.mark.parametrize("payload", [{}, {"epoch": 3}, [1, 2], {"state_dict": {}}, torch.zeros(3)], ids=repr)
def test_no_named_tensors(payload, write) -> None:
    assert "no table of named tensors" in _refusal(write(payload))


def test_another_architecture_is_named(trunk, write) -> None:
    message = _refusal(write(trunk("resnet18")), arch="resnet50")
    assert "does not hold resnet50" in message
    assert "these tensors fit resnet18 completely" in message
    assert "%" in message


def test_a_deeper_network_whose_first_blocks_would_fit(trunk, write) -> None:
    """ResNet-34 has every tensor of ResNet-18 under its name and shape, and more: taking those is not loading it."""
    message = _refusal(write(trunk("resnet34")), arch="resnet18")
    assert "unexpected: layer1.2.conv1.weight" in message
    assert "these tensors fit resnet34 completely" in message


def test_one_batchnorm_statistic_missing(trunk, write) -> None:
    state = trunk()
    del state["layer3.0.bn1.running_var"]
    message = _refusal(write(state))
    assert "missing: layer3.0.bn1.running_var" in message
    assert "99 of 100 tensors match (99.0%)" in message
    assert "partial weights are not accepted" in message


def test_partly_matching_names_up_to_five(trunk, write) -> None:
    state = {name: tensor for name, tensor in trunk().items() if not name.startswith("layer4")}
    message = _refusal(write({"model": state}))
    assert "layer4.0.conv1.weight" in message
    assert "and 20 more" in message


def test_a_momentum_copy_alone(trunk, write) -> None:
    message = _refusal(write({f"module.encoder_k.{name}": tensor for name, tensor in trunk().items()}))
    assert "0 of 100 tensors match" in message


def test_a_head_alone(write) -> None:
    message = _refusal(write({"fc.weight": torch.randn(14, 512), "fc.bias": torch.zeros(14)}))
    assert "0 of 100 tensors match" in message
    assert "fc.weight" in message


def test_names_of_no_known_layout_are_never_matched_by_position(trunk, write) -> None:
    state = {f"parameter_{index}": tensor for index, tensor in enumerate(trunk().values())}
    assert "never by position" in _refusal(write(state))


def test_a_stranger_beside_a_complete_trunk(trunk, write) -> None:
    message = _refusal(write({**trunk(), "adapter.weight": torch.zeros(2)}))
    assert "unexpected: adapter.weight" in message
    assert "the trunk is complete" in message


def test_another_kernel_size(trunk, write) -> None:
    message = _refusal(write({**trunk(), "conv1.weight": torch.zeros(64, 3, 3, 3)}))
    assert "other shape: conv1.weight 64x3x3x3 instead of 64x3x7x7" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite(value, trunk, write) -> None:
    state = trunk()
    state["layer2.0.conv1.weight"][0, 0, 0, 0] = value
    assert "layer2.0.conv1.weight has 1 values of" in _refusal(write(state))


def test_a_negative_variance(trunk, write) -> None:
    state = trunk()
    state["bn1.running_var"][3] = -1
    assert "negative variance" in _refusal(write(state))


def test_values_that_are_no_numbers_of_a_network(trunk, write) -> None:
    state = trunk()
    assert "int32" in _refusal(write({**state, "bn1.bias": torch.zeros(64, dtype=torch.int32)}))
    assert "without values" in _refusal(write({**state, "bn1.bias": torch.zeros(64, device="meta")}))
    assert "sparse" in _refusal(write({**state, "bn1.bias": torch.zeros(64).to_sparse()}))


def test_two_networks_to_choose_from(trunk, write) -> None:
    both = {"teacher": trunk(seed=0), "student": trunk(seed=1)}
    nested = {who: {f"module.backbone.{key}": value for key, value in both[who].items()} for who in both}
    flat = {f"{who}.backbone.{key}": value for who in both for key, value in both[who].items()}
    for payload in (nested, flat):
        path = write(payload)
        message = _refusal(path)
        assert "2 complete resnet18 networks" in message
        assert "format: dino or format: dino-student" in message
        for chosen, who in (("dino", "teacher"), ("dino-student", "student")):
            tensors, _ = canonicalise(read_checkpoint(path), arch="resnet18", format=chosen)
            assert torch.equal(tensors["conv1.weight"], both[who]["conv1.weight"])


def test_a_running_average_beside_the_network(trunk, write) -> None:
    message = _refusal(write({"state_dict": trunk(), "state_dict_ema": trunk(seed=1)}))
    assert "state_dict (format plain); state_dict_ema (format plain)" in message
    assert "save the one you mean alone" in message


def test_the_wrong_format_named_in_the_entry(trunk, write) -> None:
    path = write({"state_dict": {f"module.encoder_q.{key}": value for key, value in trunk().items()}})
    assert "complete in the format moco" in _refusal(path, format="simclr")
    assert "complete in the format moco" in _refusal(path, format="plain")
    message = _refusal(path, format="mocco")
    assert "write format: moco" in message


def test_unknown_architectures(trunk, write) -> None:
    path = write(trunk())
    assert "resnet50" in _refusal(path, arch="resnt50")
    assert "write arch: resnet50, and timm: a1_in1k" in _refusal(path, arch="resnet50.a1_in1k")
