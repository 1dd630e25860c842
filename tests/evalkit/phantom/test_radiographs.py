"""Pictures: the same for the same patient, findings where and as they should be, bone apart."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from evalkit.phantom import LABELS, PREVALENCE, Study, draw_patient, draw_study, render

SIZE = 64
VIEWS = ("frontal", "lateral")


def studied(label=None, strength=0.9, projection="PA"):
    return Study(1, projection, {} if label is None else {label: strength})


def test_a_patient_looks_the_same_whatever_was_drawn_before():
    first = {n: render(draw_patient(n), draw_study(draw_patient(n), 1), size=SIZE).image for n in (3, 4, 5)}
    again = {n: render(draw_patient(n), draw_study(draw_patient(n), 1), size=SIZE).image for n in (5, 3, 4)}
    for number, image in first.items():
        np.testing.assert_array_equal(image, again[number])


def test_patients_studies_views_and_worlds_differ():
    patient = draw_patient(3)
    images = [
        render(patient, studied(), size=SIZE).image,
        render(patient, dataclasses.replace(studied(), number=2), size=SIZE).image,
        render(patient, studied(), view="lateral", size=SIZE).image,
        render(draw_patient(4), studied(), size=SIZE).image,
        render(draw_patient(3, seed=1), studied(), size=SIZE).image,
    ]
    for i, one in enumerate(images):
        for other in images[i + 1 :]:
            assert np.abs(one.astype(int) - other).mean() > 1


@pytest.mark.parametrize("view", VIEWS)
def test_size_changes_resolution_but_not_the_picture(view):
    patient, study = draw_patient(8), studied("consolidation")
    small = render(patient, study, view=view, size=SIZE).image
    large = render(patient, study, view=view, size=4 * SIZE).image
    shrunk = np.asarray(Image.fromarray(large).resize((SIZE, SIZE), Image.Resampling.BOX))
    assert np.corrcoef(small.ravel(), shrunk.ravel())[0, 1] > 0.99


@settings(max_examples=40, deadline=None)
@given(
    number=st.integers(1, 10**6),
    label=st.sampled_from(LABELS),
    strength=st.floats(0.001, 0.999),
    view=st.sampled_from(VIEWS),
    projection=st.sampled_from(("PA", "AP")),
)
def test_every_image_is_sound_and_every_box_fits_its_mask(number, label, strength, view, projection):
    radiograph = render(draw_patient(number), studied(label, strength, projection), view=view, size=SIZE)
    assert radiograph.image.shape == (SIZE, SIZE)
    assert radiograph.image.dtype == np.uint8
    assert np.isfinite(radiograph.attenuation).all()
    assert radiograph.image.std() > 20
    for found in radiograph.findings:
        assert (found.label, found.strength) == (label, strength)
        x, y, width, height = found.box
        assert 0 <= x < x + width <= SIZE
        assert 0 <= y < y + height <= SIZE
        assert found.mask[y : y + height, x : x + width].sum() == found.mask.sum()
        assert found.mask[y, x : x + width].any()
        assert found.mask[y + height - 1, x : x + width].any()
        assert found.mask[y : y + height, x].any()
        assert found.mask[y : y + height, x + width - 1].any()


@pytest.mark.parametrize(
    "label", ["atelectasis", "edema", "interstitial opacity", "consolidation", "nodule", "effusion"]
)
@pytest.mark.parametrize("view", VIEWS)
def test_opacities_attenuate_more_and_more_with_strength(label, view):
    added = {0.1: [], 0.5: [], 0.95: []}
    for number in range(30, 38):
        patient = draw_patient(number)
        clear = render(patient, studied(), view=view, size=SIZE).attenuation
        masks = [f.mask for f in render(patient, studied(label, 0.95), view=view, size=SIZE).findings]
        if not masks:
            continue
        where = np.logical_or.reduce(masks)
        for strength, found in added.items():
            picture = render(patient, studied(label, strength), view=view, size=SIZE).attenuation
            found.append(float((picture - clear)[where].mean()))
    means = [np.mean(found) for found in added.values()]
    assert means[0] < means[1] < means[2]
    assert means[2] > 0.05


def test_air_outside_the_lung_attenuates_less():
    for number in range(30, 36):
        patient = draw_patient(number)
        clear = render(patient, studied(), size=SIZE).attenuation
        picture = render(patient, studied("pneumothorax", 0.9), size=SIZE)
        [found] = picture.findings
        assert (picture.attenuation - clear)[found.mask].mean() < -0.1


def test_cardiomegaly_widens_the_heart():
    for number in range(30, 36):
        widths = [
            render(draw_patient(number), studied("cardiomegaly", strength), size=128).findings[0].box[2]
            for strength in (0.01, 0.95)
        ]
        assert widths[1] > 1.15 * widths[0]


def test_findings_without_a_place_leave_the_rest_of_the_image_alone():
    patient = draw_patient(31)
    clear, picture = render(patient, studied(), size=SIZE), render(patient, studied("nodule"), size=SIZE)
    outside = np.ones((SIZE, SIZE), bool)
    for found in picture.findings:
        x, y, width, height = found.box
        outside[max(0, y - 3) : y + height + 3, max(0, x - 3) : x + width + 3] = False
    np.testing.assert_array_equal(picture.attenuation[outside], clear.attenuation[outside])


@pytest.mark.parametrize("view", VIEWS)
def test_bone_comes_off(view):
    radiograph = render(draw_patient(12), studied(), view=view, size=128)
    assert radiograph.bone.min() >= 0
    assert (radiograph.attenuation - radiograph.bone).min() >= 0
    change = radiograph.image.astype(int) - radiograph.soft
    dense, free = radiograph.bone > 0.15, radiograph.bone < 0.01
    seen = radiograph.image > 0
    assert change[dense & seen].mean() > 5
    assert np.abs(change[free & seen]).mean() < 4


def test_prevalence_and_company_of_findings():
    patients = [draw_patient(number) for number in range(1, 601)]
    studies = [draw_study(patient, 1) for patient in patients]
    present = {label: np.array([label in study.strengths for study in studies]) for label in LABELS}
    for label, share in PREVALENCE.items():
        assert present[label].mean() == pytest.approx(share, abs=0.06)
    strengths = np.array([s for study in studies for s in study.strengths.values()])
    assert 0 < strengths.min() < 0.05
    assert 0.95 < strengths.max() < 1
    assert np.corrcoef(present["edema"], present["cardiomegaly"])[0, 1] > 0.1
    assert np.corrcoef(present["edema"], present["effusion"])[0, 1] > 0.1
    bedside = np.array([study.projection == "AP" for study in studies])
    ill = np.array([len(study.strengths) > 1 for study in studies])
    assert 0.3 < bedside.mean() < 0.65
    assert bedside[ill].mean() > bedside[~ill].mean()


def test_findings_persist_from_visit_to_visit():
    patients = [draw_patient(number) for number in range(1, 201)]
    pairs = [(draw_study(patient, 1), draw_study(patient, 2)) for patient in patients]
    first = np.array([[label in one.strengths for label in LABELS] for one, _ in pairs])
    second = np.array([[label in two.strengths for label in LABELS] for _, two in pairs])
    assert second[first].mean() > 0.6
    assert (first != second).any()
