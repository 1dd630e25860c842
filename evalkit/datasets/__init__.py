"""From a data set's own layout to its manifest: one row for each image.

`read_dataset` reads any of the formats; `load_manifest` reads back what was made of one.
"""

from evalkit.datasets.manifest import Manifest, load_manifest, write_manifest
from evalkit.datasets.registry import read_dataset

__all__ = ["Manifest", "load_manifest", "read_dataset", "write_manifest"]
