"""The one exception a user is meant to read."""

from __future__ import annotations


class InputError(Exception):
    """Something a user gave (a file, a setting, a folder) is not what it must be.

    Commands print it without a traceback and exit with status 2.

    Parameters
    ----------
    found : str
        What was found, with the place: a file and row, a key of a YAML file.
    expected : str
        What would have been right.
    remedy : str
        What the user can do about it.
    """

    def __init__(self, found: str, expected: str = "", remedy: str = "") -> None:
        self.found, self.expected, self.remedy = found, expected, remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        lines = [self.found]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.remedy:
            lines.append(f"  to do:    {self.remedy}")
        return "\n".join(lines)
