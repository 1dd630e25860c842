"""DICOM files written here, read by the steps of the grey-scale pipeline."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
    generate_uid,
)
from scipy import ndimage

from evalkit.errors import InputError
from evalkit.images import pack_image, read_gray

RNG = np.random.default_rng(3)
STORED = {8: RNG.integers(0, 256, (18, 24), dtype=np.uint8), 16: RNG.integers(0, 4096, (18, 24), dtype=np.uint16)}


@pytest.fixture
def write_dicom(tmp_path):
    """Write pixels as a DICOM file; further elements by keyword."""

    def write(pixels, *, name="a.dcm", syntax=ExplicitVRLittleEndian, rle=False, data=None, **elements):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = syntax
        dataset = FileDataset(str(tmp_path / name), {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        dataset.Modality = "DX"
        dataset.Rows, dataset.Columns = pixels.shape[:2]
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated = pixels.dtype.itemsize * 8
        dataset.BitsStored = 12 if dataset.BitsAllocated == 16 else 8
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = 0
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        dataset.PixelData = data or pixels.tobytes()
        if rle:
            dataset.compress(RLELossless)
        dataset.save_as(tmp_path / name, enforce_file_format=True)
        return tmp_path / name

    return write


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_plain_pixels_are_read_as_stored(write_dicom, bits, syntax):
    np.testing.assert_array_equal(read_gray(write_dicom(STORED[bits], syntax=syntax)), STORED[bits])


@pytest.mark.parametrize("bits", [8, 16])
def test_run_length_compression(write_dicom, bits):
    np.testing.assert_array_equal(read_gray(write_dicom(STORED[bits], rle=True)), STORED[bits])


def test_baseline_jpeg(write_dicom):
    smooth = ndimage.gaussian_filter(STORED[8], 3)
    buffer = io.BytesIO()
    Image.fromarray(smooth).save(buffer, "JPEG", quality=100)
    path = write_dicom(smooth, syntax=JPEGBaseline8Bit, data=encapsulate([buffer.getvalue()]))
    assert np.abs(read_gray(path) - smooth).max() <= 3


def test_rescale_slope_and_intercept(write_dicom):
    path = write_dicom(STORED[16], RescaleSlope="2.5", RescaleIntercept="-1024")
    np.testing.assert_allclose(read_gray(path), STORED[16] * 2.5 - 1024)


def test_window_clips_after_rescaling(write_dicom):
    path = write_dicom(STORED[16], RescaleSlope="2", RescaleIntercept="0", WindowCenter="4000", WindowWidth="2001")
    read = read_gray(path)
    rescaled = STORED[16] * 2.0
    # The linear function of DICOM PS3.3, C.11.2.1.2, to the full output range of 12 stored bits after rescaling.
    position = ((rescaled - 3999.5) / 2000 + 0.5).clip(0, 1)
    np.testing.assert_allclose((read - read.min()) / (read.max() - read.min()), position, atol=1e-9)
    assert (position == 0).any()
    assert (position == 1).any()


def test_a_table_of_values_goes_before_a_window(write_dicom):
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 16]
    item.LUTData = np.arange(4095, -1, -1, dtype="<u2").tobytes()
    path = write_dicom(
        STORED[16], VOILUTSequence=[item], WindowCenter="10", WindowWidth="4", RescaleSlope="1", RescaleIntercept="0"
    )
    np.testing.assert_array_equal(read_gray(path), 4095 - STORED[16].astype(int))


def test_inverted_grey_is_turned_over(write_dicom):
    bright = read_gray(write_dicom(STORED[16], name="m2.dcm"))
    dark = read_gray(write_dicom(4095 - STORED[16], name="m1.dcm", PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(pack_image(dark, 16).pixels, pack_image(bright, 16).pixels)


def test_a_file_without_an_ending_is_known_by_its_content(write_dicom):
    np.testing.assert_array_equal(read_gray(write_dicom(STORED[8], name="IM0001")), STORED[8])


@pytest.mark.skipif(get_decoder(JPEGLosslessSV1).is_available, reason="the extra packages are installed")
def test_compression_that_needs_more_packages_says_which(write_dicom):
    path = write_dicom(STORED[16], syntax=JPEGLosslessSV1, data=encapsulate([b"\xff\xd8\xff\xd9"]))
    with pytest.raises(InputError, match=r"a\.dcm is compressed as JPEG Lossless") as refused:
        read_gray(path)
    assert "cxr-evalkit[dicom]" in str(refused.value)


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "photometric interpretation RGB"),
        ({"NumberOfFrames": "2"}, "has 2 frames"),
    ],
)
def test_colour_and_several_frames_are_refused(write_dicom, elements, message):
    with pytest.raises(InputError, match=message):
        read_gray(write_dicom(STORED[8], **elements))


@pytest.mark.parametrize("kept", [0, 100, 300, 700])
def test_a_truncated_file_is_named(write_dicom, kept):
    path = write_dicom(STORED[16])
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"a\.dcm "):
        read_gray(path)


def test_a_file_that_is_not_dicom_is_named(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"hello" * 100)
    with pytest.raises(InputError, match=r"a\.dcm cannot be read"):
        read_gray(tmp_path / "a.dcm")
