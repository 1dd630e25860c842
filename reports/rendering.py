"""What renderings share: the facts beside a table, and templates filled strictly, for LaTeX with marks of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2

from evalkit.atomic import write_text
from evalkit.errors import InputError

#: Where the text templates are.
CAPTIONS = Path(__file__).parent / "captions"

#: LaTeX is full of braces and percent signs, so its templates are marked up otherwise.
TEX_MARKS = {
    "block_start_string": "<%",
    "block_end_string": "%>",
    "variable_start_string": "<<",
    "variable_end_string": ">>",
    "comment_start_string": "<#",
    "comment_end_string": "#>",
}


def make_environment(**options: Any) -> jinja2.Environment:
    """Make an environment for the templates in `CAPTIONS`; a name that is not there is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(CAPTIONS),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )


def write_paragraphs(template: str, **values: Any) -> list[str]:
    """Fill a template of plain text, and give its paragraphs, each in one line.

    Parameters
    ----------
    template : str
        A file in `CAPTIONS`: paragraphs stand between blank lines; line breaks within one count as spaces.
    **values
        What it is filled with; a name that is not there is an error.

    Returns
    -------
    list of str
        Plain text, to be escaped for the format it goes into.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(CAPTIONS), undefined=jinja2.StrictUndefined, autoescape=False
    )
    text = environment.get_template(template).render(**values)
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip()]


def write_renderings(path: Path, **texts: str) -> list[Path]:
    """Write a table's renderings beside its rows, each whole or not at all; keywords are the files' endings."""
    targets = [path.with_suffix(f".{ending}") for ending in texts]
    for target, text in zip(targets, texts.values(), strict=True):
        write_text(target, text)
    return targets


def read_context(path: Path, *, maker: str) -> dict[str, Any]:
    """Read the facts beside a table's rows.

    Parameters
    ----------
    path : pathlib.Path
        The ``.json`` of the rows' name.
    maker : str
        What writes it, for the message.

    Raises
    ------
    InputError
        It is missing or damaged.
    """
    try:
        context = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read: {error}",
            f"the facts that `{maker}` writes beside a table's rows",
            "make the table again",
        ) from None
    return dict(context)
