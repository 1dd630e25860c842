"""Doing a run: search, measure, record. A run whose key is recorded is not done again.

Its folder gets the metrics of each image, the reconstructions they were measured on, the latents, the convergence
curves and, last, `run.json` with a key: the hash of everything that decides the result.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from evalkit.atomic import write_parquet
from evalkit.fingerprints import file_sha256, value_hash
from evalkit.inversion.identity import NOT_ASKED, Identity
from evalkit.inversion.lpips_distance import open_lpips
from evalkit.inversion.metrics import IMAGE_METRICS, Floats
from evalkit.inversion.published import UNAVAILABLE
from evalkit.layout import CURVES, LATENTS, PREDICTIONS, RECONSTRUCTIONS
from evalkit.predictions import IDS
from evalkit.records import RunRecord, Stopwatch, recorded_run, replacing_run, write_record
from evalkit.training.progress import showing_progress
from tasks.inversion.plans import Plan
from tasks.inversion.searching import Found, list_states, search

#: Columns of the predictions, after the ids.
_COLUMNS = ("psnr", "ssim", "rmse", "lpips", "ms_ssim", "identity")
_TOO_SMALL = "undefined: images below 176 px"


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
        found: Found | None = None
        if not record["outcome"]:
            found = search(plan, key, progress)
            record["outcome"] = found.outcome
            record["perceptual"] = {**facts["perceptual"], **found.perceptual}
        if ranks.is_first:
            if found is not None and found.seconds and plan.steps:
                searched = len(found.reconstructions) * plan.steps
                record["images_per_second"] = round(searched / found.seconds, 3)
            with replacing_run(folder) as staging:
                if found is not None and found.outcome == "done":
                    record["unavailable"] = _write(staging, plan, found)
                record["outputs"] = {path.name: file_sha256(path) for path in sorted(staging.iterdir())}
                record |= stopwatch.stop(device=plan.session.hardware.name)
                write_record(staging, record)
            for state in list_states(plan, key):
                state.discard()
        record = ranks.from_first(record)
        progress.say(f"{record['outcome']} after {record['wall_seconds']:.1f} s")
        return record


def _write(folder: Path, plan: Plan, found: Found) -> dict[str, str]:
    """Write the files of a run; gives the metrics that are not there, and why."""
    images = plan.material.parts.inverted
    names = images.images["image_id"].to_numpy(str)
    targets = images.packed[images.images["row"].to_numpy(np.int64)]
    reconstructions = found.reconstructions.numpy()
    unavailable, values = _measure(plan, targets, reconstructions)
    write_parquet(folder / PREDICTIONS, images.images[list(IDS)].assign(**values))
    write_parquet(folder / CURVES, _tabulate(names, found.curves))
    # Straight into a folder that is not yet the run's; numpy's archives carry no time.
    np.savez_compressed(folder / RECONSTRUCTIONS, image_id=names, target=targets, reconstruction=reconstructions)
    np.savez_compressed(folder / LATENTS, image_id=names, ws=found.ws.numpy())
    return unavailable


def _measure(
    plan: Plan, targets: NDArray[np.uint8], images: NDArray[np.float32]
) -> tuple[dict[str, str], dict[str, Floats]]:
    """Every metric of every image, NaN throughout where one is not available; and which are not, and why."""
    unavailable: dict[str, str] = {}
    values = {name: measure(targets, images) for name, measure in IMAGE_METRICS.items()}
    if np.isnan(values["ms_ssim"]).all():
        unavailable["ms_ssim"] = _TOO_SMALL
    material, lpips = plan.material, None
    if material.entry.lpips is not None:
        entry = material.entry.lpips
        lpips = open_lpips(material.lpips, entry.digest, trunk=entry.trunk, hardware=plan.session.hardware)
    pair = [torch.from_numpy(np.asarray(each))[:, None] for each in (targets, images)]
    if lpips is None:
        unavailable["lpips"] = UNAVAILABLE
        values["lpips"] = np.full(len(targets), np.nan)
    else:
        values["lpips"] = lpips(*pair)
    if material.identity is None:
        unavailable["identity"] = NOT_ASKED
        values["identity"] = np.full(len(targets), np.nan)
    else:
        compare = Identity(material.identity, side=targets.shape[-1], hardware=plan.session.hardware)
        values["identity"] = compare(*pair)
    return unavailable, {name: values[name] for name in _COLUMNS}


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
