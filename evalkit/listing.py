"""The files below a folder, without what operating systems leave there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from evalkit.errors import InputError

_LEFT_BEHIND = {"__macosx", "thumbs.db", "desktop.ini"}


def is_left_behind(name: str) -> bool:
    """Whether a file or folder is hidden, or one that an operating system or an archive program left."""
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


def list_files(root: Path) -> list[tuple[str, os.DirEntry[str]]]:
    """List the files below a folder, whatever `is_left_behind` says left out.

    Parameters
    ----------
    root : pathlib.Path
        A folder. Links are listed and not followed, so no circle of links is walked.

    Returns
    -------
    list of tuple
        Path relative to `root` with slashes, and the entry itself; in the order of the paths.

    Raises
    ------
    InputError
        A folder cannot be read.
    """
    found: list[tuple[str, os.DirEntry[str]]] = []
    waiting = [""]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(root / place) as entries:
                for entry in entries:
                    if is_left_behind(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{place}{entry.name}/")
                    else:
                        found.append((place + entry.name, entry))
        except OSError as error:
            raise InputError(
                f"{root / place}: {error.strerror}", "a folder that can be read", "check the folder and its rights"
            ) from None
    return sorted(found, key=lambda each: each[0])


def listing_state(root: Path) -> str:
    """Describe the files below a folder cheaply, for noticing that some came, went or changed their size.

    Returns
    -------
    str
        Number of files and a hash of their names and sizes, or ``absent`` where there are none. Times are not in it,
        so a copy of a folder has the same state.
    """
    try:
        files = list_files(root)
    except InputError:
        return "absent"
    digest = hashlib.sha256()
    for path, entry in files:
        digest.update(f"{path}\0{_size(entry)}\n".encode("utf-8", "surrogateescape"))
    return f"{len(files)} files, {digest.hexdigest()[:16]}" if files else "absent"


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        return -1  # a link to nowhere
