"""Files that are written whole or not at all.

Every result goes to a temporary file in the same folder, is flushed to disk and renamed over its final name. A
reader therefore sees the old file, the new file or none; a crash, a kill or a full disk leaves no half file behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; on leaving without an error, it becomes `path`.

    Parameters
    ----------
    path : path-like
        The final name. Its folder is created.

    Yields
    ------
    pathlib.Path
        Where to write. It keeps the final name's ending, since some writers go by it.

    Raises
    ------
    OSError
        As the writer or the file system raises it (a full disk, for one); `path` is then as it was before.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{final.stem[:80]}-", suffix=f".tmp{final.suffix}", dir=final.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` (UTF-8) to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON to `path`, whole or not at all; NaN is refused, for JSON has none."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_parquet(path: str | os.PathLike[str], frame: pd.DataFrame) -> None:
    """Write `frame` without its index as parquet to `path`, whole or not at all."""
    with replacing(path) as temporary:
        frame.to_parquet(temporary, index=False)
