"""One radiograph: from its path to a square of 8-bit pixels."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evalkit.errors import InputError

#: Pixels above this percentile are set to it, so that a marker or a wire does not take the grey range.
CAP_PERCENTILE = 99

#: What Pillow may take a file for, as it calls them.
FORMATS = ("PNG", "JPEG")
_DICOM_ENDINGS = {".dcm", ".dicom"}
#: Endings by which a file is taken for an image where no table names it.
IMAGE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", *_DICOM_ENDINGS})


class PackedImage(NamedTuple):
    """A radiograph ready for a network.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (height, width)
    low, cap : float
        The values of the resized image that became 0 and 255, in the file's own units. They are equal where an image
        has no contrast; its pixels are then all 0.
    """

    pixels: NDArray[np.uint8]
    low: float
    cap: float


def locate_image(root: Path, path: str) -> Path:
    """Find an image's file.

    Parameters
    ----------
    root : pathlib.Path
        The data set's folder.
    path : str
        The manifest's path of the image.

    Raises
    ------
    InputError
        The path leads out of the folder, through ``..`` or a link.
    """
    whole, home = (root / path).resolve(), root.resolve()
    if not whole.is_relative_to(home):
        raise InputError(
            f"the image {path!r} lies outside {root}: it leads to {whole}",
            "images below the data set's folder",
            "set 'root' to the folder that really holds the files, or replace the link by the files",
        )
    return whole


def read_gray(path: Path) -> NDArray[np.generic]:
    """Read a radiograph in grey, at the bit depth of its file.

    Parameters
    ----------
    path : pathlib.Path
        A PNG of 8 or 16 bits or a JPEG, in grey, colour (turned to grey by ITU-R 601, which leaves grey stored as
        colour as it is) or with a palette; transparency is dropped. Or a DICOM file: see `evalkit.dicom.read_dicom`.

    Returns
    -------
    ndarray, shape (height, width)
        uint8 or uint16; float64 from DICOM.

    Raises
    ------
    InputError
        The file is missing, truncated or of another kind; the message names it.
    """
    if is_dicom(path):
        from evalkit.dicom import read_dicom

        return read_dicom(path)
    try:
        with warnings.catch_warnings(), Image.open(path, formats=FORMATS) as image:
            # An image of half the size at which Pillow suspects an attack is a large radiograph.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image.load()
            if image.mode.startswith("I;16"):
                return np.asarray(image).astype(np.uint16)
            _refuse_deep_colour(image, path)
            return np.asarray(image if image.mode == "L" else _flatten(image).convert("L"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(
            f"{path} cannot be read: {reason}",
            "a whole PNG, JPEG or DICOM file",
            "fetch the file again, or set 'unreadable: exclude' to leave such images out",
        ) from None


def pack_image(image: NDArray[np.generic], size: int | tuple[int, int], *, antialias: bool = True) -> PackedImage:
    """Bring an image to a size, cap its brightest pixels and scale it to 8 bits.

    Parameters
    ----------
    image : ndarray, shape (height, width)
        Grey values of any depth.
    size : int or tuple of int
        Side of a square, or height and width, in pixels. The whole image is kept; its sides are scaled each by its own
        factor.
    antialias : bool
        Whether the bilinear filter widens with the reduction, so that every pixel of the image counts.

    Returns
    -------
    PackedImage
        Values from the resized image's minimum to its 99th percentile become 0 to 255, rounded to the nearest.
    """
    height, width = (size, size) if isinstance(size, int) else size
    values = np.ascontiguousarray(image, dtype=np.float32)
    if antialias:
        resized = np.asarray(Image.fromarray(values).resize((width, height), Image.Resampling.BILINEAR))
    else:
        resized = _interpolate(values, (height, width))
    low, cap = float(resized.min()), float(np.percentile(resized, CAP_PERCENTILE))
    if cap <= low:
        return PackedImage(np.zeros((height, width), np.uint8), low, low)
    scaled = (np.minimum(resized, cap) - low) * (255.0 / (cap - low))
    return PackedImage(np.rint(scaled).clip(0, 255).astype(np.uint8), low, cap)


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM: by its ending or, where that is of no image, by its first bytes."""
    ending = path.suffix.lower()
    if ending in IMAGE_ENDINGS:
        return ending in _DICOM_ENDINGS
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _refuse_deep_colour(image: Image.Image, path: Path) -> None:
    # Pillow reads colour of 16 bits per channel at 8 bits, which for a radiograph can leave a few grey levels.
    if image.format != "PNG":
        return
    with path.open("rb") as file:
        depth = file.read(25)[24]
    if depth == 16:
        raise InputError(
            f"{path} is a PNG of 16 bits per channel with {len(image.getbands())} channels",
            "8 bits per channel, or 16 bits in a single grey channel",
            "convert the file to 16-bit grey",
        )


def _flatten(image: Image.Image) -> Image.Image:
    """Drop transparency and palette, which the conversion to grey would not treat alike."""
    if image.mode in ("P", "PA"):
        return image.convert("RGBA").convert("RGB")
    return image.convert("L") if image.mode == "LA" else image


def _interpolate(values: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Bilinear interpolation at the centres of the new pixels, without a filter."""
    (top, bottom, down), (left, right, across) = (
        _neighbours(length, size) for length, size in zip(values.shape, shape, strict=True)
    )
    down = down[:, np.newaxis]
    upper = values[top][:, left] * (1 - across) + values[top][:, right] * across
    lower = values[bottom][:, left] * (1 - across) + values[bottom][:, right] * across
    return np.asarray(upper * (1 - down) + lower * down, dtype=np.float32)


def _neighbours(length: int, size: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    centres = ((np.arange(size) + 0.5) * length / size - 0.5).clip(0, length - 1)
    first = np.floor(centres).astype(np.intp)
    return first, np.minimum(first + 1, length - 1), (centres - first).astype(np.float32)
