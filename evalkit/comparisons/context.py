"""The facts beside a table's rows: what a footnote has to say and a row does not."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evalkit.comparisons.comparing import ComparedRow
from evalkit.comparisons.draws import describe_draws
from evalkit.comparisons.gathering import Gathered
from evalkit.comparisons.procedure import shown_backbones
from evalkit.comparisons.runs import FoundRun
from evalkit.config.loading import Study
from evalkit.plan import count_repeats

#: Tests in words, as the subject of a footnote's sentence.
TESTS = {
    "delong": "DeLong's test",
    "delong_clustered": "DeLong's test for clustered data (Obuchowski), patients as clusters",
    "bootstrap": "bootstrap over test patients",
    "bootstrap_two_way": "two-way bootstrap over repeats and test patients",
    "ttest_paired": "paired t-test over repeats",
}

#: Data sets that were made from others' images.
_DERIVED_FROM = {"rsna": "nih", "siim-acr": "nih"}


def describe_table(gathered: Gathered, compared: Sequence[ComparedRow]) -> dict[str, Any]:
    """Collect what the renderings of a table need beside its rows.

    Parameters
    ----------
    gathered : Gathered
        What the table was computed from.
    compared : sequence of ComparedRow
        Its rows, and what is to be known of single tests.

    Returns
    -------
    dict
        Plain values, ready for JSON. No time and no place of this machine is among them, so that the same runs give
        the same file.
    """
    study, name, test_set = gathered.study, gathered.name, gathered.test_set
    table = study.table(name)
    evaluation = study.evaluation(table.evaluation)
    dataset = study.dataset(evaluation.dataset)
    metric = gathered.procedure.metric
    return {
        "table": name,
        "title": table.title,
        "study": study.name,
        "study_title": study.file.title,
        "evaluation": table.evaluation,
        "dataset": evaluation.dataset,
        "drawn": dataset.phantom is not None,
        "metric": {
            "name": metric.name,
            "label": metric.label,
            "higher_is_better": metric.higher_is_better,
        },
        "columns": table.columns,
        "decimals": table.decimals,
        "confidence_level": table.confidence_level,
        "resamples": table.resamples,
        "policies": list(table.policies),
        "reference": table.reference,
        "adjustment": table.adjustment,
        "family": table.family,
        "tests": {test: TESTS[test] for test in dict.fromkeys(each.row.test for each in compared if each.row.test)},
        "test_set": {
            "images": gathered.n_images,
            "patients": test_set.n_patients,
            "unit": test_set.unit,
            "cases": len(test_set.targets),
            "positives": {
                label: int((test_set.targets[:, column] == 1).sum()) for column, label in enumerate(test_set.classes)
            },
        },
        "runs": {setting: count_repeats(evaluation, setting) for setting in gathered.cells},
        "backbones": [_describe_backbone(study, backbone) for backbone in shown_backbones(study, name)],
        "data": [text for text in (_describe_data(gathered.manifest.get("report", {})), dataset.note) if text],
        "draws": describe_draws(gathered.splits),
        "caveats": [*_overlaps(study, name), *_failures(gathered.found), *_notes(compared)],
        "notes": list(study.file.notes),
        "versions": _versions(gathered.found),
    }


def _describe_data(report: Mapping[str, Any]) -> str:
    """The reader's footnote and what it left out; images that could not be packed are among the draws' sentences."""
    left_out = "; ".join(f"{reason} ({count:,})" for reason, count in report.get("left_out", {}).items())
    return " ".join(filter(None, [report.get("footnote"), f"Images left out: {left_out}." if left_out else ""]))


def _describe_backbone(study: Study, backbone: str) -> dict[str, Any]:
    entry = study.backbone(backbone)
    report = study.layout.weights(backbone).with_suffix(".json")
    source = next((kind for kind in ("path", "url", "timm", "pretrain") if getattr(entry, kind)), "scratch")
    fingerprint = None
    if source != "scratch" and report.exists():
        fingerprint = json.loads(report.read_text(encoding="utf-8"))["fingerprint"][:12]
    return {
        "key": backbone,
        "label": entry.label,
        "arch": entry.arch,
        "source": source,
        "fingerprint": fingerprint,
        "baseline": entry.baseline,
        "note": entry.note,
    }


def _overlaps(study: Study, name: str) -> list[str]:
    """Backbones that have seen the evaluation's images before."""
    dataset = study.evaluation(study.table(name).evaluation).dataset
    entry = study.dataset(dataset)
    if entry.phantom is not None:
        return []
    evaluated = _with_origins([dataset] if entry.format == "csv" else [dataset, entry.format])
    sentences = []
    for backbone in shown_backbones(study, name):
        seen = study.backbone(backbone).pretrained_on
        if evaluated & _with_origins(seen):
            sentences.append(
                f"{study.backbone(backbone).label} was pretrained on {', '.join(seen)}: images of this evaluation may "
                "have been seen in pretraining."
            )
    return sentences


def _with_origins(datasets: Iterable[str]) -> set[str]:
    return {name for dataset in datasets for name in (dataset, _DERIVED_FROM.get(dataset, dataset))}


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
    """What the tests had to say, each note once with the targets it was said of."""
    targets: dict[str, list[str]] = {}
    for each in compared:
        for note in each.notes:
            targets.setdefault(note, []).append(each.row.target)
    return [f"{', '.join(dict.fromkeys(where))}: {note}." for note, where in targets.items()]


def _versions(found: Sequence[FoundRun]) -> dict[str, str]:
    """Versions that the runs were made with (several where they differ) and that the numbers were computed with."""
    versions: dict[str, set[str]] = {}
    for each in found:
        for package, version in each.record.get("versions", {}).items():
            versions.setdefault(package, set()).add(version)
    made = {package: ", ".join(sorted(values)) for package, values in sorted(versions.items())}
    computed = {f"{package} (tables)": importlib.metadata.version(package) for package in ("numpy", "scipy")}
    return made | computed
