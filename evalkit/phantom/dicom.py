"""Phantoms as DICOM files: 12 bits of grey, with the header of a digital radiograph."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

#: Stored value of a pixel per grey level of the picture: 8 bits become 12.
GREY_SCALE = 16
_WHITE = 4095


@dataclass(frozen=True)
class DicomHeader:
    """What a file says of its image.

    Attributes
    ----------
    patient_id, study, series, image : str
        Names; identifiers as DICOM wants them are made of the last three.
    sex : str
        M or F.
    age : int
        Years.
    projection : str
        AP or PA.
    inverted : bool
        Whether high values are dark (MONOCHROME1).
    compressed : bool
        Whether pixels are stored in runs of equal bytes (RLE Lossless).
    """

    patient_id: str
    study: str
    series: str
    image: str
    sex: str
    age: int
    projection: str
    inverted: bool = False
    compressed: bool = False


def write_dicom(file: BinaryIO, picture: NDArray[np.uint8], header: DicomHeader) -> None:
    """Write a picture, shape (height, width), as a DICOM file; the same bytes for the same arguments."""
    # pydicom takes a while to load, and one layout needs it.
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, RLELossless

    dataset, meta = Dataset(), FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    image = UID(_identifier(header.study, header.series, header.image))
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = image
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID, meta.ImplementationVersionName = UID(_identifier("phantom")), "CXR-EVALKIT"
    dataset.file_meta = meta
    dataset.StudyInstanceUID = _identifier(header.study)
    dataset.SeriesInstanceUID = _identifier(header.study, header.series)
    dataset.PatientID, dataset.PatientSex, dataset.PatientAge = header.patient_id, header.sex, f"{header.age:03d}Y"
    dataset.Modality, dataset.ViewPosition = "DX", header.projection
    dataset.Rows, dataset.Columns = picture.shape
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    values = picture.astype("<u2") * GREY_SCALE
    dataset.PhotometricInterpretation = "MONOCHROME1" if header.inverted else "MONOCHROME2"
    dataset.PixelData = (_WHITE - values if header.inverted else values).astype("<u2").tobytes()
    if header.compressed:
        dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(file, enforce_file_format=True)


def _identifier(*names: str) -> str:
    """A unique identifier made of names: 2.25 and a number of 128 bits (DICOM PS3.5, B.2)."""
    return f"2.25.{int.from_bytes(hashlib.sha256('/'.join(names).encode()).digest()[:16], 'big')}"
