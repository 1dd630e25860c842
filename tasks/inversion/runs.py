"""Doing a run: search, measure, record. A run whose key is recorded is not done again.

Its folder gets the metrics of each image, the reconstructions they were measured on, the latents, the convergence
curves and, last, `run.json` with a key: the hash of everything that decides the result. Where only what is measured has
changed since, the search is not repeated: its own key is in the record too.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.atomic import write_parquet
from evalkit.fingerprints import file_sha256, value_hash
from evalkit.layout import CURVES, LATENTS, PREDICTIONS, RECONSTRUCTIONS
from evalkit.predictions import IDS
from evalkit.records import RunRecord, Stopwatch, recorded_run, replacing_run, write_record
from evalkit.training.progress import showing_progress
from tasks.inversion.measuring import Measures, open_measures
from tasks.inversion.plans import Plan
from tasks.inversion.searching import Found, list_states, search

#: What a search leaves, beside what is measured on it.
_OF_SEARCH = (CURVES, RECONSTRUCTIONS, LATENTS)


def do_run(plan: Plan, *, retry_failed: bool = False) -> RunRecord:
    """Do and record one run, unless it is done already.

    Returns
    -------
    RunRecord
        As the first process wrote it now, or as it was recorded before.
    """
    facts, ranks, material = plan.facts(), plan.session.ranks, plan.material
    key, folder = value_hash(facts), material.study.layout.run(*plan.run)
    with showing_progress(plan.title, quiet=not ranks.is_first) as progress:
        before = ranks.from_first(recorded_run(folder, key) if ranks.is_first else {})
        if before and (before["outcome"] == "done" or not retry_failed):
            progress.say(f"{before['outcome']} before, with the same key {key[:12]}")
            return cast(RunRecord, before)
        stopwatch = Stopwatch()
        record: RunRecord = {"study": material.study.name, "key": key, "outcome": material.eye.missing, **facts}
        record["inputs"] = material.inputs
        earlier: dict[str, Any] = {}
        measures = found = None
        if not record["outcome"]:
            # Before the search, so that a wrong file does not cost it.
            measures = open_measures(material, plan.session.hardware) if ranks.is_first else None
            earlier = ranks.from_first(_find_search(folder, plan) if ranks.is_first else {})
            if earlier:
                progress.say("searched before; only measured anew")
                record |= cast(RunRecord, earlier)
            else:
                found = search(plan, progress)
                record |= _describe_search(plan, found)
        if ranks.is_first:
            with replacing_run(folder) as staging:
                if earlier:
                    for name in _OF_SEARCH:
                        shutil.copyfile(folder / name, staging / name)
                elif found is not None and found.outcome == "done":
                    _write_search(staging, plan, found)
                if measures is not None and record["outcome"] == "done":
                    record["unavailable"] = _write_measures(staging, plan, measures)
                record["outputs"] = {path.name: file_sha256(path) for path in sorted(staging.iterdir())}
                record |= stopwatch.stop(device=plan.session.hardware.name)
                write_record(staging, record)
            for state in list_states(plan):
                state.discard()
        record = ranks.from_first(record)
        progress.say(f"{record['outcome']} after {record['wall_seconds']:.1f} s")
        return record


def _find_search(folder: Path, plan: Plan) -> dict[str, Any]:
    """What the record in a run's folder says of the same search, if it was done; else nothing."""
    record = recorded_run(folder, plan.search_key, of="search")
    if record.get("outcome") != "done":
        return {}
    kept = ("outcome", "perceptual", "halvings", "images_per_second")
    return {name: record[name] for name in kept if name in record}


def _describe_search(plan: Plan, found: Found) -> RunRecord:
    perceptual = {**plan.facts()["perceptual"], **found.perceptual}
    record: RunRecord = {"outcome": found.outcome, "perceptual": perceptual, "halvings": found.halvings}
    if found.seconds and plan.steps:
        record["images_per_second"] = round(len(found.reconstructions) * plan.steps / found.seconds, 3)
    return record


def _write_search(folder: Path, plan: Plan, found: Found) -> None:
    images = plan.material.parts.inverted
    names = images.images["image_id"].to_numpy(str)
    targets = images.packed[images.images["row"].to_numpy(np.int64)]
    write_parquet(folder / CURVES, _tabulate(names, found.curves))
    # Straight into a folder that is not yet the run's; numpy's archives carry no time.
    reconstructions = found.reconstructions.numpy()
    np.savez_compressed(folder / RECONSTRUCTIONS, image_id=names, target=targets, reconstruction=reconstructions)
    np.savez_compressed(folder / LATENTS, image_id=names, ws=found.ws.numpy())


def _write_measures(folder: Path, plan: Plan, measures: Measures) -> dict[str, str]:
    """Measure the reconstructions in a folder; gives the metrics that are not there, and why."""
    with np.load(folder / RECONSTRUCTIONS, allow_pickle=False) as stored:
        unavailable, values = measures.measure(stored["target"], stored["reconstruction"])
    write_parquet(folder / PREDICTIONS, plan.material.parts.inverted.images[list(IDS)].assign(**values))
    return unavailable


def _tabulate(names: NDArray[np.str_], curves: list[dict[str, Any]]) -> pd.DataFrame:
    """The convergence curves: image_id, step, term and value, one row for each point."""
    parts = [
        pd.DataFrame({"image_id": name, "step": curve["steps"], "term": term, "value": values})
        for name, curve in zip(names, curves, strict=True)
        for term, values in curve["terms"].items()
    ]
    empty = {"image_id": "str", "step": "int64", "term": "str", "value": "float64"}
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in empty.items()})
    return pd.concat(parts, ignore_index=True).astype(empty)
