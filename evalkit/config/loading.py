"""From a study's name or path to a checked `Study`, with one message for each mistake."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from evalkit.config.backbones import BackboneEntry, BackboneFile
from evalkit.config.datasets import Dataset
from evalkit.config.design import Divided
from evalkit.config.detection import Detection
from evalkit.config.evaluations import Classification, Evaluation
from evalkit.config.inversion import Inversion
from evalkit.config.mistakes import describe_mistake
from evalkit.config.rows import find_asked, find_involved, find_misplaced, suits
from evalkit.config.strict import nearest
from evalkit.config.study import StudyFile
from evalkit.config.tables import Counts, Figure, Table
from evalkit.config.unlisted import find_unlisted
from evalkit.errors import InputError
from evalkit.layout import Layout

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
E = TypeVar("E", bound=Divided)

#: The package of `tasks` that does a task's runs.
PACKAGES = {
    "multilabel": "classification",
    "multiclass": "classification",
    "detection": "detection",
    "inversion": "inversion",
}

#: The folder that holds the shipped studies, beside the package.
SHIPPED = Path(__file__).resolve().parents[2] / "config"


@dataclass(frozen=True)
class Study:
    """A study file together with the backbones it names and the places its results go to.

    Attributes
    ----------
    file : StudyFile
        What the YAML file says.
    source : pathlib.Path
        The YAML file.
    backbones : dict of str to BackboneEntry
        The entries the study compares, in the study's order.
    unlisted : dict of str to BackboneEntry
        Further entries that are needed: from which pretraining starts, or by which identity is measured.
    """

    file: StudyFile
    source: Path
    backbones: dict[str, BackboneEntry]
    unlisted: dict[str, BackboneEntry] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The study's name."""
        return self.file.study

    @cached_property
    def layout(self) -> Layout:
        """Where this study's files are."""
        return Layout(Path("results") / self.name)

    def backbone(self, name: str) -> BackboneEntry:
        """The entry called `name`, which must be one that the study lists or needs."""
        return _named(name, self.backbones | self.unlisted, "backbone", self.source)

    def dataset(self, name: str) -> Dataset:
        """The data set called `name`."""
        return _named(name, self.file.datasets, "data set", self.source)

    def evaluation(self, name: str) -> Evaluation:
        """The evaluation called `name`."""
        return _named(name, self.file.evaluations, "evaluation", self.source)

    def classification(self, name: str) -> Classification:
        """The evaluation called `name`, which must be a classification."""
        return self._of_kind(name, Classification, "classification")

    def detection(self, name: str) -> Detection:
        """The evaluation called `name`, which must be a detection."""
        return self._of_kind(name, Detection, "detection")

    def inversion(self, name: str) -> Inversion:
        """The evaluation called `name`, which must be an inversion."""
        return self._of_kind(name, Inversion, "inversion")

    def table(self, name: str) -> Table:
        """The table called `name`."""
        return _named(name, self.file.tables, "table", self.source)

    def counts(self, name: str) -> Counts:
        """The table of counts called `name`."""
        return _named(name, self.file.counts, "table of counts", self.source)

    def figure(self, name: str) -> Figure:
        """The figure called `name`."""
        return _named(name, self.file.figures, "figure", self.source)

    def rows(self, evaluation: str) -> list[str]:
        """The backbones that an evaluation can be run for, in the study's order."""
        task = self.evaluation(evaluation).task
        return [name for name, entry in self.backbones.items() if suits(entry, task)]

    def asked_rows(self, evaluation: str) -> list[str]:
        """Those of an evaluation's rows that a table or figure shows; all where none of them names any."""
        asked = find_asked(self.file, evaluation)
        return [name for name in self.rows(evaluation) if asked is None or name in asked]

    def _of_kind(self, name: str, kind: type[E], tasks: str) -> E:
        entry = self.evaluation(name)
        if not isinstance(entry, kind):
            raise InputError(
                f"the evaluation {name!r} of {self.source} is of task {entry.task}",
                f"an evaluation for python -m tasks.{tasks}",
                f"name another evaluation, or run python -m tasks.{PACKAGES[entry.task]}",
            )
        return entry

    def resolve_path(self, text: str, *, what: str) -> Path:
        """Replace ``${NAME}`` in a path of the configuration.

        Parameters
        ----------
        text : str
            The path as written. ``${RESULTS}`` is this study's results folder, other names are environment variables.
        what : str
            What the path is, for the message: ``"datasets.nih.root"``.

        Raises
        ------
        InputError
            A variable is not set.
        """

        def value_of(match: re.Match[str]) -> str:
            name = match.group(1)
            value = str(self.layout.root) if name == "RESULTS" else os.environ.get(name, "")
            if not value:
                raise InputError(
                    f"{what} is {text!r} and the variable {name} is not set",
                    f"{name} to hold the place of the files",
                    f"export {name}=/path/to/files, or add {name}=/path/to/files after --config of snakemake",
                )
            return value

        return Path(re.sub(r"\$\{(\w+)\}", value_of, text)).expanduser()

    def dataset_root(self, name: str) -> Path:
        """The folder of the data set called `name`: the configured one, or the phantom's."""
        entry = self.dataset(name)
        if entry.root is None:
            return self.layout.phantom(name, entry.format)
        return self.resolve_path(entry.root, what=f"datasets.{name}.root")

    def checkpoint_path(self, backbone: str) -> Path | None:
        """The checkpoint file of a backbone, pretrained here or local; None for scratch, an address or a timm tag.

        Raises
        ------
        InputError
            The path has a variable that is not set.
        """
        entry = self.backbone(backbone)
        if entry.pretrain is not None:
            return self.layout.pretraining(backbone) / "checkpoint.pth"
        return None if entry.path is None else self.resolve_path(entry.path, what=f"the path of backbone {backbone!r}")

    def known_checkpoint(self, backbone: str) -> Path | None:
        """As `checkpoint_path`; None as well where the path has a variable that is not set."""
        try:
            return self.checkpoint_path(backbone)
        except InputError:
            return None

    def lineage(self, backbone: str) -> list[str]:
        """A backbone and those it was made from here: what its pretraining starts from, or what it reads back."""
        found: list[str] = []
        waiting = [backbone]
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            found.append(name)
            pretrain, path = self.backbone(name).pretrain, self.known_checkpoint(name)
            if pretrain is not None:
                waiting += [pretrain.init] if pretrain.init else []
            else:
                waiting += [each for each in self.unlisted | self.backbones if path in self._written(each)]
        return found

    def _written(self, backbone: str) -> list[Path]:
        """Files that the workflow writes a backbone's weights to, and that another entry may read."""
        return [self.layout.pretraining(backbone) / "checkpoint.pth", self.layout.export(backbone)]


def load_study(name: str | os.PathLike[str]) -> Study:
    """Load and check a study and the backbones it names.

    Parameters
    ----------
    name : str or path-like
        ``"demo"`` for ``config/demo.yaml``, or the path of a study file. Backbones come from the ``backbones.yaml``
        beside the study file or, where there is none, from the one shipped.

    Returns
    -------
    Study

    Raises
    ------
    InputError
        The file is missing, is not YAML, or says something that is not valid; every mistake is listed.
    """
    source = _find(str(name))
    file = _validate(StudyFile, source)
    beside = source.parent / "backbones.yaml"
    catalogue_source = beside if beside.exists() else SHIPPED / "backbones.yaml"
    catalogue = _validate(BackboneFile, catalogue_source).root
    mistakes = []
    if file.study != source.stem and source.with_name(f"{file.study}.yaml").exists():
        # Most likely a copy; its results would overwrite those of its original.
        mistakes.append(f"study is {file.study!r}, the name of {file.study}.yaml beside it; call it {source.stem!r}")
    mistakes += [
        f"backbones names {key!r}, which {catalogue_source} does not have{nearest(key, catalogue)}"
        for key in file.backbones
        if key not in catalogue
    ]
    entries = {key: catalogue[key] for key in file.backbones if key in catalogue}
    unlisted, found = find_unlisted(file, entries, catalogue)
    mistakes += found
    for key, entry in (entries | unlisted).items():
        if entry.baseline and entry.baseline not in catalogue:
            mistakes.append(f"backbone {key!r} has the baseline {entry.baseline!r}{nearest(entry.baseline, catalogue)}")
        if entry.pretrain and entry.pretrain.data not in file.datasets:
            mistakes.append(
                f"backbone {key!r} is pretrained on {entry.pretrain.data!r}, which datasets does not have"
                + nearest(entry.pretrain.data, file.datasets)
            )
    mistakes += find_misplaced(file, entries)
    study = Study(file=file, source=source, backbones=entries, unlisted=unlisted)
    if not found:  # A broken chain leads nowhere.
        mistakes += find_involved(file, entries | unlisted, study.lineage)
    if mistakes:
        raise _mistakes(source, mistakes)
    return study


def _find(name: str) -> Path:
    if not name.endswith((".yaml", ".yml")):
        candidates = [Path("config") / f"{name}.yaml", SHIPPED / f"{name}.yaml"]
    else:
        candidates = [Path(name)]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    shipped = sorted(path.stem for path in SHIPPED.glob("*.yaml") if path.stem != "backbones")
    raise InputError(
        f"there is no study {name!r}: {' and '.join(map(str, candidates))} do not exist",
        f"the name of a study in config/{nearest(name, shipped)} or the path of a study file ending in .yaml",
        "name a study that exists, or write one (README: 'Your own study')",
    )


class _UniqueKeys(yaml.SafeLoader):
    """A safe loader that refuses a key given twice, which YAML itself would let win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, list | dict):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a name", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is given twice", node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _validate(model: type[M], source: Path) -> M:
    try:
        values = yaml.load(source.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(
            f"{source} is not readable as YAML: {error}", "a YAML mapping", "mend the place named"
        ) from None
    except OSError as error:
        raise InputError(f"{source}: {error.strerror}", "a readable YAML file", "name an existing study") from None
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _mistakes(
            source, [text for each in error.errors() for text in describe_mistake(each, model, values)]
        ) from None


def _mistakes(source: Path, mistakes: list[str]) -> InputError:
    many = len(mistakes) > 1
    listed = "".join(f"\n  - {mistake}" for mistake in mistakes)
    return InputError(
        f"{source} has {len(mistakes)} mistake{'s' if many else ''}:{listed}",
        "",
        f"mend {'them' if many else 'it'} and run: evalkit check {source} --config-only",
    )


def _named(name: str, entries: dict[str, T], what: str, source: Path) -> T:
    if name not in entries:
        raise InputError(
            f"{source} has no {what} {name!r}{nearest(name, entries)}",
            f"the name of one of the study's {what}s",
            f"correct the name, or add the {what} to the study",
        )
    return entries[name]
