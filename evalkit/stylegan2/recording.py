"""Pickles, recorded and not run.

A pickle is a program that imports what it names and calls it. Here it is only recorded: every name it asks for must be
in a list, and each of them stands for a class that remembers with which arguments it was called. Nothing is imported,
and nothing that the file names is called. What a record means is left to plain code.

A record takes memory and time in proportion to the file: a few bytes that would ask for more are refused.
"""

from __future__ import annotations

import mmap
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from evalkit.errors import InputError

Name = tuple[str, str]

_DICTIONARIES: set[Name] = {("collections", "OrderedDict"), ("dnnlib.util", "EasyDict")}

#: More than any name is ever called with. A file could otherwise call one a thousand times with one long list, of
#: which each call has a copy.
_MOST_ARGUMENTS = 32


class Stream(Protocol):
    """A file in memory, or as if it were: what is asked for beyond its end takes no memory."""

    def read(self, n: int, /) -> bytes: ...  # noqa: D102

    def readline(self) -> bytes: ...  # noqa: D102

    def seek(self, place: int, /) -> Any: ...  # noqa: D102

    def tell(self) -> int: ...  # noqa: D102


class NotListedError(pickle.UnpicklingError):
    """A pickle asks for a name that is not in the list."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not allowed")
        self.name = name


class Recorded:
    """What a pickle asked for: a name, the arguments of its call, and what was put into the result."""

    name: Name

    arguments: tuple[Any, ...]
    entries: dict[Any, Any]

    def __new__(cls, *arguments: Any) -> Recorded:  # noqa: D102 - a pickle may make an object without __init__
        if len(arguments) > _MOST_ARGUMENTS:
            raise pickle.UnpicklingError(f"{'.'.join(cls.name)} with {len(arguments)} arguments")
        made = super().__new__(cls)
        made.arguments, made.entries = arguments, {}
        return made

    def __setitem__(self, key: Any, value: Any) -> None:
        self.entries[key] = value

    def __setstate__(self, _state: Any) -> None:
        # Attributes of dictionaries and numpy's types: nothing that is read here.
        pass


class _Tuple(tuple[Any, ...]):
    """A tuple that is no key: the hash of one that holds another twice, which does so as well, would take for ever."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]


_Load = Callable[[Any], None]


def _unhashable(load: _Load) -> _Load:
    def load_tuple(recorder: Recorder) -> None:
        load(recorder)
        recorder.stack[-1] = _Tuple(recorder.stack[-1])

    return load_tuple


def _refuse(_recorder: Recorder) -> None:
    raise pickle.UnpicklingError("an operation that no generator needs")


_LOADS: dict[int, _Load] = {**pickle._Unpickler.dispatch}
for _code in (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3):
    _LOADS[_code[0]] = _unhashable(_LOADS[_code[0]])
# Numbers of any length, whose hash is worked out anew each time; and memory for bytes that need not be there.
for _code in (pickle.LONG4, pickle.LONG, pickle.INT, pickle.BYTEARRAY8):
    _LOADS[_code[0]] = _refuse


class Recorder(pickle._Unpickler):
    """Makes of a pickle dictionaries, lists, tuples, numbers, strings, bytes and `Recorded`.

    The unpickler written in Python keeps its memory in a dictionary. The one written in C has a table, which a file of
    ten bytes can make as large as the machine's memory.

    Parameters
    ----------
    stream : Stream
        At the pickle; it is read to the pickle's end.
    names : frozenset of (module, name)
        What it may ask for.
    """

    dispatch = _LOADS
    stack: list[Any]

    def __init__(self, stream: Stream, names: frozenset[Name]) -> None:
        super().__init__(stream)
        self._names, self._classes = names, dict[Name, type[Recorded]]()

    def find_class(self, module: str, name: str) -> type[Recorded]:
        """Give the class that stands for a name, in this file only: whatever a file does to it, it does to itself."""
        asked = module, name
        if asked not in self._names:
            raise NotListedError(f"{module}.{name}")
        if asked not in self._classes:
            self._classes[asked] = type("Recorded", (Recorded,), {"name": asked})
        return self._classes[asked]

    def persistent_load(self, pid: Any) -> Any:
        """Refuse what lies outside the pickle."""
        raise pickle.UnpicklingError("objects outside the file are not allowed")


def arguments_of(value: Any, name: Name) -> tuple[Any, ...]:
    """With what a name was called."""
    if not isinstance(value, Recorded) or value.name != name:
        found = ".".join(value.name) if isinstance(value, Recorded) else type(value).__name__
        raise ValueError(f"{found} instead of {'.'.join(name)}")
    return value.arguments


def is_dictionary(value: Any) -> bool:
    """Say whether something is a dictionary, or was written as one of its kinds."""
    return isinstance(value, dict) or (isinstance(value, Recorded) and value.name in _DICTIONARIES)


def entries_of(value: Any) -> dict[Any, Any]:
    """The entries of a dictionary."""
    if not is_dictionary(value):
        raise ValueError(f"{type(value).__name__} instead of a dictionary")
    entries: dict[Any, Any] = value.entries if isinstance(value, Recorded) else value
    return entries


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """Open a file as a `Stream`."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as stream:
        yield stream


@contextmanager
def explaining(path: Path, found: str, expected: str) -> Iterator[None]:
    """Turn whatever reading a record raises into an error that a user can read.

    Parameters
    ----------
    path : pathlib.Path
    found : str
        What is the matter with the file, where nothing better can be said.
    expected : str
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except NotListedError as error:
        raise InputError(
            f"{path} asks to import {error.name[:200]} while it is being read; it was refused and nothing in it was "
            "executed",
            expected,
            "get the file from its publisher and compare its sha256; a network of another program must be converted",
        ) from error
    except Exception as error:  # a hostile or damaged stream can fail at any point, with nearly any exception
        raise InputError(
            f"{path} {found}: {type(error).__name__}: {first_line(error)}",
            expected,
            "download or copy it again and compare its size and sha256 with the source; nothing in it was executed",
        ) from error


def first_line(error: Exception) -> str:
    """What an exception says, shortly."""
    return (str(error).strip().splitlines() or ["no further detail"])[0][:200]
