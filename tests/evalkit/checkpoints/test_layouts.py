"""Every key layout, written here, comes back as exactly the tensors that went in."""

from __future__ import annotations

import argparse
import itertools
import random
import re
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from evalkit.checkpoints.canonical import canonicalise
from evalkit.checkpoints.formats import FORMAT_NAMES, FORMATS, canonical_name, wrapper_prefixes
from evalkit.checkpoints.matching import identify
from evalkit.checkpoints.reading import read_checkpoint
from evalkit.checkpoints.report import LoadReport, render
from evalkit.fingerprints import file_sha256

Tensors = dict[str, torch.Tensor]
Payload = dict[str, object]


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def _head(*sizes: int, at: str) -> Tensors:
    return {
        f"{at}.{2 * index}.{kind}": torch.randn(*shape)
        for index, (wide, narrow) in enumerate(itertools.pairwise(sizes))
        for kind, shape in (("weight", (narrow, wide)), ("bias", (narrow,)))
    }


def plain(t: Tensors) -> Payload:
    return {**t, "fc.weight": torch.randn(1000, 512), "fc.bias": torch.randn(1000)}


def dataparallel(t: Tensors) -> Payload:
    return {"epoch": 3, "best_acc1": torch.tensor(0.5), "state_dict": _under("module.", plain(t))}


def moco(t: Tensors) -> Payload:
    q = {**t, **_head(512, 512, 128, at="fc")}
    k = {name: tensor + 1 for name, tensor in q.items()}
    state = {**_under("module.encoder_q.", q), **_under("module.encoder_k.", k)}
    state |= {"module.queue": torch.randn(128, 64), "module.queue_ptr": torch.zeros(1, dtype=torch.int64)}
    return {"epoch": 199, "arch": "resnet18", "state_dict": state, "optimizer": _adam_state()}


def retccl(t: Tensors) -> Payload:
    return {**_under("encoder_q.", {**t, **_head(512, 512, 128, at="fc")}), **_under("encoder_k.", t)}


def moco_v3(t: Tensors) -> Payload:
    state = _under(
        "module.base_encoder.", {**t, "fc.0.weight": torch.randn(64, 512), "fc.1.running_mean": torch.ones(64)}
    )
    state |= {**_under("module.momentum_encoder.", t), "module.predictor.0.weight": torch.randn(64, 64)}
    return {"epoch": 5, "arch": "resnet18", "state_dict": state, "scaler": {"scale": 65536.0}}


def simclr(t: Tensors) -> Payload:
    return {"epoch": 100, "arch": "resnet18", "state_dict": _under("backbone.", {**t, **_head(512, 512, 128, at="fc")})}


def vissl(t: Tensors) -> Payload:
    heads = {"0.clf.0.weight": torch.randn(128, 512)}
    model = {"trunk": _under("_feature_blocks.", t), "heads": heads}
    return {"phase_idx": 99, "classy_state_dict": {"base_model": {"model": model, "meters": {}}, "optimizer": {}}}


def solo_learn(t: Tensors) -> Payload:
    state = {**_under("backbone.", t), **_under("momentum_backbone.", t), **_head(512, 2048, 256, at="projector")}
    state |= {**_head(512, 2048, 256, at="momentum_projector"), "classifier.weight": torch.randn(10, 512)}
    state |= {"predictor.0.weight": torch.randn(4, 4), "queue": torch.randn(2, 8, 8)}
    return {"state_dict": state, "pytorch-lightning_version": "1.6.4", "hyper_parameters": {"method": "byol"}}


def solo_learn_old(t: Tensors) -> Payload:
    return {"state_dict": {**_under("encoder.", t), **_head(512, 64, at="projector")}, "global_step": 12}


def barlow_twins(t: Tensors) -> Payload:
    state = {**_under("module.backbone.", t), **_under("module.projector.", _head(512, 64, at="0"))}
    return {"epoch": 1, "model": {**state, "module.bn.running_mean": torch.zeros(64)}, "optimizer": _adam_state()}


def lightning_net(t: Tensors) -> Payload:
    state = {**_under("net.", plain(t)), "criterion.pos_weight": torch.ones(5)}
    callbacks = {"ModelCheckpoint{'monitor': 'val'}": {"best_model_score": torch.tensor(0.8), "best_model_path": "x"}}
    return {
        "epoch": 9,
        "global_step": 900,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": state,
        "optimizer_states": [_adam_state()],
        "callbacks": callbacks,
        "hyper_parameters": OrderedDict(lr=1e-3),
    }


def lightning_model(t: Tensors) -> Payload:
    return {"state_dict": _under("model.backbone.", plain(t))}


def lightning_byol(t: Tensors) -> Payload:
    return {"state_dict": {**_under("online_network.encoder.", t), **_under("target_network.encoder.", t)}}


def compiled(t: Tensors) -> Payload:
    return {"model": _under("_orig_mod.", plain(t))}


def dino_backbone(t: Tensors) -> Payload:
    return {"teacher": {**_under("backbone.", t), "head.mlp.0.weight": torch.randn(4, 4)}}


_CHILD = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}


def numbered(t: Tensors) -> Tensors:
    """A ResNet as nn.Sequential(*children): conv1 is 0, bn1 is 1, layer1 to layer4 are 4 to 7."""
    return {re.sub(r"^\w+", lambda found: _CHILD[found.group()], name): tensor for name, tensor in t.items()}


def mlvicx_online(t: Tensors) -> Payload:
    beside = {"projetion.l1.0.weight": torch.randn(64, 512), "cbt1.cam.fc.0.weight": torch.randn(32, 64, 1, 1)}
    beside |= {"resize_project.conv_head.projection.2.weight": torch.randn(8, 8)}
    return {"online": {**_under("encoder.", numbered(t)), **beside}}


def mlvicx_model(t: Tensors) -> Payload:
    online = mlvicx_online(t)["online"]
    assert isinstance(online, dict)
    return {
        "config": {"gpu": 0},
        "epoch": 299,
        "steps": 1,
        "model": _under("encoder.", online),
        "optimizer": _adam_state(),
    }


def mlvicx_shuffled(t: Tensors) -> Payload:
    state = list(mlvicx_online(t)["online"].items())
    random.Random(3).shuffle(state)
    return {"online": dict(state)}


def with_arguments(t: Tensors) -> Payload:
    """Training arguments and numpy numbers beside the weights, as many real files have them."""
    arguments = argparse.Namespace(lr=0.1, output_dir=Path("run"))
    return {"model": plain(t), "args": arguments, "best": np.float64(0.7), "epoch": 4, "history": np.ones(3)}


def _adam_state() -> Payload:
    return {"state": {0: {"exp_avg": torch.zeros(3), "step": 1}}, "param_groups": [{"lr": 0.1}]}


LAYOUTS: list[tuple[Callable[[Tensors], Payload], str]] = [
    (plain, "plain"),
    (dataparallel, "dataparallel"),
    (compiled, "dataparallel"),
    (moco, "moco"),
    (retccl, "moco"),
    (moco_v3, "moco-v3"),
    (simclr, "simclr"),
    (vissl, "vissl"),
    (solo_learn, "solo-learn"),
    (solo_learn_old, "solo-learn"),
    (barlow_twins, "solo-learn"),
    (lightning_net, "lightning"),
    (lightning_model, "lightning"),
    (lightning_byol, "lightning"),
    (dino_backbone, "dino"),
    (mlvicx_online, "mlvicx"),
    (mlvicx_model, "mlvicx"),
    (mlvicx_shuffled, "mlvicx"),
    (with_arguments, "plain"),
]


@pytest.mark.parametrize(("layout", "name"), LAYOUTS, ids=[layout.__name__ for layout, _ in LAYOUTS])
def test_every_layout_gives_back_the_trunk(layout, name, trunk, write) -> None:
    original = trunk()
    path = write(layout(original))
    raw = read_checkpoint(path, sha256=file_sha256(path))
    for chosen in (None, name):
        tensors, report = canonicalise(raw, arch="resnet18", format=chosen)
        assert list(tensors) == list(original)
        assert all(torch.equal(tensors[key], original[key]) for key in original)
        assert (report.format, report.matched, report.missing) == (name, len(original), ())
        assert report.sha256 == file_sha256(path)
        assert not set(report.unexpected) & {f"{report.prefix}{key}" for key in original}


def test_all_formats_are_tried_here() -> None:
    assert {name for _, name in LAYOUTS} | {"dino-student"} == set(FORMAT_NAMES)
    assert len(FORMAT_NAMES) == len(set(FORMAT_NAMES)) == len(FORMATS)


def test_moco_takes_the_query_encoder_and_says_what_it_left_out(trunk, write) -> None:
    original = trunk(channels=1)
    tensors, report = canonicalise(read_checkpoint(write(moco(original))), arch="resnet18")
    assert torch.equal(tensors["conv1.weight"], original["conv1.weight"])
    assert report.stem.channels_in_file == report.stem.channels_in_network == 1
    assert report.unexpected["module.encoder_q.fc.0.weight"] == "classification or projection head"
    assert report.unexpected["module.encoder_k.conv1.weight"] == "momentum copy of the network"
    assert report.unexpected["module.queue_ptr"] == report.unexpected["module.queue"] == "queue of keys"
    assert len(report.unexpected) == 4 + (len(original) + 4) + 2
    assert report.about == {"epoch": 199, "arch": "resnet18"}
    assert LoadReport.from_dict(report.to_dict()) == report
    text = render(report)
    assert "moco" in text
    assert report.fingerprint in text
    assert "epoch = 199" in text


def test_moco_cxr_densenet_with_its_mlp_classifier(trunk, write) -> None:
    original = trunk("densenet121")
    state = _under("module.encoder_q.", {**original, **_head(1024, 1024, 128, at="classifier")})
    path = write({"epoch": 19, "arch": "densenet121", "state_dict": {**state, "module.queue": torch.randn(128, 8)}})
    tensors, report = canonicalise(read_checkpoint(path), arch="densenet121")
    assert all(torch.equal(tensors[key], original[key]) for key in original)
    assert (report.format, report.stem.name) == ("moco", "features.conv0.weight")


def test_published_densenet_names_with_a_dot(trunk, write) -> None:
    original = trunk("densenet121")
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", key): value for key, value in original.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    without_counters = {key: value for key, value in old.items() if not key.endswith("num_batches_tracked")}
    tensors, report = canonicalise(read_checkpoint(write(without_counters)), arch="densenet121")
    assert all(torch.equal(tensors[key], original[key]) for key in original if not key.endswith("num_batches_tracked"))
    assert len(report.missing) == sum(key.endswith("num_batches_tracked") for key in original)
    assert all(int(tensors[key]) == 0 and tensors[key].dtype == torch.int64 for key in report.missing)


def test_numbered_densenet_maps_its_features(trunk, write) -> None:
    original = trunk("densenet121")
    state = {re.sub(r"^features", "encoder.0", key): value for key, value in original.items()}
    tensors, report = canonicalise(read_checkpoint(write({"online": state})), arch="densenet121")
    assert report.format == "mlvicx"
    assert all(torch.equal(tensors[key], original[key]) for key in original)


def test_torchvision_vision_transformer_computes_the_same(write) -> None:
    from torchvision.models import VisionTransformer

    torch.manual_seed(0)
    theirs = VisionTransformer(224, 16, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768, num_classes=2).eval()
    torch.nn.init.normal_(theirs.class_token)
    tensors, report = canonicalise(read_checkpoint(write(theirs.state_dict())), arch="vit_tiny_patch16_224")
    ours = timm.create_model("vit_tiny_patch16_224", num_classes=0).eval()
    ours.load_state_dict(tensors)
    theirs.heads = torch.nn.Identity()
    images = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), theirs(images), atol=1e-5, rtol=1e-5)
    assert set(report.unexpected) == {"heads.head.weight", "heads.head.bias"}


def test_masked_autoencoder_with_decoder(trunk, write) -> None:
    original = trunk("vit_tiny_patch16_224")
    state = {**original, "mask_token": torch.zeros(1, 1, 8), "decoder_embed.weight": torch.randn(8, 192)}
    tensors, report = canonicalise(read_checkpoint(write({"model": state})), arch="vit_tiny_patch16_224")
    assert torch.equal(tensors["blocks.3.attn.qkv.weight"], original["blocks.3.attn.qkv.weight"])
    assert len(report.unexpected) == 2


def test_position_embedding_of_another_grid_is_kept_and_noted(trunk, write) -> None:
    state = trunk("vit_tiny_patch16_224") | {"pos_embed": torch.randn(1, 1 + 16 * 16, 192)}
    tensors, report = canonicalise(read_checkpoint(write(state)), arch="vit_tiny_patch16_224")
    assert torch.equal(tensors["pos_embed"], state["pos_embed"])
    assert "16 x 16 patches" in report.notes[0]


def test_safetensors_and_older_torch_files_and_other_endings(trunk, tmp_path) -> None:
    original = trunk()
    save_file(original, str(tmp_path / "weights.bin"), metadata={"epoch": "5"})
    torch.save(moco(original), tmp_path / "weights.safetensors", _use_new_zipfile_serialization=False)
    torch.save(moco(original), tmp_path / "zipped.safetensors")
    about_moco = {"epoch": 199, "arch": "resnet18"}
    for name, about in (
        ("weights.bin", {"epoch": "5"}),
        ("weights.safetensors", about_moco),
        ("zipped.safetensors", about_moco),
    ):
        tensors, report = canonicalise(read_checkpoint(tmp_path / name), arch="resnet18")
        assert all(torch.equal(tensors[key], original[key]) for key in original)
        assert report.about == about


def test_half_precision_becomes_float32_without_loss(trunk, write) -> None:
    halves = {key: value.half() if value.is_floating_point() else value for key, value in trunk().items()}
    tensors, report = canonicalise(read_checkpoint(write(halves)), arch="resnet18")
    assert tensors["conv1.weight"].dtype == torch.float32
    assert torch.equal(tensors["conv1.weight"], halves["conv1.weight"].float())
    assert "float16" in report.dtypes


def test_canonical_tensors_do_not_share_memory_with_the_file(trunk, write) -> None:
    original = trunk()
    path = write(original)
    tensors, report = canonicalise(read_checkpoint(path), arch="resnet18")
    before = file_sha256(path)
    tensors["conv1.weight"].zero_()
    assert file_sha256(path) == before
    assert canonicalise(read_checkpoint(path), arch="resnet18")[1].fingerprint == report.fingerprint


def test_the_fingerprint_follows_the_weights_and_not_the_layout(trunk, write) -> None:
    def fingerprint(payload: object) -> str:
        return canonicalise(read_checkpoint(write(payload)), arch="resnet18")[1].fingerprint

    original = trunk()
    assert fingerprint(plain(original)) == fingerprint(moco(original)) == fingerprint(mlvicx_shuffled(original))
    assert fingerprint(plain(trunk(seed=1))) != fingerprint(plain(original))


def test_identify_names_the_architecture(trunk, write) -> None:
    found = identify(read_checkpoint(write(moco(trunk("resnet10t", channels=1)))))
    assert (found[0].arch, found[0].rate, found[0].format) == ("resnet10t", 1, "moco")
    assert all(one.rate < 1 for one in found[1:])


@pytest.mark.parametrize(
    ("name", "naming", "expected"),
    [
        ("layer1.0.conv1.weight", "standard", "layer1.0.conv1.weight"),
        (
            "features.denseblock2.denselayer10.conv.2.weight",
            "standard",
            "features.denseblock2.denselayer10.conv2.weight",
        ),
        ("encoder.layers.encoder_layer_11.mlp.3.bias", "standard", "blocks.11.mlp.fc2.bias"),
        ("encoder.layers.encoder_layer_0.self_attention.in_proj_weight", "standard", "blocks.0.attn.qkv.weight"),
        ("0.weight", "numbered", "conv1.weight"),
        ("7.1.bn2.running_var", "numbered", "layer4.1.bn2.running_var"),
        ("0.0.weight", "numbered", "conv1.0.weight"),
        ("2.weight", "numbered", None),
        ("conv1.weight", "numbered", None),
    ],
)
def test_names(name, naming, expected) -> None:
    assert canonical_name(name, naming) == expected


def test_importing_is_light() -> None:
    """Commands that only check a study import these modules: torch and timm must wait until weights are read."""
    names = "formats, canonical, reading, refusals, writing, downloading"
    code = f"import sys; from evalkit.checkpoints import {names}; import evalkit.backbones; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"torch", "timm", "safetensors", "rich"} & set(loaded)


def test_wrappers_are_whole_names() -> None:
    keys = ["module.encoder.conv1.weight", "encoder.layers.0", "backbones.conv1.weight", "modulex.conv1"]
    assert wrapper_prefixes(keys) == ["", "module.", "encoder.", "module.encoder."]
