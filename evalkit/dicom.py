"""Reading a radiograph from a DICOM file, with the steps of the standard's grey-scale pipeline."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels import apply_modality_lut, apply_voi_lut, get_decoder

from evalkit.errors import InputError

#: What pydicom and its decoders raise for files that are cut off or damaged.
UNREADABLE = (
    OSError,
    InvalidDicomError,
    BytesLengthException,
    AttributeError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    RuntimeError,
    NotImplementedError,
    struct.error,
)
_GREY = ("MONOCHROME1", "MONOCHROME2")


def read_dicom(path: Path) -> NDArray[np.float64]:
    """Read the one grey frame of a DICOM file so that bright is dense.

    The modality transform (rescale slope and intercept, or its table) comes first, then the first value-of-interest
    table or window, then MONOCHROME1 is turned over; DICOM PS3.4, section N.2.

    Parameters
    ----------
    path : pathlib.Path
        A DICOM file with one frame.

    Returns
    -------
    ndarray of float64, shape (height, width)

    Raises
    ------
    InputError
        The file is not DICOM, is truncated, is in colour or has several frames, or is compressed in a way that needs
        the extra packages of ``cxr-evalkit[dicom]``.
    """
    try:
        with warnings.catch_warnings():
            # pydicom warns about values that stray from the standard, as those of many files do.
            warnings.simplefilter("ignore")
            dataset = dcmread(path)
            _check_kind(dataset, path)
            _check_compression(dataset, path)
            stored = dataset.pixel_array
            values = apply_modality_lut(stored, dataset)
            if "VOILUTSequence" in dataset and np.array_equal(values, np.rint(values)):
                # A table is indexed by whole numbers.
                values = np.asarray(values, dtype=np.int32)
            values = np.asarray(apply_voi_lut(values, dataset), dtype=np.float64)
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}",
            "a whole DICOM file with pixels",
            "fetch the file again, or set 'unreadable: exclude' to leave such images out",
        ) from None
    if not np.isfinite(values).all():
        raise InputError(f"{path} has pixels that are not finite numbers", "grey values", "leave this image out")
    # The grey range is scaled afterwards, so turning over within the image's own range is enough.
    return values.max() + values.min() - values if dataset.PhotometricInterpretation == "MONOCHROME1" else values


def _check_compression(dataset: Dataset, path: Path) -> None:
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated and not get_decoder(syntax).is_available:
        raise InputError(
            f"{path} is compressed as {syntax.name}, which the installed packages cannot read",
            "an uncompressed or RLE file, or the packages for the others",
            "install the extra: pip install 'cxr-evalkit[dicom]'",
        )


def _check_kind(dataset: Dataset, path: Path) -> None:
    kind = getattr(dataset, "PhotometricInterpretation", "absent")
    if kind not in _GREY:
        raise InputError(
            f"{path} has the photometric interpretation {kind}",
            " or ".join(_GREY),
            "leave this image out, or convert it to grey",
        )
    frames = int(getattr(dataset, "NumberOfFrames", 1) or 1)
    if frames != 1:
        raise InputError(f"{path} has {frames} frames", "one frame", "leave this image out, or store one frame of it")
