"""How long a study with 20 backbones x 31 runs takes to dry-run, and every table to be rendered from finished runs.

``python benchmarks/dry_run.py`` prints the first; ``--tables STUDY`` renders a finished study's tables as well.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]


def time_dry_run(folder: Path, backbones: int) -> tuple[float, str]:
    study = yaml.safe_load((REPOSITORY / "config/demo.yaml").read_text())
    entries = {
        f"backbone-{k}": {"label": f"Backbone {k}", "arch": "resnet50", "path": "${X}"} for k in range(backbones)
    }
    study.update(study="large", backbones=list(entries), tables={"table7": study["tables"]["table7"]})
    study["datasets"].pop("pretraining")
    study["evaluations"]["chexpert"]["repeats_per_job"] = 1
    config = folder / "config"
    config.mkdir()
    (config / "large.yaml").write_text(yaml.safe_dump(study))
    (config / "backbones.yaml").write_text(yaml.safe_dump(entries))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "8",
               "--workflow-profile", str(REPOSITORY / "profiles/default"), "--dry-run",
               "--config", "study=large", "--", "reports/table7.csv"]  # fmt: skip
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    lines = (done.stdout + done.stderr).splitlines()
    return time.perf_counter() - started, next(line for line in lines if line.startswith("finetune "))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbones", type=int, default=20)
    parser.add_argument("--tables", metavar="STUDY", help="a finished study whose tables are rendered")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds, jobs = time_dry_run(Path(folder), arguments.backbones)
    print(f"dry run of {arguments.backbones} backbones x 31 runs ({' '.join(jobs.split())}): {seconds:.1f} s")
    if arguments.tables:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "evalkit.cli", "tables", arguments.tables], check=True)
        print(f"all tables of {arguments.tables}: {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
