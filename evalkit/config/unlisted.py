"""Backbones that a study needs without listing them: what pretraining starts from, and by what identity is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from evalkit.config.backbones import BackboneEntry
from evalkit.config.inversion import Inversion
from evalkit.config.strict import nearest
from evalkit.config.study import StudyFile


def list_identities(file: StudyFile) -> Iterator[tuple[str, str]]:
    """Each evaluation that measures identity, and the backbone it is measured by."""
    for name, entry in file.evaluations.items():
        if isinstance(entry, Inversion) and entry.identity is not None:
            yield name, entry.identity


def find_unlisted(
    file: StudyFile, entries: Mapping[str, BackboneEntry], catalogue: Mapping[str, BackboneEntry]
) -> tuple[dict[str, BackboneEntry], list[str]]:
    """Find the entries that are needed beside those listed, and what those start from.

    Parameters
    ----------
    file : StudyFile
    entries : mapping of str to BackboneEntry
        Those of the study's backbones that exist.
    catalogue : mapping of str to BackboneEntry
        All there are.

    Returns
    -------
    unlisted : dict of str to BackboneEntry
        What pretraining starts from comes first.
    mistakes : list of str
        What is wrong with such names and chains.
    """
    mistakes = [
        f"evaluations.{name}.identity names {key!r}, which does not exist{nearest(key, catalogue)}"
        for name, key in list_identities(file)
        if key not in catalogue
    ]
    named = {key for _, key in list_identities(file)}
    measuring = {key: catalogue[key] for key in catalogue if key in named and key not in entries}
    origins: dict[str, BackboneEntry] = {}
    for key in (*entries, *measuring):
        chain = [key]
        while (pretrain := catalogue[chain[-1]].pretrain) is not None and pretrain.init is not None:
            init = pretrain.init
            place = f"backbone {chain[-1]!r} starts from {init!r}"
            if init not in catalogue:
                mistakes.append(f"{place}, which does not exist{nearest(init, catalogue)}")
                break
            if init in chain:
                mistakes.append(_describe_circle(chain[chain.index(init) :]))
                break
            if catalogue[init].arch != catalogue[chain[-1]].arch:
                mistakes.append(f"{place}, which is a {catalogue[init].arch} and not a {catalogue[chain[-1]].arch}")
            if catalogue[init].is_scratch:
                mistakes.append(f"{place}, which has no weights; leave init out to start from random initialisation")
            if init not in entries:
                origins[init] = catalogue[init]
            chain.append(init)
    return origins | measuring, list(dict.fromkeys(mistakes))


def _describe_circle(circle: list[str]) -> str:
    """The same words wherever the circle is entered, so that it is told once."""
    if len(circle) == 1:
        return f"backbone {circle[0]!r} starts from itself; name another entry as init, or leave init out"
    first = circle.index(min(circle))
    shown = " <- ".join([*circle[first:], *circle[: first + 1]])
    return f"backbones start from each other in a circle: {shown}; leave out the init of one of them"
