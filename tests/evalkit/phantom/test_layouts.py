"""Folders: each data set's own layout to the letter, whatever the number of processes; resumed, refused, restarted."""

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from evalkit.errors import InputError
from evalkit.phantom import PREVALENCE, write_chexpert, write_nih
from evalkit.phantom.__main__ import main
from evalkit.phantom.chexpert import LABELS

DATA = Path(os.environ.get("CXR_EVALKIT_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))
SIZE = 32


@pytest.fixture(scope="module")
def chexpert(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantoms") / "CheXpert-v1.0-small"
    return write_chexpert(root, patients=80, size=SIZE, workers=1)


@pytest.fixture(scope="module")
def nih(tmp_path_factory):
    return write_nih(tmp_path_factory.mktemp("phantoms") / "nih", patients=60, size=SIZE, workers=1)


def fingerprint(root):
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != "boxes.parquet")
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_chexpert_tables(chexpert):
    header = (
        "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,"
        "Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,"
        "Support Devices"
    )
    pattern = r"CheXpert-v1\.0-small/(train|valid)/patient\d{5}/study[123]/view\d_(frontal|lateral)\.jpg"
    for split in ("train", "valid"):
        assert (chexpert / f"{split}.csv").read_text().splitlines()[0] == header
        table = pd.read_csv(chexpert / f"{split}.csv")
        for path, view in zip(table["Path"], table["Frontal/Lateral"], strict=True):
            match = re.fullmatch(pattern, path)
            assert match
            assert match[1] == split
            assert match[2].capitalize() == view
            with Image.open(chexpert.parent / path) as image:
                assert (image.mode, image.size, image.format) == ("L", (SIZE, SIZE), "JPEG")
        lateral = table["Frontal/Lateral"] == "Lateral"
        assert table.loc[lateral, "AP/PA"].isna().all()
        assert set(table.loc[~lateral, "AP/PA"]) == {"AP", "PA"}
        assert set(table["Sex"]) == {"Female", "Male"}
        assert table["Age"].between(18, 90).all()
    written = {str(path.relative_to(chexpert.parent)) for path in chexpert.rglob("*.jpg")}
    tables = [pd.read_csv(chexpert / f"{split}.csv") for split in ("train", "valid")]
    assert written == set(pd.concat(tables)["Path"])
    assert lateral.any()


def test_chexpert_labels(chexpert):
    train, valid = (pd.read_csv(chexpert / f"{split}.csv") for split in ("train", "valid"))
    labels = list(LABELS)
    values = train[labels].to_numpy()
    assert set(np.unique(values[~np.isnan(values)])) == {-1.0, 0.0, 1.0}
    assert train[labels].isna().mean().mean() > 0.3
    assert set(train["No Finding"].dropna()) == {1.0}
    assert set(np.unique(valid[labels])) == {0.0, 1.0}
    for name in ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"):
        assert (train[name] == 1).mean() > 0.1
        assert valid[name].any()
    assert ((valid["No Finding"] == 1) <= (valid["Edema"] == 0)).all()
    assert ((valid["Consolidation"] == 1) <= (valid["Lung Opacity"] == 1)).all()
    # All views of one study carry the same labels.
    study = train["Path"].str.rsplit("/", n=1).str[0]
    assert (train.groupby(study)[labels].nunique(dropna=False) == 1).all(axis=None)


def test_uncertain_labels_are_mostly_subtle(tmp_path):
    root = write_chexpert(tmp_path / "c", patients=100, size=16, valid_share=0, workers=1)
    train = pd.read_csv(root / "train.csv")
    boxes = pd.read_parquet(root / "phantom" / "boxes.parquet").drop_duplicates(["path", "label"])
    edema = boxes[boxes["label"] == "edema"].set_index("path")["strength"]
    label = train.assign(path=train["Path"].str.split("/", n=1).str[1]).set_index("path")["Edema"].reindex(edema.index)
    assert edema[label == -1].mean() < 0.35 < 0.5 < edema[label == 1].mean()


def test_patients_are_in_one_split_and_in_one_range(chexpert, tmp_path):
    def patients(table):
        return set(table["Path"].str.extract(r"(patient\d+)")[0])

    train, valid = (pd.read_csv(chexpert / f"{split}.csv") for split in ("train", "valid"))
    assert len(patients(train)) == 60
    assert len(patients(valid)) == 20
    assert not patients(train) & patients(valid)
    later = write_chexpert(tmp_path / "later", patients=5, first_patient=81, size=SIZE, valid_share=0, workers=1)
    assert not patients(pd.read_csv(later / "train.csv")) & (patients(train) | patients(valid))


def test_a_patient_is_the_same_in_every_range(chexpert, tmp_path):
    part = write_chexpert(tmp_path / "part", patients=3, first_patient=20, size=SIZE, valid_share=0, workers=1)
    images = fingerprint(part / "train")
    assert images
    assert images.items() <= fingerprint(chexpert / "train").items()


def test_the_number_of_processes_does_not_matter(tmp_path):
    roots = [write_nih(tmp_path / str(n), patients=8, size=SIZE, masks=True, workers=n) for n in (1, 2)]
    assert fingerprint(roots[0]) == fingerprint(roots[1])
    boxes = [pd.read_parquet(root / "phantom" / "boxes.parquet") for root in roots]
    pd.testing.assert_frame_equal(*boxes)


def test_nih_tables(nih):
    lines = (nih / "Data_Entry_2017.csv").read_text().splitlines()
    assert lines[0] == (
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
        "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
    )
    rows = list(csv.reader(lines[1:]))
    assert {len(row) for row in rows} == {11}
    labels = {label for row in rows for label in row[1].split("|")}
    assert {"Infiltration", "Effusion", "Edema", "Pneumonia", "No Finding"} <= labels
    for name, _, follow_up, patient, age, gender, view, *_ in rows:
        assert name == f"{int(patient):08d}_{int(follow_up):03d}.png"
        assert gender in "FM"
        assert view in ("PA", "AP")
        assert 18 <= int(age) <= 90
        with Image.open(nih / "images" / name) as image:
            assert (image.mode, image.size, image.format) == ("L", (SIZE, SIZE), "PNG")
    lists = [(nih / name).read_text().split() for name in ("train_val_list.txt", "test_list.txt")]
    assert sorted(lists[0] + lists[1]) == sorted(row[0] for row in rows)
    train, test = ({name[:8] for name in names} for names in lists)
    assert (len(train), len(test)) == (45, 15)
    assert not train & test


def test_nih_boxes(nih):
    lines = (nih / "BBox_List_2017.csv").read_text().splitlines()
    assert lines[0] == "Image Index,Finding Label,Bbox [x,y,w,h],,,"
    rows = list(csv.reader(lines[1:]))
    assert {len(row) for row in rows} == {9}
    assert "Infiltrate" in {row[1] for row in rows}
    assert "Infiltration" not in {row[1] for row in rows}
    boxes = pd.read_parquet(nih / "phantom" / "boxes.parquet")
    heart = boxes[boxes["label"] == "cardiomegaly"].set_index("path")
    for name, label, x, y, width, height, *_ in rows:
        assert 0 <= float(x) < float(x) + float(width) <= 1024
        assert 0 <= float(y) < float(y) + float(height) <= 1024
        if label == "Cardiomegaly":
            assert float(width) == heart.loc[f"images/{name}", "width"] * 1024 / SIZE


@pytest.mark.skipif(not (DATA / "nih_chestxray14_subset").is_dir(), reason="the real radiographs are not at hand")
@pytest.mark.parametrize("name", ["Data_Entry_2017.csv", "BBox_List_2017.csv"])
def test_nih_headers_are_the_official_ones(nih, name):
    with (DATA / "nih_chestxray14_subset" / name).open() as official:
        assert official.readline().strip() == (nih / name).read_text().splitlines()[0]


def test_layers_and_masks_are_written_where_asked_for(tmp_path):
    root = write_chexpert(tmp_path / "c", patients=6, size=SIZE, layers=True, masks=True, workers=1)
    side = root / "phantom"
    boxes = pd.read_parquet(side / "boxes.parquet")
    images = sorted(path.relative_to(root).with_suffix("") for path in root.glob("[tv]*/**/*.jpg"))
    for stem in images:
        bone = np.asarray(Image.open(side / "bone" / f"{stem}.png"))
        assert bone.dtype == np.uint16
        assert 1000 < bone.max() < 20000
        assert np.asarray(Image.open(side / "soft" / f"{stem}.png")).shape == (SIZE, SIZE)
    masks = {path.relative_to(side / "masks") for path in (side / "masks").rglob("*.png")}
    assert masks == {
        Path(path).with_name(f"{Path(path).stem}_{label.replace(' ', '_')}.png")
        for path, label in zip(boxes["path"], boxes["label"], strict=True)
    }
    for (path, label), places in boxes.groupby(["path", "label"]):
        name = Path(path).with_name(f"{Path(path).stem}_{label.replace(' ', '_')}.png")
        mask = np.asarray(Image.open(side / "masks" / name)) > 0
        inside = np.zeros_like(mask)
        for box in places.itertuples():
            window = np.s_[box.y : box.y + box.height, box.x : box.x + box.width]
            assert mask[window].any()
            inside[window] = True
        assert not mask[~inside].any()


def test_a_finished_folder_is_left_alone_and_another_order_replaces_it(tmp_path):
    root = write_nih(tmp_path / "nih", patients=4, size=SIZE, workers=1)
    before = (root / "phantom.json").stat().st_mtime_ns
    image = root / "images" / "00000001_000.png"
    image.write_bytes(b"touched")
    write_nih(root, patients=4, size=SIZE, workers=1)
    assert image.read_bytes() == b"touched"
    assert (root / "phantom.json").stat().st_mtime_ns == before
    write_chexpert(root, patients=2, size=SIZE, workers=1)
    assert not (root / "images").exists()
    assert not (root / "Data_Entry_2017.csv").exists()
    assert json.loads((root / "phantom.json").read_text())["order"]["layout"] == "chexpert"


def test_an_interrupted_folder_is_written_anew(tmp_path):
    root = write_nih(tmp_path / "nih", patients=4, size=SIZE, workers=1)
    whole = fingerprint(root)
    (root / "phantom.json").unlink()
    (root / "images" / "00000002_000.png").write_bytes(b"half")
    (root / "test_list.txt").unlink()
    write_nih(root, patients=4, size=SIZE, workers=1)
    assert fingerprint(root) == whole


def test_another_generator_version_draws_anew(tmp_path):
    root = write_nih(tmp_path / "nih", patients=2, size=SIZE, workers=1)
    note = json.loads((root / "phantom.json").read_text())
    (root / "phantom.json").write_text(json.dumps({**note, "generator": "older"}))
    write_nih(root, patients=2, size=SIZE, workers=1)
    assert json.loads((root / "phantom.json").read_text()) == note


@pytest.mark.parametrize("write", [write_chexpert, write_nih])
def test_a_folder_of_somebody_else_is_refused_untouched(write, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "real.png").write_bytes(b"precious")
    with pytest.raises(InputError, match="did not write"):
        write(tmp_path, patients=2, size=SIZE, workers=1)
    assert [path.name for path in tmp_path.rglob("*")] == ["images", "real.png"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        write(tmp_path / "file", patients=2, size=SIZE, workers=1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"patients": 0}, "patients is 0"),
        ({"first_patient": 0}, "first_patient is 0"),
        ({"size": 8}, "size is 8"),
        ({"test_share": 1.0}, "held-out share is 1.0"),
        ({"prevalence": {"edema": 0.3}}, "prevalence names edema"),
        ({"prevalence": {**PREVALENCE, "edema": 1.5}}, "'edema': 1.5"),
    ],
)
def test_senseless_orders_are_refused(wrong, message, tmp_path):
    with pytest.raises(InputError, match=message):
        write_nih(tmp_path / "nih", **{"patients": 2, "size": SIZE, "workers": 1, **wrong})
    assert not (tmp_path / "nih").exists()


def test_no_room_for_files_is_said_and_nothing_counts_as_finished(tmp_path):
    # A limit on the size of files stands in for a full disk; the note that opens the work still fits.
    code = (
        "import resource, sys; from evalkit.phantom.__main__ import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
        "sys.exit(main(sys.argv[1:]))"
    )
    order = ["write", "--layout", "nih", "--root", str(tmp_path / "nih"), "--patients", "2", "--workers", "1"]
    done = subprocess.run([sys.executable, "-c", code, *order], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "phantoms cannot be written" in done.stderr
    assert "free some space" in done.stderr
    assert not (tmp_path / "nih" / "phantom.json").exists()
    write_nih(tmp_path / "nih", patients=2, workers=1)
    assert (tmp_path / "nih" / "phantom.json").exists()


def test_command_line(tmp_path, capsys):
    root = tmp_path / "CheXpert-v1.0-small"
    given = ["write", "--layout", "chexpert", "--root", str(root), "--patients", "4", "--size", "32", "--workers", "1"]
    assert main([*given, "--first-patient", "7", "--seed", "3", "--held-out-share", "0.5"]) == 0
    assert pd.read_csv(root / "valid.csv")["Path"].str.contains("patient00009|patient00010").all()
    assert main([*given[:-4], "--patients", "0"]) == 2
    assert "patients is 0" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([])


def test_sheet(tmp_path):
    from evalkit.phantom.sheet import draw_sheet

    draw_sheet(tmp_path / "sheet.png", size=40, boxes=True)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 9 * 38
        assert np.asarray(sheet.convert("L")).std() > 30
