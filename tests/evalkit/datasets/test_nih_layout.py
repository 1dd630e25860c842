"""ChestX-ray14: both vintages, boxes, official lists, subsets; and the figures of the real subset."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from evalkit.config.datasets import NihEntry
from evalkit.datasets import read_dataset
from evalkit.datasets.nih import FINDINGS
from evalkit.errors import InputError


def entry(**settings) -> NihEntry:
    return NihEntry(format="nih", root="unused", **settings)


@pytest.mark.parametrize("vintage", ["2017", "2020"])
@pytest.mark.parametrize("in_parts", [False, True])
def test_both_vintages_and_both_folder_layouts_give_the_same(write_nih, vintage, in_parts):
    manifest = read_dataset(entry(), write_nih(vintage, in_parts=in_parts))
    images = manifest.images.set_index("image_id")
    assert images["patient_id"].tolist() == ["1", "1", "2", "13"]
    assert images["sex"].tolist() == ["M", "M", "F", "F"]
    assert images["view"].tolist() == ["PA", "AP", "PA", "AP"]
    np.testing.assert_array_equal(images["age"], [58, 58, np.nan, 7]), "411 years is no age"
    assert set(images["split"]) == {""}
    assert images.loc["00000002_000.png", "path"].endswith("images/00000002_000.png")
    positive = {name: [label for label in manifest.labels if row[label] == 1] for name, row in images.iterrows()}
    assert positive == {
        "00000001_000.png": ["Cardiomegaly", "Effusion"],
        "00000001_001.png": ["No Finding"],
        "00000002_000.png": ["Infiltration"],
        "00000013_000.png": ["Edema", "Pleural_Thickening", "Hernia"],
    }
    assert manifest.default_labels == list(FINDINGS)
    assert manifest.unit == "image"


def test_ages_in_months_and_days_become_years(write_nih):
    root = write_nih("2017")
    table = root / "Data_Entry_2017.csv"
    table.write_text(table.read_text().replace("058Y,M,PA", "018M,M,PA").replace("007Y", "073D"))
    ages = read_dataset(entry(), root).images["age"]
    assert ages[0] == 1.5
    assert ages[3] == pytest.approx(0.2, abs=0.001)


def write_boxes(root, rows, bbox="Bbox [x,y,w,h]"):
    header = f"Image Index,Finding Label,{bbox},,,"
    (root / "BBox_List_2017.csv").write_text("\n".join([header, *(f"{row},,," for row in rows)]) + "\n")


@pytest.mark.parametrize("bbox", ['"Bbox [x","y","w","h]"', "Bbox [x,y,w,h]"])
def test_boxes_are_scaled_to_the_files_size_and_their_names_to_the_labels(write_nih, bbox):
    root = write_nih(size=(32, 64))
    write_boxes(root, ["00000002_000.png,Infiltrate,512.0,256.0,128.0,64.0", "99999999_000.png,Mass,1,2,3,4"], bbox)
    boxes = read_dataset(entry(), root).boxes
    assert len(boxes) == 1, "a box of an image that is not here is left out"
    assert boxes.loc[0].to_dict() == {
        "image_id": "00000002_000.png",
        "label": "Infiltration",
        "x": 32.0,
        "y": 8.0,
        "width": 8.0,
        "height": 2.0,
    }


def test_a_box_list_of_another_kind_is_refused(write_nih):
    root = write_nih()
    (root / "BBox_List_2017.csv").write_text("image,x,y,w,h,label\n")
    with pytest.raises(InputError, match=r"BBox_List_2017\.csv has the columns"):
        read_dataset(entry(), root)


def write_lists(root, train, test):
    (root / "train_val_list.txt").write_text("\n".join(train))
    (root / "test_list.txt").write_text("\n".join(test) + "\n")


def test_official_lists_give_the_splits(write_nih):
    root = write_nih()
    write_lists(root, ["00000001_000.png", "00000001_001.png", "00000013_000.png"], ["00000002_000.png", "x.png"])
    manifest = read_dataset(entry(), root)
    assert manifest.images["split"].tolist() == ["train", "train", "test", "train"]
    assert "test_list.txt" in manifest.report["footnote"]
    assert [file["path"] for file in manifest.report["files"]][1:] == ["train_val_list.txt", "test_list.txt"]


def test_without_lists_the_footnote_says_that_test_patients_are_drawn(write_nih):
    assert "drawn at random" in read_dataset(entry(), write_nih()).report["footnote"]


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (["00000001_000.png"], ["00000001_001.png", "00000002_000.png", "00000013_000.png"], "'1' is in 'test' and"),
        (["00000001_000.png", "00000001_001.png"], ["00000002_000.png"], "1 images are in neither official list"),
        (["00000001_000.png"], ["00000001_000.png"], "both name 00000001_000.png"),
    ],
)
def test_lists_that_leak_or_leave_out_are_refused(write_nih, train, test, message):
    root = write_nih()
    write_lists(root, train, test)
    with pytest.raises(InputError, match=message):
        read_dataset(entry(), root)


def test_one_list_alone_is_refused(write_nih):
    root = write_nih()
    (root / "test_list.txt").write_text("00000002_000.png\n")
    with pytest.raises(InputError, match=r"test_list\.txt and not the other"):
        read_dataset(entry(), root)


def test_missing_images_are_counted_and_named(write_nih):
    root = write_nih()
    for name in ("00000001_001.png", "00000013_000.png"):
        (root / "images" / name).unlink()
    with pytest.raises(InputError, match=r"4 images, of which 2 .*00000001_001\.png, 00000013_000\.png") as refused:
        read_dataset(entry(), root)
    assert "unreadable: exclude" in str(refused.value)
    manifest = read_dataset(entry(unreadable="exclude"), root)
    assert manifest.images["image_id"].tolist() == ["00000001_000.png", "00000002_000.png"]
    assert manifest.report["left_out"] == {"missing image files": 2}
    assert manifest.report["missing_files"] == ["00000001_001.png", "00000013_000.png"]


def test_no_images_at_all_is_refused(write_nih):
    root = write_nih()
    for file in (root / "images").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="holds no images"):
        read_dataset(entry(unreadable="exclude"), root)


def test_an_image_in_two_folders_is_refused(write_nih, write_image):
    root = write_nih()
    write_image(root / "images_001" / "images" / "00000002_000.png")
    with pytest.raises(InputError, match=r"holds 00000002_000\.png twice"):
        read_dataset(entry(), root)


def test_an_unknown_finding_is_refused_by_row(write_nih):
    root = write_nih()
    table = root / "Data_Entry_2017.csv"
    table.write_text(table.read_text().replace("No Finding", "Infiltrate|Edema"))
    with pytest.raises(InputError, match=r"data row 2: the finding is 'Infiltrate\|Edema'"):
        read_dataset(entry(), root)


def test_a_table_without_patients_is_refused(write_nih):
    root = write_nih("2020")
    table = root / "Data_Entry_2017_v2020.csv"
    table.write_text(table.read_text().replace("Patient ID", "Subject"))
    with pytest.raises(InputError, match="no column 'Patient ID'"):
        read_dataset(entry(), root)


def test_ranges_of_patients_side_by_side_share_none_and_cover_all(write_nih):
    # The three patients' positions are .42 ('1'), .83 ('2') and .25 ('13').
    root = write_nih()
    parts = [
        set(read_dataset(entry(patients=patients), root).images["patient_id"]) for patients in ((0.0, 0.4), (0.4, 1.0))
    ]
    assert parts == [{"13"}, {"1", "2"}]
    with pytest.raises(InputError, match="no image is left"):
        read_dataset(entry(patients=(0.9, 1.0)), root)


def test_the_real_subset_has_the_figures_measured_on_it(real_nih):
    manifest = read_dataset(entry(), real_nih)
    assert manifest.report["counts"] == {"images": 1000, "patients": 682, "studies": 1000, "splits": {}}
    positive = {label: counts["positive"] for label, counts in manifest.report["labels"].items()}
    assert positive == {
        "Pneumonia": 500,
        "No Finding": 500,
        "Infiltration": 187,
        "Atelectasis": 113,
        "Edema": 96,
        "Effusion": 90,
        "Consolidation": 33,
        "Pleural_Thickening": 27,
        "Nodule": 20,
        "Mass": 19,
        "Cardiomegaly": 16,
        "Pneumothorax": 12,
        "Emphysema": 10,
        "Fibrosis": 8,
        "Hernia": 3,
    }
    assert manifest.images["view"].value_counts().to_dict() == {"AP": 567, "PA": 433}
    assert len(manifest.boxes) == 49
    assert (manifest.boxes["label"] == "Pneumonia").sum() == 43
    # The boxes were drawn at 1024 px and the files have 256.
    right, bottom = manifest.boxes["x"] + manifest.boxes["width"], manifest.boxes["y"] + manifest.boxes["height"]
    assert right.max() <= 257
    assert bottom.max() <= 257
    assert right.max() > 128
    path = real_nih / manifest.images["path"][0]
    with Image.open(path) as image:
        assert image.size == (256, 256)
