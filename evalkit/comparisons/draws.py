"""What a footnote says of a data set, and of the patients that networks were trained and selected on."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean
from typing import Any


def describe_data(report: Mapping[str, Any]) -> str:
    """The reader's footnote and what it left out; images that could not be packed are among the draws' sentences.

    Parameters
    ----------
    report : mapping
        As a manifest has it; empty where there is none yet.
    """
    left_out = report.get("left_out", {})
    told = f"Images left out: {list_left_out(left_out)}." if left_out else ""
    return " ".join(filter(None, [report.get("footnote"), told]))


def list_left_out(left_out: Mapping[str, int]) -> str:
    """List why images were left out, and how many."""
    return "; ".join(f"{reason} ({count:,})" for reason, count in left_out.items())


def describe_draws(report: Mapping[str, Any]) -> list[str]:
    """Put the report of an evaluation's splits into sentences.

    Parameters
    ----------
    report : mapping
        As `evalkit.splits` writes it beside the splits; empty where there are none yet.

    Returns
    -------
    list of str
        Training and validation patients, the size of each share and training set, patients in both, images set aside,
        redraws, draws that lack a class, images left out.
    """
    if not report:
        return []
    return [
        _describe_training(report),
        _describe_validation(report),
        *_describe_shared(report),
        *_describe_set_aside(report),
        *_describe_redraws(report),
        *_describe_lacking(report),
        *([f"{report['not_packed']:,} images could not be read and are left out."] if report["not_packed"] else []),
    ]


def _describe_training(report: Mapping[str, Any]) -> str:
    sentence = f"Training: {_count(report['roles']['train'])}"
    drawn = [draw for draw in report["draws"] if draw["role"] == "train"]
    shares = [
        f"{_share(fraction)}: {mean(draw['images'] for draw in drawn if draw['fraction'] == fraction):,.0f} images"
        for fraction in report["fractions"]
    ]
    drawn_by = f"; shares are drawn by patient, the same for every backbone (mean {', '.join(shares)})"
    trainsets = "".join(f"; {name}: {_count(counts)}" for name, counts in report["trainsets"].items())
    return sentence + (drawn_by if shares else "") + trainsets + "."


def _describe_validation(report: Mapping[str, Any]) -> str:
    size = "shrinking with the share" if "validation" in report["drawn_roles"] else "the same for every share"
    origin = report["validation_set"]
    counts = _count(report["roles"]["validation"])
    return f"Validation: {counts} ({origin})" + (f", {size}." if report["fractions"] else ".")


def _describe_shared(report: Mapping[str, Any]) -> list[str]:
    if report["split_by"] == "patient":
        return []
    patients = report["leakage"]["patients_in_training_and_validation"]
    same = report["leakage"]["images_in_training_and_validation"]
    repeated = f", and {same:,} images of validation are in training under another name" if same else ""
    return [f"Training and validation were divided image by image: {patients:,} patients are in both{repeated}."]


def _describe_set_aside(report: Mapping[str, Any]) -> list[str]:
    return [
        f"Picking {role} images of each class set {_count(counts)} aside, which serve for nothing."
        for role, counts in report["set_aside"].items()
        if counts["images"]
    ]


def _describe_redraws(report: Mapping[str, Any]) -> list[str]:
    times = sum(sum(counts) for counts in report["redraws"].values())
    again = "once" if times == 1 else f"{times} times"
    return [f"Draws without a positive or a negative of some class were made again, {again} in all."] if times else []


def _describe_lacking(report: Mapping[str, Any]) -> list[str]:
    draws = [
        f"{draw['role']} {_share(draw['fraction'])}, repeat {draw['repeat']} ({', '.join(draw['lacking'])})"
        for draw in report["draws_lacking_a_class"]
    ]
    return [f"Draws kept without a positive or a negative of a class: {'; '.join(draws)}."] if draws else []


def _count(role: Mapping[str, Any]) -> str:
    return f"{role['images']:,} images of {role['patients']:,} patients"


def _share(fraction: float) -> str:
    return f"{100 * fraction:.12g} %"
