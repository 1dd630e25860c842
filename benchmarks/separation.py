"""How far apart the entries of demo-supervised are, over several study seeds: difference of mean AUC in SDs over draws.

``python benchmarks/separation.py`` runs its 10 % cell, scratch against supervised (or `--backbone`), once for
each seed, pretraining included. Each seed draws other patients, other validation sets and other noise.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]


def run_seed(seed: int, fraction: float, backbone: str, folder: Path) -> pd.DataFrame:
    study = yaml.safe_load((REPOSITORY / "config/demo-supervised.yaml").read_text())
    evaluation = study["evaluations"]["chexpert"]
    evaluation["settings"]["fraction"] = [fraction]
    evaluation["repeats_per_job"] = 5
    study.update(seed=seed, backbones=["demo-scratch", backbone], tables={"table7": study["tables"]["table7"]})
    config = folder / "config"
    config.mkdir()
    (config / "demo-supervised.yaml").write_text(yaml.safe_dump(study))
    (config / "backbones.yaml").write_text((REPOSITORY / "config/backbones.yaml").read_text())
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), "--cores", "8",
               "--workflow-profile", str(REPOSITORY / "profiles/default"), "--quiet", "all",
               "--config", "study=demo-supervised", "--", "reports/table7.csv"]  # fmt: skip
    subprocess.run(command, cwd=folder, check=True)
    return pd.read_csv(folder / "reports/table7.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--fraction", type=float, default=0.1)
    parser.add_argument("--backbone", default="demo-supervised")
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            rows = run_seed(seed, arguments.fraction, arguments.backbone, Path(folder))
        mean = rows[(rows["target"] == "mean") & (rows["role"] == "primary")].set_index("backbone")
        scratch, pretrained = mean.loc["demo-scratch"], mean.loc[arguments.backbone]
        apart = (pretrained["estimate"] - scratch["estimate"]) / max(pretrained["sd"], scratch["sd"])
        print(
            f"seed {seed}: scratch {scratch['estimate']:.3f} ± {scratch['sd']:.3f}, "
            f"{arguments.backbone} {pretrained['estimate']:.3f} ± {pretrained['sd']:.3f}, {apart:.1f} SD apart",
            flush=True,
        )


if __name__ == "__main__":
    main()
