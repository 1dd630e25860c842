from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from reports.figure_style import figure_style, look_of, measure_text, wrap_text


@pytest.mark.parametrize("text", ["Effusion", "a $dollar$ sign", "95 % CI: .812 to .865", "CheSS + IFA"])
@pytest.mark.parametrize("size", [7, 9])
def test_text_is_as_wide_as_it_is_drawn(text, size) -> None:
    with figure_style():
        figure = Figure(dpi=600)
        drawn = figure.text(0, 0, text, size=size)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        width = drawn.get_window_extent(canvas.get_renderer()).width / 600
    assert measure_text(text, size) == pytest.approx(width, abs=0.01)


def test_lines_are_as_long_as_allowed_and_nothing_is_lost() -> None:
    text = "Pneumothorax with an extraordinarily long name, 95 % of all"
    lines = wrap_text(text, 1.2)
    assert len(lines) > 2
    assert all(measure_text(line) <= 1.2 for line in lines)
    assert " ".join(lines).replace("\N{NO-BREAK SPACE}", " ") == text
    assert not any(line.startswith("%") for line in lines)


def test_a_word_that_is_too_long_is_broken() -> None:
    lines = wrap_text("an unbelievablylongidentifierwithoutanyspace", 0.8)
    assert "".join(lines) == "anunbelievablylongidentifierwithoutanyspace"
    assert all(measure_text(line) <= 0.8 for line in lines)
    assert wrap_text("", 1) == []


def test_28_backbones_look_different_also_without_colour_beside_their_neighbours() -> None:
    looks = [look_of(place) for place in range(28)]
    assert len({(look.colour, look.dashes) for look in looks}) == 28
    assert len({look.dashes for look in looks[:4]}) == 4
    assert len({look.marker for look in looks[:7]}) == 7
