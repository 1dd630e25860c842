from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from evalkit.config.pretraining import Views
from evalkit.pretraining.filters import median_of_nine
from evalkit.pretraining.noise import SEEDS, normal_fields, uniform_fields
from evalkit.pretraining.views import CHANGES, COLUMNS, draw_views, make_views, switched_on
from evalkit.pretraining.warping import LARGEST_DISTORTION

DEFAULT = Views.model_validate({})
BOUNDED = {
    "shift_scale_rotate": ("shift", "scale", "rotate"),
    "optical_distortion": ("distortion",),
    "sharpen": ("sharpening",),
    "random_brightness": ("brightness",),
    "random_contrast": ("contrast",),
    "multiplicative_noise": ("speckle",),
    "gauss_noise": ("noise",),
    "cutout": ("hole",),
}


def only(*changes: str, **bounds: float) -> Views:
    """Views whose other changes are off; of shift, scale and rotation only the bounds given."""
    none = {"shift": 0, "scale": 0, "rotate": 0}
    return Views.model_validate(dict.fromkeys(CHANGES, 0) | dict.fromkeys(changes, 1) | none | bounds)


def drawn(views: Views, images: int = 1, **amounts: float) -> Tensor:
    """Draws that switch on what may be on; amounts not given are in their middle: no shift, the original size."""
    draws = torch.full((images, len(COLUMNS) + 4 * views.holes), 0.5)
    draws[:, : len(CHANGES)] = 0
    for name, value in amounts.items():
        draws[:, COLUMNS.index(name)] = value
    return draws


def change(image: Tensor, views: Views, **amounts: float) -> Tensor:
    return make_views(image[None, None], drawn(views, **amounts), views)[0, 0]


def dot(row: int, column: int, side: int = 41) -> Tensor:
    image = torch.zeros(side, side)
    image[row, column] = 1
    return image


def place(image: Tensor) -> tuple[float, float]:
    """The centre of what is bright: row and column."""
    rows, columns = (torch.arange(length) for length in image.shape)
    return float((image.sum(1) * rows).sum() / image.sum()), float((image.sum(0) * columns).sum() / image.sum())


@pytest.fixture
def images() -> Tensor:
    return torch.rand(23, 1, 33, 33, generator=torch.Generator().manual_seed(0))


def test_draws_are_a_function_of_seed_step_and_view_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    draws = draw_views(1000, seed=1, step=7, view=0, views=DEFAULT)
    assert torch.equal(torch.rand(2), expected), "the global generator is left alone"
    assert draws.shape == (1000, len(COLUMNS) + 8)
    assert draws.min() >= 0
    assert draws.max() < 1
    assert (draws.mean(dim=0) - 0.5).abs().max() < 0.05
    assert torch.equal(draws, draw_views(1000, seed=1, step=7, view=0, views=DEFAULT))
    for other in ({"seed": 2}, {"step": 8}, {"view": 1}):
        arguments = {"seed": 1, "step": 7, "view": 0} | other
        assert not torch.isclose(draws, draw_views(1000, **arguments, views=DEFAULT)).all(dim=1).any()


@pytest.mark.parametrize("side", [32, 33])
@pytest.mark.parametrize("changes", [*((name,) for name in CHANGES), CHANGES], ids=lambda names: "+".join(names)[:20])
def test_a_part_of_a_batch_gives_the_same_bits(changes, side) -> None:
    images = torch.rand(23, 1, side, side, generator=torch.Generator().manual_seed(0))
    views = only(*changes, shift=0.1, scale=0.2, rotate=20)
    draws = draw_views(23, seed=1, step=0, view=0, views=views)
    whole = make_views(images, draws, views)
    for part in (slice(0, 1), slice(3, 5), slice(5, 23), torch.tensor([22, 0, 7])):
        assert torch.equal(make_views(images[part], draws[part], views), whole[part])


def test_the_same_draws_give_the_same_views_and_leave_the_images(images) -> None:
    before, draws = images.clone(), draw_views(23, seed=1, step=0, view=0, views=DEFAULT)
    first = make_views(images, draws, DEFAULT)
    assert torch.equal(images, before)
    assert torch.equal(make_views(images, draws, DEFAULT), first)
    second = make_views(images, draw_views(23, seed=1, step=0, view=1, views=DEFAULT), DEFAULT)
    assert (first - second).abs().amax(dim=(1, 2, 3)).min() > 0.05, "every image has two different views"


@pytest.mark.parametrize("changes", [*((name,) for name in CHANGES), CHANGES], ids=lambda names: "+".join(names)[:20])
def test_values_stay_grey_values(images, changes) -> None:
    extreme = {"brightness": 0.9, "contrast": 0.9, "noise": 0.9, "speckle": 0.9, "sharpening": 1, "rotate": 180}
    views = only(*changes, **extreme)
    changed = make_views(images, draw_views(23, seed=1, step=0, view=0, views=views), views)
    assert changed.shape == images.shape
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert not torch.equal(changed, images)


@pytest.mark.parametrize("name", CHANGES)
def test_a_probability_or_a_bound_of_zero_switches_a_change_off(images, name) -> None:
    off = only()
    assert make_views(images, drawn(off, 23), off) is images
    if name in BOUNDED:
        without = only(name, **dict.fromkeys(BOUNDED[name], 0))
        assert make_views(images, drawn(without, 23), without) is images


def test_changes_are_switched_on_with_their_probabilities() -> None:
    views = Views.model_validate({name: (each + 1) / 11 for each, name in enumerate(CHANGES)})
    switched = switched_on(draw_views(4000, seed=5, step=0, view=0, views=views), views)
    shares = switched.float().mean(dim=0)
    torch.testing.assert_close(shares, (torch.arange(10) + 1) / 11, atol=0.03, rtol=0)
    together = (switched.float() - shares).T @ (switched.float() - shares) / 4000
    assert (together - together.diag().diag()).abs().max() < 0.02, "each by a draw of its own"


def test_only_images_whose_draw_is_on_are_changed(images) -> None:
    views = Views.model_validate(dict.fromkeys(CHANGES, 0) | {"gauss_noise": 0.5})
    draws = draw_views(23, seed=1, step=0, view=0, views=views)
    changed = (make_views(images, draws, views) != images).flatten(1).any(dim=1)
    assert torch.equal(changed, draws[:, CHANGES.index("gauss_noise")] < 0.5)
    assert changed.any()
    assert not changed.all()


def test_shift_moves_a_bright_dot_right_and_down_by_a_share_of_the_side() -> None:
    moved = change(dot(20, 10), only("shift_scale_rotate", shift=0.2), right=1, down=0.25)
    assert place(moved) == pytest.approx((20 - 0.1 * 41, 10 + 0.2 * 41), abs=0.01)


def test_scale_enlarges_about_the_middle() -> None:
    larger = change(dot(20, 26), only("shift_scale_rotate", scale=0.5), scale=1)
    assert place(larger) == pytest.approx((20, 20 + 6 * 1.5), abs=0.1)


def test_rotation_is_counter_clockwise_as_displayed_by_the_drawn_angle() -> None:
    row, column = place(change(dot(20, 33), only("shift_scale_rotate", rotate=40), rotation=0.75 + 0.125))
    assert math.degrees(math.atan2(20 - row, column - 20)) == pytest.approx(30, abs=1)
    assert math.hypot(row - 20, column - 20) == pytest.approx(13, abs=0.3)


def test_an_image_that_is_not_warped_is_not_resampled(images) -> None:
    views = Views.model_validate(dict.fromkeys(CHANGES, 0) | {"optical_distortion": 1, "shift_scale_rotate": 0.5})
    draws = drawn(views, 2, right=1.0)
    draws[0, 0] = 0.9
    changed = make_views(images[:2], draws, views)
    torch.testing.assert_close(changed[0], images[0], atol=1e-5, rtol=0)
    assert (changed[1] - images[1]).abs().max() > 0.1, "shifted by its own draw, without a distortion"


@pytest.mark.parametrize(("drawn_value", "k"), [(1.0, 0.3), (0.0, -0.3)])
def test_distortion_keeps_the_middle_and_moves_the_edge(drawn_value, k) -> None:
    views = only("optical_distortion", distortion=0.3)
    middle = change(dot(20, 20), views, distortion=drawn_value)
    assert place(middle) == pytest.approx((20, 20), abs=0.01)
    row, column = place(change(dot(20, 32), views, distortion=drawn_value))
    shown, seen = (column - 20) / 20.5, 12 / 20.5
    assert row == pytest.approx(20, abs=0.01)
    # r is 1 in the corners, so a place on the middle row has half the square of its distance in half sides.
    assert shown * (1 + k * shown**2 / 2) == pytest.approx(seen, abs=0.01)
    assert (column < 32) == (k > 0), "a barrel draws the edge inwards, a pincushion outwards"


def test_the_largest_distortion_is_where_an_image_begins_to_fold() -> None:
    radius = torch.linspace(0, 1, 1001)
    read = radius * (1 - LARGEST_DISTORTION * radius**2)
    assert (read.diff() > 0).all()
    assert (radius * (1 - 1.1 * LARGEST_DISTORTION * radius**2)).diff().min() < 0


def test_distortion_and_shift_are_one_resampling() -> None:
    board = ((torch.arange(41)[:, None] // 4 + torch.arange(41) // 4) % 2).float()
    views = only("shift_scale_rotate", "optical_distortion", shift=4 / 41, distortion=0.2)
    both = change(board, views, right=1, distortion=1)
    assert both[20, 24] == pytest.approx(float(board[20, 20]), abs=0.05), "the middle is only shifted"
    assert place(change(dot(20, 16), views, right=1, distortion=1)) == pytest.approx((20, 20), abs=0.02)


def test_median_removes_a_single_bright_pixel_and_keeps_an_edge() -> None:
    edge = torch.zeros(16, 16)
    edge[:, 8:] = 0.5
    noisy = edge.clone()
    noisy[4, 3] = 1
    assert torch.equal(change(noisy, only("median_blur")), edge)


def test_median_is_that_of_all_nine(images) -> None:
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1), mode="replicate")
    windows = padded.unfold(2, 3, 1).unfold(3, 3, 1).flatten(4)
    assert torch.equal(median_of_nine(images), windows.median(dim=4).values)


@pytest.mark.parametrize("direction", [0.0, 0.1, 0.25, 0.5, 0.8])
def test_motion_blur_keeps_the_mean_and_draws_a_line_in_its_direction(direction) -> None:
    blurred = change(dot(20, 20), only("motion_blur", blur=0.2), direction=direction)
    assert blurred.sum() == pytest.approx(1, abs=1e-5)
    assert place(blurred) == pytest.approx((20, 20), abs=1e-4)
    places = blurred.nonzero() - 20.0
    weights = blurred[blurred > 0]
    spread = (places.T * weights) @ places
    values, vectors = torch.linalg.eigh(spread)
    assert values[1] > 5 * values[0]
    down, right = vectors[:, 1].tolist()
    assert (math.degrees(math.atan2(-down, right)) - direction * 180 + 90) % 180 == pytest.approx(90, abs=3)


def test_motion_blur_leaves_an_even_image() -> None:
    even = torch.full((16, 16), 0.7)
    torch.testing.assert_close(change(even, only("motion_blur"), direction=0.3), even)


def test_sharpening_raises_the_contrast_of_an_edge_by_its_share() -> None:
    edge = torch.full((9, 9), 0.4)
    edge[:, 4:] = 0.5
    views = only("sharpen", sharpening=0.5)
    # Beside the edge, one of four neighbours is 0.1 brighter.
    sharp = change(edge, views, sharpening=1)
    expected = torch.tensor([0.4, 0.4 - 0.05, 0.5 + 0.05, 0.5])
    torch.testing.assert_close(sharp[4, 2:6], expected)
    torch.testing.assert_close(change(edge, views, sharpening=0.5)[4, 2:6], (expected + edge[4, 2:6]) / 2)
    torch.testing.assert_close(sharp[:, :2], edge[:, :2])


def test_brightness_adds_and_contrast_spreads_about_the_mean() -> None:
    image = torch.tensor([[0.3, 0.5], [0.4, 0.4]])
    brighter = change(image, only("random_brightness", brightness=0.2), brightness=0.75)
    torch.testing.assert_close(brighter, image + 0.1)
    spread = change(image, only("random_contrast", contrast=0.5), contrast=1)
    torch.testing.assert_close(spread, torch.tensor([[0.25, 0.55], [0.4, 0.4]]))
    flat = change(image, only("random_contrast", contrast=0.5), contrast=0)
    torch.testing.assert_close(flat, torch.tensor([[0.35, 0.45], [0.4, 0.4]]))


def test_noise_has_the_drawn_standard_deviation() -> None:
    grey = torch.full((200, 200), 0.5)
    noise = change(grey, only("gauss_noise", noise=0.1), noise=0.5, noise_seed=0.3) - 0.5
    assert float(noise.std()) == pytest.approx(0.05, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=0.001)


def test_speckle_changes_a_pixel_by_a_share_of_itself_that_is_bounded() -> None:
    grey = torch.full((200, 200), 0.25)
    grey[100:] = 0.5
    changed = change(grey, only("multiplicative_noise", speckle=0.2), speckle=0.5, speckle_seed=0.3) / grey - 1
    assert 0.099 < changed.abs().max() <= 0.1 + 1e-6
    assert float(changed.mean()) == pytest.approx(0, abs=0.002)
    assert float(changed.std()) == pytest.approx(0.1 / math.sqrt(3), rel=0.02)


def test_cutout_blackens_the_drawn_rectangles() -> None:
    views = only("cutout", hole=0.5, holes=2)
    draws = drawn(views)
    # Width, height, across, down: the first at the upper right, the second wholly at the lower left.
    draws[0, len(COLUMNS) :] = torch.tensor([0.0, 1.0, 1.0, 0.0, 0.5, 0.0, 0.0, 1.0])
    changed = make_views(torch.ones(1, 1, 16, 16), draws, views)[0, 0]
    expected = torch.ones(16, 16)
    expected[:8, 12:] = 0
    expected[12:, :6] = 0
    assert torch.equal(changed, expected)


def test_nothing_brightens_a_hole(images) -> None:
    views = only("cutout", "random_brightness", "gauss_noise", hole=0.9, holes=1, brightness=0.5, noise=0.2)
    draws = drawn(views, 23, brightness=1.0, noise=1.0)
    draws[:, len(COLUMNS) :] = torch.tensor([1.0, 1.0, 0.5, 0.5])
    changed = make_views(images, draws, views)
    assert (changed[:, :, 2:31, 2:31] == 0).all()
    assert (changed > 0).any()


def test_nothing_is_mirrored() -> None:
    image = torch.zeros(300, 1, 16, 16)
    image[..., :8] = 0.5
    changed = make_views(image, draw_views(300, seed=1, step=1, view=0, views=DEFAULT), DEFAULT)
    assert (changed[..., :8].mean(dim=(1, 2, 3)) > changed[..., 8:].mean(dim=(1, 2, 3))).float().mean() > 0.97


def test_fields_of_noise_are_normal_and_not_alike() -> None:
    from scipy import stats

    seeds = torch.tensor([0, 1, 2, 3, SEEDS - 1], dtype=torch.int32)
    fields = normal_fields(seeds, torch.Size((5, 1, 200, 200))).flatten(1)
    assert fields.isfinite().all()
    for field in fields:
        assert stats.kstest(field.numpy(), "norm").pvalue > 1e-3
    assert torch.corrcoef(fields).triu(1).abs().max() < 0.02
    grid = fields.reshape(5, 200, 200)
    for neighbour in (grid[:, 1:, :-1], grid[:, :-1, 1:]):
        both = torch.stack([grid[:, :-1, :-1].flatten(), neighbour.flatten()])
        assert torch.corrcoef(both)[0, 1].abs() < 0.01
    field = uniform_fields(seeds[:1], torch.Size((1, 1, 2, 2)))
    assert torch.equal(field.flatten(), uniform_fields(seeds[:1], torch.Size((1, 1, 4, 1))).flatten())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_card_makes_the_same_views(images) -> None:
    views = only(*CHANGES, shift=0.1, scale=0.2, rotate=20)
    draws = draw_views(23, seed=1, step=0, view=0, views=views)
    on_card = make_views(images.cuda(), draws.cuda(), views).cpu()
    difference = (on_card - make_views(images, draws, views)).abs()
    assert difference.mean() < 1e-4
