"""Parts of a trunk that keep the values they were loaded with."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import FrozenBatchNorm2d


class FrozenNormalisation(FrozenBatchNorm2d):
    """Batch normalisation with constant statistics, scale and shift, in the precision of its input.

    torchvision's own returns float32 for bfloat16 under autocast, which doubles the memory of what follows.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (n, channels, height, width)."""
        if not x.requires_grad:
            # One pass; with gradients it would keep its input for those of scale and shift, which nobody needs.
            return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale.to(x.dtype)[:, None, None] + shift.to(x.dtype)[:, None, None]


def freeze_normalisation(module: nn.Module) -> None:
    """Replace every batch normalisation within a module, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            frozen = FrozenNormalisation(child.num_features, eps=child.eps)
            frozen.load_state_dict(child.state_dict())
            setattr(module, name, frozen)
        else:
            freeze_normalisation(child)


def freeze_weights(*modules: nn.Module) -> None:
    """Take the parameters of modules out of the training."""
    for module in modules:
        for parameter in module.parameters():
            parameter.requires_grad_(False)
