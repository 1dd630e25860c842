"""Canonical weights on disk, and the MoCo layout written for others."""

from __future__ import annotations

import json

import pytest
import torch

from evalkit.checkpoints.canonical import canonicalise
from evalkit.checkpoints.reading import read_checkpoint
from evalkit.checkpoints.writing import load_canonical, save_canonical, write_moco_layout
from evalkit.errors import InputError


@pytest.fixture
def canonical(trunk, write):
    return canonicalise(read_checkpoint(write(trunk("resnet10t", channels=1))), arch="resnet10t")


def test_canonical_weights_and_report_come_back(canonical, tmp_path) -> None:
    tensors, report = canonical
    save_canonical(tmp_path / "mine.safetensors", tensors, report)
    again, read = load_canonical(tmp_path / "mine.safetensors")
    assert read == report
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)
    assert json.loads((tmp_path / "mine.json").read_text())["fingerprint"] == report.fingerprint
    assert {path.name for path in tmp_path.iterdir()} == {"mine.safetensors", "mine.json", "weights.pth"}


def test_canonical_weights_are_canonical_to_read(canonical, tmp_path) -> None:
    tensors, report = canonical
    save_canonical(tmp_path / "mine.safetensors", tensors, report)
    _, again = canonicalise(read_checkpoint(tmp_path / "mine.safetensors"), arch="resnet10t")
    assert (again.format, again.fingerprint) == ("plain", report.fingerprint)


def test_the_same_weights_give_the_same_bytes(canonical, tmp_path) -> None:
    for folder in ("a", "b"):
        save_canonical(tmp_path / folder / "mine.safetensors", *canonical)
        write_moco_layout(tmp_path / folder / f"{folder}.pth", canonical[0], arch="resnet10t")
    assert (tmp_path / "a/mine.safetensors").read_bytes() == (tmp_path / "b/mine.safetensors").read_bytes()
    assert (tmp_path / "a/a.pth").read_bytes() == (tmp_path / "b/b.pth").read_bytes()


def test_weights_and_report_that_do_not_belong_together(canonical, tmp_path) -> None:
    tensors, report = canonical
    path = tmp_path / "mine.safetensors"
    save_canonical(path, {**tensors, "bn1.bias": tensors["bn1.bias"] + 1}, report)
    with pytest.raises(InputError, match=f"{report.short_fingerprint}, as mine.json says"):
        load_canonical(path)
    (tmp_path / "mine.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        load_canonical(path)
    (tmp_path / "mine.json").write_text("{}")
    with pytest.raises(InputError, match="another version"):
        load_canonical(path)
    (tmp_path / "mine.json").unlink()
    with pytest.raises(InputError, match="no load report"):
        load_canonical(path)
    with pytest.raises(InputError, match="there is no checkpoint"):
        load_canonical(tmp_path / "other.safetensors")


@pytest.mark.parametrize(("arch", "head", "width"), [("resnet10t", "fc", 512), ("densenet121", "classifier", 1024)])
def test_the_moco_layout_is_as_published_and_reads_back(arch, head, width, trunk, tmp_path) -> None:
    original = trunk(arch, channels=1)
    write_moco_layout(tmp_path / "moco.pth", original, arch=arch, epoch=12)
    payload = torch.load(tmp_path / "moco.pth", weights_only=True)
    assert list(payload) == ["epoch", "arch", "state_dict", "optimizer"]
    state = payload["state_dict"]
    assert state[f"module.encoder_q.{head}.0.weight"].shape == (width, width)
    assert state[f"module.encoder_k.{head}.2.weight"].shape == (128, width)
    assert state["module.queue"].shape[0] == 128
    torch.testing.assert_close(state["module.queue"].norm(dim=0), torch.ones(state["module.queue"].shape[1]))
    assert state["module.queue_ptr"].tolist() == [0]
    tensors, report = canonicalise(read_checkpoint(tmp_path / "moco.pth"), arch=arch)
    assert all(torch.equal(tensors[name], original[name]) for name in original)
    assert (report.format, report.in_channels, report.about["epoch"]) == ("moco", 1, 12)
