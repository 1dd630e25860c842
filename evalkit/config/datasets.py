"""Where images and labels come from: one entry for each data set a study uses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from evalkit.config.patterns import check_pattern
from evalkit.config.strict import Name, Strict, repeats

UncertainPolicy = Literal["ignore", "zeros", "ones"]


def _check_classes(classes: list[str]) -> list[str]:
    if repeats(classes):
        raise ValueError(f"holds a class twice: {classes}")
    return classes


def _check_pattern(pattern: str) -> str:
    check_pattern(pattern)
    return pattern


Classes = Annotated[list[str], Field(min_length=2), AfterValidator(_check_classes)]
PatientPattern = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_pattern)]


class PhantomSource(Strict):
    """Radiographs to be drawn by this project's chest phantom, written in the data set's own layout."""

    patients: PositiveInt
    first_patient: PositiveInt = Field(1, description="Patients are numbered from here; each number is one patient.")
    size: int = Field(128, ge=32, le=1024, description="Side of the images, in pixels.")
    seed: int = Field(0, ge=0)


class KermanyPhantom(PhantomSource):
    """Phantoms with the file names of one of the two public copies."""

    names: Literal["kaggle", "mendeley"] = Field("kaggle", description="Whose file names and folders are imitated.")


class DatasetEntry(Strict):
    """What all data sets share: where the files are and which of the patients are used."""

    root: str | None = Field(None, description="The data set's folder. ${NAME} is replaced from the environment.")
    phantom: PhantomSource | None = Field(None, description="Draw the data set instead of reading one.")
    patients: tuple[float, float] = Field(
        (0.0, 1.0),
        description="Use the patients whose hashed id, a number in [0, 1), falls in [first, second). "
        "Two entries with ranges that do not overlap share no patient.",
    )
    patients_of: Name | None = Field(
        None,
        description="Whose patients these are, such as a hospital. Equal ids of different ones are different persons; "
        "where one of two data sets does not say, equal ids are one person. Images are compared in any case.",
    )
    unreadable: Literal["fail", "exclude"] = Field("fail", description="What an unreadable image does.")
    antialias: bool = Field(True, description="Filter before an image is made smaller.")
    note: str | None = Field(None, description="Printed in the footnote of every table on this data.")

    @model_validator(mode="after")
    def _check(self) -> DatasetEntry:
        if (self.root is None) == (self.phantom is None):
            raise ValueError("give either 'root' (a folder) or 'phantom' (drawn by the workflow)")
        first, second = self.patients
        if not 0 <= first < second <= 1:
            raise ValueError(f"patients is [{first}, {second}]; expected 0 <= first < second <= 1")
        return self


def _refuse_phantom(entry: Any) -> Any:
    if entry.phantom is not None:
        drawn = "chexpert, nih, folder, kermany and siim"
        raise ValueError(f"phantoms are drawn in the layouts {drawn}, not in {entry.format!r}")
    return entry


class BoxedEntry(DatasetEntry):
    """A data set whose images have boxes around what they show."""

    bad_boxes: Literal["fail", "exclude"] = Field(
        "fail",
        description="What a box without area, or one that sticks out of its image by more than a hundredth of the "
        "image's side, does: stop, or leave its image out. One that sticks out by less is cut off.",
    )


class CheXpertEntry(DatasetEntry):
    """CheXpert v1.0 or v1.0-small: the folder that holds train.csv and valid.csv."""

    format: Literal["chexpert"]
    views: Literal["frontal", "all"] = "frontal"
    uncertain: UncertainPolicy | dict[str, UncertainPolicy] = Field(
        "ones", description="What the label -1 becomes; a mapping gives it per class, the rest being ignored."
    )
    blank: Literal["zeros", "ignore"] = Field("zeros", description="What a label that is not mentioned becomes.")


class NihEntry(DatasetEntry):
    """NIH ChestX-ray14: the folder that holds Data_Entry_2017*.csv and images/ or images_001/ ... images_012/."""

    format: Literal["nih"]


class FolderEntry(DatasetEntry):
    """Any images that lie in one folder per class, themselves in train, valid and test or not."""

    format: Literal["folder"]
    classes: Classes | None = Field(None, description="The folders' names, in the tables' order; else by alphabet.")
    patient_pattern: PatientPattern | None = Field(
        None,
        description="Regular expression, searched in a file's name; its group is the patient's number. Without it, "
        "each image is a patient of its own.",
    )


class KermanyEntry(DatasetEntry):
    """Paediatric pneumonia of Kermany et al., Kaggle's copy or Mendeley's: the folder that holds train/ and test/."""

    format: Literal["kermany"]
    phantom: KermanyPhantom | None = Field(None, description="Draw the data set instead of reading one.")


class SiimEntry(BoxedEntry):
    """SIIM-FISABIO-RSNA COVID-19: the folder that holds train/, train_study_level.csv and train_image_level.csv."""

    format: Literal["siim"]


class RsnaEntry(BoxedEntry):
    """RSNA pneumonia challenge: the folder that holds stage_2_train_images/ and stage_2_train_labels.csv."""

    format: Literal["rsna"]

    _no_phantom = model_validator(mode="after")(_refuse_phantom)


class VindrEntry(BoxedEntry):
    """VinDr-CXR, Kaggle's copy (train.csv beside train/) or PhysioNet's (annotations/ beside train/ and test/)."""

    format: Literal["vindr"]
    fusion: Literal["any", "majority", "wbf"] = Field(
        "majority",
        description="How three readers become one truth. any: a finding that one of them has, every box as drawn. wbf: "
        "the same findings, boxes on the same place fused. majority: a finding that most of them have, and the fused "
        "boxes to which most of them contributed.",
    )

    _no_phantom = model_validator(mode="after")(_refuse_phantom)


class CocoEntry(BoxedEntry):
    """Any images with boxes, described by one file in COCO's format."""

    format: Literal["coco"]
    annotations: str = Field("annotations.json", description="The file's path below root.")
    images: str = Field("images", description="The folder below root that file names start from.")

    _no_phantom = model_validator(mode="after")(_refuse_phantom)


class CsvEntry(DatasetEntry):
    """Any images with a table of labels.

    Columns: path (relative to `root`), patient_id, optionally image_id, study_id, split (train, valid or test),
    age, sex, view, then one column per label holding 1, 0, -1 or nothing.
    """

    format: Literal["csv"]
    table: str = Field("labels.csv", description="The table's path below root.")
    class_column: str | None = Field(
        None,
        min_length=1,
        description="A column with the name of each image's one class; it becomes a label per class.",
    )
    classes: Classes | None = Field(
        None, description="What class_column may hold, in the tables' order; else what it holds, by alphabet."
    )
    uncertain: UncertainPolicy | dict[str, UncertainPolicy] = "ignore"
    blank: Literal["zeros", "ignore"] = "ignore"

    _no_phantom = model_validator(mode="after")(_refuse_phantom)

    @model_validator(mode="after")
    def _check_source(self) -> CsvEntry:
        if self.classes is not None and self.class_column is None:
            raise ValueError("classes is given without class_column, the column that holds them")
        return self


Dataset = Annotated[
    CheXpertEntry | NihEntry | SiimEntry | RsnaEntry | VindrEntry | FolderEntry | KermanyEntry | CocoEntry | CsvEntry,
    Field(discriminator="format"),
]
