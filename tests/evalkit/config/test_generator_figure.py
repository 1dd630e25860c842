"""What a study may say of a figure of a generator's training, and that it asks for no backbone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from evalkit.config.loading import Study, load_study
from evalkit.errors import InputError

BACKBONES = {
    "mine": {"label": "Mine", "arch": "resnet18", "path": "mine.pth"},
    "other": {"label": "Other", "arch": "resnet18", "path": "other.pth"},
    "scratch": {"label": "Scratch", "arch": "resnet18"},
}
RECIPE = {"steps": 10, "samples": 6}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Study]:
    """Load a study of an inversion and a classification; the figure is given its keys."""

    def make(*, generator: dict[str, Any] | None = None, **figure: Any) -> Study:
        train = {"train": {"spec": {"resolution": 64}, "recipe": RECIPE}}
        inversion = {"task": "inversion", "dataset": "data", "generator": generator or train}
        classes = {"task": "multilabel", "dataset": "data", "recipe": {"lr": 0.1, "steps": 1}}
        table = {"title": "T", "metric": "psnr", "primary": "wilcoxon", "policies": ["best"]}
        study = {
            "study": "s",
            "title": "S",
            "image_size": 64,
            "backbones": list(BACKBONES),
            "datasets": {"data": {"format": "csv", "root": "."}},
            "evaluations": {"inversion": inversion, "classes": classes},
            "tables": {"table10": {**table, "evaluation": "inversion", "backbones": ["mine"]}},
            "figures": {"figure_generator": {"kind": "generator", "evaluation": "inversion", **figure}},
        }
        (tmp_path / "backbones.yaml").write_text(yaml.safe_dump(BACKBONES))
        (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
        return load_study(tmp_path / "s.yaml")

    return make


def test_it_asks_for_no_backbone(load) -> None:
    study = load()
    assert study.figure("figure_generator").images == 6
    assert study.asked_rows("inversion") == ["mine"], "scratch, which no inversion can show, is no mistake here"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation": "classes"}, "is of kind generator and classes is multilabel, not inversion"),
        ({"evaluation": "inversions"}, r"figure_generator\.evaluation names 'inversions'.*nearest: 'inversion'"),
        ({"generator": {"path": "g.pkl"}}, r"evaluations\.inversion\.generator is a file: nothing was trained"),
        ({"images": 7}, r"images is 7 and evaluations\.inversion\.generator\.train\.recipe\.samples is 6"),
        ({"images": 11}, "less than or equal to 10"),
        ({"backbones": ["mine"]}, "there is no such key"),
    ],
)
def test_what_makes_no_sense_is_refused(load, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(**changes)
