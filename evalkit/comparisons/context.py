"""The facts beside a table's rows: what a footnote has to say and a row does not."""

from __future__ import annotations

import importlib.metadata
import json
import math
import re
from collections.abc import Collection, Sequence
from typing import Any

from evalkit.comparisons.comparing import ComparedRow
from evalkit.comparisons.draws import describe_data
from evalkit.comparisons.external import describe_seen
from evalkit.comparisons.runs import DONE, FoundRun
from evalkit.comparisons.sections import TableRuns
from evalkit.comparisons.simultaneous import name_subgroup
from evalkit.comparisons.subgroups import EVERYONE
from evalkit.comparisons.wording import TESTS
from evalkit.config.loading import Study
from evalkit.metrics import METRICS

#: The beginning of a note that was said of many tests with different counts.
_COUNTED = re.compile(r"\d+ (?=of \d+ replicates left out)")

#: What says which two backbones are compared, and where.
_OF_PAIRS = ("subgroup", "metric", "setting", "target", "backbone", "reference", "policy")

#: Columns of which a note is said by name.
_FEW = 8


def describe_table(table_runs: TableRuns, compared: Sequence[ComparedRow]) -> dict[str, Any]:
    """Collect what the renderings of a table need beside its rows.

    Parameters
    ----------
    table_runs : TableRuns
        What the table was computed from.
    compared : sequence of ComparedRow
        Its rows, and what is to be known of single tests.

    Returns
    -------
    dict
        Plain values, ready for JSON. No time and no place of this machine is among them, so that the same runs give
        the same file.
    """
    runs, name = table_runs.predictions.gathered, table_runs.name
    study, selection = runs.study, runs.selection
    table, facts = study.table(name), table_runs.predictions.describe(table_runs.targets)
    words = {**TESTS, **facts.tests}
    return {
        "table": name,
        "title": table.title,
        "study": study.name,
        "study_title": study.file.title,
        "evaluation": selection.evaluation,
        "task": study.evaluation(selection.evaluation).task,
        "dataset": runs.tested,
        "drawn": any(study.dataset(dataset).phantom is not None for dataset in runs.reports),
        "metrics": [
            {"name": metric.name, "label": metric.label, "higher_is_better": metric.higher_is_better}
            for metric in (procedure.metric for procedure in table_runs.procedures.values())
        ],
        "definitions": facts.definitions,
        "columns": table.columns,
        "decimals": table.decimals,
        "confidence_level": table.confidence_level,
        "resamples": table.resamples,
        "policies": list(table.policies),
        "reference": table.reference,
        "adjustment": table.adjustment,
        "family": table.family,
        "tests": {test: words[test] for test in dict.fromkeys(each.row.test for each in compared if each.row.test)},
        "test_set": {**facts.test_set, "subgroups": _count_subgroups(table_runs)},
        **facts.further,
        "effects": _list_effects(compared),
        "runs": {setting: runs.count_runs(setting) for setting in selection.settings},
        "backbones": [_describe_backbone(study, backbone, runs.found) for backbone in selection.backbones],
        "data": [
            text if len(runs.reports) == 1 else f"{dataset}: {text}"
            for dataset, report in runs.reports.items()
            for text in (describe_data(report.get("report", {})), study.dataset(dataset).note)
            if text
        ],
        "draws": facts.training,
        "caveats": [
            *describe_seen(study, selection.backbones, runs.reports),
            *facts.caveats,
            *table_runs.notes,
            *_failures(runs.found),
            *_notes(compared),
        ],
        "notes": list(study.file.notes),
        "versions": _versions(runs.found),
    }


def _list_effects(compared: Sequence[ComparedRow]) -> list[dict[str, Any]]:
    """How large the differences are, each pair of backbones once; of measured values only."""
    effects: dict[tuple[str, ...], dict[str, Any]] = {}
    for each in compared:
        if each.effect is not None:
            place = {name: getattr(each.row, name) for name in _OF_PAIRS}
            # JSON has neither NaN nor infinity.
            sizes = {name: value if math.isfinite(value) else None for name, value in vars(each.effect).items()}
            effects.setdefault(tuple(place.values()), place | sizes)
    return list(effects.values())


def _count_subgroups(table_runs: TableRuns) -> dict[str, dict[str, int]]:
    return {
        subgroup.name: {
            "cases": int(subgroup.cases.sum()),
            "patients": table_runs.predictions.count_patients(subgroup.cases),
        }
        for subgroup in table_runs.subgroups
        if subgroup.name != EVERYONE
    }


def _describe_backbone(study: Study, backbone: str, found: Sequence[FoundRun]) -> dict[str, Any]:
    entry = study.backbone(backbone)
    report = study.layout.weights(backbone).with_suffix(".json")
    source = next((kind for kind in ("path", "url", "timm", "pretrain") if getattr(entry, kind)), "scratch")
    fingerprint = None
    if source != "scratch" and report.exists():
        fingerprint = json.loads(report.read_text(encoding="utf-8"))["fingerprint"][:12]
    elif (
        entry.sha256
        and entry.is_vgg16
        and any(each.run.backbone == backbone and each.outcome == DONE for each in found)
    ):
        fingerprint = entry.sha256[:12]  # Its own file is read, for it is never made canonical.
    return {
        "key": backbone,
        "label": entry.label,
        "arch": entry.arch,
        "source": source,
        "fingerprint": fingerprint,
        "baseline": entry.baseline,
        "control": entry.control,
        "note": entry.note,
    }


def _failures(found: Sequence[FoundRun]) -> list[str]:
    """Runs that ended without predictions, counted by cell."""
    cells: dict[tuple[str, str, str], list[str]] = {}
    for each in found:
        if each.failure:
            cells.setdefault((each.run.backbone, each.run.setting, each.failure), []).append(str(each.run.repeat))
    return [
        f"{backbone}, {setting}: repeat {', '.join(repeats)} {failure}."
        for (backbone, setting, failure), repeats in cells.items()
    ]


def _notes(compared: Sequence[ComparedRow]) -> list[str]:
    """What the tests had to say, each note once with the places it was said of."""
    several = len({each.row.metric for each in compared}) > 1
    places: dict[str, dict[str, None]] = {}
    counts: dict[str, set[str]] = {}
    for each in compared:
        row = each.row
        parts = (METRICS[row.metric].label if several else "", row.target, name_subgroup(row))
        for note in each.notes:
            counted = _COUNTED.match(note)
            key = note[counted.end() :] if counted else note
            places.setdefault(key, {})[" ".join(filter(None, parts))] = None
            counts.setdefault(key, set()).update([counted.group()] if counted else [])
    return [f"{_list_places(list(where))}: {_tell_counts(counts[key])}{key}." for key, where in places.items()]


def _list_places(places: Sequence[str]) -> str:
    few = places if len(places) <= _FEW else [*places[: _FEW - 1], f"and {len(places) - _FEW + 1} more columns"]
    return ", ".join(few)


def _tell_counts(counts: Collection[str]) -> str:
    """One count as it was said, the largest of several."""
    return ("up to " if len(counts) > 1 else "") + max(counts, key=int, default="")


def _versions(found: Sequence[FoundRun]) -> dict[str, str]:
    """Versions that the runs were made with (several where they differ) and that the numbers were computed with."""
    versions: dict[str, set[str]] = {}
    for each in found:
        for package, version in each.record.get("versions", {}).items():
            versions.setdefault(package, set()).add(version)
    made = {package: ", ".join(sorted(values)) for package, values in sorted(versions.items())}
    computed = {f"{package} (tables)": importlib.metadata.version(package) for package in ("numpy", "scipy")}
    return made | computed
