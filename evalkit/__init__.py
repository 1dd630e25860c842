"""Fine-tune and compare chest-radiograph backbones, with the right paired test beside every number."""

__version__ = "0.1.0"
