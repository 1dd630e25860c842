"""The generator of an inversion that comes from a file: found, read and of the study's size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.config.loading import Study
from evalkit.errors import InputError

if TYPE_CHECKING:
    from evalkit.stylegan2.generator import Generator


def find_generator(study: Study, evaluation: str) -> Path:
    """The file that an inversion's generator is read from.

    Raises
    ------
    InputError
        There is none, or a variable in its path is not set.
    """
    entry, place = study.inversion(evaluation).generator, _place(evaluation)
    assert entry.path is not None
    path = study.resolve_path(entry.path, what=place)
    if not path.is_file():
        found = "is no file" if path.exists() else "does not exist"
        raise InputError(f"{place}: {path} {found}", "a file with a generator", "correct the path")
    return path


def open_generator(study: Study, evaluation: str) -> tuple[Generator, dict[str, Any]]:
    """Read it; see `evalkit.stylegan2.loading.load_generator`.

    Raises
    ------
    InputError
        It is not there, has another hash, is no such generator, or makes images of another size.
    """
    from evalkit.stylegan2.loading import load_generator

    path = find_generator(study, evaluation)
    generator, report = load_generator(path, sha256=study.inversion(evaluation).generator.sha256)
    side = generator.spec.resolution
    if side != study.file.image_size:
        raise InputError(
            f"{_place(evaluation)}: {path} makes images of {side} px, and image_size is {study.file.image_size}",
            "a generator of the study's image_size",
            "set image_size to the generator's resolution, or use another generator",
        )
    return generator, report


def _place(evaluation: str) -> str:
    return f"evaluations.{evaluation}.generator.path"
