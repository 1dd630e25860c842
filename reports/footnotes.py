"""What stands under a table, as plain sentences: from the rows, the facts beside them and a text template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import jinja2
import pandas as pd

from reports.arranging import label_setting, label_target
from reports.rendering import CAPTIONS

_INTERVALS = {
    "bootstrap_two_way percentile": "percentiles of the two-way bootstrap",
    "bootstrap percentile": "percentiles of the bootstrap over patients",
    "delong": "DeLong's variance",
    "delong_clustered": "DeLong's variance for clustered data, patients as clusters",
}
_ADJUSTMENTS = {
    "holm": "Holm",
    "hochberg": "Hochberg",
    "bonferroni": "Bonferroni",
    "bh": "Benjamini-Hochberg (false discovery rate)",
    "by": "Benjamini-Yekutieli (false discovery rate)",
    "max_t": "max-T bootstrap",
}
_SOURCES = {
    "path": "a local file",
    "url": "a download",
    "timm": "timm",
    "pretrain": "made by this workflow",
}
#: Versions worth a footnote; the facts beside the rows hold all.
_PACKAGES = ("cxr-evalkit", "torch", "timm", "scipy (tables)")


def write_footnotes(rows: pd.DataFrame, context: Mapping[str, Any], *, compact: bool = False) -> list[str]:
    """Say what a reader must know to read a table.

    Parameters
    ----------
    rows : DataFrame
        Tidy rows of one table.
    context : mapping
        The facts beside them, as `evalkit.comparisons` writes them.
    compact : bool
        The cells show no differences, and intervals only where there is no standard deviation.

    Returns
    -------
    list of str
        Plain text, to be escaped for the format it goes into: tests, references, numbers of repeats and cases,
        adjustment, data, weights with their fingerprints, caveats.
    """
    settings = {name: label_setting(name, context["runs"]) for name in context["runs"]}
    single = [label for name, label in settings.items() if context["runs"][name] == 1]
    compared = rows[rows["test"] != ""]
    shown = rows[rows["sd"].isna()] if compact else rows
    labels = {each["key"]: each["label"] for each in context["backbones"]}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(CAPTIONS), undefined=jinja2.StrictUndefined, autoescape=False
    )
    text = environment.get_template("footnotes.txt.j2").render(
        context=context,
        compact=compact,
        level=f"{100 * context['confidence_level']:.12g} %",
        repeated=_describe_repeats(context["runs"], settings),
        single=bool(single),
        single_settings=single if len(settings) > 1 else [],
        intervals=[_INTERVALS[method] for method in shown["ci_method"].unique() if method],
        references={
            "best": "the best backbone of each column",
            "named": labels.get(context["reference"], ""),
            "baseline": "the backbone that each one derives from",
        },
        tests=_describe_tests(compared[compared["role"] == "primary"], settings, context),
        paper=[context["tests"][test] for test in compared["test"][compared["role"] == "paper"].unique()],
        adjusted=_ADJUSTMENTS[context["adjustment"]] if rows["p_adjusted"].notna().any() else "",
        family=_describe_family(compared, context),
        positives=[f"{label} {count}" for label, count in context["test_set"]["positives"].items()],
        weights=[_describe_weights(each) for each in context["backbones"]],
        backbone_notes=[f"{each['label']}: {each['note']}" for each in context["backbones"] if each["note"]],
        versions=[f"{name} {context['versions'][name]}" for name in _PACKAGES if name in context["versions"]],
    )
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip()]


def _describe_repeats(runs: Mapping[str, int], settings: Mapping[str, str]) -> list[str]:
    by_count: dict[int, list[str]] = {}
    for name, count in runs.items():
        if count > 1:
            by_count.setdefault(count, []).append(settings[name])
    return [f"n = {count}: {', '.join(filter(None, names))}" for count, names in by_count.items()]


def _describe_tests(primary: pd.DataFrame, settings: Mapping[str, str], context: Mapping[str, Any]) -> list[str]:
    """The primary tests in words and, where there are several, the columns that each is for."""
    axis, names = ("setting", settings) if context["columns"] == "setting" else ("target", None)
    descriptions = []
    for test in primary["test"].unique():
        words = context["tests"][test]
        if "bootstrap" in test:
            words += f", {context['resamples']:,} replicates"
        if primary["test"].nunique() > 1:
            columns = primary[axis][primary["test"] == test].unique()
            words += f" ({', '.join(names[each] if names else label_target(each) for each in columns)})"
        descriptions.append(words)
    return descriptions


def _describe_family(compared: pd.DataFrame, context: Mapping[str, Any]) -> str:
    if context["adjustment"] == "max_t":
        return "for all pairs of backbones of each column (other tests: Holm)"
    sizes = sorted({int(size) for size in compared["family_size"].dropna()})
    counts = _join(map(str, sizes))
    where = "of each column" if context["family"] == "cell" else "of all settings and targets together"
    return f"for the {counts} p-values {where}, separately for each test and choice of reference"


def _describe_weights(backbone: Mapping[str, Any]) -> str:
    if backbone["source"] == "scratch":
        return f"{backbone['label']}: none, drawn anew in each run"
    fingerprint = backbone["fingerprint"]
    mark = f"fingerprint {fingerprint}" if fingerprint else "not there yet"
    return f"{backbone['label']}: {_SOURCES[backbone['source']]}, {mark}"


def _join(words: Iterable[str]) -> str:
    *first, last = [*words] or [""]
    return f"{', '.join(first)} or {last}" if first else last
