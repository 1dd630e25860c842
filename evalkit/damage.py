"""Files of this project that cannot be read back: cut off by a crash, or changed by hand."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from evalkit.errors import InputError


@contextlib.contextmanager
def refusing_damage(path: Path, *, expected: str, remedy: str) -> Iterator[None]:
    """Turn what a reader raises at a missing or damaged file into an error that names the file and the way out.

    Parameters
    ----------
    path : pathlib.Path
        The file that is read within.
    expected, remedy : str
        As of `InputError`.

    Raises
    ------
    InputError
        The file is not what was written there.
    """
    try:
        yield
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        # The errors of NumPy, pyarrow and json are all among these; their texts may run over several lines.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} is not readable: {reason}", expected, remedy) from error
