"""What readers call a table's settings, targets, subgroups and metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from evalkit.comparisons.cells import ALL, MEAN
from evalkit.comparisons.detectors import HEADS
from evalkit.comparisons.inversions import SPACES
from evalkit.comparisons.subgroups import EVERYONE
from evalkit.settings import parse_setting

#: Values of settings that are not printed as they are spelled.
_VALUES = {"finetune": "fine-tuned", "probe": "linear probe", **HEADS, **SPACES}

#: Tests as they are named in a narrow column.
SHORT_TESTS = {
    "delong": "DeLong",
    "delong_clustered": "DeLong, clustered",
    "mcnemar_exact": "McNemar, exact",
    "mcnemar_clustered": "McNemar, clustered",
    "stuart_maxwell": "Stuart-Maxwell",
    "stuart_maxwell_clustered": "Stuart-Maxwell, clustered",
    "ttest_paired": "paired t",
    "wilcoxon": "Wilcoxon",
    "bootstrap": "bootstrap",
    "map_bootstrap": "image bootstrap",
}


def label_setting(setting: str, settings: Iterable[str]) -> str:
    """Name a setting by what sets it apart from the others of its table, for example ``10 %``.

    Parameters
    ----------
    setting : str
        As in column ``setting``; may be empty where predictions came without a study.
    settings : iterable of str
        All of the table's.
    """
    if not setting:
        return ""
    every = [parse_setting(each) for each in settings]
    values = parse_setting(setting)
    varying = [axis for axis in values if len({other.get(axis) for other in every}) > 1]
    shown = varying or [axis for axis in values if axis == "fraction"] or list(values)
    return ", ".join(_label_value(values[axis]) for axis in shown)


def label_target(target: str) -> str:
    """Name a target: the mean and all cases in words, a class by its name."""
    return {MEAN: "Mean over classes", ALL: "Overall"}.get(target, target)


def label_subgroup(subgroup: str) -> str:
    """Name a subgroup, for example ``Sex F``; nothing for everyone."""
    return "" if subgroup == EVERYONE else capitalise(subgroup.replace("=", " ", 1))


def label_metric(metric: Mapping[str, Any]) -> str:
    """Name a metric as a heading, from its entry in the facts beside a table."""
    return capitalise(str(metric["label"]))


def capitalise(text: str) -> str:
    """Begin a heading with a capital letter."""
    return text[:1].upper() + text[1:]


def _label_value(value: str | float) -> str:
    return f"{100 * value:.12g} %" if isinstance(value, float) else _VALUES.get(value, value)
