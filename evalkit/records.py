"""The record of a run: everything needed to know where its numbers come from, and whether to run it again."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

import psutil

from evalkit.atomic import write_json
from evalkit.errors import InputError
from evalkit.fingerprints import file_sha256

RECORD = "run.json"

#: Packages whose version can change a result.
_PACKAGES = (
    "cxr-evalkit",
    "torch",
    "torchvision",
    "timm",
    "kornia",
    "faster-coco-eval",
    "lpips",
    "scikit-image",
    "torchmetrics",
    "scikit-learn",
    "scipy",
    "numpy",
    "pandas",
    "pyarrow",
    "pillow",
    "pydicom",
)


class RunRecord(TypedDict, total=False):
    """What ``run.json`` holds. ``key`` and ``outcome`` are always there; the rest as far as the run got."""

    study: str
    task: str
    #: Which run it is: evaluation, setting, backbone and repeat, or the backbone made.
    run: dict[str, Any]
    #: SHA-256 of everything that decides the result: a run with the same key need not be done again.
    key: str
    #: done, diverged, out of memory, or undefined: and why.
    outcome: str
    seed: int
    labels: list[str]
    #: How rare classes count in the loss.
    class_weights: str
    #: How the network was trained, or the linear classifier fitted.
    recipe: dict[str, Any]
    #: Of a probe: the key of the features.
    features: str
    #: Architecture, channels, mean, std, fingerprint of the weights.
    network: dict[str, Any]
    #: Number of images and patients of each part, and a hash of their ids, pixels and labels.
    data: dict[str, dict[str, Any]]
    #: Of a detection: the network on the trunk, how pretrained weights are used, and what computes.
    detector: dict[str, Any]
    protocol: str
    engine: str
    #: Of a detection: longest side of an image in pixels, and what images without a box are for.
    longest: int
    empty_images: str
    #: Of a detection: COCO's numbers of validation and test images.
    coco: dict[str, Any]
    #: Of an inversion: what the row is if no backbone, and what the generator is.
    control: str | None
    generator: dict[str, Any]
    #: Of an inversion: how features are compared, the encoder and its calibration; the trunk of LPIPS, or why none; and
    #: the network that identity is measured by, likewise.
    perceptual: dict[str, Any]
    lpips: dict[str, Any] | str
    identity: dict[str, Any] | str
    #: Images that are optimised side by side, how often part of a batch was halved, and the key of the search.
    batch_size: int
    halvings: int
    search: str
    #: Metrics that could not be measured, and why.
    unavailable: dict[str, str]
    #: SHA-256 of the files read.
    inputs: dict[str, str]
    #: Hash of this project's source that the run depends on.
    code: str
    versions: dict[str, str]
    machine: dict[str, Any]
    device: str
    precision: str
    threads: int
    processes: int
    #: Steps, learning rate, best step and score, and every validation of every learning rate tried.
    selection: dict[str, Any]
    micro_batch: int
    #: From start to finish, in this process.
    wall_seconds: float
    #: Of an inversion, every step of an image counts as one: it is comparable with that of a training.
    images_per_second: float
    #: Of the run on a card; of the process so far on the CPU, so earlier runs of the same job are in it.
    peak_memory_bytes: int
    started: str
    finished: str
    #: SHA-256 of the files written.
    outputs: dict[str, str]


def write_record(folder: Path, record: RunRecord) -> None:
    """Write ``run.json`` into a folder, whole or not at all."""
    write_json(folder / RECORD, record)


def read_record(folder: Path) -> dict[str, Any]:
    """Read ``run.json`` of a run folder.

    Returns
    -------
    dict
        The fields of `RunRecord`; empty where the run has not finished.

    Raises
    ------
    InputError
        The file is not a run's record.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _not_a_record(path, str(error)) from error
    if not isinstance(record, dict) or not all(isinstance(record.get(name), str) for name in ("key", "outcome")):
        raise _not_a_record(path, "it has no key or no outcome")
    return record


def recorded_run(folder: Path, key: str, *, of: str = "key") -> dict[str, Any]:
    """The record of a run that need not be done again, or an empty one.

    It has this key, under the name `of`, and the files it names are there as it says.
    """
    record = read_record(folder)
    if record.get(of) != key:
        return {}
    for name, sha256 in record.get("outputs", {}).items():
        if not (folder / name).exists() or file_sha256(folder / name) != sha256:
            return {}
    return record


@contextlib.contextmanager
def replacing_run(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside a run's; on leaving without an error, its files become the run's.

    The record leaves first and comes back last, so at no moment does it lie beside the files of another run. If the
    disk fills on the way, what was there before is untouched. The folder is this process's own: a training that
    outlived its scheduler and the one started in its place do not touch each other's files, and should both finish at
    once, the hashes in the record say whether the files beside it are its own. What dead processes left is removed.

    Parameters
    ----------
    folder : pathlib.Path
        The run's folder. Files in it that are not written anew are deleted.

    Yields
    ------
    pathlib.Path
        Where to write the run's files, its record among them.
    """
    staging = folder.with_name(f".{folder.name}.{platform.node()}.{os.getpid()}.new")
    _remove_abandoned(staging)
    staging.mkdir(parents=True)
    try:
        yield staging
        folder.mkdir(exist_ok=True)
        (folder / RECORD).unlink(missing_ok=True)
        for old in folder.iterdir():
            old.unlink(missing_ok=True)
        for new in sorted(staging.iterdir(), key=lambda path: path.name == RECORD):
            new.replace(folder / new.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _remove_abandoned(staging: Path) -> None:
    """Remove the staging folders of the same run that dead processes of this machine left.

    Those of other machines that share the disk stay: whether their processes live cannot be seen from here.
    """
    beginning = staging.name.removesuffix(f"{os.getpid()}.new")
    for left in staging.parent.glob(".*.new"):
        process = left.name.removeprefix(beginning).removesuffix(".new")
        if process.isdecimal() and (left == staging or not psutil.pid_exists(int(process))):
            shutil.rmtree(left, ignore_errors=True)


def list_versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a result."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory and system of this machine; nothing that names the machine or its user."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.machine()}",
    }


class Stopwatch:
    """Says when and where a run was done; made when it starts."""

    def __init__(self) -> None:
        self._started, self._clock = datetime.now(UTC), time.perf_counter()

    def stop(self, *, device: str) -> RunRecord:
        """The part of a record about time, machine and versions.

        Parameters
        ----------
        device : str
            Name of the processor or card that computed.
        """
        return {
            "versions": list_versions(),
            "machine": {**describe_machine(), "device": device},
            "started": self._started.isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "wall_seconds": round(time.perf_counter() - self._clock, 3),
        }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # Not Linux.
    return platform.processor() or platform.machine()


def _not_a_record(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} is not a run's record: {reason}",
        "JSON as this program writes it",
        f"delete the folder {path.parent} and run the study again",
    )
