"""One- and three-channel stems: kept, expanded or folded, and then computing the same."""

from __future__ import annotations

import pytest
import timm
import torch

from evalkit.checkpoints.canonical import canonicalise
from evalkit.checkpoints.reading import read_checkpoint
from evalkit.errors import InputError

ARCHITECTURES = ["resnet18", "resnet10t", "densenet121", "vit_tiny_patch16_224"]


def _network(arch, tensors, channels):
    network = timm.create_model(arch, num_classes=0, in_chans=channels).eval()
    network.load_state_dict(tensors)
    return network.double()


def _gray(arch: str) -> torch.Tensor:
    size = 224 if arch.startswith("vit") else 64
    return torch.rand(2, 1, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_checkpoint_decides_when_the_entry_does_not(channels, trunk, write) -> None:
    original = trunk(channels=channels)
    tensors, report = canonicalise(read_checkpoint(write(original)), arch="resnet18")
    assert torch.equal(tensors["conv1.weight"], original["conv1.weight"])
    assert report.in_channels == report.stem.channels_in_file == channels
    assert "kept" in report.stem.action


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize(("in_file", "wanted"), [(1, 3), (3, 1)])
def test_a_change_of_channels_computes_the_same(arch, in_file, wanted, trunk, write) -> None:
    original = trunk(arch, channels=in_file)
    tensors, report = canonicalise(
        read_checkpoint(write(original)), arch=arch, in_channels=wanted, mean=[0.5], std=[0.25]
    )
    assert report.stem.channels_in_file == in_file
    assert report.in_channels == tensors[report.stem.name].shape[1] == wanted
    image = (_gray(arch) - 0.5) / 0.25
    with torch.inference_mode():  # in float64, so that only the stored weights' own rounding is left
        before = _network(arch, original, in_file)(image.double().expand(-1, in_file, -1, -1))
        after = _network(arch, tensors, wanted)(image.double().expand(-1, wanted, -1, -1))
    print(arch, in_file, float((before - after).abs().max() / before.abs().max()))
    assert float((before - after).abs().max() / before.abs().max()) < 1e-6


def test_the_stem_alone_is_equal_to_rounding(trunk, write) -> None:
    image = _gray("resnet18")
    for in_file, wanted in ((1, 3), (3, 1)):
        original = trunk(channels=in_file)
        tensors, _ = canonicalise(read_checkpoint(write(original)), arch="resnet18", in_channels=wanted)
        before = torch.nn.functional.conv2d(image.expand(-1, in_file, -1, -1), original["conv1.weight"], padding=3)
        after = torch.nn.functional.conv2d(image.expand(-1, wanted, -1, -1), tensors["conv1.weight"], padding=3)
        torch.testing.assert_close(before, after, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(("in_file", "wanted"), [(1, 3), (3, 1)])
def test_statistics_that_differ_by_channel_forbid_a_change(in_file, wanted, trunk, write) -> None:
    raw = read_checkpoint(write(trunk(channels=in_file)))
    imagenet = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    with pytest.raises(InputError, match="differing by channel") as refused:
        canonicalise(raw, arch="resnet18", in_channels=wanted, **imagenet)
    assert "one value each" in refused.value.remedy
    tensors, _ = canonicalise(raw, arch="resnet18", in_channels=wanted, mean=[0.5] * 3, std=[0.25] * 3)
    assert tensors["conv1.weight"].shape[1] == wanted
    kept, _ = canonicalise(raw, arch="resnet18", in_channels=in_file, **imagenet)
    assert kept["conv1.weight"].shape[1] == in_file


def test_other_numbers_of_channels_are_refused(trunk, write) -> None:
    state = {**trunk(), "conv1.weight": torch.zeros(64, 4, 7, 7)}
    with pytest.raises(InputError, match="takes 4 channels"):
        canonicalise(read_checkpoint(write(state)), arch="resnet18")
    with pytest.raises(InputError, match="asks for 2"):
        canonicalise(read_checkpoint(write(trunk())), arch="resnet18", in_channels=2)
