"""How templates are filled: strictly, and for LaTeX with marks that are not its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

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
