"""The demo's Table 7 from nothing: wall time, the share that is not training or prediction, and peak memory.

Run from anywhere: ``python benchmarks/demo.py``. It works in a temporary folder and takes the demo's few minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]


def watch_memory(process: psutil.Process, peak: list[int], stop: threading.Event) -> None:
    """Sample the memory of a process and its descendants (unique where it can be told, so sharing is not counted)."""
    while not stop.wait(0.5):
        total = 0
        for each in [process, *children_of(process)]:
            try:
                memory = each.memory_full_info()
            except psutil.Error:
                continue
            total += getattr(memory, "pss", memory.uss)
        peak[0] = max(peak[0], total)


def children_of(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def covered_seconds(records: list[dict]) -> float:
    """Length of the union of the runs' times, to the second their records give."""
    spans = sorted(
        (datetime.fromisoformat(record["started"]).timestamp(), datetime.fromisoformat(record["finished"]).timestamp())
        for record in records
    )
    covered = reached = 0.0
    for start, end in spans:
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", default="8", help="what is given to snakemake")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"),
                   "--workflow-profile", str(REPOSITORY / "profiles" / "default"),
                   "--cores", arguments.cores, "--quiet", "all", "--", "reports/table7.csv"]  # fmt: skip
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder)
        peak, stop = [0], threading.Event()
        watcher = threading.Thread(target=watch_memory, args=(psutil.Process(process.pid), peak, stop))
        watcher.start()
        status = process.wait()
        stop.set()
        watcher.join()
        wall = time.perf_counter() - started
        if status:
            raise SystemExit(f"the demo ended with status {status}")
        records = [json.loads(path.read_text()) for path in Path(folder).glob("results/demo/**/run.json")]
    slots = len(os.sched_getaffinity(0))
    busy = sum(record["wall_seconds"] for record in records)
    print(f"{len(records)} trainings, {wall:.0f} s in all, {slots} at once")
    idle = wall - covered_seconds(records)
    print(f"wall time with no training or prediction under way: {idle:.0f} s, {idle / wall:.0%}")
    print(f"core time not spent on them: {slots * wall - busy:.0f} of {slots * wall:.0f} s")
    print(f"peak memory: {peak[0] / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
