"""Identity: the cosine of pooled features, of a trained classifier only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from evalkit.checkpoints.canonical import canonicalise
from evalkit.checkpoints.reading import RawCheckpoint
from evalkit.checkpoints.writing import save_canonical
from evalkit.inversion.identity import Identity
from evalkit.training.devices import Hardware
from evalkit.training.networks import Network

from .conftest import make_images, make_network


@pytest.mark.parametrize("arch", ["resnet18", "vit_tiny_patch16_224"])
def test_the_cosine_of_pooled_features(arch: str, tmp_path: Path, hardware: Hardware) -> None:
    torch.manual_seed(0)
    network = timm.create_model(arch, num_classes=0, in_chans=3)
    raw = RawCheckpoint("drawn for a test", None, {"": dict(network.state_dict())})
    path = tmp_path / "weights.safetensors"
    save_canonical(path, *canonicalise(raw, arch=arch))
    plan = Network(arch, 3, (0.4, 0.5, 0.6), (0.2, 0.2, 0.3), "test", path, "fingerprint")
    measure = Identity(plan, side=224, hardware=hardware)
    originals, images = make_images(4, side=224)[:2], make_images(4, side=224)[2:]
    mean, std = (torch.tensor(each)[:, None, None] for each in (plan.mean, plan.std))
    network.eval()
    with torch.no_grad():
        first, second = (network((each / 255 - mean) / std).double().numpy() for each in (originals, images))
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    np.testing.assert_allclose(measure(originals, images), (first * second).sum(axis=1) / norms, rtol=1e-4)
    np.testing.assert_allclose(measure(originals, originals), 1, rtol=1e-9)
    assert measure.describe()["arch"] == arch


def test_an_untrained_network_knows_nobody(hardware: Hardware) -> None:
    with pytest.raises(ValueError, match="has no weights"):
        Identity(make_network(), side=32, hardware=hardware)
