"""From a backbone entry to weights, and from weights to a network."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from evalkit.backbones import build_network, input_channels, input_statistics
from evalkit.checkpoints.downloading import download
from evalkit.checkpoints.sources import make_canonical
from evalkit.checkpoints.writing import save_canonical, write_moco_layout
from evalkit.config.backbones import BackboneEntry
from evalkit.errors import InputError


@functools.cache
def _state(arch: str = "resnet10t", channels: int = 1) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return timm.create_model(arch, num_classes=0, in_chans=channels).state_dict()


def _entry(**values: object) -> BackboneEntry:
    return BackboneEntry.model_validate({"label": "Mine", "arch": "resnet10t", **values})


@pytest.fixture
def moco_file(tmp_path: Path) -> Path:
    write_moco_layout(tmp_path / "moco.pth", _state(), arch="resnet10t")
    return tmp_path / "moco.pth"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A web server on this machine, serving the temporary folder."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path))) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_local_file(moco_file) -> None:
    entry = _entry(path="${WEIGHTS}/moco.pth", sha256=_sha256(moco_file))
    tensors, report = make_canonical(entry, path=moco_file)
    assert all(torch.equal(tensors[name], tensor) for name, tensor in _state().items())
    assert report.source == "${WEIGHTS}/moco.pth"
    assert report.sha256 == _sha256(moco_file)
    with pytest.raises(InputError, match="has the sha256"):
        make_canonical(_entry(path="moco.pth", sha256="0" * 64), path=moco_file)


def test_an_address_is_fetched_once_and_checked(moco_file, server, tmp_path) -> None:
    url, cache = f"{server}/moco.pth", tmp_path / "cache"
    entry = _entry(url=url, sha256=_sha256(moco_file))
    _, report = make_canonical(entry, cache=cache)
    assert (report.source, report.sha256) == (url, _sha256(moco_file))
    kept = list(cache.iterdir())
    assert [path.name for path in kept] == [f"{_sha256(moco_file)[:16]}-moco.pth"]
    moco_file.unlink()
    assert make_canonical(entry, cache=cache)[1] == report  # without the server's file
    kept[0].write_bytes(b"changed")
    with pytest.raises(InputError, match="delete it to fetch it again"):
        make_canonical(entry, cache=cache)


def test_an_address_that_gives_other_bytes_leaves_nothing(moco_file, server, tmp_path) -> None:
    with pytest.raises(InputError, match="has the sha256"):
        make_canonical(_entry(url=f"{server}/moco.pth", sha256="0" * 64), cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_addresses_that_cannot_be_fetched(server, tmp_path) -> None:
    with pytest.raises(InputError, match=r"absent\.pth could not be fetched") as refused:
        download(f"{server}/absent.pth", sha256="0" * 64, cache=tmp_path / "cache")
    assert "give its path" in refused.value.remedy
    with pytest.raises(InputError, match="without a sha256"):
        download(f"{server}/moco.pth", sha256=None, cache=tmp_path)
    with pytest.raises(InputError, match="not a web address"):
        download(f"file://{tmp_path}/moco.pth", sha256="0" * 64, cache=tmp_path)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.fixture
def offline_hub(tmp_path, monkeypatch) -> Path:
    """An empty cache of timm's model hub, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_a_timm_tag_from_the_hubs_cache(offline_hub) -> None:
    snapshot = offline_hub / "models--timm--resnet10t.c3_in1k" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0" * 40)
    head = {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    save_file({**_state(channels=3), **head}, str(snapshot / "model.safetensors"))
    entry = _entry(timm="c3_in1k")
    tensors, report = make_canonical(entry)
    assert all(torch.equal(tensors[name], tensor) for name, tensor in _state(channels=3).items())
    assert (report.source, report.sha256, report.in_channels) == ("timm:resnet10t.c3_in1k", None, 3)
    statistics = input_statistics(entry, report)
    assert statistics.mean == (0.485, 0.456, 0.406)
    assert "timm" in statistics.origin
    with pytest.raises(InputError, match="differing by channel"):
        make_canonical(_entry(timm="c3_in1k", in_channels=1))
    folded, report = make_canonical(_entry(timm="c3_in1k", in_channels=1, mean=[0.45], std=[0.22]))
    assert folded["conv1.0.weight"].shape[1] == report.in_channels == 1


def test_a_timm_tag_without_a_network(offline_hub) -> None:
    with pytest.raises(InputError, match=r"timm could not fetch resnet10t\.c3_in1k") as refused:
        make_canonical(_entry(timm="c3_in1k"))
    assert "give that file as path" in refused.value.remedy
    with pytest.raises(InputError, match="timm: one of c3_in1k"):
        make_canonical(_entry(timm="a1_in1k"))


def test_scratch_has_no_weights_to_make() -> None:
    with pytest.raises(InputError, match="has no weights to read"):
        make_canonical(_entry())


def test_statistics_of_an_entry(moco_file) -> None:
    _, gray = make_canonical(_entry(path="x"), path=moco_file)
    _, replicated = make_canonical(_entry(path="x", in_channels=3), path=moco_file)
    assert (input_channels(_entry(), None), input_channels(_entry(in_channels=3), None)) == (1, 3)
    assert (input_channels(_entry(), gray), input_channels(_entry(), replicated)) == (1, 3)
    default = input_statistics(_entry(), None)
    assert (default.mean, default.std, default.origin.partition(":")[0]) == ((0.5,), (0.25,), "default")
    chess = _entry(path="x", mean=[0.658], std=[0.221])
    assert input_statistics(chess, gray).mean == (0.658,)
    assert input_statistics(chess, replicated).std == (0.221,) * 3
    imagenet = _entry(path="x", mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    assert input_statistics(imagenet, replicated).mean == (0.485, 0.456, 0.406)
    with pytest.raises(InputError, match="mean has 3 values, the network 1 input channels"):
        input_statistics(imagenet, gray)


@pytest.fixture
def weights(moco_file, tmp_path) -> Path:
    save_canonical(tmp_path / "mine.safetensors", *make_canonical(_entry(path="x"), path=moco_file))
    return tmp_path / "mine.safetensors"


def _build(**changes: object) -> torch.nn.Module:
    return build_network(
        **{"arch": "resnet10t", "in_channels": 1, "num_classes": 5, "weights": None, "seed": 1, **changes}
    )


def test_the_head_is_shared_and_the_trunk_is_not(weights) -> None:
    scratch, loaded = _build().state_dict(), _build(weights=weights).state_dict()
    assert torch.equal(scratch["fc.weight"], loaded["fc.weight"])
    assert scratch["fc.weight"].shape == (5, 512)
    assert not torch.equal(scratch["conv1.0.weight"], loaded["conv1.0.weight"])
    assert all(torch.equal(loaded[name], tensor) for name, tensor in _state().items())


def test_a_seed_decides_trunk_and_head(weights) -> None:
    first, again, other = _build().state_dict(), _build().state_dict(), _build(seed=2).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["conv1.0.weight"], other["conv1.0.weight"])
    assert not torch.equal(first["fc.weight"], other["fc.weight"])


def test_global_random_state_neither_changes_nor_matters(weights) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = _build().state_dict()["fc.weight"]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(_build().state_dict()["fc.weight"], first)


def test_weights_of_another_network_are_refused(weights) -> None:
    with pytest.raises(InputError, match="holds resnet10t with 1 input channels"):
        _build(weights=weights, arch="resnet18")
    with pytest.raises(InputError, match="resnet10t with 3"):
        _build(weights=weights, in_channels=3)
    with pytest.raises(InputError, match="timm has no architecture"):
        _build(arch="resnet-10t")


@pytest.mark.parametrize("arch", ["resnet10t", "densenet121", "vit_tiny_patch16_224"])
def test_networks_of_several_families_take_an_image(arch) -> None:
    network = _build(arch=arch, image_size=64).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 1, 64, 64)).shape == (2, 5)
    assert network.get_classifier().out_features == 5


def test_a_position_embedding_is_resampled_to_the_image_size(tmp_path) -> None:
    torch.save(_state("vit_tiny_patch16_224", 1), tmp_path / "vit.pth")
    entry = _entry(arch="vit_tiny_patch16_224", path="x")
    save_canonical(tmp_path / "vit.safetensors", *make_canonical(entry, path=tmp_path / "vit.pth"))
    small = _build(arch="vit_tiny_patch16_224", weights=tmp_path / "vit.safetensors", image_size=64).eval()
    same = _build(arch="vit_tiny_patch16_224", weights=tmp_path / "vit.safetensors").eval()
    assert small.pos_embed.shape == (1, 1 + 4 * 4, 192)
    assert torch.equal(same.pos_embed, _state("vit_tiny_patch16_224", 1)["pos_embed"])
    with torch.inference_mode():
        assert small(torch.zeros(1, 1, 64, 64)).shape == (1, 5)
