"""Runs that do not belong together: refused, or taken for missing."""

import json

import pytest

from evalkit.comparisons import write_table
from evalkit.comparisons.rows import read_rows
from evalkit.errors import InputError

LOW, ALL = "regime=finetune,fraction=0.1", "regime=finetune,fraction=1"


def change(study, place, value, *, setting=ALL, backbone="twin", repeat=0):
    """Change one key of a run's record."""
    folder = study.layout.run("main", setting, backbone, repeat)
    record = json.loads((folder / "run.json").read_text())
    *parents, key = place.split(".")
    target = record
    for parent in parents:
        target = target[parent]
    target[key] = value
    (folder / "run.json").write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("device", "cuda"),
        ("precision", "bf16"),
        ("threads", 2),
        ("processes", 2),
        ("code", "other"),
        ("data.test.sha256", "1" * 64),
    ],
)
def test_runs_of_a_setting_that_were_not_made_alike_are_refused(results, place, value, partial):
    study = results.write()
    folder = change(study, place, value)
    with pytest.raises(InputError) as caught:
        write_table(study, "table7", partial=partial)
    assert str(folder) in caught.value.found
    assert str(study.layout.run("main", ALL, "scratch", 0)) in caught.value.found
    assert f"{place} " in caught.value.found
    assert repr(value) in caught.value.found
    assert "run the study again: snakemake" in caught.value.remedy


def test_settings_may_be_made_on_different_devices(results):
    study = results.write()
    for backbone in study.backbones:
        change(study, "device", "cuda", backbone=backbone)
    assert write_table(study, "table7").exists()


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("recipe.lr", 0.5, "recipe.lr 0.5 and 0.001"),
        ("recipe.augmentation.shift", 0.0, "recipe.augmentation.shift 0.0 and 0.0625"),
        ("class_weights", "balanced", "class_weights 'balanced' and 'none'"),
        ("labels", ["Edema"], "labels ['Edema'] and ['Edema', 'Effusion', 'Atelectasis']"),
        ("run.steps", 7, "steps 7 and 5"),
    ],
)
def test_runs_of_an_earlier_study_are_refused_or_taken_for_missing(results, place, value, says):
    study = results.write()
    folder = change(study, place, value)
    with pytest.raises(InputError) as caught:
        write_table(study, "table7")
    assert str(folder) in caught.value.found
    assert says in caught.value.found
    rows = read_rows(write_table(study, "table7", partial=True))
    assert set(rows[(rows["setting"] == ALL) & (rows["backbone"] == "twin")]["status"]) == {"out of date"}
    assert "out of date" not in set(rows[rows["backbone"] != "twin"]["status"])


def test_a_changed_study_makes_all_its_runs_out_of_date(results):
    study = results.write()
    results.file.write_text(results.file.read_text().replace("lr: 0.001", "lr: 0.002"))
    assert results.study.evaluation("main").recipe.lr != study.evaluation("main").recipe.lr
    with pytest.raises(InputError, match=r"recipe.lr 0.001 and 0.002"):
        write_table(results.study, "table7")
    assert set(read_rows(write_table(results.study, "table7", partial=True))["status"]) == {"out of date"}


def test_steps_given_as_epochs_are_counted_from_the_runs_own_images(results):
    study = results.write(changes={"evaluations.main.recipe": {"lr": 0.001, "epochs": 1, "batch_size": 60}})
    assert write_table(study, "table7").exists()  # 300 images in batches of 60: the 5 steps recorded
    change(study, "data.train.images", 301)
    with pytest.raises(InputError, match="steps 5 and 6"):
        write_table(study, "table7")


def test_a_probe_is_made_by_the_probe_and_not_by_the_recipe(class_results):
    settings = ["regime=probe,trainset=full", "regime=probe,trainset=undersampled"]
    study = class_results.write(changes={"tables.table8.settings": settings})
    class_results.file.write_text(class_results.file.read_text().replace("lr: 0.001", "lr: 0.002"))
    assert write_table(class_results.study, "table8").exists()
    change(study, "recipe.iterations", 7, setting=settings[1])
    with pytest.raises(InputError, match=r"recipe\.iterations 7 and 500"):
        write_table(class_results.study, "table8")
