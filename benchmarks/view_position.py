"""How far the view position alone goes: the AUC of "is it an AP image" for each class of an evaluation's test split.

Labels of public data follow the view, since the sicker are imaged lying down. A network that only tells AP from PA
reaches these AUCs, so a table of networks should be read beside them:

    python benchmarks/view_position.py --study nih-subset --evaluation nih
"""

from __future__ import annotations

import argparse

from evalkit.commands import add_study_argument, run_command
from evalkit.config import load_study
from evalkit.datasets.manifest import load_manifest
from evalkit.splits import load_splits
from stats import auc


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_study_argument(parser)
    parser.add_argument("--evaluation", required=True)
    arguments = parser.parse_args()
    study = load_study(arguments.study)
    evaluation = study.evaluation(arguments.evaluation)
    manifest = load_manifest(study.layout.manifest(evaluation.dataset))
    chosen = load_splits(study.layout.splits(arguments.evaluation)).image_ids("test")
    images = manifest.images.set_index("image_id").loc[list(chosen)]
    portable = (images["view"] == "AP").to_numpy(float)
    values = []
    for label in evaluation.labels or manifest.default_labels:
        known = images[label].notna().to_numpy()
        values.append(auc(images.loc[known, label].to_numpy(float), portable[known]))
        print(f"{label:24s} {values[-1]:.3f}   {int(images[label].sum())} of {int(known.sum())} images")
    print(f"{'mean':24s} {sum(values) / len(values):.3f}")


if __name__ == "__main__":
    run_command(main)
