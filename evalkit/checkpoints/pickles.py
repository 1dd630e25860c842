"""Pickled checkpoints: what they ask to import, found without importing it, and what may stand in for it.

Torch's restricted unpickler does the reading. It calls nothing but its own list of tensor builders, so a file that
asks for anything else is refused. A few names that occur in checkpoints of good faith beside the weights (training
arguments, a best score as a numpy number) are let through, but as `Discarded`: neither argparse nor numpy is called,
the value is simply not read.
"""

from __future__ import annotations

import io
import pickletools
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from evalkit.checkpoints.sniffing import EXPECTED, is_zip
from evalkit.errors import InputError


class Discarded:
    """Stands in for a value that is not read: takes any arguments and any state, and keeps none."""

    def __init__(self, *_arguments: Any) -> None:
        pass

    def __setstate__(self, _state: Any) -> None:
        pass


#: Names found in checkpoints of good faith, none of which is imported or called: `Discarded` is used instead.
DISCARDED_NAMES = (
    "argparse.Namespace",
    "numpy.dtype",
    "numpy.ndarray",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *(
        f"{module}.{name}"
        for module in ("pathlib", "pathlib._local")
        for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
    ),
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
)

#: What torch's unpickler builds tensors from; only used to leave these out of messages.
_BUILDERS = re.compile(
    r"collections\.(OrderedDict|Counter)|_codecs\.encode|torch\._utils\._rebuild_\w+|torch\._tensor\._rebuild\w+"
    r"|torch\.(\w*Storage|Size|Tensor|device|float\w*|bfloat16|u?int\d+|bool)|torch\.storage\.\w+Storage"
    r"|torch\.nn\.parameter\.Parameter|(builtins|__builtin__)\.(set|bytearray|complex)"
)


def load_pickled(path: Path, *, zipped: bool) -> Any:
    """Load a file of torch.save with torch's restricted unpickler, on the CPU, memory-mapped where it can be.

    Parameters
    ----------
    path : pathlib.Path
        The checkpoint.
    zipped : bool
        Whether it is in the zip format (since torch 1.6), which can be mapped, or in the older one.

    Returns
    -------
    object
        What was saved, with `Discarded` in place of arguments, numpy numbers and paths.

    Raises
    ------
    InputError
        The file asks for code (the message names it), or is damaged. Nothing of the file has been executed.
    """
    import torch

    stand_ins: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
        (Discarded, name) for name in DISCARDED_NAMES
    ]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(stand_ins):
            warnings.simplefilter("ignore", UserWarning)  # on the pickle protocol; what matters is raised
            # Torch takes a path that ends in .safetensors for what it says; here the bytes have decided already.
            if zipped and path.suffix != ".safetensors":
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            with path.open("rb") as file:
                return torch.load(file, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:
        # A damaged or hostile stream can fail at any point of the unpickler, with nearly any exception.
        _explain(path, error)


def names_asked_for(stream: BinaryIO) -> list[str]:
    """List the importable names that pickles at the start of `stream` ask for, without unpickling anything.

    Parameters
    ----------
    stream : binary file
        Positioned at the first pickle. Reading ends at the first bytes that are no pickle.

    Returns
    -------
    list of str
        ``module.name``, each once, in order.
    """
    names: dict[str, None] = {}
    try:
        while True:
            for name in _names_in_one(stream):
                names[name] = None
    except Exception:
        # pickletools raises what it meets first (ValueError, UnicodeError, struct errors): the pickles have ended.
        return list(names)


def _names_in_one(stream: BinaryIO) -> Iterator[str]:
    strings: list[str] = []  # the latest ones: what STACK_GLOBAL takes
    memo: list[str | None] = []
    latest: str | None = None
    for operation, argument, _ in pickletools.genops(stream):
        if operation.name in {"GLOBAL", "INST"}:
            yield str(argument).replace(" ", ".", 1)
        elif operation.name == "STACK_GLOBAL" and len(strings) > 1:
            yield f"{strings[-2]}.{strings[-1]}"
        elif operation.name == "MEMOIZE":
            memo.append(latest)
        elif operation.name.endswith("BINGET") and isinstance(argument, int) and argument < len(memo):
            remembered = memo[argument]
            strings += [remembered] if remembered is not None else []
        latest = argument if isinstance(argument, str) and "UNICODE" in operation.name else None
        strings += [latest] if latest is not None else []


def _explain(path: Path, error: Exception) -> NoReturn:
    asked = [name for name in _names_in_file(path) if not _BUILDERS.fullmatch(name) and name not in DISCARDED_NAMES]
    if asked:
        listed = ", ".join(asked[:5]) + (f" and {len(asked) - 5} more" if len(asked) > 5 else "")
        raise InputError(
            f"{path} asks to import {listed} while it is being read; it was refused and nothing in it was executed",
            "tensors under names, numbers and strings, and nothing that needs code",
            "only if you know who made the file, and in an environment of its own: "
            "d = torch.load(FILE, map_location='cpu', weights_only=False), then "
            "torch.save({'state_dict': d['state_dict']}, NEW_FILE) (a whole model: its .state_dict())",
        ) from error
    if "Invalid magic number" in str(error):
        raise InputError(
            f"{path} is a pickle that torch.save did not write; nothing in it was executed",
            EXPECTED,
            "load it where it was made and save its tensors again with torch.save or safetensors",
        ) from error
    raise InputError(
        f"{path} is damaged or cut short: {type(error).__name__}: {_first_sentence(error)}",
        EXPECTED,
        "download or copy it again and compare its size and sha256 with the source",
    ) from error


def _names_in_file(path: Path) -> list[str]:
    if not is_zip(path):
        with path.open("rb") as stream:
            return names_asked_for(stream)
    try:
        with zipfile.ZipFile(path) as archive:
            inner = next(name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl")
            return names_asked_for(io.BytesIO(archive.read(inner)))
    except Exception:  # whatever a damaged archive makes zipfile raise; the error being explained is another one
        return []


def _first_sentence(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no further detail"])[0][:200]
