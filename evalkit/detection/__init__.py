"""Faster R-CNN on a backbone's trunk: R50-C4 and R50-dilated-C5, as detectron2 computes them, behind one interface.

`evalkit.config.detector` says what a detector is, `evalkit.detection.engine` what builds and runs one.
"""
