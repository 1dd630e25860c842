"""From a patient and a study to a finished radiograph with its findings, boxes, masks and bone layer."""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evalkit.phantom.anatomy import Thorax
from evalkit.phantom.devices import draw_devices, draw_frame, draw_marker
from evalkit.phantom.disease import LABELS, SIDED
from evalkit.phantom.exposure import Exposure, detect, develop, display_window, draw_exposure
from evalkit.phantom.fields import Field
from evalkit.phantom.findings import deform, mark
from evalkit.phantom.frontal import frontal_scene
from evalkit.phantom.lateral import lateral_scene
from evalkit.phantom.patients import Patient, Study, random_stream
from evalkit.phantom.projection import Ellipsoid, Plane, Pose, View, make_plane, union
from evalkit.phantom.scene import Scene
from evalkit.phantom.skeleton import frontal_bones, lateral_bones
from evalkit.phantom.vessels import project_vessels

#: A pixel belongs to a finding where it shows at least this share of the finding's maximum.
_MASK_SHARE = 0.4

#: A finding that shows nowhere more than this, behind the heart for one, has no outline in the image.
_VISIBLE = 1e-6


@dataclass(frozen=True, eq=False)
class Finding:
    """A finding at one place in an image.

    Attributes
    ----------
    label : str
    strength : float
        In (0, 1): from invisible to obvious.
    box : tuple of int
        x, y, width, height in pixels; the smallest box around the mask.
    mask : ndarray of bool, shape (size, size)
    """

    label: str
    strength: float
    box: tuple[int, int, int, int]
    mask: NDArray[np.bool_] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Radiograph:
    """An image with all that is known about it.

    Attributes
    ----------
    image : ndarray of uint8, shape (size, size)
        As displayed: lungs dark, bone bright.
    attenuation, bone : ndarray of float32, shape (size, size)
        Line integral of attenuation (natural logarithm) of everything, and the part of it that bone adds.
    findings : tuple of Finding
    plane : Plane
    exposure : Exposure
    window : tuple of float
        Signal shown black and white.
    frame : ndarray of float32, shape (size, size)
        1 inside the collimator's opening, 0 outside.
    """

    image: NDArray[np.uint8] = field(repr=False)
    attenuation: Field = field(repr=False)
    bone: Field = field(repr=False)
    findings: tuple[Finding, ...]
    plane: Plane
    exposure: Exposure
    window: tuple[float, float]
    frame: Field = field(repr=False)

    @functools.cached_property
    def soft(self) -> NDArray[np.uint8]:
        """The same exposure without bone: same grain, same window."""
        signal = detect(self.attenuation - self.bone, self.exposure, self.plane.pixel)
        return _picture(signal, self.exposure, self.window, self.plane, self.frame)


def render(patient: Patient, study: Study, *, view: View = "frontal", size: int = 128) -> Radiograph:
    """Take a radiograph.

    Parameters
    ----------
    patient : Patient
    study : Study
        From `patients.draw_study`, or made by hand with the findings wanted.
    view : {"frontal", "lateral"}
    size : int
        Pixels per side.

    Returns
    -------
    Radiograph
        The same for the same arguments, whatever was rendered before; up to its grain, the same at every size.
    """
    rng = random_stream(patient, "image", study=study.number, view=view)
    bedside = view == "frontal" and study.projection == "AP"
    thorax = _at_exposure(patient, study, view, rng)
    plane = make_plane(view, size, _draw_pose(thorax, view, bedside, rng))
    if view == "frontal":
        scene = frontal_scene(thorax, plane, rng)
        bones = frontal_bones(thorax, plane, rng)
    else:
        scene = lateral_scene(thorax, plane, rng)
        bones = lateral_bones(thorax, plane, rng)
    scene.bone = bones
    _add_vessels(scene, patient)
    findings = tuple(
        _outline(label, study.strengths[label], place)
        for label in (*LABELS, *SIDED)
        if label in study.strengths
        for place in mark(scene, label, study.strengths[label], random_stream(patient, "finding", label=label))
        if place.max() > _VISIBLE
    )
    scene.devices = draw_devices(study.devices, thorax, plane, rng) + draw_marker(plane, rng)
    frame = draw_frame(plane, rng)
    bone = scene.bone_attenuation()
    attenuation = scene.soft_attenuation() + bone
    exposure = draw_exposure(rng, size, bedside=bedside)
    signal = detect(attenuation, exposure, plane.pixel)
    window = display_window(signal, inside=scene.body > 8)
    image = _picture(signal, exposure, window, plane, frame)
    return Radiograph(image, attenuation, bone, findings, plane, exposure, window, frame)


def _picture(
    signal: Field, exposure: Exposure, window: tuple[float, float], plane: Plane, frame: Field
) -> NDArray[np.uint8]:
    picture = develop(signal, exposure, window, plane.pixel)
    return (picture * frame).astype(np.uint8)


def _at_exposure(patient: Patient, study: Study, view: View, rng: np.random.Generator) -> Thorax:
    """The chest as it is in this study: deformed by findings, breathed in more or less, lying or standing."""
    breath = float(rng.normal(0, 0.5))
    thorax = dataclasses.replace(patient.thorax, dome=patient.thorax.dome + breath)
    if view == "frontal" and study.projection == "AP":
        # In bed: less breath, a heart further from the detector, shoulders up, blades over the lungs.
        thorax = dataclasses.replace(
            thorax,
            dome=thorax.dome - 1.5,
            heart=thorax.heart * 1.07,
            shoulder=thorax.shoulder - 0.7,
            arms_down=1.0,
            water=thorax.water * 1.06,
        )
    for label in LABELS:
        if label in study.strengths:
            rng = random_stream(patient, "finding", label=label)
            thorax = deform(thorax, label, study.strengths[label], rng)
    return thorax


def _draw_pose(thorax: Thorax, view: View, bedside: bool, rng: np.random.Generator) -> Pose:
    """Draw how the patient was placed: the lungs within the field, a little turned, shifted and tilted."""
    loose = 1.8 if bedside else 1.0
    field_of_view = rng.uniform(33, 38) + 0.4 * thorax.fat
    margin = rng.uniform(2.0, 4.5)
    top = thorax.apex - margin
    return Pose(
        field_of_view=field_of_view,
        angle=math.radians(rng.normal(0, 1.3 * loose)),
        shift=(rng.normal(0, 0.6 * loose), -(top + field_of_view / 2)),
        yaw=math.radians(rng.normal(0, 1.8 * loose)),
    )


def _add_vessels(scene: Scene, patient: Patient) -> None:
    aerated = np.minimum(2 * scene.lung / np.maximum(scene.cage, 1), 1)
    vessels = (1.35 * scene.thorax.blood) * project_vessels(patient.vessels, scene.plane)
    hila = union(
        scene.plane,
        Ellipsoid((-4.1, 0.7, -0.5), (1.3, 2.2, 1.5), tilt=-0.25),
        Ellipsoid((4.1, -0.5, -0.5), (1.3, 2.2, 1.5), tilt=0.25),
    )
    scene.vessels = (vessels + (0.3 * scene.thorax.hilum) * hila) * aerated


def _outline(label: str, strength: float, amount: Field) -> Finding:
    mask = amount >= max(_MASK_SHARE * float(amount.max()), _VISIBLE)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    return Finding(label, strength, (x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1), mask)
