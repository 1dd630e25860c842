"""What every configuration model shares: unknown keys are refused, names are plain."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

#: Names become folder names and parts of a job's command line, so they are kept plain.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]
Share = Annotated[float, Field(gt=0, lt=1)]


class Strict(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def nearest(name: str, valid: Iterable[str]) -> str:
    """Say which valid name a mistyped one is nearest to, as the end of a sentence.

    Returns
    -------
    str
        ``" (nearest: 'fraction'; valid: ...)"``.
    """
    names = [str(each) for each in valid]
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"nearest: {close[0]!r}; " if close else ""
    return f" ({hint}valid: {', '.join(names) or 'none'})"


def repeats(values: Sequence[object]) -> bool:
    """Whether a list holds a value twice."""
    return len(set(values)) < len(values)
