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


def made(init: str | None) -> dict[str, Any]:
    recipe = {"lr": 0.1, "steps": 1, "batch_size": 4}
    return {
        "label": "Made",
        "arch": "resnet18",
        "pretrain": {"method": "simclr", "data": "data", "init": init, "recipe": recipe},
    }


def read(path: str) -> dict[str, Any]:
    return {"label": "Read", "arch": "resnet18", "path": path}


def inversion(**changes: Any) -> dict[str, Any]:
    return {"task": "inversion", "dataset": "data", "generator": TRAIN, **changes}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Study]:
    """Load a study of an inversion and a classification; each table is given its evaluation and rows."""

    def make(
        *,
        side: int = 64,
        tables: dict[str, tuple[str, list[str] | None]],
        metric: str = "psnr",
        listed: dict[str, dict] | None = None,
        unlisted: dict[str, dict] | None = None,
        **changes: Any,
    ) -> Study:
        compared = {**BACKBONES, **(listed or {})}
        of_evaluation = {
            "inversion": {"metric": metric, "primary": "wilcoxon"},
            "classes": {"metric": "auc", "primary": "delong"},
        }
        study = {
            "study": "s",
            "title": "S",
            "image_size": side,
            "backbones": list(compared),
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
        (tmp_path / "backbones.yaml").write_text(yaml.safe_dump({**compared, **(unlisted or {})}))
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


def test_identity_is_measured_by_a_backbone_that_the_study_need_not_list(load) -> None:
    tables = {"t": ("inversion", ["mine", "pixels"]), "u": ("classes", ["mine"])}
    unlisted = {"other": made(None), "start": read("start.pth"), "judge": made("start")}
    study = load(tables=tables, unlisted=unlisted, identity="judge", metric="identity")
    assert list(study.unlisted) == ["start", "judge"]
    assert study.checkpoint_path("judge") == study.layout.pretraining("judge") / "checkpoint.pth"
    listed = load(tables=tables, listed={"judge": read("judge.pth")}, identity="judge")
    assert listed.unlisted == {}
    # Rows of other evaluations have no part in reconstructions of this one.
    assert load(tables={"t": ("inversion", ["pixels"]), "u": ("classes", ["mine"])}, identity="mine").unlisted == {}


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        ("mien", r"evaluations\.inversion\.identity names 'mien', which does not exist \(nearest: 'mine'"),
        ("scratch", "names 'scratch', which has no weights; name a backbone with weights"),
        ("pixels", "names 'pixels', which is the control 'pixel-only'"),
        ("random", "names 'random', which is the control 'random'"),
        ("vgg", "names 'vgg', which is VGG-16, of whose file only convolutions are read"),
    ],
)
def test_identity_needs_a_trained_network(load, identity: str, message: str) -> None:
    with pytest.raises(InputError, match=f"has 1 mistake:.*\n.*{message}"):
        load(tables={"t": ("inversion", ["mine"])}, identity=identity)


@pytest.mark.parametrize(
    ("judge", "row", "message"),
    [
        (read("judge.pth"), read("judge.pth"), "'judge', which has the weights of 'row'"),
        (
            read("judge.pth") | {"sha256": "1" * 64},
            read("row.pth") | {"sha256": "1" * 64},
            "'judge', .* weights of 'row'",
        ),
        (made(None), made("judge"), "'judge', from which 'row' was made"),
        (made(None), made("between"), "'judge', from which 'row' was made"),
        (made(None), read("${RESULTS}/exports/judge-moco.pth"), "'judge', from which 'row' was made"),
        (made("row"), read("row.pth"), "'judge', which was made from 'row'"),
        (made("row"), made(None), "'judge', which was made from 'row'"),
        (made("start"), read("start.pth"), "'judge', which was made from 'row'"),
        (read("${RESULTS}/pretraining/row/checkpoint.pth"), made(None), "'judge', which was made from 'row'"),
    ],
)
def test_who_measures_identity_had_no_part_in_a_reconstruction(
    load, judge: dict[str, Any], row: dict[str, Any], message: str
) -> None:
    beside = {"judge": judge, "between": made("judge"), "start": read("start.pth")}
    whole = rf"identity names {message}, a row of tables\.a and tables\.b; .* without 'row' under tables\.a.*tables\.b"
    tables = {"a": ("inversion", ["mine", "row"]), "b": ("inversion", ["row"]), "c": ("inversion", ["mine"])}
    with pytest.raises(InputError, match=f"has 1 mistake:.*\n.*{whole}"):
        load(tables=tables, listed={"row": row}, unlisted=beside, identity="judge")
    assert load(tables={"c": tables["c"]}, listed={"row": row}, unlisted=beside, identity="judge").unlisted


def test_a_row_cannot_measure_its_own_identity(load) -> None:
    instead = r"list rows without 'mine' under tables\.t\.backbones"
    for rows in (["mine", "vgg"], None):
        with pytest.raises(
            InputError, match=rf"identity names 'mine', which is itself, a row of tables\.t; .*{instead}"
        ):
            load(tables={"t": ("inversion", rows)}, identity="mine")


def test_a_table_of_identity_needs_a_backbone_to_measure_it(load) -> None:
    tables = {"t": ("inversion", ["mine"])}
    with pytest.raises(
        InputError, match=r"tables\.t\.metric has identity.*name one under evaluations\.inversion\.identity"
    ):
        load(tables=tables, metric="identity")
    judge = {"judge": read("judge.pth")}
    assert load(tables=tables, metric="identity", unlisted=judge, identity="judge").table("t").metrics == ["identity"]


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
