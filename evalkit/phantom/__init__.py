"""A parametric chest phantom: patients whose radiographs, findings, boxes, masks and bone layer are all known.

It stands in for a data set where none is at hand, to show and to test the machinery. What a network learns here says
nothing about patients.
"""

from evalkit.phantom.chexpert import write_chexpert
from evalkit.phantom.disease import LABELS, PREVALENCE
from evalkit.phantom.folder import write_classes
from evalkit.phantom.kermany import write_kermany
from evalkit.phantom.nih import write_nih
from evalkit.phantom.patients import Patient, Study, draw_patient, draw_study
from evalkit.phantom.radiograph import Finding, Radiograph, render
from evalkit.phantom.siim import write_siim
from evalkit.phantom.writing import generator_version

__all__ = [
    "LABELS",
    "PREVALENCE",
    "Finding",
    "Patient",
    "Radiograph",
    "Study",
    "draw_patient",
    "draw_study",
    "generator_version",
    "render",
    "write_chexpert",
    "write_classes",
    "write_kermany",
    "write_nih",
    "write_siim",
]
