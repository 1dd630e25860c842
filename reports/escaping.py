"""Text made safe for Markdown and LaTeX; HTML has jinja2's own escaping."""

from __future__ import annotations

import re
from typing import Any

#: What LaTeX reads as a command or would print as something else.
_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # After a line break of a table, LaTeX would read [ as the begin of its optional argument.
    "[": "{[}",
    "`": r"\`{}",
    "−": r"\ensuremath{-}",
    "±": r"\ensuremath{\pm}",
    "×": r"\ensuremath{\times}",
    "Δ": r"\ensuremath{\Delta}",
    "≤": r"\ensuremath{\leq}",
    "≥": r"\ensuremath{\geq}",
    "–": "--",
}
_TEX_PATTERN = re.compile("|".join(re.escape(character) for character in _TEX))
#: After a line break of a table, a star would belong to the break.
_LEADING_STAR = re.compile(r"^( ?)\*")
_MARKDOWN_PATTERN = re.compile(r"([\\`*_\[\]|~$])")
_BREAKS = re.compile(r"\s+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Markup(str):
    """Text that is already in its format and is not to be escaped again."""

    __slots__ = ()


def escape_tex(value: Any) -> str:
    """Escape a value for LaTeX; line breaks become spaces, control characters go."""
    if isinstance(value, Markup):
        return value
    text = _TEX_PATTERN.sub(lambda match: _TEX[match.group()], _flatten(value))
    return _LEADING_STAR.sub(r"\1{*}", text)


def escape_markdown(value: Any) -> str:
    """Escape a value for a cell or line of Markdown, in which HTML would count too."""
    if isinstance(value, Markup):
        return value
    text = _MARKDOWN_PATTERN.sub(r"\\\1", _flatten(value))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _flatten(value: Any) -> str:
    return _BREAKS.sub(" ", _CONTROL.sub("", str(value)))
