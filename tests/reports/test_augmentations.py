from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from evalkit.errors import InputError
from reports.augmentations import _TITLES, draw_augmentations
from reports.figure_style import figure_style


@pytest.fixture
def examples(tmp_path):
    """Two made-up images of 16 panels, each of one grey value; names as the examples have them."""
    grey = np.arange(32, dtype=np.uint8).reshape(2, 16, 1, 1) * 7 + 10
    path = tmp_path / "figure_augmentations.npz"
    panels = np.broadcast_to(grey, (2, 16, 32, 32))
    probabilities = np.where(np.arange(16) % 15 == 0, np.nan, 0.5)
    probabilities[3] = 0
    np.savez(path, panels=panels, names=np.array(list(_TITLES)), probabilities=probabilities)
    return path


def test_every_panel_is_drawn_in_whole_pixels_in_its_place(examples) -> None:
    pdf, png = draw_augmentations(examples)
    assert pdf.read_bytes().startswith(b"%PDF")
    drawn = np.asarray(Image.open(png).convert("L"))
    corners = []
    for number in range(32):
        here = drawn == number * 7 + 10
        # Letters above the panels have grey edges, too, but no long lines of one value.
        rows, columns = (np.flatnonzero(here.sum(axis=axis) >= 224) for axis in (1, 0))
        assert len(rows) == len(columns) == 224, "each pixel of 32 is 7 of the PNG"
        assert here[np.ix_(rows, columns)].all()
        corners.append((rows[0], columns[0]))
    assert corners == sorted(corners), "row by row"


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


@pytest.mark.parametrize("module", ["reports.augmentations", "reports.pretraining_curves"])
def test_figures_need_no_torch(module) -> None:
    program = f"import sys, {module}; print([name for name in ('torch', 'timm', 'kornia') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
