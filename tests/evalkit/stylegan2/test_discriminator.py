"""The discriminator: its groups, its shapes, and that it can be differentiated twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evalkit.stylegan2.discriminator import Discriminator, append_deviation

from .conftest import draw, make_spec


def test_deviation_is_that_of_consecutive_images() -> None:
    maps = draw(8, 3, 2, 2)
    appended = append_deviation(maps, 4)
    assert torch.equal(appended[:, :3], maps)
    for first in (0, 4):
        expected = np.std(maps[first : first + 4].numpy(), axis=0).mean()
        np.testing.assert_allclose(appended[first : first + 4, 3].numpy(), expected, rtol=1e-5)


def test_groups_do_not_see_each_other() -> None:
    discriminator, images = Discriminator(make_spec(), group=2), draw(4, 1, 16, 16)
    together = discriminator(images)
    assert together.shape == (4,)
    torch.testing.assert_close(together[2:], discriminator(images[2:]))
    changed = torch.cat([images[:1], images[1:2] + 1, images[2:]])
    assert not torch.isclose(discriminator(changed)[0], together[0])


@pytest.mark.parametrize("channels", [1, 3])
def test_penalty_on_the_gradient_reaches_every_weight(channels: int) -> None:
    discriminator = Discriminator(make_spec(img_channels=channels))
    images = draw(4, channels, 16, 16).requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    gradient.square().sum().backward()
    without = {name for name, each in discriminator.named_parameters() if each.grad is None or not each.grad.any()}
    # The last layers' biases only switch slopes, whose derivative is zero.
    assert without <= {"verdict.bias", "hidden.bias", "final.bias"}


def test_clamp_limits_what_a_layer_gives() -> None:
    discriminator = Discriminator(make_spec(conv_clamp=0.1))
    seen: list[float] = []
    with torch.no_grad():
        discriminator.from_image.register_forward_hook(lambda *arguments: seen.append(float(arguments[2].abs().max())))
        discriminator(draw(4, 1, 16, 16))
    assert seen == [pytest.approx(0.1)]
