"""Headers: sizes of every kind of file, and what DICOM says of a patient."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from evalkit.errors import InputError
from evalkit.headers import ImageHeader, read_image_header, read_image_headers
from evalkit.phantom.dicom import DicomHeader, write_dicom


@pytest.fixture
def folder(tmp_path):
    picture = np.zeros((20, 30), np.uint8)
    for name in ("a.png", "b.jpg"):
        Image.fromarray(picture).save(tmp_path / name)
    header = DicomHeader("P1", "s", "t", "i", sex="F", age=7, projection="AP")
    for name in ("c.dcm", "IM0001"):
        with (tmp_path / name).open("wb") as file:
            write_dicom(file, picture, header)
    return tmp_path


def test_each_kind_of_file(folder):
    assert read_image_header(folder / "a.png") == read_image_header(folder / "b.jpg") == ImageHeader(30, 20)
    said = ImageHeader(30, 20, "P1", "007Y", "F", "AP")
    assert read_image_header(folder / "c.dcm") == read_image_header(folder / "IM0001") == said


@pytest.mark.parametrize("name", ["a.png", "b.jpg", "c.dcm"])
@pytest.mark.parametrize("kept", [0, 8])
def test_a_file_without_a_header_is_named(folder, name, kept):
    path = folder / name
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=f"{name} cannot be read"):
        read_image_header(path)


def test_many_headers_and_the_reasons_of_those_that_cannot_be_read(folder):
    (folder / "broken.png").write_bytes(b"x")
    headers, reasons = read_image_headers(folder, ["a.png", "broken.png", "absent.png", "c.dcm"])
    assert list(headers) == ["a.png", "c.dcm"]
    assert list(reasons) == ["broken.png", "absent.png"]
    assert reasons["absent.png"].endswith("cannot be read: No such file or directory")
    with pytest.raises(InputError, match="lies outside"):
        read_image_headers(folder, ["../a.png"])
