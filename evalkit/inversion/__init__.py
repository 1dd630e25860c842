"""Inversion of a generator: latents and noise that make it reproduce given images, seen through a backbone's features.

`projector` optimises, `encoders` and `perceptual` are what it looks through, `metrics`, `lpips_distance` and `identity`
say how good the reconstructions are. Nothing here reads a study file.
"""
