"""Typed configuration: the study file, the backbone file, and how they are loaded.

`load_study` is the one way in. What it returns, a `Study`, is what every other part takes.
"""

from evalkit.config.loading import Study, load_study

__all__ = ["Study", "load_study"]
