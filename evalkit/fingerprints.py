"""Hashes that decide whether something has to be done again."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
from pathlib import Path
from typing import Any

#: The folder that holds this project's packages side by side.
ROOT = Path(__file__).resolve().parents[1]

#: Packages of this project; other imports are pinned by their versions, which every record holds.
OWN = frozenset({"evalkit", "tasks", "stats", "reports"})

#: Modules that carry values from one place to another and compute none of a result. What they pass on (the recipe,
#: the labels, the seeds) is hashed as a value; editing their text must not retrain a network.
CARRIERS = ("evalkit.config", "evalkit.errors", "evalkit.atomic", "evalkit.layout", "evalkit.plan", "evalkit.commands")


@functools.cache
def code_hash(module: str) -> str:
    """Hash a module's source together with the source of every module of this project that it imports.

    Parameters
    ----------
    module : str
        A dotted name, for example ``"tasks.classification.finetuning"``. Imports inside functions count.

    Returns
    -------
    str
        16 hexadecimal digits. Comments and layout count, names of files do not; `CARRIERS` are left out.
    """
    sources: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in sources or name.partition(".")[0] not in OWN or _is_carrier(name):
            continue
        path = _source(name)
        if path is None:
            continue
        sources[name] = path.read_text(encoding="utf-8")
        waiting += _imports(sources[name], name)
    return value_hash(sources)[:16]


def value_hash(value: Any) -> str:
    """Hash a value made of dictionaries, lists, texts, numbers and None; the order of keys does not matter.

    Returns
    -------
    str
        64 hexadecimal digits (SHA-256 of the value's canonical JSON).
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: str | Path) -> str:
    """Hash a file's content (SHA-256, 64 hexadecimal digits)."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_state(path: str | Path) -> str:
    """Describe a file cheaply, for noticing that it changed: size and modification time, or ``absent``."""
    try:
        state = Path(path).stat()
    except OSError:
        return "absent"
    return f"{state.st_size} bytes, {state.st_mtime_ns}"


def _is_carrier(name: str) -> bool:
    return any(name == carrier or name.startswith(carrier + ".") for carrier in CARRIERS)


def _source(name: str) -> Path | None:
    # By path, not by importlib: asking it for a module would import the module's package, and torch with it.
    path = ROOT.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _imports(source: str, module: str) -> list[str]:
    """Names that `source` imports, absolute; ``from a import b`` gives both a and a.b, for b may be a module."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source, filename=module)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names
