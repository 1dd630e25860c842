from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evalkit.atomic import write_json
from evalkit.datasets.manifest import load_manifest, write_manifest
from evalkit.training.examples import load_examples, load_external_examples


@pytest.mark.parametrize("column", ["image_id", "patient_id", "study_id", "sha256"])
def test_a_corrected_id_or_pixel_is_another_fingerprint(make_study, column: str) -> None:
    examples = load_examples(make_study(), "main", None)
    images = examples.images.copy()
    assert replace(examples, images=images).fingerprint() == examples.fingerprint()
    images.loc[3, column] += "0"
    assert replace(examples, images=images).fingerprint() != examples.fingerprint()


def test_what_another_data_set_leaves_out_is_counted(make_study) -> None:
    study = make_study(evaluation={"task": "multiclass", "settings": {"trainset": ["full"]}, "test_on": ["other"]})
    labels = ["normal", "bacterial", "viral"]
    whole = load_external_examples(study, "other", labels, task="multiclass")
    assert "left_out" not in whole.describe()
    manifest = load_manifest(study.layout.manifest("other"))
    manifest.images.loc[:2, labels] = [[0, 0, 0], [1, 1, 0], [0, 0, 0]]
    write_manifest(manifest, study.layout.manifest("other"))
    folder = study.layout.packed("other", study.file.image_size)
    index = pd.read_parquet(folder / "index.parquet")
    index[index["row"] != 7].to_parquet(folder / "index.parquet")
    write_json(folder / "packing.json", {"manifest": manifest.fingerprint()})
    examples = load_external_examples(study, "other", labels, task="multiclass")
    assert len(examples) == len(whole) - 4
    assert examples.describe()["left_out"] == {"without exactly one of the classes": 3, "could not be read": 1}
    np.testing.assert_array_equal(examples.targets, np.delete(whole.targets, [0, 1, 2, 7], axis=0))
