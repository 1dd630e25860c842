"""Images: every kind of file is read at its own depth; squashing, capping and scaling do what they say."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from scipy import ndimage

from evalkit.errors import InputError
from evalkit.images import locate_image, pack_image, read_gray

RNG = np.random.default_rng(7)
GREY = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (20, 30), dtype=np.uint16)


def png_of_16_bit_colour(channels: int) -> bytes:
    """A valid PNG of 16 bits per channel, which Pillow cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(2 * channels * 4) for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_grey_stored_in_any_mode_reads_as_it_is(tmp_path, mode):
    image = Image.fromarray(GREY).convert(mode)
    if image.mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(255 - GREY))
    image.save(tmp_path / "a.png")
    read = read_gray(tmp_path / "a.png")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, GREY)


def test_sixteen_bits_are_kept(tmp_path):
    Image.fromarray(DEEP).save(tmp_path / "a.png")
    read = read_gray(tmp_path / "a.png")
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, DEEP)


def test_one_bit_is_black_and_white(tmp_path):
    Image.fromarray(GREY > 100).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), np.where(GREY > 100, 255, 0))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(tmp_path, mode):
    smooth = ndimage.gaussian_filter(GREY, 3)
    Image.fromarray(smooth).convert(mode).save(tmp_path / "a.jpg", quality=100)
    assert np.abs(read_gray(tmp_path / "a.jpg").astype(int) - smooth).max() <= 3


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colour_of_sixteen_bits_is_refused_rather_than_read_at_eight(tmp_path, channels):
    (tmp_path / "deep.png").write_bytes(png_of_16_bit_colour(channels))
    with pytest.raises(InputError, match=r"deep\.png is a PNG of 16 bits per channel"):
        read_gray(tmp_path / "deep.png")


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
@pytest.mark.parametrize("kept", [0.0, 0.05, 0.5, 0.9])
def test_a_truncated_image_is_named(tmp_path, name, kept):
    path = tmp_path / name
    Image.fromarray(RNG.integers(0, 256, (200, 200), dtype=np.uint8)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(InputError, match=rf"{name} cannot be read") as refused:
        read_gray(path)
    assert "unreadable: exclude" in str(refused.value)


@pytest.mark.parametrize(("name", "content"), [("a.png", b"not an image"), ("a.gif", None), ("none.png", None)])
def test_other_files_are_named(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    elif name == "a.gif":
        Image.fromarray(GREY).save(tmp_path / name)
    with pytest.raises(InputError, match=f"{name} cannot be read"):
        read_gray(tmp_path / name)


def test_links_out_of_the_folder_are_refused(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    (tmp_path / "secret.png").write_bytes(b"")
    (root / "inner.png").write_bytes(b"")
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "good.png").symlink_to(root / "inner.png")
    assert locate_image(root, "good.png") == (root / "inner.png").resolve()
    for path in ("link.png", "../secret.png", "/etc/passwd"):
        with pytest.raises(InputError, match="lies outside"):
            locate_image(root, path)


@pytest.mark.parametrize("shape", [(64, 64), (90, 40), (7, 100), (1, 1), (300, 211)])
def test_without_antialiasing_it_is_plain_bilinear_interpolation(shape):
    image = RNG.integers(0, 4096, shape).astype(np.uint16)
    size = 24
    centres = [((np.arange(size) + 0.5) * length / size - 0.5).clip(0, length - 1) for length in shape]
    expected = ndimage.map_coordinates(image.astype(float), np.meshgrid(*centres, indexing="ij"), order=1)
    assert_scaled(pack_image(image, size, antialias=False), expected)


def test_antialiasing_weighs_all_pixels():
    image = RNG.integers(0, 4096, (64, 64)).astype(np.uint16)
    # Halving with a triangle of twice the width: weights 1 3 3 1 over 8, cut off and renormalised at the border.
    matrix = np.zeros((32, 64))
    for row in range(32):
        for column, weight in zip(range(2 * row - 1, 2 * row + 3), (1, 3, 3, 1), strict=True):
            if 0 <= column < 64:
                matrix[row, column] = weight
    matrix /= matrix.sum(axis=1, keepdims=True)
    assert_scaled(pack_image(image, 32, antialias=True), matrix @ image @ matrix.T)


def assert_scaled(packed, square):
    """Check the cap and the scaling to 8 bits against their definition."""
    low, cap = square.min(), np.percentile(square, 99)
    expected = np.rint((np.minimum(square, cap) - low) / max(cap - low, 1e-9) * 255)
    assert packed.low == pytest.approx(low, rel=1e-5, abs=1e-3)
    assert packed.cap == pytest.approx(cap, rel=1e-5, abs=1e-3)
    # One grey level where the last digit of single precision decides the rounding.
    difference = np.abs(packed.pixels.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.02


def test_the_brightest_percent_is_capped():
    image = np.tile(np.arange(100, dtype=np.uint8), (100, 1))
    image[:5, :10] = 255
    packed = pack_image(image, 100, antialias=True)
    assert packed.low == 0
    assert packed.cap == pytest.approx(99, abs=1)
    assert packed.pixels.max() == 255
    assert packed.pixels[50, 50] == round(50 / packed.cap * 255)


def test_a_narrow_range_of_a_deep_image_keeps_its_levels():
    ramp = np.tile(np.linspace(30000, 30255, 256), (256, 1)).astype(np.uint16)
    packed = pack_image(ramp, 256)
    assert len(np.unique(packed.pixels)) > 250, "at 8 bits of the full range this would be two levels"


@pytest.mark.parametrize("image", [np.full((9, 5), 77, np.uint8), np.pad([[9]], 20).astype(np.uint16)])
def test_an_image_without_contrast_is_black_and_marked(image):
    packed = pack_image(image, 32, antialias=False)
    assert not packed.pixels.any()
    assert packed.low == packed.cap


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.uint16, array_shapes(min_dims=2, max_dims=2, max_side=40)),
    st.integers(1, 40),
    st.booleans(),
)
def test_any_image_packs(image, size, antialias):
    packed = pack_image(image, size, antialias=antialias)
    assert packed.pixels.shape == (size, size)
    assert packed.pixels.dtype == np.uint8
    assert int(image.min()) - 1 <= packed.low <= packed.cap <= int(image.max()) + 1
    if packed.low < packed.cap:
        assert packed.pixels.min() == 0
        assert packed.pixels.max() == 255
