"""``evalkit check`` on studies with pretraining: what could only fail inside a job is told before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from evalkit.checking import Finding, check_study

RECIPE = {"lr": 0.01, "steps": 3, "batch_size": 4}


def entry(*, arch: str = "resnet10t", method: str = "moco", queue: int = 8, **changes: Any) -> dict[str, Any]:
    own = {key: changes.pop(key) for key in ("in_channels", "mean", "std") if key in changes}
    pretrain = {"method": method, "data": "other", "recipe": RECIPE, **changes}
    pretrain |= {"queue": queue} if method == "moco" else {}
    return {"label": "Made", "arch": arch, "in_channels": 1, **own, "pretrain": pretrain}


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Finding]]:
    """Check a study of phantoms with the backbones given; `compared` are those that the study names."""
    monkeypatch.chdir(tmp_path)

    def checked(
        compared: list[str],
        entries: dict[str, Any],
        *,
        config_only: bool = True,
        main: dict[str, Any] | None = None,
        other: dict[str, Any] | None = None,
        evaluation: dict[str, Any] | None = None,
    ) -> list[Finding]:
        study = {
            "study": "trial",
            "title": "A trial",
            "image_size": 32,
            "device": "cpu",
            "backbones": compared,
            "datasets": {
                "main": main or {"format": "chexpert", "phantom": {"patients": 20}},
                "other": other or {"format": "chexpert", "phantom": {"patients": 30, "first_patient": 101}},
            },
            "evaluations": {
                "main": {
                    "task": "multilabel",
                    "dataset": "main",
                    "recipe": {"lr": 0.1, "steps": 3},
                    **(evaluation or {}),
                }
            },
        }
        (tmp_path / "trial.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
        (tmp_path / "backbones.yaml").write_text(yaml.safe_dump(entries), encoding="utf-8")
        return list(check_study("trial.yaml", config_only=config_only))

    return checked


def of(findings: list[Finding], place: str) -> list[Finding]:
    return [finding for finding in findings if finding.place == place]


def refusals(findings: list[Finding], backbone: str) -> list[str]:
    """What is said against a pretraining; nothing else may be wrong with the study."""
    place = f"pretraining of {backbone}"
    assert [each for each in findings if not each.ok and not each.place.startswith("pretraining")] == []
    return [finding.message for finding in of(findings, place) if not finding.ok]


def table(path: Path, patients: range, prefix: str = "p", **labels: list[int]) -> dict[str, Any]:
    labels = labels or {"Edema": [k % 2 for k in patients]}
    names = [f"{prefix}{k}" for k in patients]
    paths = [f"{name}.png" for name in names]
    pd.DataFrame({"path": paths, "patient_id": names, **labels}).to_csv(path, index=False)
    return {"format": "csv", "root": str(path.parent), "table": path.name}


def test_a_pretraining_without_obstacles_is_described(check) -> None:
    entries = {"first": entry(), "second": entry(init="first", ifa={"blocks": {4: {}, 2: {}}})}
    findings = check(["first", "second"], entries)
    assert all(finding.ok for finding in findings)
    assert [finding.message for finding in findings if finding.place.startswith("pretraining")] == [
        "moco on the data 'other'",
        "moco on the data 'other', from 'first', IFA at blocks 2 and 4",
    ]


def test_entries_that_others_start_from_are_looked_at_too(check) -> None:
    entries = {
        "first": entry(data="main"),
        "second": entry(init="first"),
        "weights": {"label": "W", "arch": "resnet10t", "path": "absent.pth", "in_channels": 1},
        "third": entry(init="weights"),
    }
    findings = check(["second", "third"], entries, config_only=False)
    assert of(findings, "configuration")[0].message.endswith("; pretraining starts from first, weights")
    assert of(findings, "backbones.first")[0].ok
    assert "trains and tests with" in of(findings, "pretraining of first")[0].message
    assert "absent.pth" in of(findings, "weights of weights")[0].message
    unknown = check(["third"], {**entries, "weights": {**entries["weights"], "arch": "resnet10"}, "third": entry()})
    assert all(finding.ok for finding in unknown), "an entry that nothing names is left alone"
    entries = {"first": entry(arch="resnet10"), "second": entry(arch="resnet10", init="first")}
    findings = check(["second"], entries)
    assert [finding.place for finding in findings if not finding.ok] == ["backbones.second", "backbones.first"]


@pytest.mark.parametrize(
    ("arch", "blocks"), [("vit_tiny_patch16_224", {3: {}}), ("swin_tiny_patch4_window7_224", {1: {}})]
)
def test_ifa_needs_four_stages(check, arch, blocks) -> None:
    (message,) = refusals(check(["made"], {"made": entry(arch=arch, ifa={"blocks": blocks})}), "made")
    assert f"{arch} has no four stages" in message
    assert "to do:" in message
    assert refusals(check(["made"], {"made": entry(arch=arch)}), "made") == []


@pytest.mark.parametrize("arch", ["densenet121", "convnext_atto"])
def test_ifa_takes_any_network_of_four_stages(check, arch) -> None:
    assert refusals(check(["made"], {"made": entry(arch=arch, ifa={"preset": "released-code"})}), "made") == []


@pytest.mark.parametrize(
    "start",
    [
        entry(in_channels=3),
        {"label": "W", "arch": "resnet10t", "path": "absent.pth", "in_channels": 3},
        {"label": "W", "arch": "resnet10t", "timm": "c3_in1k", "mean": [0.5], "std": [0.25]},
    ],
    ids=["made here", "a file", "a tag of timm"],
)
def test_channels_are_those_of_the_weights_it_starts_from(check, start) -> None:
    (message,) = refusals(check(["made"], {"start": start, "made": entry(init="start")}), "made")
    assert "in_channels is 1, and 'start', which the pretraining starts from, has 3" in message
    assert refusals(check(["made"], {"start": start, "made": entry(init="start", in_channels=3)}), "made") == []
    assert refusals(check(["made"], {"start": start, "made": entry(init="start", in_channels=None)}), "made") == []


def test_channels_that_only_the_file_tells_are_left_to_it(check) -> None:
    start = {"label": "W", "arch": "resnet10t", "path": "absent.pth"}
    assert refusals(check(["made"], {"start": start, "made": entry(init="start")}), "made") == []


@pytest.mark.parametrize(
    ("start", "shown"),
    [
        (entry(mean=[0.658], std=[0.221]), "mean [0.658] and std [0.221] (backbone entry)"),
        (
            {"label": "W", "arch": "resnet10t", "timm": "c3_in1k"},
            "mean [0.485, 0.456, 0.406] and std [0.229, 0.224, 0.225] (timm, resnet10t.c3_in1k)",
        ),
    ],
    ids=["in the entry", "of timm"],
)
def test_normalisation_is_that_of_the_weights_it_starts_from(check, start, shown) -> None:
    made = entry(init="start", in_channels=None)
    (message,) = refusals(check(["made"], {"start": start, "made": made}), "made")
    assert shown in message
    assert "write the same mean and std into the entry of 'made'" in message
    own = {**made, "mean": [0.4], "std": [0.2]}
    assert refusals(check(["made"], {"start": start, "made": own}), "made") == [], "said by the entry itself"


def test_the_channels_of_weights_that_were_read_count(check, tmp_path: Path) -> None:
    import timm
    import torch

    torch.save(timm.create_model("resnet10t", in_chans=3, num_classes=0).state_dict(), tmp_path / "weights.pth")
    start = {"label": "W", "arch": "resnet10t", "path": str(tmp_path / "weights.pth")}
    entries = {"start": start, "made": entry(init="start")}
    assert refusals(check(["made"], entries), "made") == [], "nothing was read"
    (message,) = refusals(check(["made"], entries, config_only=False), "made")
    assert "has 3" in message


def test_more_values_of_the_mean_than_channels_are_refused(check) -> None:
    made = entry(mean=[0.4, 0.5, 0.6], std=[0.2, 0.2, 0.2])
    (message,) = refusals(check(["made"], {"made": made}), "made")
    assert "mean has 3 values, the network 1 input channels" in message


@pytest.mark.parametrize("method", ["moco", "simclr", "supervised"])
def test_the_data_of_an_evaluation_are_refused(check, method) -> None:
    (message,) = refusals(check(["made"], {"made": entry(method=method, data="main")}), "made")
    assert "pretrain.data is 'main', which the evaluation 'main' trains and tests with" in message
    assert "to do:" in message


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        ({"format": "chexpert", "phantom": {"patients": 5, "first_patient": 21}}, None),
        ({"format": "chexpert", "phantom": {"patients": 5, "first_patient": 20}}, "the phantom patients 20 to 20"),
        ({"format": "chexpert", "phantom": {"patients": 5, "first_patient": 3}}, "the phantom patients 3 to 7"),
        ({"format": "chexpert", "phantom": {"patients": 5, "size": 64}}, "the phantom patients 1 to 5"),
        ({"format": "nih", "phantom": {"patients": 5}}, "the phantom patients 1 to 5"),
        # Other persons of the same ids: the job would refuse them.
        ({"format": "chexpert", "phantom": {"patients": 5, "seed": 1}}, "the phantom patients 1 to 5"),
        ({"format": "nih", "phantom": {"patients": 5, "seed": 1}}, None),
    ],
)
def test_phantoms_that_are_drawn_for_both_are_refused(check, other, shared) -> None:
    found = refusals(check(["made"], {"made": entry()}, other=other), "made")
    assert [message.splitlines()[0] for message in found] == (
        [f"{shared} are in 'other', the data of pretraining, and in 'main', the data of 'main'"] if shared else []
    )


def test_ranges_of_patients_part_phantoms_of_the_same_numbers(check) -> None:
    phantom = {"format": "chexpert", "phantom": {"patients": 200}}
    halves = {"main": {**phantom, "patients": [0.5, 1.0]}, "other": {**phantom, "patients": [0.0, 0.5]}}
    assert refusals(check(["made"], {"made": entry()}, **halves), "made") == []
    halves["other"]["patients"] = [0.0, 0.6]
    (message,) = refusals(check(["made"], {"made": entry()}, **halves), "made")
    count = int(message.split()[0])
    assert 10 <= count <= 30, "about a tenth of 200"


def test_ranges_of_one_folder_that_overlap_are_refused(check) -> None:
    archive = {"format": "nih", "root": "${NIH_ROOT}"}
    parts = {"main": {**archive, "patients": [0.3, 1.0]}, "other": {**archive, "patients": [0.0, 0.3]}}
    assert refusals(check(["made"], {"made": entry()}, **parts), "made") == []
    parts["other"] |= {"patients": [0.0, 0.35], "root": "${NIH_ROOT}/"}
    (message,) = refusals(check(["made"], {"made": entry()}, **parts), "made")
    assert "in the range [0.3, 0.35)" in message


def test_patients_that_two_tables_share_are_found_when_they_are_read(check, tmp_path: Path) -> None:
    tables = {"main": table(tmp_path / "a.csv", range(20)), "other": table(tmp_path / "b.csv", range(19, 40))}
    assert refusals(check(["made"], {"made": entry()}, **tables), "made") == []
    (message,) = refusals(check(["made"], {"made": entry()}, config_only=False, **tables), "made")
    assert message.startswith("1 patients, 'p19' for example, are in 'other'")


def test_another_data_set_to_test_on_must_share_a_label(check, tmp_path: Path) -> None:
    scratch = {"made": {"label": "Scratch", "arch": "resnet10t"}}
    tables = {
        "main": table(tmp_path / "a.csv", range(9)),
        "other": table(tmp_path / "b.csv", range(6), "q", Mass=[0, 1] * 3),
    }
    place, tested = "evaluations.main.test_on", {"test_on": ["other"]}
    (finding,) = of(check(["made"], scratch, config_only=False, evaluation=tested, **tables), place)
    assert not finding.ok
    assert finding.message.startswith("the data set 'other' has the labels Mass")
    shared = {**tables, "other": table(tmp_path / "c.csv", range(6), "q", Edema=[0, 1] * 3)}
    (finding,) = of(check(["made"], scratch, config_only=False, evaluation=tested, **shared), place)
    assert finding == Finding(place, True, "6 images of other, labels of both: Edema")
    assert of(check(["made"], scratch, config_only=False, **tables), place) == [], "it is not tested on"
    assert of(check(["made"], scratch, evaluation=tested, **tables), place) == [], "nothing is read"


def test_images_of_another_data_set_without_one_class_are_counted(check, tmp_path: Path) -> None:
    one_hot = {"Edema": [1, 0, 1, 0], "Mass": [0, 1, 0, 1]}
    unclear = {"Edema": [1, 0, 1, 0], "Mass": [1, 1, 0, 0]}
    evaluation = {"task": "multiclass", "test_on": ["other"], "labels": ["Edema", "Mass"]}
    tables = {
        "main": table(tmp_path / "a.csv", range(4), **one_hot),
        "other": table(tmp_path / "b.csv", range(4), "q", **unclear),
    }
    scratch = {"made": {"label": "Scratch", "arch": "resnet10t"}}
    findings = check(["made"], scratch, config_only=False, evaluation=evaluation, **tables)
    assert [finding.message for finding in of(findings, "evaluations.main.test_on")] == [
        "2 images of other, labels of both: Edema, Mass; 2 left out, without exactly one of the classes"
    ]
    assert all(finding.ok for finding in findings)
    # Its own images, still to be drawn, need not be known where the labels are named.
    del tables["main"]
    findings = check(["made"], scratch, config_only=False, evaluation=evaluation, **tables)
    assert of(findings, "evaluations.main.test_on")[0].ok
    unnamed = {**evaluation, "labels": None}
    assert (
        of(check(["made"], scratch, config_only=False, evaluation=unnamed, **tables), "evaluations.main.test_on") == []
    )


def test_a_batch_and_a_queue_are_held_against_the_images(check, tmp_path: Path) -> None:
    tables = {"main": table(tmp_path / "a.csv", range(9)), "other": table(tmp_path / "b.csv", range(6), "q")}
    large = {**RECIPE, "batch_size": 8}
    entries = {
        "large": entry(recipe=large),
        "large-simclr": entry(method="simclr", recipe=large),
        "large-supervised": entry(method="supervised", recipe=large),
        "long": entry(queue=12),
        "short": entry(queue=4),
    }
    findings = check(list(entries), entries, config_only=False, **tables)
    for backbone in ("large", "large-simclr"):
        (message,) = refusals(findings, backbone)
        assert message.startswith("recipe.batch_size is 8, and 'other' has 6 images")
    said = {name: [each.message for each in of(findings, f"pretraining of {name}")] for name in entries}
    assert said["large-supervised"] == ["supervised on the data 'other'"], "it goes on into the next pass"
    assert said["short"] == ["moco on the data 'other'"]
    _, warning = said["long"]
    assert warning.startswith("warning: the queue of 12 keys is longer than the 6 images of 'other'")
    assert "2.0 times on average" in warning
    assert "lower queue to 4 or less" in warning
    assert all(each.ok for each in of(findings, "pretraining of long"))
    assert all("warning" not in each.message for each in check(["long"], entries, **tables)), "nothing was counted"


def test_phantoms_are_counted_once_they_are_drawn(check) -> None:
    from evalkit.phantom import write_chexpert

    entries, place = {"made": entry(queue=16, recipe={**RECIPE, "batch_size": 16})}, "datasets.other"
    other = {"format": "chexpert", "phantom": {"patients": 4, "first_patient": 101, "size": 32}}
    before = check(["made"], entries, config_only=False, other=other)
    assert of(before, place)[0].message == "4 phantom patients, drawn when they are needed"
    root = Path("results/trial/phantoms/other/CheXpert-v1.0-small")
    write_chexpert(root, patients=4, first_patient=101, size=32, workers=1)
    after = check(["made"], entries, config_only=False, other=other)
    assert "of 4 patients" in of(after, place)[0].message
    assert "recipe.batch_size is 16" in refusals(after, "made")[0]
    other["phantom"]["patients"] = 90
    again = check(["made"], entries, config_only=False, other=other)
    assert of(again, place)[0].message == "90 phantom patients, drawn when they are needed"
    assert refusals(again, "made") == []


@pytest.mark.parametrize(
    ("start", "changes"),
    [
        ({"in_channels": 3}, {}),
        ({"mean": [0.6], "std": [0.2]}, {}),
        ({}, {"recipe": {**RECIPE, "batch_size": 96}}),
        ({}, {"arch": "vit_tiny_patch16_224", "ifa": {"preset": "paper"}, "init": None}),
    ],
    ids=["channels", "normalisation", "batch", "stages"],
)
def test_what_is_refused_is_what_the_job_refuses(make_study, start, changes) -> None:
    from evalkit.checkpoints.sources import make_canonical
    from evalkit.checkpoints.writing import save_canonical
    from evalkit.errors import InputError
    from evalkit.pretraining.contrastive import pretrain
    from evalkit.pretraining.feasibility import Known, find_obstacles

    made = entry(method="simclr", **{"init": "start", **changes})
    study = make_study(backbones={"start": entry(method="simclr", **start), "made": made})
    pretrain(study, "start")
    tensors, report = make_canonical(study.backbone("start"), path=study.checkpoint_path("start"))
    save_canonical(study.layout.weights("start"), tensors, report)
    with pytest.raises(InputError) as refused:
        pretrain(study, "made")
    obstacles = find_obstacles(study, "made", Known(images={"other": 80}))
    assert refused.value.expected in [obstacle.expected for obstacle in obstacles]
