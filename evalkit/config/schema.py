"""JSON schemas for editors, generated from the configuration models: ``python -m evalkit.config.schema``."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from evalkit.atomic import write_text
from evalkit.config.backbones import BackboneFile
from evalkit.config.loading import SHIPPED
from evalkit.config.study import StudyFile

SCHEMAS: dict[str, type[BaseModel]] = {"study.schema.json": StudyFile, "backbones.schema.json": BackboneFile}


def render_schema(name: str) -> str:
    """Render one of `SCHEMAS` as it belongs into ``config/schema/``."""
    return json.dumps(SCHEMAS[name].model_json_schema(), indent=1) + "\n"


def write_schemas(folder: Path = SHIPPED / "schema") -> None:
    """Write every schema to `folder`."""
    for name in SCHEMAS:
        write_text(folder / name, render_schema(name))


if __name__ == "__main__":
    write_schemas()
