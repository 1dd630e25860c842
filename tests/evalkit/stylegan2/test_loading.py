"""Each format is written as its program writes it, and read back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from evalkit.errors import InputError
from evalkit.fingerprints import file_sha256
from evalkit.stylegan2.latents import mean_w
from evalkit.stylegan2.loading import load_generator, save_generator

from .conftest import draw, make_generator
from .foreign import in_foreign_names, write_nvidia, write_rosinality


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_nvidia(tmp_path: Path, channels: int, protocol: int) -> None:
    generator, path = make_generator(img_channels=channels, conv_clamp=256), tmp_path / "network.pkl"
    write_nvidia(path, generator, protocol=protocol)
    loaded, report = load_generator(path)
    z = draw(2, 12)
    assert torch.equal(loaded(z, "constant"), generator(z, "constant"))
    assert torch.equal(loaded.w_avg, generator.w_avg)
    assert report == {
        "source": "network.pkl",
        "sha256": file_sha256(path),
        "format": "stylegan2-ada-pytorch",
        "tensors": len(generator.state_dict()),
        "constants": 8,
        "w_avg": "stored",
        "spec": generator.spec.model_dump(),
    }
    assert not loaded.training
    assert not any(each.requires_grad for each in loaded.parameters())


@pytest.mark.parametrize("zipped", [False, True])
def test_reads_rosinality_and_computes_the_mean_w_it_does_not_have(tmp_path: Path, zipped: bool) -> None:
    generator, path = make_generator(img_channels=3), tmp_path / "network.pt"
    write_rosinality(path, generator, zipped=zipped)
    loaded, report = load_generator(path)
    z = draw(2, 12)
    assert torch.equal(loaded(z, "constant"), generator(z, "constant"))
    assert (report["format"], report["w_avg"], report["constants"]) == ("rosinality", "computed", 4)
    assert torch.equal(loaded.w_avg, mean_w(generator))
    torch.testing.assert_close(loaded.w_avg, generator.map(draw(50_000, 12)).mean(dim=0), atol=0.02, rtol=0)

    write_rosinality(path, generator, zipped=zipped, latent_avg=generator.w_avg)
    loaded, report = load_generator(path)
    assert report["w_avg"] == "stored"
    assert torch.equal(loaded.w_avg, generator.w_avg)


def test_reads_back_what_it_wrote_and_writes_the_same_bytes(tmp_path: Path) -> None:
    generator, path = make_generator(conv_clamp=8), tmp_path / "generator.safetensors"
    save_generator(path, generator)
    loaded, report = load_generator(path)
    assert loaded.spec == generator.spec
    assert report["format"] == "cxr-evalkit-stylegan2"
    for name, tensor in generator.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    again = tmp_path / "again.safetensors"
    save_generator(again, loaded)
    assert again.read_bytes() == path.read_bytes()


def test_names_of_other_formats_are_the_published_ones() -> None:
    generator = make_generator()
    theirs = in_foreign_names(generator, "stylegan2-ada-pytorch")
    assert theirs["synthesis.b16.conv0.affine.weight"].shape == (12, 10)
    assert theirs["synthesis.b4.const"].shape == (12, 4, 4)
    assert theirs["synthesis.b16.torgb.weight"].shape == (1, 8, 1, 1)
    assert theirs["synthesis.b8.conv1.noise_strength"].shape == ()
    theirs = in_foreign_names(generator, "rosinality")
    assert theirs["input.input"].shape == (1, 12, 4, 4)
    assert theirs["convs.2.conv.weight"].shape == (1, 8, 12, 3, 3)
    assert theirs["to_rgbs.1.conv.weight"].shape == (1, 1, 8, 1, 1)
    assert theirs["noises.noise_4"].shape == (1, 1, 16, 16)
    assert theirs["style.1.weight"].shape == (10, 12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"": {"c_dim": 10}}, "class-conditional"),
        ({"synthesis.b8": {"architecture": "orig"}}, "architecture = 'orig'"),
        ({"synthesis.b8.conv0": {"use_noise": False}}, "use_noise = False"),
        ({"synthesis.b8.conv0": {"activation": "relu"}}, "activation = 'relu'"),
        ({"mapping.fc1": {"bias_gain": 1.0}}, "bias_gain = 1.0"),
        ({"synthesis.b8.conv0": {"conv_clamp": 16}}, "not the same everywhere"),
        ({"synthesis.b8.conv0": {"class": "AliasFreeLayer"}}, "AliasFreeLayer"),
    ],
)
def test_other_networks_of_nvidia_are_refused(tmp_path: Path, changes: dict, message: str) -> None:
    path = tmp_path / "network.pkl"
    write_nvidia(path, make_generator(), changes=changes)
    with pytest.raises(InputError, match=message):
        load_generator(path)


def test_a_network_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    generator, path = make_generator(), tmp_path / "network.pkl"
    write_nvidia(path, generator, without="synthesis.b8.conv1.bias")
    with pytest.raises(InputError, match=r"missing: synthesis\.b8\.conv1\.bias"):
        load_generator(path)
    write_nvidia(path, generator, network="G")
    with pytest.raises(InputError, match="holds no G_ema but training_set_kwargs, D, G"):
        load_generator(path)

    tensors = in_foreign_names(generator, "rosinality")
    for change, message in (
        ({"extra.weight": torch.zeros(1)}, r"unexpected: extra\.weight"),
        ({"to_rgbs.0.upsample.kernel": torch.ones(4, 4)}, "another filter"),
        ({"style.1.weight": torch.zeros(10, 12, 1)}, "other shapes|does not fit"),
        ({"convs.1.activate.bias": torch.zeros(7)}, "feature maps per resolution"),
        ({"style.1.bias": torch.full((10,), torch.nan)}, "not finite"),
    ):
        path = tmp_path / "network.pt"
        torch.save({"g_ema": tensors | change}, path)
        with pytest.raises(InputError, match=message):
            load_generator(path)


def test_files_that_hold_no_generator_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.pt"
    torch.save({"state_dict": {"conv1.weight": torch.zeros(1)}}, path)
    with pytest.raises(InputError, match="no tensors under g_ema but state_dict"):
        load_generator(path)
    torch.save({"g_ema": {"conv1.weight": torch.zeros(1)}}, path)
    with pytest.raises(InputError, match="no StyleGAN2 generator"):
        load_generator(path)
    path = tmp_path / "file.safetensors"
    save_file({"a": torch.zeros(1)}, str(path))
    with pytest.raises(InputError, match="does not say it is a generator"):
        load_generator(path)


def test_the_hash_is_checked_before_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    write_nvidia(path, make_generator())
    load_generator(path, sha256=file_sha256(path))
    with pytest.raises(InputError, match="has the sha256"):
        load_generator(path, sha256="0" * 64)
