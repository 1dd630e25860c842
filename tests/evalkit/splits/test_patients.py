"""Splits: patients apart, fractions within one another, every class in every draw, and no leakage."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.config.datasets import NihEntry
from evalkit.config.evaluations import Classification
from evalkit.datasets import read_dataset, write_manifest
from evalkit.datasets.building import build_manifest
from evalkit.datasets.labels import LabelPolicy
from evalkit.errors import InputError
from evalkit.packing import pack
from evalkit.splits import check_disjoint, load_splits, make_splits, write_splits
from evalkit.splits.drawing import shuffle
from evalkit.splits.stored import count_drawn

FRACTIONS = [0.01, 0.1, 0.5, 1.0]


def make_manifest(patients, *, images=2, positive=None, splits=None):
    """Patients p0, p1, ... with some images each; `positive` maps a class to the share of its positive images."""
    rng = np.random.default_rng(0)
    names = np.repeat([f"p{number}" for number in range(patients)], images)
    rows = pd.DataFrame({"image_id": [f"{name}/{row % images}" for row, name in enumerate(names)], "patient_id": names})
    rows["study_id"], rows["path"] = rows["image_id"], rows["image_id"] + ".png"
    rows["split"] = rows["patient_id"].map(splits) if splits else ""
    rows["age"], rows["sex"], rows["view"] = np.nan, "", ""
    labels = pd.DataFrame(
        {label: (rng.random(len(rows)) < share).astype(float) for label, share in (positive or {"Edema": 0.5}).items()}
    )
    return build_manifest(
        rows,
        labels,
        policy=LabelPolicy(),
        default_labels=list(labels),
        unit="image",
        patients=(0.0, 1.0),
        report={"test_set": "the official list", "footnote": "Phantoms."},
        source=Path("labels.csv"),
    )


def make_index(manifest):
    index = manifest.images[["image_id", "patient_id"]].copy()
    index.insert(0, "row", np.arange(len(index)))
    index["sha256"] = [hashlib.sha256(name.encode()).hexdigest()[:32] for name in index["image_id"]]
    index["low"], index["cap"] = 0.0, 100.0
    return index


def evaluation(fractions=FRACTIONS, **options) -> Classification:
    about = {"task": "multilabel", "dataset": "mine", "recipe": {"lr": 0.1, "steps": 1}, "repeats": 3}
    return Classification.model_validate({**about, "settings": {"fraction": fractions}, **options})


def split(manifest, *, index=None, seed=0, **options):
    index = make_index(manifest) if index is None else index
    return make_splits(manifest, index, evaluation(**options), name="e", seed=seed)


def patients_of(splits, *draw):
    owner = splits.images.set_index("image_id")["patient_id"]
    return set(owner[splits.image_ids(*draw)])


@settings(max_examples=40, deadline=None)
@given(
    patients=st.integers(10, 120),
    images=st.integers(1, 3),
    seed=st.integers(0, 2**31),
    fractions=st.lists(st.floats(0.001, 1.0), min_size=1, max_size=4, unique=True),
    validation=st.sampled_from(["fixed", "fraction"]),
)
def test_roles_share_no_patient_and_fractions_lie_within_one_another(patients, images, seed, fractions, validation):
    manifest = make_manifest(patients, images=images)
    splits = split(manifest, seed=seed, fractions=fractions, validation=validation, missing_class="keep")
    whole = {role: patients_of(splits, role) for role in ("train", "validation", "test")}
    assert sum(map(len, whole.values())) == patients == len(set.union(*whole.values()))
    assert len(splits.images) == patients * images
    for role in ("train", "validation"):
        for repeat in range(3):
            smaller: set[str] = set()
            for fraction in [*sorted(fractions), 1.0]:
                drawn = patients_of(splits, role, fraction, repeat)
                assert smaller <= drawn <= whole[role]
                shrinks = role == "train" or validation == "fraction"
                assert len(drawn) == (count_drawn(fraction, len(whole[role])) if shrinks else len(whole[role]))
                assert len(splits.image_ids(role, fraction, repeat)) == len(drawn) * images
                smaller = drawn


def test_shares_count_patients():
    splits = split(make_manifest(200), test_share=0.25, validation_share=0.1)
    counts = {role: count["patients"] for role, count in splits.report["roles"].items()}
    assert counts == {"train": 135, "validation": 15, "test": 50}
    assert splits.report["test_set"] == "25% of all patients, drawn at random"
    assert splits.report["validation_set"] == "10% of the remaining patients, drawn at random"


@pytest.mark.parametrize(("fraction", "patients", "drawn"), [(0.01, 5, 1), (0.5, 7, 4), (0.1, 224, 22), (1.0, 9, 9)])
def test_a_fraction_takes_whole_patients(fraction, patients, drawn):
    assert count_drawn(fraction, patients) == drawn


def test_the_order_of_a_draw_is_pinned():
    # Whoever repeats a published study must get its draws: neither NumPy nor an edit may change them.
    assert shuffle(8, purpose="fraction", dataset="nih", repeat=0, seed=0, attempt=0).tolist() == [
        4,
        0,
        3,
        7,
        5,
        1,
        2,
        6,
    ]


def test_draws_depend_on_repeat_and_seed_and_on_no_order_of_rows():
    manifest = make_manifest(100)
    one, same = split(manifest), split(manifest)
    pd.testing.assert_frame_equal(one.images, same.images)
    assert patients_of(one, "train", 0.1, 0) != patients_of(one, "train", 0.1, 1)
    assert patients_of(split(manifest, seed=1), "test") != patients_of(one, "test")
    turned = make_manifest(100)
    turned.images[:] = turned.images.iloc[::-1].to_numpy()
    for draw in (("test",), ("validation",), ("train", 0.1, 2)):
        assert patients_of(split(turned), *draw) == patients_of(one, *draw)


def test_the_evaluations_name_and_backbones_are_not_in_the_draw():
    manifest = make_manifest(60)
    named = make_splits(manifest, make_index(manifest), evaluation(), name="another", seed=0)
    pd.testing.assert_frame_equal(named.images, split(manifest).images)


def test_the_data_sets_own_splits_are_used():
    own = {f"p{number}": ["train", "valid", "test"][number % 3] for number in range(30)}
    splits = split(make_manifest(30, splits=own))
    roles = splits.images.drop_duplicates("patient_id").set_index("patient_id")["role"]
    assert roles.to_dict() == {name: {"valid": "validation"}.get(part, part) for name, part in own.items()}
    assert splits.report["test_set"] == "the official list"
    assert splits.report["validation_set"] == "the data set's own"


def test_own_test_patients_leave_validation_to_be_drawn():
    own = {f"p{number}": "test" if number < 10 else "train" for number in range(50)}
    splits = split(make_manifest(50, splits=own), validation_share=0.25)
    assert patients_of(splits, "test") == {f"p{number}" for number in range(10)}
    assert len(patients_of(splits, "validation")) == 10


def test_own_validation_patients_without_test_patients():
    own = {f"p{number}": "valid" if number < 10 else "train" for number in range(50)}
    splits = split(make_manifest(50, splits=own), test_share=0.25)
    assert patients_of(splits, "validation") == {f"p{number}" for number in range(10)}
    assert len(patients_of(splits, "test")) == 10


@pytest.mark.parametrize("validation", ["fixed", "fraction"])
def test_every_draw_has_a_positive_and_a_negative_of_each_class(validation):
    rare = {"Rare": 0.12, "Common": 0.9}
    splits = split(make_manifest(400, positive=rare), fractions=[0.03, 0.5], repeats=20, validation=validation)
    roles = ["train", "validation"] if validation == "fraction" else ["train"]
    assert splits.report["drawn_roles"] == roles
    assert all(sum(splits.report["redraws"][role]) > 0 for role in roles), "the case must call for redrawing"
    assert splits.report["draws_lacking_a_class"] == []
    assert len(splits.report["draws"]) == len(roles) * 20 * 2
    labels = make_manifest(400, positive=rare).images.set_index("image_id")[["Rare", "Common"]]
    for role in roles:
        for repeat in range(20):
            drawn = labels.loc[splits.image_ids(role, 0.03, repeat)]
            assert (drawn == 1).any().all()
            assert (drawn == 0).any().all()


def test_a_redraw_changes_the_whole_repeat_and_no_other():
    manifest = make_manifest(400, positive={"Rare": 0.12})
    drawn = split(manifest, fractions=[0.03, 0.5], repeats=8)
    kept = split(manifest, fractions=[0.03, 0.5], repeats=8, missing_class="keep")
    for repeat, redraws in enumerate(drawn.report["redraws"]["train"]):
        same = patients_of(drawn, "train", 0.5, repeat) == patients_of(kept, "train", 0.5, repeat)
        assert same == (redraws == 0)


def test_kept_draws_are_marked():
    splits = split(make_manifest(60, positive={"Rare": 0.05}), fractions=[0.02, 0.9], missing_class="keep")
    lacking = splits.report["draws_lacking_a_class"]
    assert {draw["fraction"] for draw in lacking} == {0.02}
    assert all(
        draw["lacking"] == ["Rare"] and draw["classes"]["Rare"]["positive"] == {"images": 0, "patients": 0}
        for draw in lacking
    )
    assert splits.report["redraws"]["train"] == [0, 0, 0]


def test_counts_of_draws_are_those_of_their_images():
    manifest = make_manifest(80, positive={"A": 0.4, "B": 0.2})
    splits = split(manifest, fractions=[0.2, 0.6])
    labels = manifest.images.set_index("image_id")
    for draw in splits.report["draws"]:
        names = splits.image_ids(draw["role"], draw["fraction"], draw["repeat"])
        assert draw["images"] == len(names)
        assert draw["patients"] == labels.loc[names, "patient_id"].nunique()
        for label in ("A", "B"):
            drawn = labels.loc[names]
            for value, here in (("positive", drawn[label] == 1), ("negative", drawn[label] == 0)):
                counted = {"images": int(here.sum()), "patients": drawn.loc[here, "patient_id"].nunique()}
                assert draw["classes"][label][value] == counted
            assert draw["classes"][label]["missing"] == {"images": 0, "patients": 0}


def test_classes_too_rare_for_a_fraction_end_in_a_message():
    # One positive image in all: a draw of one patient cannot hold it and a negative of the other class.
    manifest = make_manifest(100, images=1, positive={"A": 0.5, "B": 0.5})
    with pytest.raises(InputError, match=r"1,000 draws of 0\.001 of the train patients \(1 of 72\)") as refused:
        split(manifest, fractions=[0.001, 1.0])
    assert "missing_class: keep" in str(refused.value)


def test_a_class_without_a_positive_in_training_is_refused_or_marked():
    manifest = make_manifest(50, positive={"Edema": 0.5, "Absent": 0.0})
    with pytest.raises(InputError, match="no positive or no negative image of Absent"):
        split(manifest)
    kept = split(manifest, missing_class="keep")
    assert kept.report["absent_classes"] == {"train": ["Absent"], "validation": ["Absent"], "test": ["Absent"]}


def test_a_class_absent_from_the_test_patients_is_reported_only():
    own = {f"p{number}": "test" if number < 2 else "train" for number in range(60)}
    splits = split(make_manifest(60, positive={"Edema": 0.5, "Rare": 0.1}, splits=own), fractions=[1.0])
    assert splits.report["absent_classes"]["test"] == ["Rare"]
    assert splits.report["absent_classes"]["train"] == []


def test_only_the_full_fraction_needs_no_draw():
    splits = split(make_manifest(30), fractions=[1.0])
    assert splits.report["repeats"] == 0
    assert not [column for column in splits.images if column.startswith("order-")]
    # Seeds beyond the draws repeat the same images.
    assert splits.image_ids("train", 1.0, 7).tolist() == splits.image_ids("train").tolist()


def test_an_unknown_repeat_is_named():
    with pytest.raises(InputError, match="no repeat 3"):
        split(make_manifest(30)).image_ids("train", 0.5, 3)


def test_labels_are_the_evaluations_or_the_data_sets():
    manifest = make_manifest(40, positive={"Edema": 0.5, "Effusion": 0.5})
    assert split(manifest).labels == ["Edema", "Effusion"]
    assert split(manifest, labels=["Effusion"]).labels == ["Effusion"]
    with pytest.raises(InputError, match=r"'Efusion'.*nearest: 'Effusion'"):
        split(manifest, labels=["Efusion"])


def test_images_that_were_not_packed_are_in_no_role_and_counted():
    manifest = make_manifest(40)
    index = make_index(manifest)
    splits = split(manifest, index=index[index["image_id"] != "p7/0"])
    assert splits.report["not_packed"] == 1
    assert "p7/0" not in set(splits.images["image_id"])


def test_an_index_of_another_manifest_is_refused():
    index = make_index(make_manifest(41))
    with pytest.raises(InputError, match="does not belong to the manifest"):
        split(make_manifest(40), index=index)
    moved = make_index(make_manifest(40))
    moved.loc[0, "patient_id"] = "p9"
    with pytest.raises(InputError, match="does not belong to the manifest"):
        split(make_manifest(40), index=moved)


def test_too_few_patients_are_refused():
    with pytest.raises(InputError, match="1 patients are left to divide"):
        split(make_manifest(1))


def test_identical_pixels_in_two_roles_fail_and_are_named():
    manifest = make_manifest(40)
    index = make_index(manifest)
    roles = split(manifest).images.set_index("image_id")["role"]
    trained, tested = roles[roles == "train"].index[0], roles[roles == "test"].index[0]
    same = index["image_id"].isin([trained, tested])
    index.loc[same, "sha256"] = "0" * 32
    with pytest.raises(InputError, match="1 images have the same pixels") as refused:
        split(manifest, index=index)
    assert f"{trained} (train)" in str(refused.value)
    assert f"{tested} (test)" in str(refused.value)
    # All-black images say nothing.
    index.loc[same, "cap"] = 0.0
    assert split(manifest, index=index).report["leakage"]["without_contrast"] == 2


def test_identical_pixels_in_one_role_are_no_leakage():
    manifest = make_manifest(40)
    index = make_index(manifest)
    index.loc[index["patient_id"] == "p3", "sha256"] = "0" * 32
    assert split(manifest, index=index).report["leakage"]["repeated_within_a_role"] == 2


def test_data_sets_that_share_patients_or_pixels_are_refused():
    first, second = make_index(make_manifest(10)), make_index(make_manifest(20))
    names = ("the pretraining data", "the evaluation's")
    with pytest.raises(InputError, match=r"10 patients are in both the pretraining data .* 'p0', 'p1'"):
        check_disjoint(first, second, names=names)
    second["patient_id"] = "other " + second["patient_id"]
    with pytest.raises(InputError, match=r"20 images are in both .*: p0/0 = p0/0"):
        check_disjoint(first, second, names=names)
    second["sha256"] = second["sha256"].str[::-1]
    check_disjoint(first, second, names=names)


def test_splits_read_back_as_they_were(tmp_path):
    splits = split(make_manifest(30))
    write_splits(splits, tmp_path / "e.parquet")
    again = load_splits(tmp_path / "e.parquet")
    pd.testing.assert_frame_equal(again.images, splits.images)
    assert again.report == json.loads(json.dumps(splits.report))
    assert again.image_ids("train", 0.1, 2).tolist() == splits.image_ids("train", 0.1, 2).tolist()


def test_splits_that_were_not_made_are_named_with_their_command(tmp_path):
    with pytest.raises(InputError, match=r"python -m evalkit\.splits"):
        load_splits(tmp_path / "e.parquet")


@pytest.mark.parametrize("name", ["e.parquet", "e.json"])
@pytest.mark.parametrize("content", [b"", b"[1, 2"])
def test_damaged_splits_are_named_with_their_command(tmp_path, name, content):
    write_splits(split(make_manifest(30)), tmp_path / "e.parquet")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name} is not readable[^$]*python -m evalkit\.splits"):
        load_splits(tmp_path / "e.parquet")


def leave_as_packed(manifest, index, folder: Path) -> list[str]:
    """Leave a study with a data set as reading and packing would have, and give the command that splits it."""
    about = {
        "study": "leaking",
        "title": "A data set that leaks",
        "image_size": 32,
        "backbones": ["scratch"],
        "datasets": {"mine": {"format": "csv", "root": "."}},
        "evaluations": {"e": evaluation().model_dump(mode="json", exclude_unset=True)},
    }
    (folder / "backbones.yaml").write_text(yaml.safe_dump({"scratch": {"label": "Scratch", "arch": "resnet18"}}))
    (folder / "leaking.yaml").write_text(yaml.safe_dump(about))
    place = folder / "results/leaking/datasets/mine"
    write_manifest(manifest, place / "manifest.parquet")
    (place / "packed-32").mkdir()
    np.save(place / "packed-32/images.npy", np.zeros((len(index), 32, 32), np.uint8))
    index.to_parquet(place / "packed-32/index.parquet")
    (place / "packed-32/packing.json").write_text(json.dumps({"manifest": manifest.fingerprint()}))
    return [sys.executable, "-m", "evalkit.splits", "--study", str(folder / "leaking.yaml"), "--evaluation", "e"]


def refuse(command, folder: Path) -> str:
    refused = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert refused.returncode == 2, refused.stderr
    assert refused.stderr.startswith("error: ")
    assert "Traceback" not in refused.stderr
    assert not list(folder.glob("results/leaking/splits/*"))
    return refused.stderr


def test_the_command_refuses_pixels_in_two_roles(tmp_path):
    own = {f"p{number}": ["train", "valid", "test"][number % 3] for number in range(30)}
    manifest = make_manifest(30, splits=own)
    index = make_index(manifest)
    index.loc[index["image_id"].isin(["p0/0", "p2/1"]), "sha256"] = "0" * 32
    said = refuse(leave_as_packed(manifest, index, tmp_path), tmp_path)
    assert "1 images have the same pixels" in said
    assert "p0/0 (train)" in said
    assert "p2/1 (test)" in said


def test_the_command_refuses_a_patient_in_training_and_validation(tmp_path):
    own = {f"p{number}": ["train", "valid", "test"][number % 3] for number in range(30)}
    manifest = make_manifest(30, splits=own)
    manifest.images.loc[manifest.images["image_id"] == "p1/0", "split"] = "train"
    said = refuse(leave_as_packed(manifest, make_index(manifest), tmp_path), tmp_path)
    assert "1 patients are in two splits of the manifest; 'p1' is in 'train' and 'valid'" in said


@pytest.fixture
def real_study(tmp_path) -> Path:
    default = Path(__file__).resolve().parents[4] / "shared" / "data"
    root = Path(os.environ.get("CXR_EVALKIT_DATA", default)) / "nih_chestxray14_subset"
    if not root.is_dir():
        pytest.skip(f"no real radiographs: {root} does not exist (set CXR_EVALKIT_DATA)")
    about = {
        "study": "real",
        "title": "Real radiographs",
        "image_size": 32,
        "backbones": ["scratch"],
        "datasets": {"nih": {"format": "nih", "root": str(root)}},
        "evaluations": {
            "e": {
                "task": "multilabel",
                "dataset": "nih",
                "labels": ["Infiltration", "Atelectasis", "Edema", "Effusion", "Pneumonia"],
                "settings": {"fraction": [0.1, 0.25, 0.5, 1.0]},
                "recipe": {"lr": 0.1, "steps": 1},
            }
        },
    }
    (tmp_path / "backbones.yaml").write_text(yaml.safe_dump({"scratch": {"label": "Scratch", "arch": "resnet18"}}))
    (tmp_path / "real.yaml").write_text(yaml.safe_dump(about))
    manifest = read_dataset(NihEntry(format="nih", root=str(root)), root)
    place = tmp_path / "results/real/datasets/nih"
    write_manifest(manifest, place / "manifest.parquet")
    pack(manifest, root, place / "packed-32", size=32, antialias=True, unreadable="fail", workers=1)
    return tmp_path / "real.yaml"


def test_real_radiographs_split_by_patient(real_study, tmp_path):
    command = [sys.executable, "-m", "evalkit.splits", "--study", str(real_study), "--evaluation", "e"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    splits = load_splits(tmp_path / "results/real/splits/e.parquet")
    assert len(splits.images) == 1000
    assert splits.images.groupby("patient_id")["role"].nunique().max() == 1
    counts = {role: count["patients"] for role, count in splits.report["roles"].items()}
    assert counts == {"train": 491, "validation": 55, "test": 136}
    assert len(patients_of(splits, "train", 0.1, 4)) == 49
    # Two images of one patient have the same pixels; they are in one role.
    assert splits.report["leakage"] == {
        "compared": 1000,
        "without_contrast": 0,
        "repeated_within_a_role": 2,
        "patients_in_training_and_validation": 0,
        "images_in_training_and_validation": 0,
    }

    packing = tmp_path / "results/real/datasets/nih/packed-32/packing.json"
    packing.write_text(packing.read_text().replace(splits.report["manifest"], "0" * 64))
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "was packed from another manifest" in refused.stderr
