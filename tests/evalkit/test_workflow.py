"""What the Snakefile asks about pretraining: what it waits for, and what makes it run again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit import workflow as facts
from evalkit.atomic import write_json
from evalkit.config.loading import Study


def entry(method: str = "simclr", *, steps: int = 1, **changes: Any) -> dict:
    """A backbone's entry; `changes` are those of its pretraining."""
    recipe = {"lr": 0.01, "batch_size": 8, "steps": steps}
    pretraining = {"method": method, "data": "other", "recipe": recipe} | changes
    return {"label": method, "arch": "resnet10t", "in_channels": 1, "pretrain": pretraining}


def read_back(path: str) -> dict:
    return {"label": "Read back", "arch": "resnet10t", "path": path, "format": "moco"}


def chain() -> dict[str, dict]:
    return {
        "first": entry("supervised"),
        "second": entry(init="first", data="main"),
        "third": entry(init="second", ifa={"preset": "paper"}),
        "exported": read_back("${RESULTS}/exports/third-moco.pth"),
        "whole": read_back("${RESULTS}/pretraining/first/checkpoint.pth"),
        "circle": read_back("${RESULTS}/exports/circle-moco.pth"),
        "foreign": read_back("${NOWHERE}/weights.pth"),
    }


def finish(study: Study, backbone: str, *, apart_from: list[str], attempt: int = 0) -> Path:
    """What a pretraining and its job leave."""
    folder = study.layout.pretraining(backbone)
    for name in ("run.json", "checkpoint.pth"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    mark = facts.pretraining_mark(study, backbone)
    job = {"attempt": attempt, "apart_from": apart_from, "decided_by": mark, "outputs": {"checkpoint.pth": "0"}}
    write_json(study.layout.pretraining_job(backbone), job)
    return folder


def test_every_data_set_in_a_chain_is_to_be_apart_from_the_evaluation(make_study) -> None:
    study = make_study(backbones=chain())
    other, same = (study.layout.apart(dataset, "main") for dataset in ("other", "main"))
    expected = {
        "scratch": [],
        "first": [other],
        "second": [same, other],
        "third": [other, same],
        "exported": [other, same],
        "whole": [other],
        "circle": [],
        "foreign": [],
    }
    assert {name: facts.apart_files(study, name, "main") for name in expected} == expected


def test_a_checkpoint_made_here_is_known_by_the_record_of_its_job(make_study) -> None:
    study = make_study(backbones=chain())
    first = study.layout.pretraining_job("first")
    assert facts.checkpoint_inputs(study, "first") == facts.checkpoint_inputs(study, "whole") == [first]
    assert facts.checkpoint_inputs(study, "exported") == [study.layout.export("third")]
    assert facts.checkpoint_inputs(study, "foreign") == facts.checkpoint_inputs(study, "scratch") == []


def test_a_pretraining_reads_its_own_data_and_the_weights_it_starts_from(make_study) -> None:
    study = make_study(backbones=chain())
    assert facts.pretraining_data(study, "second") == facts.dataset_files(study, "main")
    assert facts.pretraining_start(study, "first") == []
    assert facts.pretraining_start(study, "second") == facts.weights_files(study, "first") != []


def test_data_are_compared_once_also_with_themselves(make_study) -> None:
    study = make_study()
    assert facts.compared_files(study, "main", "main") == facts.dataset_files(study, "main")
    both = facts.dataset_files(study, "other") + facts.dataset_files(study, "main")
    assert facts.compared_files(study, "other", "main") == both


def test_only_a_pretraining_that_is_done_does_not_wait_for_new_evaluations(make_study) -> None:
    def study_with(**changes: Any) -> Study:
        study = make_study(backbones={"made": entry(**changes)})
        further = study.file.evaluations["main"].model_copy(update={"dataset": "other"})
        study.file.evaluations["further"] = further
        return study

    study = study_with()
    assert facts.pretraining_apart_from(study, "made") == ["main", "other"]
    assert facts.pretraining_checks(study, "made") == [study.layout.apart("other", each) for each in ("main", "other")]
    folder = finish(study, "made", apart_from=["main", "given up"])
    assert facts.pretraining_apart_from(study, "made") == ["main"]
    assert facts.pretraining_apart_from(study_with(steps=2), "made") == ["main", "other"]
    (folder / "checkpoint.pth").unlink()
    assert facts.pretraining_apart_from(study, "made") == ["main", "other"]


def test_what_was_removed_is_another_attempt(make_study) -> None:
    study = make_study(backbones={"made": entry()})
    assert facts.pretraining_attempt(study, "made") == 0
    for name in ("run.json", "checkpoint.pth"):
        folder = finish(study, "made", apart_from=["main"], attempt=2)
        assert facts.pretraining_attempt(study, "made") == 2
        (folder / name).unlink()
        assert facts.pretraining_attempt(study, "made") == 3


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"attempt": "x", "apart_from": [], "decided_by": [], "outputs": []}']
)
def test_a_damaged_record_is_none(make_study, text: str) -> None:
    study = make_study(backbones={"made": entry()})
    finish(study, "made", apart_from=["main"])
    study.layout.pretraining_job("made").write_text(text)
    assert facts.pretraining_attempt(study, "made") == 0
    assert facts.pretraining_apart_from(study, "made") == ["main"]


def test_a_pretraining_is_hashed_by_what_decides_it(make_study) -> None:
    def hash_of(label: str = "A label", **changes: Any) -> str:
        return facts.pretraining_hash(make_study(backbones={"made": entry(**changes) | {"label": label}}), "made")

    paper = hash_of(ifa={"preset": "paper"})
    assert hash_of(ifa={"blocks": {3: {}}}) == paper
    assert hash_of("Another", ifa={"blocks": {3: {"target": 1.0, "weight": 1.0}}}) == paper
    released = {"blocks": {4: {}, 1: {"target": 0.3}}}
    assert hash_of(ifa=released) == hash_of(ifa={"preset": "released-code"}) != paper
    others = [hash_of(), hash_of(steps=2), hash_of(ifa={"blocks": {3: {"weight": 2}}}), hash_of("A label", records=3)]
    assert len({paper, *others}) == 5


def test_the_figure_of_pretraining_shows_those_that_others_start_from(make_study) -> None:
    backbones = {"made": entry(), "approximated": entry(init="made", ifa={"preset": "paper"})}
    study = make_study(backbones=backbones)
    named = {name: each for name, each in study.backbones.items() if name != "made"}
    study = replace(study, backbones=named, unlisted={"made": study.backbone("made")})
    assert facts.contrastive_backbones(study) == ["made", "approximated"]
    assert facts.pretraining_jobs(study) == [study.layout.pretraining_job(name) for name in backbones]
    with pytest.raises(SystemExit, match="nothing to draw"):
        facts.pretraining_jobs(make_study())


def test_a_figure_that_the_study_does_not_have_is_named(make_study) -> None:
    with pytest.raises(SystemExit, match=r"has no figure 'figure_pretrainings' \(nearest: 'figure_pretraining'"):
        facts.drawn_files(make_study(), "figure_pretrainings")
