from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from evalkit.errors import InputError
from reports.augmentations import _TITLES, _draw, _read, draw_augmentations
from reports.figure_style import figure_style


@pytest.fixture
def write(tmp_path):
    """Write two made-up images of 16 panels, each of one grey value; names as the examples have them."""

    def written(**changes):
        grey = np.arange(32, dtype=np.uint8).reshape(2, 16, 1, 1) * 7 + 10
        probabilities = np.where(np.arange(16) % 15 == 0, np.nan, 0.5)
        probabilities[3] = 0
        content = {
            "panels": np.broadcast_to(grey, (2, 16, 32, 32)),
            "names": np.array(list(_TITLES)),
            "probabilities": probabilities,
            "bounds": np.array(["", "6 %,\n10\N{DEGREE SIGN}", *["15 %"] * 13, ""]),
            "backbone": np.array("MoCo on our archive"),
            "drawn": np.array(True),
        }
        path = tmp_path / "figure_augmentations.npz"
        np.savez(path, **{name: each for name, each in (content | changes).items() if each is not None})
        return path

    return written


@pytest.fixture
def examples(write):
    return write()


def texts_of(path) -> list[tuple[str, float, float]]:
    """Texts of the sheet with their places in inches, from the left and from the top."""
    with figure_style():
        figure = _draw(_read(path), dpi=240)
    width, height = figure.get_size_inches()
    places = [(text.get_text(), *text.get_position()) for text in figure.texts]
    return [(text, round(x * width, 3), round((1 - y) * height, 3)) for text, x, y in places]


def test_every_panel_is_drawn_in_whole_pixels_in_its_place(examples) -> None:
    pdf, png = draw_augmentations(examples)
    assert pdf.read_bytes().startswith(b"%PDF")
    drawn = np.asarray(Image.open(png).convert("L"))
    corners = []
    for number in range(32):
        here = drawn == number * 7 + 10
        # Letters above the panels have grey edges, too, but no long lines of one value.
        rows, columns = (np.flatnonzero(here.sum(axis=axis) >= 192) for axis in (1, 0))
        assert len(rows) == len(columns) == 192, "each pixel of 32 is 6 of the PNG"
        assert here[np.ix_(rows, columns)].all()
        corners.append((rows[0], columns[0]))
    by_image = np.array(corners).reshape(2, 2, 8, 2)  # image, row of titles, column, place
    assert (by_image[0, :, :, 1] == by_image[1, :, :, 1]).all(), "an image's panels stand below the other's"
    down = by_image[..., 0].transpose(1, 0, 2)
    assert (down == down[:, :, :1]).all()
    assert (np.diff(down[:, :, 0].ravel()) > 0).all(), "titles, (a), (b), titles, (a), (b)"
    assert (np.diff(by_image[..., 1], axis=2) > 192).all()


def test_titles_bounds_and_probabilities_stand_above_and_letters_beside(examples) -> None:
    texts = texts_of(examples)
    down = {text: y for text, _, y in texts}
    second = next(x for text, x, _ in texts if text == "rotation")
    column = [text for text, x, _ in texts if x == second]
    assert column[:5] == ["p = 0.5", "10\N{DEGREE SIGN}", "6 %,", "rotation", "Shift, scale,"], "from below"
    assert down["Shift, scale,"] < down["rotation"] < down["6 %,"] < down["10\N{DEGREE SIGN}"]
    assert [text for text, _, _ in texts].count("off") == 1
    assert [text for text, _, _ in texts].count("15 %") == 12, "all but the one that is off"
    letters = [(text, y) for text, x, y in texts if x == 0 and text.startswith("(")][:4]
    assert [text for text, _ in letters] == ["(a)", "(b)", "(a)", "(b)"]
    assert sorted(letters, key=lambda each: each[1]) == letters


def test_the_backbone_is_named_and_phantoms_are_called_so(write) -> None:
    below = [text for text, x, _ in texts_of(write()) if x == 0]
    assert any(text.startswith("Views of MoCo on our archive:") for text in below)
    assert below[-1] == "Demonstration on drawn radiographs (phantoms); no medical meaning."
    assert not any("phantoms" in text for text, _, _ in texts_of(write(drawn=np.array(False))))


def test_no_text_leaves_the_sheet(write) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with figure_style():
        figure = _draw(
            _read(write(backbone=np.array("A backbone with quite a long name that is to be wrapped"))), dpi=240
        )
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        extents = [text.get_window_extent(canvas.get_renderer()) for text in figure.texts]
        width, height = canvas.get_width_height()
    assert min(each.x0 for each in extents) >= -1
    assert max(each.x1 for each in extents) <= width
    assert min(each.y0 for each in extents) >= 0
    assert max(each.y1 for each in extents) <= height


def test_the_same_examples_give_the_same_bytes(examples) -> None:
    first = [path.read_bytes() for path in draw_augmentations(examples)]
    assert [path.read_bytes() for path in draw_augmentations(examples)] == first
    assert b"CreationDate" not in first[0]


def test_every_panel_of_the_examples_has_a_title() -> None:
    from evalkit.pretraining.examples_of_views import _ALONE

    assert set(_TITLES) == {"original", "view_1", "view_2", *(name for name, _, _ in _ALONE)}


def test_letters_have_seven_points_at_least() -> None:
    import matplotlib

    with figure_style():
        sizes = {
            name: value for name, value in matplotlib.rcParams.items() if name.endswith(("labelsize", "titlesize"))
        }
        numbers = [value for value in sizes.values() if isinstance(value, int | float)]
        assert matplotlib.rcParams["font.size"] >= 7
        assert min(numbers) >= 7


@pytest.mark.parametrize("content", [None, b"", b"not an archive"])
def test_a_file_that_is_missing_or_something_else_is_named(tmp_path, content) -> None:
    path = tmp_path / "figure_augmentations.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"figure_augmentations\.npz cannot be read"):
        draw_augmentations(path)


def test_a_file_of_an_earlier_version_is_made_again(write) -> None:
    with pytest.raises(InputError, match=r"(?s)bounds.*examples_of_views"):
        draw_augmentations(write(bounds=None))


@pytest.mark.parametrize("module", ["reports.augmentations", "reports.pretraining_curves"])
def test_figures_need_no_torch(module) -> None:
    program = f"import sys, {module}; print([name for name in ('torch', 'timm', 'kornia') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
