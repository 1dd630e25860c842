from __future__ import annotations

from dataclasses import replace

import pytest

from evalkit.training.examples import load_examples


@pytest.mark.parametrize("column", ["image_id", "patient_id", "study_id", "sha256"])
def test_a_corrected_id_or_pixel_is_another_fingerprint(make_study, column: str) -> None:
    examples = load_examples(make_study(), "main", None)
    images = examples.images.copy()
    assert replace(examples, images=images).fingerprint() == examples.fingerprint()
    images.loc[3, column] += "0"
    assert replace(examples, images=images).fingerprint() != examples.fingerprint()
