"""What stands under a table, as plain sentences: from the rows, the facts beside them and a text template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from evalkit.comparisons.subgroups import EVERYONE
from evalkit.settings import read_setting
from reports.labels import label_setting, label_target
from reports.rendering import write_paragraphs

#: Intervals in words.
INTERVALS = {
    "t": "Student's t",
    "wilson": "Wilson's score interval",
    "bootstrap_two_way percentile": "percentiles of the two-way bootstrap",
    "bootstrap percentile": "percentiles of the bootstrap over patients",
    "map_bootstrap percentile": "percentiles of the bootstrap over images",
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
_CONTROLS = {
    "pixel-only": "none, for there is no encoder",
    "mean-w": "none, for nothing is optimised",
    "random": "none, drawn from the run's seed",
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
    single = [name for name in settings if context["runs"][name] == 1]
    # A probe is fitted without chance: another seed would give the same. An inversion says for itself how it varies.
    trained = context["task"] != "inversion"
    seeded = [name for name in single if trained and read_setting(name).regime != "probe"]
    compared = rows[rows["test"] != ""]
    shown = rows[rows["sd"].isna()] if compact else rows
    labels = {each["key"]: each["label"] for each in context["backbones"]}
    return write_paragraphs(
        "footnotes.txt.j2",
        context=context,
        compact=compact,
        metrics=_join((metric["label"] for metric in context["metrics"]), "and"),
        level=f"{100 * context['confidence_level']:.12g} %",
        repeated=_describe_repeats(context["runs"], settings) if trained else [],
        spread=context.get("spread", ""),
        single=bool(single),
        single_settings=_specify(single, settings),
        seeded=bool(seeded),
        seeded_settings=_specify(seeded, settings),
        intervals=[INTERVALS[method] for method in shown["ci_method"].unique() if method],
        references={
            "best": "the best backbone of each column",
            "named": labels.get(context["reference"], ""),
            "baseline": "the backbone that each one derives from",
        },
        tests=_describe_tests(compared[compared["role"] == "primary"], settings, context),
        paper=[context["tests"][test] for test in compared["test"][compared["role"] == "paper"].unique()],
        secondary=[context["tests"][test] for test in _list_secondary(compared, context)],
        effects=bool(context.get("effects")),
        adjusted=_ADJUSTMENTS[context["adjustment"]] if rows["p_adjusted"].notna().any() else "",
        family=_describe_family(compared, context),
        counted=_describe_counts(context),
        subgroups=_describe_subgroups(rows, context),
        weights=[_describe_weights(each, settings) for each in context["backbones"]],
        backbone_notes=[f"{each['label']}: {each['note']}" for each in context["backbones"] if each["note"]],
        versions=[f"{name} {context['versions'][name]}" for name in _PACKAGES if name in context["versions"]],
    )


def _describe_counts(context: Mapping[str, Any]) -> str:
    """What the test set holds of each class."""
    counts, task = context["test_set"], context["task"]
    if task == "inversion":
        return ""
    if task == "detection":
        boxes = _list(f"{label} {count}" for label, count in counts["boxes"].items())
        empty = counts["images"] - counts["with_boxes"]
        return f"{counts['with_boxes']} images with a box, {empty} without; boxes: {boxes}"
    beginning = "of class" if task == "multiclass" else "positive:"
    return f"{beginning} {', '.join(f'{label} {count}' for label, count in counts['positives'].items())}"


def _describe_repeats(runs: Mapping[str, int], settings: Mapping[str, str]) -> list[str]:
    by_count: dict[int, list[str]] = {}
    for name, count in runs.items():
        if count > 1:
            by_count.setdefault(count, []).append(settings[name])
    return [f"n = {count}: {_list(filter(None, names))}" for count, names in by_count.items()]


def _specify(chosen: Sequence[str], settings: Mapping[str, str]) -> str:
    """Name some of the settings in brackets; nothing where they are all."""
    return f" ({_list(settings[name] for name in chosen)})" if len(chosen) < len(settings) else ""


def _list(names: Iterable[str]) -> str:
    """List names, of which some may be of several words with commas between."""
    names = list(names)
    return ("; " if any("," in name for name in names) else ", ").join(names)


def _describe_tests(primary: pd.DataFrame, settings: Mapping[str, str], context: Mapping[str, Any]) -> list[str]:
    """The primary tests in words and, where there are several, what each is for."""
    several = primary["test"].nunique() > 1
    of_everyone = primary[primary["subgroup"] == EVERYONE]
    descriptions = []
    for test in primary["test"].unique():
        words = context["tests"][test]
        if "bootstrap" in test:
            words += f", {context['resamples']:,} replicates"
        if several:
            # A subgroup may lack what a test is for, such as patients with several images.
            places = _describe_places(of_everyone, test, settings, context) or ["in some subgroups"]
            words += f" ({'; '.join(places)})"
        descriptions.append(words)
    return descriptions


def _describe_places(
    primary: pd.DataFrame, test: str, settings: Mapping[str, str], context: Mapping[str, Any]
) -> list[str]:
    """Where a test is used: metrics and, of those that others are used for as well, settings or targets."""
    metrics = {metric["name"]: metric["label"] for metric in context["metrics"]}
    axes = ("setting", "target") if context["columns"] == "setting" else ("target", "setting")
    places = []
    for metric, of_metric in primary.groupby("metric", sort=False):
        used = of_metric[of_metric["test"] == test]
        names = [metrics[metric]] if len(metrics) > 1 else []
        if len(used) < len(of_metric):
            # The axis that the tests differ along; the first where they differ along both.
            axis = next((each for each in axes if of_metric.groupby(each)["test"].nunique().max() == 1), axes[0])
            names.append(
                _list(settings[key] if axis == "setting" else label_target(key) for key in used[axis].unique())
            )
        if len(used):
            places.append(": ".join(names) or _list(settings.values()))
    return places


def _list_secondary(compared: pd.DataFrame, context: Mapping[str, Any]) -> list[str]:
    """Tests that are shown beside the primary one against the same reference."""
    beside = (compared["role"] == "secondary") & (compared["policy"] == context["policies"][0])
    return list(compared["test"][beside].unique())


def _describe_subgroups(rows: pd.DataFrame, context: Mapping[str, Any]) -> str:
    """What to think of subgroups' p-values; empty where there are none."""
    if (rows["subgroup"] == EVERYONE).all():
        return ""
    if context["family"] == "table":
        return "their p-values are adjusted together with all others"
    return (
        "exploratory; their p-values are adjusted for the backbones of their own column only, not for how many "
        "subgroups were looked at"
    )


def _describe_family(compared: pd.DataFrame, context: Mapping[str, Any]) -> str:
    if context["adjustment"] == "max_t":
        return "for all pairs of backbones of each column (other tests: Holm)"
    sizes = sorted({int(size) for size in compared["family_size"].dropna()})
    counts = _join(map(str, sizes))
    where = "of each column" if context["family"] == "cell" else "of all settings, targets and subgroups together"
    return f"for the {counts} p-values {where}, separately for each test and choice of reference"


def _describe_weights(backbone: Mapping[str, Any], settings: Iterable[str]) -> str:
    if backbone.get("control"):
        return f"{backbone['label']}: {_CONTROLS[backbone['control']]}"
    if backbone["source"] == "scratch":
        regimes = {read_setting(setting).regime for setting in settings}
        ways = ["drawn anew in each run"] if "finetune" in regimes else []
        ways += ["one random trunk for all probes"] if "probe" in regimes else []
        return f"{backbone['label']}: none, {' and '.join(ways)}"
    fingerprint = backbone["fingerprint"]
    mark = f"fingerprint {fingerprint}" if fingerprint else "not there yet"
    return f"{backbone['label']}: {_SOURCES[backbone['source']]}, {mark}"


def _join(words: Iterable[str], word: str = "or") -> str:
    *first, last = [*words] or [""]
    return f"{', '.join(first)} {word} {last}" if first else last
