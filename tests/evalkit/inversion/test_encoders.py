"""Encoders: features at the right places, of a frozen network, and nothing run beyond what is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch

from evalkit.checkpoints.canonical import canonicalise
from evalkit.checkpoints.reading import RawCheckpoint
from evalkit.checkpoints.writing import save_canonical
from evalkit.config.projection import TAPS
from evalkit.errors import InputError
from evalkit.inversion.encoders import Encoder, build_encoder, open_vgg16
from evalkit.inversion.stages import cut_into_stages
from evalkit.training.devices import Hardware
from evalkit.training.networks import Network

from .conftest import SIDE, make_images, make_network, write_trunk

MakeEncoder = Callable[..., Encoder]


def save_lively(folder: Path, arch: str = "resnet18", channels: int = 1) -> tuple[Network, torch.nn.Module]:
    """Canonical weights whose normalisation is not the identity, and timm's network with them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = timm.create_model(arch, num_classes=0, in_chans=channels)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.data.uniform_(0.3, 0.7)
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 1.5)
    path = folder / f"{arch}.safetensors"
    raw = RawCheckpoint("drawn for a test", None, {"": dict(network.state_dict())})
    save_canonical(path, *canonicalise(raw, arch=arch))
    mean, std = (0.4, 0.5, 0.6)[:channels], (0.2, 0.25, 0.3)[:channels]
    return Network(arch, channels, mean, std, "test", path, "fingerprint"), network.eval()


def watch(network: torch.nn.Module, *names: str) -> dict[str, torch.Tensor]:
    """Outputs of modules, to be filled by the next pass."""
    seen: dict[str, torch.Tensor] = {}
    for name in names:
        network.get_submodule(name).register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))
    return seen


@pytest.mark.parametrize("channels", [1, 3])
def test_taps_of_a_resnet_are_its_layers(channels: int, tmp_path: Path, hardware: Hardware) -> None:
    plan, network = save_lively(tmp_path, channels=channels)
    images = make_images(2) / 255
    seen = watch(network, "act1", "layer1", "layer2", "layer3", "layer4")
    mean, std = (torch.tensor(each)[:, None, None] for each in (plan.mean, plan.std))
    with torch.no_grad():
        network((images - mean) / std)
        features = build_encoder(plan, TAPS, seed=0, image_size=SIDE, hardware=hardware)(images)
    # The stem is watched before the first layer works on it in place.
    for one, name in zip(features, ("act1", "layer1", "layer2", "layer3", "layer4"), strict=True):
        torch.testing.assert_close(one, seen[name], atol=1e-4, rtol=1e-4)
    assert [each.shape[2] for each in features] == [16, 8, 4, 2, 1]


def test_taps_of_a_densenet_are_its_blocks(tmp_path: Path, hardware: Hardware) -> None:
    plan, network = save_lively(tmp_path, "densenet121")
    names = ("features.norm0", "features.denseblock1", "features.denseblock2", "features.denseblock3", "features.norm5")
    seen = watch(network, *names)
    images = make_images(1) / 255
    with torch.no_grad():
        network((images - 0.4) / 0.2)
        features = build_encoder(plan, TAPS, seed=0, image_size=SIDE, hardware=hardware)(images)
    for one, name in zip(features, names, strict=True):
        torch.testing.assert_close(one, seen[name], atol=1e-4, rtol=1e-4)


def test_taps_of_vgg16_are_the_last_activations_of_its_groups() -> None:
    with torch.device("meta"):
        features = timm.create_model("vgg16", num_classes=0).features
        stages = cut_into_stages(torch.nn.ModuleDict({"features": features}), "vgg16")
    assert [len(stage) for stage in stages] == [4, 5, 7, 7, 7]
    assert all(isinstance(stage[-1], torch.nn.ReLU) for stage in stages)
    assert [stage[-2].out_channels for stage in stages] == [64, 128, 256, 512, 512]
    assert [isinstance(stage[0], torch.nn.MaxPool2d) for stage in stages] == [False, True, True, True, True]


def test_any_subset_in_any_order(make_encoder: MakeEncoder) -> None:
    images = make_images(2) / 255
    whole = make_encoder()(images)
    some = make_encoder(taps=("block2", "stem"))(images)
    assert torch.equal(some[0], whole[2])
    assert torch.equal(some[1], whole[0])


def test_it_runs_to_the_deepest_tap_only(make_encoder: MakeEncoder) -> None:
    assert len(make_encoder(taps=("stem", "block2")).stages) == 3
    parts = sum(each.numel() for each in make_encoder(taps=("block1",)).parameters())
    assert parts < sum(each.numel() for each in make_encoder().parameters()) / 20


def test_an_image_does_not_see_the_others_of_its_batch(make_encoder: MakeEncoder) -> None:
    encoder, images = make_encoder().train(), make_images(3) / 255
    assert not any(module.training for module in encoder.modules())
    together, alone = encoder(images), encoder(images[1:2])
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one[1:2], other, atol=1e-5, rtol=1e-4)


def test_gradients_reach_the_images_and_not_the_weights(make_encoder: MakeEncoder) -> None:
    encoder, images = make_encoder(), (make_images(1) / 255).requires_grad_()
    sum(each.sum() for each in encoder(images)).backward()  # type: ignore[union-attr]
    assert bool(images.grad.any())  # type: ignore[union-attr]
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_grey_and_colour_images_are_the_same_to_an_encoder(make_encoder: MakeEncoder) -> None:
    grey = make_images(2) / 255
    for channels in (1, 3):
        encoder = make_encoder(channels=channels, taps=("block1",))
        torch.testing.assert_close(encoder(grey), encoder(grey.repeat(1, 3, 1, 1)), atol=1e-5, rtol=1e-4)


def test_the_control_is_random_the_same_each_time_and_whole(hardware: Hardware) -> None:
    def build(seed: int) -> Encoder:
        return build_encoder(make_network(), TAPS, seed=seed, image_size=SIDE, hardware=hardware)

    images = make_images(1) / 255
    one, again, other = build(1), build(1), build(2)
    assert torch.equal(one(images)[4], again(images)[4])
    assert not torch.equal(one(images)[4], other(images)[4])
    gains = [module.weight for module in one.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert all(bool((gain == 1).all()) for gain in gains)
    assert one.describe()["weights"] is None
    assert one.describe()["seed"] != other.describe()["seed"]


@pytest.mark.parametrize("arch", ["vit_tiny_patch16_224", "convnext_atto"])
def test_other_architectures_are_refused(arch: str, hardware: Hardware) -> None:
    with pytest.raises(InputError, match="vgg16") as refusal:
        build_encoder(make_network(arch, 3), TAPS, seed=0, image_size=SIDE, hardware=hardware)
    assert arch in refusal.value.found


def test_vgg16_from_a_checked_file(tmp_path: Path, hardware: Hardware) -> None:
    import torchvision

    path = tmp_path / "vgg16.pth"
    sha256 = write_trunk(path, "vgg16")
    encoder = open_vgg16(path, sha256, ("stem", "block2"), hardware=hardware)
    assert encoder is not None
    with torch.device("meta"):
        features = torchvision.models.vgg16(weights=None).features
    tensors = {name.removeprefix("features."): each for name, each in torch.load(path).items() if name[0] == "f"}
    features.load_state_dict(tensors, assign=True)
    images = make_images(1, side=64) / 255
    normalised = torchvision.transforms.functional.normalize(
        images.repeat(1, 3, 1, 1), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    )
    with torch.no_grad():
        stem, block2 = encoder(images)
        torch.testing.assert_close(stem, features[:4](normalised), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(block2, features[:16](normalised), atol=1e-5, rtol=1e-4)
    assert encoder.describe()["layers"] == ["conv1_2", "conv3_3"]
    assert encoder.describe()["sha256"] == sha256


def test_without_its_file_there_is_no_vgg16(tmp_path: Path, hardware: Hardware) -> None:
    assert open_vgg16(tmp_path / "absent.pth", "0" * 64, TAPS, hardware=hardware) is None
    assert open_vgg16(None, "0" * 64, TAPS, hardware=hardware) is None
