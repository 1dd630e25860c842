"""What an image's file says of it before its pixels: its size and, in DICOM, whose image it is."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from evalkit.errors import InputError
from evalkit.images import FORMATS, is_dicom, locate_image

#: Headers read at once: a disk far away takes long to answer and little to read.
_AT_ONCE = 8


class ImageHeader(NamedTuple):
    """What a header says; the texts are as written, and empty where there are none (as in PNG and JPEG files).

    Attributes
    ----------
    width, height : int
        Pixels.
    patient_id, age, sex, view : str
        DICOM's PatientID, PatientAge, PatientSex and ViewPosition.
    """

    width: int
    height: int
    patient_id: str = ""
    age: str = ""
    sex: str = ""
    view: str = ""


def read_image_header(path: Path) -> ImageHeader:
    """Read the header of a PNG, JPEG or DICOM file; its pixels are left alone, and may still be damaged.

    Raises
    ------
    InputError
        The file is missing or of another kind, or has no size.
    """
    try:
        header = _read_dicom(path) if is_dicom(path) else _read_picture(path)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _refusal(path, error) from None
    if header.width < 1 or header.height < 1:
        raise _refusal(path, f"its size is {header.width} x {header.height}")
    return header


def read_image_headers(root: Path, paths: Sequence[str]) -> tuple[dict[str, ImageHeader], dict[str, str]]:
    """Read the headers of many images.

    Parameters
    ----------
    root : pathlib.Path
        The data set's folder.
    paths : sequence of str
        The images' paths below it.

    Returns
    -------
    tuple of dict
        Headers, and for files that cannot be read the reason why; both by path.

    Raises
    ------
    InputError
        A path leads out of the folder.
    """
    files = [locate_image(root, path) for path in paths]
    headers: dict[str, ImageHeader] = {}
    reasons: dict[str, str] = {}
    with warnings.catch_warnings(), ThreadPoolExecutor(_AT_ONCE) as pool:
        # Pillow warns about large images, pydicom about values that stray from the standard.
        warnings.simplefilter("ignore")
        for path, found in zip(paths, pool.map(_try, files), strict=True):
            if isinstance(found, ImageHeader):
                headers[path] = found
            else:
                reasons[path] = found
    return headers, reasons


def _try(path: Path) -> ImageHeader | str:
    try:
        return read_image_header(path)
    except InputError as error:
        return error.found


def _read_picture(path: Path) -> ImageHeader:
    with Image.open(path, formats=FORMATS) as image:
        return ImageHeader(*image.size)


def _read_dicom(path: Path) -> ImageHeader:
    from pydicom import dcmread  # it takes a while to load, and most folders hold no DICOM files

    from evalkit.dicom import UNREADABLE

    names = ("PatientID", "PatientAge", "PatientSex", "ViewPosition")
    try:
        dataset = dcmread(path, stop_before_pixels=True, specific_tags=["Rows", "Columns", *names])
        texts = [str(dataset.get(name) or "").strip() for name in names]
        return ImageHeader(int(dataset.Columns), int(dataset.Rows), *texts)
    except UNREADABLE as error:
        raise _refusal(path, error) from None


def _refusal(path: Path, reason: Exception | str) -> InputError:
    return InputError(
        f"{path} cannot be read: {getattr(reason, 'strerror', None) or reason}",
        "a PNG, JPEG or DICOM file",
        "fetch the file again, or set 'unreadable: exclude' to leave such images out",
    )
