"""The same weights give the same images as NVIDIA's public code, which is run beside this project.

Set EVALKIT_STYLEGAN2_ADA to a checkout of stylegan2-ada-pytorch; without it these tests are skipped. On a CPU that code
takes its own reference paths, in plain torch.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evalkit.config.generator import GeneratorSpec
from evalkit.stylegan2.discriminator import Discriminator
from evalkit.stylegan2.loading import load_generator

CHECKOUT = os.environ.get("EVALKIT_STYLEGAN2_ADA", "")

pytestmark = pytest.mark.skipif(not CHECKOUT, reason="EVALKIT_STYLEGAN2_ADA names no checkout")

#: Runs in a process of its own, with their code on its path: writes a snapshot as their training does, and images.
SCRIPT = """
import pickle, sys
import torch
import dnnlib
from training.augment import AugmentPipe
from training.networks import Discriminator, Generator

folder, resolution, channels, clamp, base, most = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(1)
torch.manual_seed(1)
shared = dict(channel_base=base, channel_max=most, num_fp16_res=4, conv_clamp=clamp or None)
sizes = dict(c_dim=0, img_resolution=resolution, img_channels=channels)
generator = Generator(z_dim=128, w_dim=96, mapping_kwargs=dict(num_layers=4), synthesis_kwargs=shared, **sizes)
discriminator = Discriminator(**sizes, **shared)
for network in (generator, discriminator):
    for name, each in network.named_parameters():
        if name.endswith(("bias", "noise_strength")):
            each.data += 0.2 * torch.randn_like(each)
    network.eval().requires_grad_(False)
generator.mapping.w_avg.normal_()
pipe = AugmentPipe(rotate=1, brightness=1, scale=1).requires_grad_(False)
snapshot = dict(training_set_kwargs=dnnlib.EasyDict(path="a.zip", use_labels=False), G=generator, D=discriminator,
                G_ema=generator, augment_pipe=pipe)
with open(f"{folder}/snapshot.pkl", "wb") as file:
    pickle.dump(snapshot, file)

z = torch.randn(4, 128)
one = generator.mapping(z, None)
many = one + 0.5 * torch.randn_like(one)
draw = lambda ws: generator.synthesis(ws, noise_mode="const", force_fp32=True)
images = draw(one)
out = dict(z=z, one=one, many=many, images=images, others=draw(many), truncated=generator.mapping(z, None, 0.5),
           w_avg=generator.mapping.w_avg, logits=discriminator(images, None, force_fp32=True)[:, 0],
           weights=discriminator.state_dict())
torch.save(out, f"{folder}/theirs.pt")
"""


def theirs(folder: Path, *numbers: int) -> dict:
    """Run NVIDIA's code; its snapshot lies in the folder."""
    script = folder / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": CHECKOUT, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(folder), *map(str, numbers)]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
    return torch.load(folder / "theirs.pt", weights_only=True)


def largest(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max())


@pytest.mark.parametrize(
    ("resolution", "channels", "clamp", "base", "most"),
    [(64, 1, 256, 4096, 128), (64, 3, 0, 4096, 128), (256, 1, 1, 4096, 64), (256, 3, 256, 4096, 64)],
)
def test_same_weights_same_images(
    resolution: int, channels: int, clamp: int, base: int, most: int, tmp_path: Path, record_property
) -> None:
    expected = theirs(tmp_path, resolution, channels, clamp, base, most)
    generator, report = load_generator(tmp_path / "snapshot.pkl")
    assert report["spec"]["resolution"] == resolution
    assert report["spec"]["conv_clamp"] == (clamp or None)
    assert torch.equal(generator.w_avg, expected["w_avg"])

    w = generator.map(expected["z"])
    ws = w[:, None].expand(-1, generator.num_ws, -1)
    differences = {
        "w": largest(ws, expected["one"]),
        "truncated": largest(generator.w_avg.lerp(ws, 0.5), expected["truncated"]),
        "W": largest(generator.synthesise(expected["one"], "constant"), expected["images"]),
        "W+": largest(generator.synthesise(expected["many"], "constant"), expected["others"]),
    }
    record_property("differences", differences)
    largest_value = float(torch.maximum(expected["images"].abs().max(), expected["others"].abs().max()))
    print(resolution, channels, clamp, f"largest value {largest_value:.2f}", differences)
    assert max(differences.values()) < 5e-6 * largest_value

    discriminator = as_ours(generator.spec, expected["weights"])
    with torch.no_grad():
        torch.testing.assert_close(discriminator(expected["images"]), expected["logits"], atol=1e-4, rtol=1e-4)


def as_ours(spec: GeneratorSpec, weights: dict[str, Tensor]) -> Discriminator:
    """A discriminator with NVIDIA's weights. For training its weights are never read from such a file."""
    names = {f"b{spec.resolution}.fromrgb": "from_image", "b4.conv": "final", "b4.fc": "hidden", "b4.out": "verdict"}
    for side in spec.resolutions[1:]:
        for theirs_, ours in (("conv0", "refine"), ("conv1", "halve"), ("skip", "skip")):
            names[f"b{side}.{theirs_}"] = f"blocks.{side}.{ours}"
    discriminator = Discriminator(spec)
    discriminator.load_state_dict(
        {
            f"{names[layer]}.{part}": value
            for (layer, _, part), value in ((name.rpartition("."), value) for name, value in weights.items())
            if part in {"weight", "bias"}
        }
    )
    return discriminator
