"""Where images and labels come from: one entry for each data set a study uses."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from evalkit.config.strict import Strict

UncertainPolicy = Literal["ignore", "zeros", "ones"]


class PhantomSource(Strict):
    """Radiographs to be drawn by this project's chest phantom, written in the data set's own layout."""

    patients: PositiveInt
    first_patient: PositiveInt = Field(1, description="Patients are numbered from here; each number is one patient.")
    size: int = Field(128, ge=32, le=1024, description="Side of the images, in pixels.")
    seed: int = Field(0, ge=0)


class DatasetEntry(Strict):
    """What all data sets share: where the files are and which of the patients are used."""

    root: str | None = Field(None, description="The data set's folder. ${NAME} is replaced from the environment.")
    phantom: PhantomSource | None = Field(None, description="Draw the data set instead of reading one.")
    patients: tuple[float, float] = Field(
        (0.0, 1.0),
        description="Use the patients whose hashed id, a number in [0, 1), falls in [first, second). "
        "Two entries with ranges that do not overlap share no patient.",
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


class CsvEntry(DatasetEntry):
    """Any images with a table of labels.

    Columns: path (relative to `root`), patient_id, optionally image_id, study_id, split (train, valid or test),
    age, sex, view, then one column per label holding 1, 0, -1 or nothing.
    """

    format: Literal["csv"]
    table: str = Field("labels.csv", description="The table's path below root.")
    uncertain: UncertainPolicy | dict[str, UncertainPolicy] = "ignore"
    blank: Literal["zeros", "ignore"] = "ignore"

    @model_validator(mode="after")
    def _check_source(self) -> CsvEntry:
        if self.phantom is not None:
            raise ValueError("the phantom writes the layouts 'chexpert' and 'nih', not 'csv'")
        return self


Dataset = Annotated[CheXpertEntry | NihEntry | CsvEntry, Field(discriminator="format")]
