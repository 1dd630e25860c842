"""Regular expressions that a study file may hold."""

from __future__ import annotations

import re

_GROUP = re.compile(r"\((?:\?(?:[:=!]|<[=!]|P<\w+>))?([^()]*)\)([*+{]?)")


def check_pattern(pattern: str) -> None:
    """Refuse a regular expression that is not valid, has not exactly one group, or could search for ever.

    Raises
    ------
    ValueError
        With what was found and what to do.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    if compiled.groups != 1:
        raise ValueError(
            f"{pattern!r} has {compiled.groups} groups; expected one, around the patient's number, for example "
            r"'patient(\d+)'; further parentheses are written (?:...)"
        )
    if _repeats_choices(pattern):
        raise ValueError(
            f"{pattern!r} repeats a group that itself can match in several ways, which can search a name for ever; a "
            r"search needs only what stands around the patient's number, for example 'patient(\d+)'"
        )


def _repeats_choices(pattern: str) -> bool:
    r"""Whether a repeated group holds a repeat or a choice, as in ``(\d+)*``: letters can each double the time."""
    bare = re.sub(r"\\.|\[\^?\]?[^\]]*\]", "x", pattern)
    while group := _GROUP.search(bare):
        inside, repeat = group.groups()
        holds = re.search(r"[*+?{|]", inside) is not None
        if holds and repeat:
            return True
        # An inner group counts as one letter from here on, repeated if it holds such a thing.
        bare = bare[: group.start()] + ("x+" if holds else "x") + repeat + bare[group.end() :]
    return False
