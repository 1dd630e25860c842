"""Each format is written as its program writes it, and read back."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from evalkit.errors import InputError
from evalkit.fingerprints import file_sha256
from evalkit.stylegan2 import loading
from evalkit.stylegan2.latents import mean_w
from evalkit.stylegan2.loading import load_generator, save_generator
from evalkit.stylegan2.naming import shapes_of

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
        ({"synthesis.b8.conv0": {"conv_clamp": 10**400}}, "conv_clamp = 1000"),
        ({"synthesis.b8.conv0": {"conv_clamp": "abc"}}, "conv_clamp = 'abc'"),
        ({"synthesis.b8.conv0": {"conv_clamp": float("nan")}}, "conv_clamp = nan"),
        ({"synthesis.b8.conv0": {"class": "AliasFreeLayer"}}, "AliasFreeLayer"),
        ({"synthesis.b8.conv0": {"class": []}}, "a class_name that is a list"),
        ({"": {"c_dim": 10**5000}}, "an operation that no generator needs"),
        ({"": {"c_dim": "a" * 1000}}, "label of 'a{79} values"),
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
        ({"style.1.bias": torch.zeros(())}, r"mapping\.layers\.0\.bias \(\) and not \(10,\)"),
        ({"conv1.activate.bias": torch.zeros(())}, r"refine\.bias has the shape \(\)"),
        ({"to_rgb1.bias": torch.zeros(())}, r"to_rgb1\.bias has the shape \(\)"),
        ({"style.1.weight": torch.zeros(())}, r"weight has the shape \(\)"),
        ({3: torch.zeros(1)}, "not understood: ValueError: 3 is no name"),
        ({"style.1.bias": [0.0] * 10}, "not understood: ValueError: list instead of"),
        ({"style.1.bias": torch.zeros(10).to_sparse()}, "asks to import"),
    ):
        for zipped in (False, True):
            path = tmp_path / "network.pt"
            torch.save({"g_ema": tensors | change}, path, _use_new_zipfile_serialization=zipped)
            with pytest.raises(InputError, match=message):
                load_generator(path)

    write_nvidia(path, generator, replacing={"synthesis.b8.conv1.bias": torch.zeros(())})
    with pytest.raises(InputError, match=r"refine\.bias has the shape \(\)"):
        load_generator(path)


def test_files_that_hold_no_generator_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.pt"
    torch.save({"state_dict": {"conv1.weight": torch.zeros(1)}}, path)
    with pytest.raises(InputError, match="no tensors under g_ema, but state_dict"):
        load_generator(path)
    torch.save({"g_ema": {"conv1.weight": torch.zeros(1)}}, path)
    with pytest.raises(InputError, match="no StyleGAN2 generator"):
        load_generator(path)
    path = tmp_path / "file.safetensors"
    save_file({"a": torch.zeros(1)}, str(path))
    with pytest.raises(InputError, match="does not say it is a generator"):
        load_generator(path)


@pytest.mark.parametrize("error", [MemoryError(), RecursionError("too deep"), TypeError("odd"), OverflowError()])
def test_whatever_goes_wrong_is_said_of_the_file(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "network.pkl"
    write_nvidia(path, make_generator())

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(loading, "read_network", fail)
    with pytest.raises(InputError, match=type(error).__name__) as refused:
        load_generator(path)
    assert str(path) in refused.value.found
    assert "stylegan2-ada-pytorch" in refused.value.expected
    assert "compare its sha256" in refused.value.remedy


@pytest.mark.parametrize("format", ["nvidia", "archive", "legacy", "ours"])
def test_a_damaged_byte_is_refused_or_goes_unnoticed(format: str, tmp_path: Path) -> None:
    generator, path = make_generator(resolution=8), tmp_path / "network"
    if format == "nvidia":
        write_nvidia(path, generator)
    elif format == "ours":
        save_generator(path, generator)
    else:
        write_rosinality(path, generator, zipped=format == "archive", latent_avg=generator.w_avg)
    content, random = path.read_bytes(), np.random.default_rng(1)
    places = [*range(64), *random.integers(64, len(content), 200).tolist(), *range(len(content) - 64, len(content))]
    unnoticed = 0
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        with contextlib.suppress(InputError):
            load_generator(path)
            unnoticed += 1
        path.write_bytes(content[:place])
        with pytest.raises(InputError):
            load_generator(path)
    assert unnoticed < len(places) - 50


@pytest.mark.parametrize(
    "changes", [{}, {"img_channels": 3, "mapping_layers": 1}, {"resolution": 64, "channel_max": 4}]
)
def test_shapes_are_those_of_a_generator(changes: dict[str, int]) -> None:
    generator = make_generator(**changes)
    assert shapes_of(generator.spec) == {name: tuple(each.shape) for name, each in generator.state_dict().items()}


def test_reads_what_trainings_save_beside_the_tensors(tmp_path: Path) -> None:
    generator, path = make_generator(), tmp_path / "network.pt"
    optimizer = torch.optim.Adam(generator.mapping.parameters())
    for each in generator.mapping.parameters():
        each.grad = torch.ones_like(each)
    optimizer.step()
    more = {
        "g_optim": optimizer.state_dict(),
        "args": Namespace(path=Path("data"), iter=800_000, betas=(0.0, 0.99), sizes=torch.Size((1, 2))),
        "best": np.float64(3.5),
        "seen": {1, 2},
        "random": torch.get_rng_state(),
        "device": torch.device("cpu"),
    }
    for zipped in (False, True):
        write_rosinality(path, generator, zipped=zipped, latent_avg=generator.w_avg, **more)
        loaded, _ = load_generator(path)
        for name, tensor in generator.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], tensor)


def test_reads_tensors_in_any_order_of_memory(tmp_path: Path) -> None:
    generator, path = make_generator(), tmp_path / "network.pt"
    tensors = in_foreign_names(generator, "rosinality")
    wide = torch.full((20, 30), torch.nan)
    wide[5:15, 1:25:2] = tensors["style.1.weight"]
    changes = {
        "style.1.weight": wide[5:15, 1:25:2],
        "style.2.weight": tensors["style.2.weight"].T.contiguous().T,
        "input.input": tensors["input.input"].to(memory_format=torch.channels_last),
    }
    for zipped in (False, True):
        content = {"g_ema": tensors | changes, "latent_avg": generator.w_avg}
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        loaded, _ = load_generator(path)
        for name, tensor in generator.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], tensor)


def test_a_file_of_ours_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    generator, path = make_generator(), tmp_path / "generator.safetensors"
    metadata = {loading.OURS: generator.spec.model_dump_json()}
    tensors = generator.state_dict()
    for change, message in (
        ({"more": torch.zeros(1)}, "unexpected: more;"),
        ({"w_avg": torch.zeros(11)}, r"of another shape: w_avg \(11,\) and not \(10,\)"),
        ({"w_avg": torch.full((10,), torch.inf)}, "not finite: w_avg"),
    ):
        save_file(tensors | change, str(path), metadata=metadata)
        with pytest.raises(InputError, match=message):
            load_generator(path)
    del tensors["w_avg"]
    save_file(tensors, str(path), metadata=metadata)
    with pytest.raises(InputError, match="missing: w_avg;"):
        load_generator(path)
    save_file(tensors, str(path), metadata={loading.OURS: "no JSON"})
    with pytest.raises(InputError, match="its spec: Invalid JSON"):
        load_generator(path)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_reads_other_number_formats(dtype: torch.dtype, tmp_path: Path) -> None:
    generator, path = make_generator().to(dtype), tmp_path / "network.pt"
    for zipped in (False, True):
        write_rosinality(path, generator, zipped=zipped, latent_avg=generator.w_avg)
        loaded, _ = load_generator(path)
        for name, tensor in generator.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], tensor.float())


def test_the_hash_is_checked_before_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "network.pkl"
    write_nvidia(path, make_generator())
    load_generator(path, sha256=file_sha256(path))
    with pytest.raises(InputError, match="has the sha256"):
        load_generator(path, sha256="0" * 64)
