"""What a study may say of an inversion, which rows its tables have, and what it is told where that makes no sense."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from evalkit.config.backbones import BackboneEntry
from evalkit.config.inversion import Inversion
from evalkit.config.loading import Study, load_study
from evalkit.errors import InputError
from evalkit.plan import list_jobs

SPEC = {"resolution": 64}
TRAIN = {"train": {"spec": SPEC, "recipe": {"steps": 10}}}
BACKBONES: dict[str, dict[str, Any]] = {
    "mine": {"label": "Mine", "arch": "resnet18", "path": "mine.pth"},
    "scratch": {"label": "Scratch", "arch": "resnet18"},
    "pixels": {"label": "Pixels", "control": "pixel-only"},
    "random": {"label": "Random", "arch": "resnet18", "control": "random"},
    "vgg": {"label": "VGG-16", "arch": "vgg16", "path": "vgg.pth", "sha256": "0" * 64},
}


def inversion(**changes: Any) -> dict[str, Any]:
    return {"task": "inversion", "dataset": "data", "generator": TRAIN, **changes}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Study]:
    """Load a study of an inversion and a classification; each table is given its evaluation and rows."""

    def make(*, side: int = 64, tables: dict[str, tuple[str, list[str] | None]], **changes: Any) -> Study:
        of_evaluation = {
            "inversion": {"metric": "psnr", "primary": "wilcoxon"},
            "classes": {"metric": "auc", "primary": "delong"},
        }
        study = {
            "study": "s",
            "title": "S",
            "image_size": side,
            "backbones": list(BACKBONES),
            "datasets": {"data": {"format": "csv", "root": "."}},
            "evaluations": {
                "inversion": inversion(**changes),
                "classes": {"task": "multilabel", "dataset": "data", "recipe": {"lr": 0.1, "steps": 1}},
            },
            "tables": {
                name: {
                    "title": name,
                    "evaluation": evaluation,
                    "policies": ["best"],
                    **({"backbones": rows} if rows else {}),
                    **of_evaluation[evaluation],
                }
                for name, (evaluation, rows) in tables.items()
            },
        }
        (tmp_path / "backbones.yaml").write_text(yaml.safe_dump(BACKBONES))
        (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
        return load_study(tmp_path / "s.yaml")

    return make


def test_each_task_has_the_rows_that_suit_it(load) -> None:
    study = load(
        tables={"a": ("inversion", ["mine", "pixels", "random", "vgg"]), "b": ("classes", ["mine", "scratch"])}
    )
    assert study.rows("inversion") == ["mine", "pixels", "random", "vgg"]
    assert study.rows("classes") == ["mine", "scratch"]
    assert {job.backbone for job in list_jobs(study, "inversion")} == {"mine", "pixels", "random", "vgg"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (("inversion", ["mine", "scratch"]), "tables.t shows scratch without weights.*'control: random'"),
        (("inversion", None), "tables.t shows scratch without weights"),
        (("classes", ["mine", "pixels", "vgg"]), "tables.t shows pixels, vgg, which can only be in .* of inversions"),
        (("classes", None), "tables.t shows pixels, random, vgg, .*tables.t.backbones"),
    ],
)
def test_a_row_in_the_wrong_table_is_refused(load, table: tuple[str, list[str] | None], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(tables={"t": table})


def test_a_row_of_pixels_needs_their_weight(load) -> None:
    with pytest.raises(InputError, match=r"shows pixels, which looks at pixels only.*pixel_weight is 0"):
        load(tables={"t": ("inversion", ["mine", "pixels"])}, projection={"pixel_weight": 0})


def test_a_generator_is_as_large_as_the_images(load) -> None:
    with pytest.raises(InputError, match=r"train\.spec\.resolution is 64 and image_size is 128"):
        load(side=128, tables={})
    with pytest.raises(InputError, match="image_size is 96, and generators make images of a power of two"):
        load(side=96, tables={}, generator={"path": "g.pkl"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"generator": {}}, "either 'path'"),
        ({"generator": {**TRAIN, "path": "g.pkl"}}, "either 'path'"),
        ({"generator": {**TRAIN, "sha256": "0" * 64}}, "a sha256 but no path"),
        ({"projection": {"space": "w"}}, "projection.space is an axis"),
        ({"projection": {"perceptual_weight": 0}}, "all backbones would give the same"),
        ({"labels": ["a"]}, "labels would change nothing"),
        ({"settings": {"space": ["w", "w"]}}, "space holds a value twice"),
        ({"settings": {"fraction": [0.1]}}, "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Inversion.model_validate(inversion(**changes))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "has no arch"),
        ({"control": "random"}, "has no arch"),
        ({"control": "mean-w", "arch": "resnet18"}, "has no network; leave out arch"),
        ({"control": "pixel-only", "in_channels": 1}, "has no network; leave out in_channels"),
        ({"control": "random", "arch": "resnet18", "path": "a.pth"}, "leave one of them out"),
        ({"arch": "vgg16", "path": "a.pth"}, "give its path and sha256"),
        ({"arch": "vgg16", "url": "https://a/b.pth", "sha256": "0" * 64}, "give its path and sha256"),
        ({"arch": "vgg16", "path": "a.pth", "sha256": "0" * 64, "in_channels": 1}, "leave out in_channels"),
    ],
)
def test_entries_say_what_they_are(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BackboneEntry.model_validate({"label": "A", **entry})
