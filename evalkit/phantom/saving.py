"""Pictures as files: DICOM where they have a header, else PNG or JPEG as the path's ending says."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evalkit.phantom.dicom import DicomHeader, write_dicom


def save_picture(path: Path, pixels: NDArray[np.generic], header: DicomHeader | None = None) -> None:
    """Write a picture in one go; folders on the way are made.

    Parameters
    ----------
    path : pathlib.Path
    pixels : ndarray, shape (height, width) or (height, width, 3)
        uint8, or uint16 for PNG.
    header : DicomHeader, optional
        Makes it a DICOM file of a grey picture of 8 bits.
    """
    encoded = io.BytesIO()
    if header is not None:
        write_dicom(encoded, np.asarray(pixels, dtype=np.uint8), header)
    elif path.suffix in (".jpg", ".jpeg"):
        Image.fromarray(pixels).save(encoded, "JPEG", quality=92)
    else:
        Image.fromarray(pixels).save(encoded, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.getvalue())
