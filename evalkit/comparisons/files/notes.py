"""What a reader must know of files, each thing once with the names of the files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evalkit.comparisons.files.reading import Table


class Notes:
    """Notes in the order in which they were first made."""

    def __init__(self) -> None:
        self._files: dict[str, list[Path]] = {}

    def add(self, table: Table, texts: Iterable[str]) -> None:
        """Note something of one file."""
        for text in texts:
            files = self._files.setdefault(text, [])
            if table.path not in files:
                files.append(table.path)

    def sentences(self) -> list[str]:
        """The notes, each with the files that it is of."""
        paths = {path for files in self._files.values() for path in files}
        alike = len({path.name for path in paths}) < len(paths)
        return [
            f"{', '.join(str(path) if alike else path.name for path in files)}: {text}"
            for text, files in self._files.items()
        ]
