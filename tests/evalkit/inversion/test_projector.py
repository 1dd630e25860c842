"""The search: that it finds images, that images do not see each other, and that it is the same every time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from evalkit.config.projection import PerceptualRecipe
from evalkit.inversion.encoders import Encoder
from evalkit.inversion.latents import LatentStatistics, latent_statistics
from evalkit.inversion.metrics import psnr
from evalkit.inversion.perceptual import PerceptualDistance, calibrate
from evalkit.inversion.projections import Projection
from evalkit.inversion.projector import TERMS, project, project_to_mean
from evalkit.stylegan2.generator import Generator
from evalkit.training.devices import Hardware

from .conftest import SIDE, make_generator, make_images, make_recipe, make_targets


class Bench:
    """Projects images of the tiny generator."""

    def __init__(self, hardware: Hardware, statistics: LatentStatistics) -> None:
        self.hardware, self.statistics, self.generator = hardware, statistics, make_generator()
        self.targets, self.keys = make_targets(8, self.generator)

    def run(
        self,
        distance: PerceptualDistance | None,
        *,
        images: list[int],
        generator: Generator | None = None,
        statistics: LatentStatistics | None = None,
        seed: int = 7,
        **recipe: object,
    ) -> list[Projection]:
        return project(
            generator or self.generator,
            self.targets[images],
            [self.keys[image] for image in images],
            distance,
            make_recipe(**recipe),
            hardware=self.hardware,
            seed=seed,
            statistics=statistics or self.statistics,
        )


@pytest.fixture
def bench(hardware: Hardware, statistics: LatentStatistics) -> Bench:
    return Bench(hardware, statistics)


def differences(ones: list[Projection], others: list[Projection]) -> tuple[float, float]:
    """Largest difference of latents and noise, and of grey values."""
    pairs = list(zip(ones, others, strict=True))
    found = [
        (one - other).abs().max()
        for first, second in pairs
        for one, other in zip((first.ws, *first.noise), (second.ws, *second.noise), strict=True)
    ]
    images = [(first.reconstruction - second.reconstruction).abs().max() for first, second in pairs]
    return float(torch.stack(found).max()), float(torch.stack(images).max())


@pytest.mark.parametrize("space", ["w", "w+"])
def test_a_batch_of_eight_equals_eight_single_runs(space: str, bench: Bench, distance: PerceptualDistance) -> None:
    """Up to rounding, which activations and absolute values can turn into a step of Adam's: 1 % of the way."""
    batch = bench.run(distance, images=list(range(8)), space=space, steps=10)
    singles = [bench.run(distance, images=[image], space=space, steps=10)[0] for image in range(8)]
    latent, grey = differences(batch, singles)
    moved = min(float((one.ws - bench.statistics.mean).abs().max()) for one in batch)
    assert latent < 0.01 * moved
    assert grey < 1
    for one, other in zip(batch, singles, strict=True):
        assert one.curve.steps == other.curve.steps
        assert one.curve.terms["objective"] == pytest.approx(other.curve.terms["objective"], rel=1e-2)


@pytest.mark.parametrize("space", ["w", "w+"])
def test_nothing_but_rounding_differs(
    space: str, bench: Bench, make_encoder: Callable[..., Encoder], hardware: Hardware
) -> None:
    """In 64 bits the same comparison is a million times closer: no image sees another."""
    recipe = PerceptualRecipe(taps=("stem", "block1", "block2"))
    exact = calibrate(make_encoder(taps=recipe.taps).double(), recipe, make_images(4).double(), hardware)
    generator = make_generator().double()
    statistics = latent_statistics(generator, 100)
    options = {"generator": generator, "statistics": statistics, "space": space, "noise": "optimised", "steps": 30}
    batch = bench.run(exact, images=list(range(8)), **options)
    singles = [bench.run(exact, images=[image], **options)[0] for image in range(8)]
    assert {each.dtype for one in batch for each in (one.ws, *one.noise)} == {torch.float64}
    assert min(float((one.ws - statistics.mean).abs().max()) for one in batch) > 0.5
    latent, grey = differences(batch, singles)
    print(f"{space}: latents and noise differ by up to {latent:.1e}, grey values by {grey:.1e}")
    assert latent < 1e-9


def test_a_projection_is_the_same_every_time(bench: Bench, distance: PerceptualDistance) -> None:
    first, again = (bench.run(distance, images=[0, 1], steps=10) for _ in range(2))
    assert differences(first, again) == (0, 0)
    assert [one.curve for one in first] == [one.curve for one in again]
    other = bench.run(distance, images=[0, 1], steps=10, seed=8)
    assert differences(first, other)[0] > 0.01


def test_the_global_generator_decides_nothing_and_is_left_alone(bench: Bench) -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = bench.run(None, images=[0])
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    assert differences(first, bench.run(None, images=[0])) == (0, 0)


@pytest.mark.parametrize("space", ["w", "w+"])
@pytest.mark.parametrize("through", ["pixels", "encoder"])
def test_it_finds_images_that_the_generator_makes(
    space: str, through: str, bench: Bench, distance: PerceptualDistance
) -> None:
    weights = {"pixel_weight": float(through != "encoder"), "perceptual_weight": float(through != "pixels")}
    found = bench.run(distance, images=[0, 1], space=space, steps=100, **weights)
    mean = project_to_mean(bench.generator, bench.keys[:2], make_recipe(), statistics=bench.statistics)
    originals = bench.targets[:2]
    reached, before = (psnr(originals, torch.stack([one.reconstruction for one in each])) for each in (found, mean))
    assert (reached > before + 2).all(), (reached, before)


def test_a_result_is_what_the_generator_makes_of_it(bench: Bench, distance: PerceptualDistance) -> None:
    for space in ("w", "w+"):
        (found,) = bench.run(distance, images=[3], space=space)
        assert found.key == "image-3"
        assert found.ws.shape == (8, 16)
        assert bool((found.ws == found.ws[0]).all()) == (space == "w")
        assert [tuple(each.shape) for each in found.noise] == [(1, *shape) for shape in bench.generator.noise_shapes]
        with torch.no_grad():
            made = bench.generator.synthesise(found.ws[None], [each[None] for each in found.noise])[0]
        torch.testing.assert_close(found.reconstruction, ((made + 1) * 127.5).clamp(0, 255), atol=1e-3, rtol=0)
        assert found.reconstruction.shape == (1, SIDE, SIDE)
        assert found.reconstruction.dtype == torch.float32
        assert not found.diverged


def test_the_curve_says_what_was_minimised(bench: Bench, distance: PerceptualDistance) -> None:
    weights = {"pixel_weight": 2.0, "perceptual_weight": 3.0, "noise_weight": 5.0}
    (found,) = bench.run(distance, images=[0], steps=12, record_every=5, **weights)
    assert found.curve.steps == (0, 5, 10, 11)
    assert tuple(found.curve.terms) == TERMS
    pixel, perceptual, noise, objective = (torch.tensor(found.curve.terms[name]) for name in TERMS)
    torch.testing.assert_close(objective, 2 * pixel + 3 * perceptual + 5 * noise)
    assert bool((perceptual > 0).all())


def test_without_an_encoder_there_are_pixels_only(bench: Bench, distance: PerceptualDistance) -> None:
    without = bench.run(None, images=[0])
    weightless = bench.run(distance, images=[0], perceptual_weight=0)
    assert differences(without, weightless) == (0, 0)
    assert set(without[0].curve.terms["perceptual"]) == {0.0}


def test_constant_noise_stays_the_generators_own(bench: Bench) -> None:
    (found,) = bench.run(None, images=[0], noise="constant")
    assert found.noise == ()
    with torch.no_grad():
        made = bench.generator.synthesise(found.ws[None], "constant")[0]
    torch.testing.assert_close(found.reconstruction, ((made + 1) * 127.5).clamp(0, 255), atol=1e-3, rtol=0)
    assert set(found.curve.terms["noise"]) == {0.0}


def test_noise_is_renormalised(bench: Bench) -> None:
    (found,) = bench.run(None, images=[0])
    for field in found.noise:
        assert abs(float(field.mean())) < 1e-5
        assert float(field.square().mean()) == pytest.approx(1, abs=1e-4)


def test_the_mean_is_the_same_for_every_image(bench: Bench) -> None:
    found = project_to_mean(bench.generator, ["a", "b"], make_recipe(), statistics=bench.statistics)
    assert [one.key for one in found] == ["a", "b"]
    assert torch.equal(found[0].reconstruction, found[1].reconstruction)
    assert torch.equal(found[0].ws, bench.statistics.mean.expand(8, -1))
    assert found[0].curve.steps == ()


def test_one_image_that_runs_away_leaves_the_others_alone(bench: Bench) -> None:
    broken = bench.targets[:2].clone()
    broken[0, 0, 0, 0] = float("nan")
    options = {"hardware": bench.hardware, "seed": 7, "statistics": bench.statistics}
    lost, kept = project(bench.generator, broken, bench.keys[:2], None, make_recipe(), **options)
    assert lost.diverged
    assert not kept.diverged
    assert differences([kept], bench.run(None, images=[1]))[1] < 0.05


def test_the_generator_keeps_its_weights_and_gets_no_gradients(bench: Bench) -> None:
    before = {name: tensor.clone() for name, tensor in bench.generator.state_dict().items()}
    bench.run(None, images=[0])
    after = bench.generator.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in bench.generator.parameters())


def test_colour_generators_are_projected_too(hardware: Hardware, distance: PerceptualDistance) -> None:
    generator = make_generator(img_channels=3)
    targets, keys = make_targets(1, generator)
    (found,) = project(generator, targets, keys, distance, make_recipe(), hardware=hardware, seed=0)
    assert found.reconstruction.shape == (3, SIDE, SIDE)
    objective = found.curve.terms["objective"]
    assert objective[-1] < objective[0]


def test_progress_is_told_after_each_step(bench: Bench) -> None:
    told: list[int] = []
    options = {"hardware": bench.hardware, "seed": 7, "statistics": bench.statistics}
    project(bench.generator, bench.targets[:1], ["a"], None, make_recipe(steps=3), tell=told.append, **options)
    assert told == [1, 2, 3]


def test_wrong_targets_are_refused(bench: Bench) -> None:
    options = {"hardware": bench.hardware, "seed": 7, "statistics": bench.statistics}
    with pytest.raises(ValueError, match=r"expected \(1, 1, 32, 32\)"):
        project(bench.generator, bench.targets[:1, :, :16], ["a"], None, make_recipe(), **options)
    with pytest.raises(ValueError, match="same key"):
        project(bench.generator, bench.targets[:2], ["a", "a"], None, make_recipe(), **options)
