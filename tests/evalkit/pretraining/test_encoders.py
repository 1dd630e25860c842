from __future__ import annotations

import copy

import pytest
import torch

from evalkit.errors import InputError
from evalkit.pretraining.encoders import build_encoder
from evalkit.training.networks import Network


def plan(arch: str = "resnet10t", channels: int = 1) -> Network:
    return Network(arch, channels, (0.5,) * channels, (0.25,) * channels, "test")


def build(arch: str = "resnet10t", *, blocks: tuple[int, ...] = (), seed: int = 0, size: int = 64):
    return build_encoder(plan(arch), projection=16, blocks=blocks, seed=seed, image_size=size)


def test_projections_are_of_length_one_in_32_bits() -> None:
    encoder = build()
    images = torch.randn(3, 1, 64, 64)
    projected, maps = encoder(images)
    assert (projected.shape, maps) == ((3, 16), {})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded, _ = encoder(images)
    for each in (projected, rounded):
        assert each.dtype == torch.float32
        torch.testing.assert_close(each.norm(dim=1), torch.ones(3))


def test_the_head_is_that_of_moco_v2() -> None:
    shapes = {name: tuple(each.shape) for name, each in build().head.state_dict().items()}
    assert shapes == {"0.weight": (512, 512), "0.bias": (512,), "2.weight": (16, 512), "2.bias": (16,)}


@pytest.mark.parametrize("arch", ["resnet10t", "resnet18", "densenet121", "convnext_atto"])
def test_taps_give_the_outputs_of_the_blocks(arch: str) -> None:
    images = torch.randn(2, 1, 64, 64)
    encoder = build(arch, blocks=(1, 2, 3, 4)).eval()
    projected, maps = encoder(images)
    assert [tuple(maps[block].shape[2:]) for block in (1, 2, 3, 4)] == [(16, 16), (8, 8), (4, 4), (2, 2)]
    assert torch.equal(build(arch).eval()(images)[0], projected), "tapping changes nothing"
    assert list(build(arch, blocks=(3,))(images)[1]) == [3]


def test_taps_of_a_resnet_are_its_layers() -> None:
    encoder = build("resnet18", blocks=(1, 3)).eval()
    images = torch.randn(2, 1, 64, 64)
    trunk, _ = encoder.trunk, encoder.requires_grad_(False)
    after_first = trunk.layer1(trunk.maxpool(trunk.act1(trunk.bn1(trunk.conv1(images)))))
    maps = encoder(images)[1]
    assert torch.equal(maps[1], after_first)
    assert torch.equal(maps[3], trunk.layer3(trunk.layer2(after_first)))


def test_a_copy_has_taps_of_its_own() -> None:
    encoder = build(blocks=(3,)).eval()
    other = copy.deepcopy(encoder)
    other.trunk.conv1[0].weight.data.mul_(2)
    images = torch.randn(2, 1, 64, 64)
    first, second = encoder(images)[1], other(images)[1]
    assert not torch.equal(first[3], second[3])
    assert torch.equal(encoder(images)[1][3], first[3])


def test_the_seed_decides_trunk_and_head() -> None:
    state = torch.get_rng_state()
    first, same, other = (build(seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], same[name]) for name in first)
    for name in ("trunk.conv1.0.weight", "head.0.weight", "head.2.bias"):
        assert not torch.equal(first[name], other[name])


@pytest.mark.parametrize("arch", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_an_architecture_without_four_stages_is_refused_for_ifa_only(arch: str) -> None:
    with pytest.raises(InputError, match=f"{arch} has no four stages"):
        build(arch, blocks=(3,), size=224)
    assert build(arch, size=224)(torch.randn(1, 1, 224, 224))[0].shape == (1, 16)


def test_what_the_trunk_exempts_from_weight_decay_stays_exempt() -> None:
    assert "trunk.pos_embed" in build("vit_tiny_patch16_224", size=224).no_weight_decay()
    assert build().no_weight_decay() == set()
