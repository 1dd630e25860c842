"""What kind of file this is, by its name and first bytes, before any reader touches it."""

from __future__ import annotations

import codecs
import contextlib
import json
import pickletools
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NoReturn

from evalkit.errors import InputError

Kind = Literal["torch-zip", "torch-legacy", "safetensors"]

EXPECTED = "a file written by torch.save (.pth, .pt, .ckpt) or by safetensors"

#: The reference implementation's own limit for a safetensors header, in bytes.
_LONGEST_HEADER = 100_000_000
_TENSORFLOW_ENDINGS = (".index", ".meta", ".pb", ".h5", ".keras", ".hdf5")
#: The last bytes of a TensorFlow checkpoint's index (a table file's magic number).
_TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
_TENSORFLOW_REMEDY = (
    "convert it once with TensorFlow installed: read each variable, give it its torchvision or timm name, turn "
    "kernels from height, width, in, out to out, in, height, width, and save the result with safetensors"
)


def kind_of(path: Path) -> Kind:
    """Tell which reader a checkpoint needs, from its bytes and not from its ending.

    Raises
    ------
    InputError
        The file is missing, empty, cut short or no checkpoint of PyTorch; the message says which and what to do.
    """
    if not path.exists():
        _refuse_missing(path)
    if path.is_dir():
        _refuse_folder(path)
    try:
        with path.open("rb") as file:
            start = file.read(4096)
            size = file.seek(0, 2)
            file.seek(max(0, size - 8))
            end = file.read(8)
    except PermissionError as error:
        raise InputError(f"{path} may not be read by this user", "", "change its permissions") from error
    if size == 0:
        raise InputError(f"{path} is empty (0 bytes)", EXPECTED, "download or copy it again")
    if start.startswith(b"PK"):
        return _kind_of_zip(path)
    header = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and header <= _LONGEST_HEADER:
        return _kind_of_safetensors(path, header, size)
    if start[:1] == b"\x80" or is_pickle(path):
        # Perhaps not torch.save's: the reader then says so, and what it asked for. It executes nothing.
        return "torch-legacy"
    _refuse_foreign(path, start, end)


def check_zip(path: Path) -> None:
    """Compare every record of a zipped checkpoint with the checksum stored beside it.

    Torch does not do so when it maps a file. A file whose sha256 has been checked needs no further check.

    Raises
    ------
    InputError
        A record is damaged; the message names it.
    """
    with _opened(path) as archive:
        record = archive.testzip()
    if record is not None:
        raise InputError(
            f"{path} is damaged: the record {record} does not have the checksum stored with it",
            EXPECTED,
            "download or copy it again; if it was saved with torch's checksums switched off, give its sha256 instead",
        )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, RuntimeError) as error:
        # What zipfile raises depends on the field that is damaged; an encrypted or unknown record is a RuntimeError.
        raise InputError(f"{path} is a damaged zip archive: {error}", EXPECTED, "download or copy it again") from error


def _kind_of_zip(path: Path) -> Kind:
    if not is_zip(path):
        raise InputError(
            f"{path} is cut short: it starts as a zip archive but its table of contents at the end is not there "
            f"({path.stat().st_size:,} bytes)",
            EXPECTED,
            "download or copy it again and compare its size with the source",
        )
    with _opened(path) as archive:
        names = archive.namelist()
    inside = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in inside:
        raise InputError(
            f"{path} is a TorchScript archive, which holds code beside the weights; nothing in it was executed",
            EXPECTED,
            "where you trust it: torch.save(torch.jit.load(FILE, map_location='cpu').state_dict(), NEW_FILE)",
        )
    if "data.pkl" in inside:
        return "torch-zip"
    raise InputError(
        f"{path} is a zip archive without weights of torch.save in it; it holds {', '.join(names[:3]) or 'nothing'}",
        EXPECTED,
        "if the checkpoint is packed inside, unpack it and give the path of the file itself",
    )


def _kind_of_safetensors(path: Path, header: int, size: int) -> Kind:
    if header + 8 > size:
        raise InputError(
            f"{path} is cut short: its safetensors header should have {header:,} bytes, the file has {size:,}",
            EXPECTED,
            "download or copy it again and compare its size with the source",
        )
    return "safetensors"


def _refuse_missing(path: Path) -> NoReturn:
    if path.parent.is_dir() and any(path.parent.glob(f"{path.name}.index")):
        raise InputError(f"{path} is the prefix of a TensorFlow checkpoint", EXPECTED, _TENSORFLOW_REMEDY)
    where = "its folder exists" if path.parent.is_dir() else "its folder does not exist either"
    raise InputError(
        f"there is no checkpoint {path} ({where})",
        EXPECTED,
        "correct 'path' in the backbone entry, or set the environment variable it uses",
    )


def _refuse_folder(path: Path) -> NoReturn:
    names = sorted(entry.name for entry in path.iterdir())
    if any(name.endswith((".index", ".pb")) for name in names):
        raise InputError(f"{path} is the folder of a TensorFlow model", EXPECTED, _TENSORFLOW_REMEDY)
    raise InputError(
        f"{path} is a folder, holding {', '.join(names[:5]) or 'nothing'}",
        EXPECTED,
        "give the path of the checkpoint file itself",
    )


def _refuse_foreign(path: Path, start: bytes, end: bytes) -> NoReturn:
    """Say what a file that is no checkpoint of PyTorch is."""
    name, text = path.name.lower(), start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"version https://git-lfs.github.com/spec/"):
        raise InputError(
            f"{path} is a Git LFS pointer: a few lines of text that stand for the weights",
            EXPECTED,
            "fetch the file itself with 'git lfs pull' in that repository, or download it from its page",
        )
    if text[:15].lower().startswith((b"<!doctype html", b"<html", b"<head")):
        raise InputError(
            f"{path} is a web page, not weights: the download was answered with a page (a log-in, a warning)",
            EXPECTED,
            "open the address in a browser, download the file itself, and note its sha256 in the entry",
        )
    if name.endswith(_TENSORFLOW_ENDINGS) or ".data-0" in name or end == _TABLE_MAGIC or start[1:4] == b"HDF":
        raise InputError(f"{path} is a TensorFlow or Keras file", EXPECTED, _TENSORFLOW_REMEDY)
    if start.startswith(b"\x1f\x8b") or start[257:262] == b"ustar" or start[:6] == b"\xfd7zXZ\0" or start[:3] == b"BZh":
        raise InputError(
            f"{path} is a packed archive (tar, gzip, xz or bzip2)",
            EXPECTED,
            "unpack it and give the path of the checkpoint inside",
        )
    nature = (
        f"is text that begins {_first_line(text)}" if _is_text(start) else f"begins with the bytes {start[:8].hex(' ')}"
    )
    raise InputError(
        f"{path} is no checkpoint that can be read here: it {nature}",
        EXPECTED,
        "check where the file comes from and download it again",
    )


def _is_text(start: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start[:512])  # may end inside a character
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)


def is_zip(path: Path) -> bool:
    """Say whether the file has a zip archive's table of contents at its end."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # a damaged table
        return False


def is_pickle(path: Path) -> bool:
    """Say whether the file starts with one whole pickle, of any protocol; nothing is unpickled."""
    with path.open("rb") as file:
        try:
            return len(list(pickletools.genops(file))) > 1
        except Exception:  # pickletools raises whatever it meets first in bytes that are no pickle
            return False


def _first_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").splitlines()
    return json.dumps(lines[0][:60] if lines else "", ensure_ascii=False)
