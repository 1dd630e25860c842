"""Study and backbone files: what is valid loads, what is not is refused with a message that helps."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from evalkit.config import load_study
from evalkit.config.loading import SHIPPED
from evalkit.config.schema import SCHEMAS, render_schema
from evalkit.errors import InputError

STUDIES = sorted(path for path in SHIPPED.glob("*.yaml") if path.stem != "backbones")

BACKBONES = {
    "scratch": {"label": "Scratch", "arch": "resnet18"},
    "mine": {"label": "Mine", "arch": "resnet18", "path": "${MY_WEIGHTS}", "baseline": "scratch"},
}
STUDY = {
    "study": "trial",
    "title": "A trial",
    "image_size": 32,
    "backbones": ["scratch", "mine"],
    "datasets": {"nih": {"format": "nih", "root": "${NIH_ROOT}"}},
    "evaluations": {
        "nih": {
            "task": "multilabel",
            "dataset": "nih",
            "labels": ["Edema", "Effusion"],
            "settings": {"fraction": [0.1, 1.0]},
            "recipe": {"lr": 0.1, "steps": 3},
        }
    },
    "tables": {"table7": {"title": "T", "evaluation": "nih", "primary": "bootstrap_two_way", "policies": ["best"]}},
}


def write(folder: Path, study: dict, backbones: dict = BACKBONES) -> Path:
    (folder / "backbones.yaml").write_text(yaml.safe_dump(backbones))
    path = folder / "trial.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


def changed(*place: str, to: object) -> dict:
    study = copy.deepcopy(STUDY)
    where = study
    for key in place[:-1]:
        where = where[key]
    where[place[-1]] = to
    return study


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_shipped_study_is_valid_without_data_or_weights(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("NIH_ROOT", "CHEXPERT_ROOT", "CHESS_CHECKPOINT"):
        monkeypatch.delenv(variable, raising=False)
    study = load_study(path)
    assert study.name == path.stem
    assert list(study.backbones) == study.file.backbones


def test_the_shipped_studies_include_the_ones_the_readme_names() -> None:
    assert {"demo", "nih", "nih-subset", "paper"} <= {path.stem for path in STUDIES}


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_committed_schema_is_the_one_the_models_give(name: str) -> None:
    committed = (SHIPPED / "schema" / name).read_text()
    assert committed == render_schema(name), "run: python -m evalkit.config.schema"


@pytest.mark.parametrize(
    ("study", "says"),
    [
        (changed("fractions", to=[1]), "fractions: there is no such key"),
        (changed("evaluations", "nih", "reciep", to={}), "nearest: 'recipe'"),
        (changed("datasets", "nih", "uncertain", to="ones"), "datasets.nih.uncertain: there is no such key"),
        (changed("datasets", "nih", "format", to="nih14"), "format is 'nih14', which does not exist"),
        (changed("image_size", to=8), "image_size: Input should be greater than or equal to 32, found 8"),
        (changed("evaluations", "nih", "settings", "fraction", to=[0.1, 1.5]), "less than or equal to 1, found 1.5"),
        (changed("evaluations", "nih", "settings", "fraction", to=[0.1, 0.1]), "fraction holds a value twice"),
        (changed("evaluations", "nih", "recipe", "epochs", to=3), "either as 'steps' or as 'epochs'"),
        (changed("evaluations", "nih", "recipe", "steps", to={0.1: 3}), "no entry for the fractions [1.0]"),
        (changed("evaluations", "nih", "dataset", to="nhi"), "nearest: 'nih'"),
        (changed("tables", "table7", "evaluation", to="nhi"), "nearest: 'nih'"),
        (changed("tables", "table7", "targets", to=["Edma"]), "nearest: 'Edema'"),
        (changed("tables", "table7", "settings", to=["regime=finetune,fraction=0.2"]), "which does not exist here"),
        (changed("tables", "table7", "policies", to=["named"]), "'named' and 'reference' go together"),
        (changed("tables", "table7", "targets", to=["mean", "mean"]), "targets holds one twice"),
        (changed("tables", "table7", "backbones", to=["mine", "mine"]), "backbones holds one twice"),
        (changed("tables", "table7", "settings", to=["a", "a"]), "settings holds one twice"),
        (changed("tables", "table7", "backbones", to=[]), "tables.table7.backbones: List should have at least 1 item"),
        (changed("tables", "table7", "settings", to=[]), "tables.table7.settings: List should have at least 1 item"),
        (changed("tables", "table7", "targets", to=[]), "tables.table7.targets: List should have at least 1 item"),
        (changed("backbones", to=["scratch", "mnie"]), "nearest: 'mine'"),
        (changed("study", to="../elsewhere"), "study: String should match pattern"),
    ],
)
def test_a_mistake_is_named_with_its_place(study: dict, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_study(write(tmp_path, study))
    assert says in str(caught.value)
    assert "evalkit check" in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"label": "A", "arch": "r", "path": "x", "timm": "y"}, "2 weight sources (path, timm)"),
        ({"label": "A", "arch": "r", "url": "https://x/y.pth"}, "url without sha256"),
        ({"label": "A", "arch": "r", "timm": "x", "sha256": "0" * 64}, "no file whose hash could be checked"),
        ({"label": "A", "arch": "r", "format": "moco"}, "no file to read"),
        ({"label": "A", "arch": "r", "path": "x", "sha256": "abc"}, "sha256: String should match pattern"),
        ({"label": "A", "arch": "r", "path": "x", "mean": [0.5]}, "mean and std together"),
        ({"label": "A", "arch": "r", "path": "x", "mean": [0.5, 0.5], "std": [1, 1]}, "give 1 or 3"),
        ({"label": "A", "arch": "r", "path": "x", "mean": [0.5], "std": [0]}, "every value must be above 0"),
        ({"label": "A", "arch": "r", "path": "x", "mean": [123], "std": [0.2]}, "divide by 255"),
        ({"label": "A", "arch": "r", "baseline": "scrath"}, "nearest: 'scratch'"),
        ({"label": "A", "architecture": "r"}, "nearest: 'arch'"),
    ],
)
def test_a_mistake_in_a_backbone_is_named(entry: dict, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mistake") as caught:
        load_study(write(tmp_path, STUDY, {**BACKBONES, "mine": entry}))
    assert says in str(caught.value)


def test_a_copy_that_keeps_the_name_of_its_original_is_refused(tmp_path: Path) -> None:
    original = write(tmp_path, STUDY)
    copy_of_it = original.with_name("copied.yaml")
    copy_of_it.write_text(original.read_text())
    assert load_study(original).name == "trial"
    with pytest.raises(InputError, match=r"study is 'trial', the name of trial.yaml beside it"):
        load_study(copy_of_it)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    study = changed("image_size", to="large")
    study["evaluations"]["nih"]["repeats"] = 0
    with pytest.raises(InputError, match="has 2 mistakes"):
        load_study(write(tmp_path, study))


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, STUDY)
    path.write_text(path.read_text() + "image_size: 64\n")
    with pytest.raises(InputError, match="given twice"):
        load_study(path)


def test_yaml_executes_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    path = tmp_path / "trial.yaml"
    path.write_text(f"study: !!python/object/apply:os.system ['touch {mark}']\n")
    with pytest.raises(InputError, match="not readable as YAML"):
        load_study(path)
    assert not mark.exists()


def test_an_unknown_study_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="nearest: 'demo'"):
        load_study("dmeo")


def test_variables_in_paths_are_replaced_when_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = load_study(write(tmp_path, STUDY))
    monkeypatch.delenv("NIH_ROOT", raising=False)
    with pytest.raises(InputError, match="NIH_ROOT is not set"):
        study.dataset_root("nih")
    monkeypatch.setenv("NIH_ROOT", "/data/nih")
    assert study.dataset_root("nih") == Path("/data/nih")
    assert study.resolve_path("${RESULTS}/a.pth", what="x") == Path("results/trial/a.pth")


def test_names_that_are_not_there_give_the_nearest(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, STUDY))
    with pytest.raises(InputError, match="nearest: 'table7'"):
        study.table("table07")


def test_names_that_do_not_exist_are_all_told_at_once(tmp_path: Path) -> None:
    study = changed("tables", "table7", "targets", to=["Edma", "Efusion"])
    study["tables"]["table7"]["backbones"] = ["mnie"]
    study["evaluations"]["other"] = {**study["evaluations"]["nih"], "dataset": "nhi"}
    study["tables"]["table8"] = {**study["tables"]["table7"], "evaluation": "nhi"}
    with pytest.raises(InputError, match="has 6 mistakes") as caught:
        load_study(write(tmp_path, study))
    lines = str(caught.value).splitlines()
    for says in ("evaluations.other.dataset", "'Edma'", "'Efusion'", "table7.backbones", "table8.evaluation"):
        assert sum(says in line for line in lines) == 1, says
    assert "Value error" not in str(caught.value)


RECIPE = {"lr": 0.1, "steps": 3, "batch_size": 4}


def starting(**changes: object) -> dict:
    pretrain = {"method": "moco", "data": "nih", "queue": 8, "recipe": RECIPE, **changes}
    return {"label": "A", "arch": "resnet18", "pretrain": {key: each for key, each in pretrain.items() if each != 0}}


def mistakes_of(folder: Path, entries: dict) -> list[str]:
    study = {**STUDY, "backbones": ["scratch", *entries]}
    with pytest.raises(InputError, match="mistake") as caught:
        load_study(write(folder, study, {**BACKBONES, **entries}))
    return [line.removeprefix("  - ") for line in str(caught.value).splitlines() if line.startswith("  - ")]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (
            starting(method="supervised", queue=0, ifa={"preset": "paper"}),
            "a.pretrain.ifa: there is no such key for 'supervised', only for 'moco' and 'simclr' "
            "(valid: data, labels, method, recipe)",
        ),
        (
            starting(method="simclr"),
            "a.pretrain.queue: there is no such key for 'simclr', only for 'moco' "
            "(valid: data, ifa, init, method, projection, recipe, records, temperature, views)",
        ),
        (
            starting(ifa={"blocks": {3: {"wieght": 2}}}),
            "a.pretrain.ifa.blocks.3.wieght: there is no such key (nearest: 'weight'; valid: target, weight)",
        ),
        (
            starting(ifa={"blocks": {3: None}}),
            "a.pretrain.ifa.blocks.3: expected a mapping with any of target, weight; {} takes the defaults, found None",
        ),
        (starting(ifa={"blocks": {5: {}}}), "a.pretrain.ifa.blocks.5: residual blocks are numbered 1 to 4"),
        (starting(ifa={"blocks": {0: {}}}), "a.pretrain.ifa.blocks.0: residual blocks are numbered 1 to 4"),
        (starting(ifa="paper"), "a.pretrain.ifa: expected a mapping with any of preset, blocks, found 'paper'"),
        (starting(recipe=None), "a.pretrain.recipe: expected a mapping with lr, found None"),
        ({**starting(), "pretrain": "moco"}, "a.pretrain: expected a mapping with method, data, recipe, found 'moco'"),
        ({"arch": "resnet18"}, "a.label: Field required"),
    ],
)
def test_a_mistake_in_pretraining_says_what_is_valid_there(entry: dict, says: str, tmp_path: Path) -> None:
    assert mistakes_of(tmp_path, {"a": entry}) == [says]


def test_a_place_is_spelt_as_in_the_file(tmp_path: Path) -> None:
    assert mistakes_of(tmp_path, {"a": starting(recipe={**RECIPE, "lr": "x"})}) == [
        "a.pretrain.recipe.lr: Input should be a valid number, unable to parse string as a number, found 'x'",
        "a.pretrain.recipe.lr: Input should be a valid list, found 'x'",
    ]


def test_an_entry_called_as_a_key_is_or_as_a_tag_is_followed_all_the_same(tmp_path: Path) -> None:
    (mistake,) = mistakes_of(tmp_path, {"pretrain": starting(views={"shft": 1})})
    assert mistake.startswith("pretrain.pretrain.views.shft: there is no such key (nearest: 'shift'; valid: blur,")
    study = changed("datasets", "nih", "format", to="chexpert")
    study["datasets"]["nih"]["table"] = "labels.csv"
    with pytest.raises(InputError, match=r"datasets\.nih\.table: there is no such key for 'chexpert', only for 'csv'"):
        load_study(write(tmp_path, study))


def test_a_circle_of_starts_is_told_once(tmp_path: Path) -> None:
    entries = {name: starting(init=init) for name, init in {"b": "a", "c": "b", "a": "c", "d": "b"}.items()}
    assert mistakes_of(tmp_path, entries) == [
        "backbones start from each other in a circle: a <- c <- b <- a; leave out the init of one of them"
    ]


def test_an_entry_that_starts_from_itself_is_told_once(tmp_path: Path) -> None:
    entries = {name: starting(init="a") for name in ("a", "b")}
    assert mistakes_of(tmp_path, entries) == [
        "backbone 'a' starts from itself; name another entry as init, or leave init out"
    ]
