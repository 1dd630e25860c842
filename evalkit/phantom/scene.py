"""Everything one exposure passes through, as path lengths over the image; findings change it before exposure."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.phantom.anatomy import Thorax
from evalkit.phantom.fields import Field
from evalkit.phantom.projection import Plane

#: Attenuation of soft tissue and extra attenuation of compact bone over it, 1/cm, at about 100 kV.
SOFT_PER_CM = 0.185
BONE_PER_CM = 0.30


@dataclass(eq=False)
class Scene:
    """Path lengths along the beam; every array has shape (size, size) and is replaced, never changed in place.

    Attributes
    ----------
    thorax : Thorax
    plane : Plane
    body : ndarray
        Depth of the body from skin to skin less the gas in stomach and airways, cm.
    cage : ndarray
        Depth of the rib cage's inside, cm.
    lung : ndarray
        Depth of lung, both sides together, cm.
    water : ndarray
        Share of that depth that is tissue, blood or fluid.
    vessels, strands : ndarray
        Depth of vessels, and of anything thin and dense that a finding adds, cm.
    bone : ndarray
        Depth of compact bone, cm.
    devices : ndarray
        Attenuation of tubes, wires and markers.
    """

    thorax: Thorax
    plane: Plane
    body: Field
    cage: Field
    lung: Field
    water: Field
    vessels: Field
    strands: Field
    bone: Field
    devices: Field

    def soft_attenuation(self) -> Field:
        """Attenuation of all but bone."""
        tissue = self.body - self.lung * (1 - self.water) + self.vessels + self.strands
        return tissue * SOFT_PER_CM + self.devices

    def bone_attenuation(self) -> Field:
        """Attenuation that bone adds to the soft tissue in its place."""
        return self.bone * BONE_PER_CM
