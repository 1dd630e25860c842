"""The generator against the paper's formulas, written out naively."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.signal import correlate2d
from torch.nn import functional

from evalkit.config.generator import GeneratorSpec
from evalkit.stylegan2.layers import StyledConvolution
from evalkit.stylegan2.resampling import LowPass

from .conftest import draw, make_generator, make_spec


def test_inputs_have_the_published_numbers_and_sizes() -> None:
    generator = make_generator(resolution=64)
    sides = [4, 8, 8, 16, 16, 32, 32, 64, 64]
    assert generator.num_ws == 2 * 6 - 2
    assert generator.noise_shapes == [(side, side) for side in sides]
    full = GeneratorSpec(resolution=1024)
    assert full.num_ws == 18
    assert [full.channels(side) for side in full.resolutions] == [512, 512, 512, 512, 512, 256, 128, 64, 32]


@pytest.mark.parametrize("channels", [1, 3])
def test_makes_images_of_z(channels: int) -> None:
    generator = make_generator(img_channels=channels)
    assert generator(draw(2, 12)).shape == (2, channels, 16, 16)


def test_mapping_does_not_depend_on_the_length_of_z() -> None:
    generator, z = make_generator(), draw(3, 12)
    torch.testing.assert_close(generator.map(7 * z), generator.map(z))


@pytest.mark.parametrize("doubles", [False, True])
def test_styled_convolution_is_one_with_weights_scaled_per_image(doubles: bool) -> None:
    layer = StyledConvolution(5, 4, w_dim=6, resolution=8, doubles=doubles, clamp=None).requires_grad_(False)
    layer.bias += draw(4)
    layer.noise_gain += 0.7
    maps, w, noise = draw(3, 5, *([4, 4] if doubles else [8, 8])), draw(3, 6, seed=2), draw(3, 1, 8, 8, seed=3)
    expected = []
    for one, vector, field in zip(maps, w, noise, strict=True):
        style = layer.style.weight @ vector / math.sqrt(6) + 1
        weight = layer.weight * style[None, :, None, None]
        weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if doubles:
            # Zeros between the pixels, then the kernel (a convolution proper, hence mirrored), then the filter.
            wide = torch.zeros(5, 8, 8)
            wide[:, ::2, ::2] = one
            filtered = functional.conv2d(wide[None], weight.flip(2, 3), padding=2)
            kernel = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 16
            result = functional.conv2d(filtered[0][:, None], kernel[None, None], padding=1)[:, 0, :8, :8]
        else:
            result = functional.conv2d(one[None], weight, padding=1)[0]
        result = result + 0.7 * field + layer.bias[:, None, None]
        expected.append(torch.where(result > 0, result, 0.2 * result) * math.sqrt(2))
    torch.testing.assert_close(layer(maps, w, noise), torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_resampling_is_zeros_in_between_and_the_filter() -> None:
    low_pass, image = LowPass(), draw(1, 1, 6, 6)
    taps = np.array([1, 3, 3, 1]) / 8
    kernel = np.outer(taps, taps)
    wide = np.zeros((12, 12))
    wide[::2, ::2] = image[0, 0]
    expected = correlate2d(np.pad(wide, ((2, 1), (2, 1))), 4 * kernel, mode="valid")
    np.testing.assert_allclose(low_pass.upsample(image)[0, 0], expected, atol=1e-6)
    expected = correlate2d(np.pad(image[0, 0].numpy(), 1), kernel, mode="valid")[::2, ::2]
    np.testing.assert_allclose(low_pass.downsample(image)[0, 0], expected, atol=1e-6)
    assert low_pass.upsample(torch.ones(1, 2, 8, 8))[:, :, 2:-2, 2:-2].sub(1).abs().max() < 1e-6
    assert not low_pass.state_dict()


def test_a_batch_equals_its_images_alone() -> None:
    generator, z = make_generator(), draw(4, 12)
    together = generator(z, "constant")
    torch.testing.assert_close(together, torch.cat([generator(each[None], "constant") for each in z]))


def test_each_w_and_each_noise_input_matters() -> None:
    generator = make_generator()
    ws = generator.map(draw(1, 12))[:, None].repeat(1, generator.num_ws, 1)
    noise = [each.noise[None, None].clone() for each in generator.synthesis.convolutions]
    image = generator.synthesise(ws, noise)
    assert torch.equal(image, generator.synthesise(ws, "constant"))
    for index in range(generator.num_ws):
        other = ws.clone()
        other[:, index] += 1
        assert not torch.allclose(generator.synthesise(other, noise), image)
    for index in range(len(noise)):
        others = [each + (place == index) * draw(*each.shape) for place, each in enumerate(noise)]
        assert not torch.allclose(generator.synthesise(ws, others), image)


def test_random_noise_is_drawn_per_image_from_torchs_generator() -> None:
    generator = make_generator()
    ws = generator.map(draw(1, 12))[:, None].expand(2, generator.num_ws, -1)
    torch.manual_seed(3)
    first = generator.synthesise(ws, "random")
    torch.manual_seed(3)
    assert torch.equal(first, generator.synthesise(ws, "random"))
    assert not torch.allclose(first[0], first[1])


def test_clamp_limits_each_layer() -> None:
    loose, tight = make_generator(), make_generator(conv_clamp=0.25)
    tight.load_state_dict(loose.state_dict())
    z = draw(2, 12)
    assert not torch.allclose(loose(z, "constant"), tight(z, "constant"))
    seen: list[float] = []
    for layer in tight.synthesis.convolutions:
        layer.register_forward_hook(lambda _layer, _inputs, output: seen.append(float(output.abs().max())))
    tight(z, "constant")
    assert len(seen) == 5
    assert max(seen) <= 0.25


def test_wrong_shapes_are_refused() -> None:
    generator = make_generator()
    with pytest.raises(ValueError, match="ws has the shape"):
        generator.synthesise(torch.zeros(1, 3, 10), "constant")
    with pytest.raises(ValueError, match="noise has the shapes"):
        generator.synthesise(torch.zeros(1, 6, 10), [torch.zeros(1, 1, 4, 4)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"resolution": 48}, "power of two"), ({"c_dim": 10}, "c_dim"), ({"img_channels": 2}, "img_channels")],
)
def test_impossible_specs_are_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_spec(**changes)


def test_the_demo_generator_is_small() -> None:
    generator = make_generator(**GeneratorSpec.demo().model_dump())
    assert 150_000 < sum(each.numel() for each in generator.parameters()) < 350_000
