"""Balancing: copies of training images, turned and zoomed a little, that bring every class to the size of the largest.

The copies are made once, after the split, and only of training images; they are written together with the images
themselves as one more packed data set, so that what is trained on can be counted and looked at.

What a turned image does not cover is filled by its mirror image at the border. Black wedges, and the streaks that
repeating the outermost pixels gives, are easier to tell from a radiograph; they would mark the copies, and with them
the rare classes, which alone have copies: a network could learn the wedge in place of the disease. Interpolation also
smooths a copy a little, which no choice at the border hides; training's own random turns smooth all images alike.
"""

from evalkit.balancing.making import balance
from evalkit.balancing.stored import load_balanced, read_balancing

__all__ = ["balance", "load_balanced", "read_balancing"]
