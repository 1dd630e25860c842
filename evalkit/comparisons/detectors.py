"""Detectors in words, for footnotes: heads, protocol, sizes, and what becomes of images without a box."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from evalkit.config.detection import Detection
from evalkit.config.detector import HeadName
from evalkit.settings import parse_setting

#: Heads as publications call them.
HEADS: dict[str, str] = {"R50-C4": "R50-C4", "R50-DC5": "R50-dilated-C5"}

_HEADS: dict[HeadName, str] = {
    "R50-C4": "the trunk's last stage works on each region",
    "R50-DC5": "the trunk's last stage, dilated, works on the whole image, and two hidden layers on each region",
}
_PROTOCOLS = {
    "moco": "Heads and normalisation are as in MoCo's protocol (He et al. 2020): the whole network is trained, its "
    "normalisation included",
    "detectron2": "Heads and normalisation are as in detectron2's stock configuration: normalisation, stem and first "
    "stage keep the values they came with",
}
_EMPTY = {
    "keep": "are kept in training, validation and test, where nothing is to be found on them",
    "not_in_training": "are left out of training and kept in validation and test, where nothing is to be found on them",
    "exclude": "are left out of training, validation and test",
}


def describe_detectors(entry: Detection, settings: Sequence[str], trunks: Collection[str]) -> Iterator[str]:
    """Say what the detectors of a table are.

    Parameters
    ----------
    entry : Detection
    settings : sequence of str
        Those shown.
    trunks : collection of str
        Architectures of the backbones.
    """
    shown = [str(parse_setting(setting)["head"]) for setting in settings]
    heads = "; ".join(f"{HEADS[name]}: {words}" for name, words in _HEADS.items() if name in shown)
    named = "" if set(trunks) == {"resnet50"} else f". The names are the literature's; trunks: {_list(trunks)}"
    yield f"Faster R-CNN. {heads}{named}."
    yield f"{_PROTOCOLS[entry.way]}."
    yield _describe_training(entry)
    sides = entry.recipe.short_sides
    span = f"{min(sides)} to {max(sides)}" if len(sides) > 1 else f"{sides[0]}"
    yield (
        f"Images are resized to a shorter side of {span} px in training and {entry.recipe.short_side_test} px in test, "
        f"and a longer side of at most {entry.longest} px."
    )


def _describe_training(entry: Detection) -> str:
    recipe = entry.recipe
    rates = " or ".join(f"{rate:.12g}" for rate in recipe.learning_rates)
    budget = f"{recipe.steps:,} steps" if recipe.steps else f"{recipe.epochs} passes"
    name = {"sgd": "SGD", "adamw": "AdamW"}[recipe.optimizer]
    changed = [part for part in ("anchors", "proposals", "regions") if getattr(entry, part).model_fields_set]
    other = f" Numbers of {_list(changed)} are not detectron2's defaults." if changed else ""
    return f"{name}, learning rate {rates}, {budget} of {recipe.batch_size} images.{other}"


def describe_empty_images(entry: Detection, left_out: Mapping[str, int] | None = None) -> str:
    """Say what becomes of images without a box.

    Parameters
    ----------
    entry : Detection
    left_out : mapping of str to int, optional
        How many are left out of each part, where it is known.
    """
    counts = [f"{count:,} of {part}" for part, count in (left_out or {}).items() if count]
    told = f" ({', '.join(counts)})" if counts else ""
    return f"Images without a box {_EMPTY[entry.empty_images]}{told}."


def _list(names: Collection[str]) -> str:
    return ", ".join(dict.fromkeys(names))
