"""The R process inside this one: started once, called with vectors, its errors and warnings brought back."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

R_PACKAGES = ("pROC", "coin")
REMEDY = (
    "On Debian and Ubuntu: apt-get install r-base-core r-cran-proc r-cran-coin; elsewhere R 4.2 or newer with the "
    "packages pROC and coin. rpy2 comes with the extra: pip install 'cxr-evalkit[r]'"
)


class RNotAvailable(ImportError):
    """R, one of its packages, or rpy2 is not installed."""


class RError(RuntimeError):
    """R stopped with an error; the message is R's."""


class NotInR(NotImplementedError):
    """What was asked for has no counterpart in R's packages, or none that could be compared number by number."""


@dataclass(frozen=True)
class Answer:
    """What an R function returned: a named list of numbers, and the warnings given on the way."""

    values: dict[str, NDArray[np.float64]]
    warnings: tuple[str, ...]

    def __getitem__(self, name: str) -> float:
        """Return a single number."""
        return float(self.values[name].item())

    def numbers(self) -> dict[str, float]:
        """Return all values, which are single numbers."""
        return {name: self[name] for name in self.values}

    def array(self, name: str) -> NDArray[np.float64]:
        """Return a vector, or a matrix as R has it."""
        return self.values[name]


class RFunction:
    """A function written in R that returns a named list of numeric vectors or matrices.

    Data go in as R vectors and never as text. Messages are dropped, warnings are collected, an error is raised as
    RError.
    """

    def __init__(self, source: str) -> None:
        self._function = _r.evalr(source)

    def __call__(self, *arguments: ArrayLike | str) -> Answer:
        """Call the R function with its arguments by place."""
        value, warnings, failed = _guarded(self._function, *map(_to_r, arguments))
        if failed[0]:
            raise RError(str(value[0]))
        return Answer(
            {name: _from_r(item) for name, item in zip(value.names, value, strict=True)},
            tuple(f"R: {message}" for message in warnings),
        )


def _to_r(value: ArrayLike | str) -> Any:
    if isinstance(value, str):
        return _r.StrSexpVector([value])
    array = np.asarray(value)
    if array.dtype == bool:
        return _r.BoolSexpVector(array.ravel().tolist())
    vector = _r.FloatSexpVector.from_memoryview(array.astype(np.float64).ravel(order="F").data)
    if array.ndim == 2:
        vector.do_slot_assign("dim", _r.IntSexpVector(array.shape))
    return vector


def _from_r(value: Any) -> NDArray[np.float64]:
    array = np.array(value, dtype=np.float64)
    if "dim" in value.list_attrs():
        array = array.reshape(tuple(value.do_slot("dim")), order="F")
    return array


def _start() -> Any:
    """Start R and return rpy2's low-level interface to it."""
    if importlib.util.find_spec("rpy2") is None:
        raise RNotAvailable(f"stats.r_reference asks R through rpy2, and rpy2 is not installed. {REMEDY}")
    if not os.environ.get("R_HOME") and shutil.which("R") is None:
        raise RNotAvailable(
            f"stats.r_reference asks R, and R was not found: no program R on PATH, R_HOME not set. {REMEDY}"
        )
    os.environ.setdefault("RPY2_CFFI_MODE", "ABI")  # needs no compiler
    # R's start puts the system's folders first among the libraries of later child processes; a Python that brings its
    # own libpython would then load the other one.
    libraries = os.environ.get("LD_LIBRARY_PATH")
    try:
        import rpy2.rinterface as interface

        interface.initr()
    except Exception as error:
        raise RNotAvailable(f"stats.r_reference could not start R through rpy2: {error!r}. {REMEDY}") from error
    finally:
        os.environ["LD_LIBRARY_PATH"] = libraries or ""
        if libraries is None:
            del os.environ["LD_LIBRARY_PATH"]
    installed: Any = interface.evalr("function(name) nzchar(system.file(package = name))")  # loaded when first used
    missing = [name for name in R_PACKAGES if not installed(interface.StrSexpVector([name]))[0]]
    if missing:
        raise RNotAvailable(f"stats.r_reference needs the R package(s) {', '.join(missing)}, not installed. {REMEDY}")
    return interface


_r = _start()

_guarded = _r.evalr("""
function(f, ...) {
  notes <- character()
  failed <- FALSE
  value <- tryCatch(
    withCallingHandlers(
      lapply(suppressMessages(f(...)), function(item) {
        storage.mode(item) <- "double"
        item
      }),
      warning = function(w) {
        notes <<- c(notes, conditionMessage(w))
        invokeRestart("muffleWarning")
      }
    ),
    error = function(e) {
      failed <<- TRUE
      conditionMessage(e)
    }
  )
  list(value, notes, failed)
}
""")
