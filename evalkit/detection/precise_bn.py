"""Normalisation statistics of a detector, measured again before it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from evalkit.detection.engine import Engine, Target
from evalkit.errors import InputError


def precise_bn(engine: Engine, model: nn.Module, batches: Iterable[tuple[Sequence[Tensor], Sequence[Target]]]) -> int:
    """Replace the running statistics of batch normalisation by those of `batches` under the weights as they are.

    While training, the running statistics trail behind the weights, and the last batches count most. MoCo's protocol
    measures them anew over 200 training batches before each evaluation (Wu and Johnson, arXiv:2105.07576, section 3).

    Parameters
    ----------
    engine : Engine
        What built the model.
    model : nn.Module
        A detector. Its weights, its mode and its counters of steps stay as they are.
    batches : iterable of (images, targets)
        Training batches as `Engine.losses` takes them, of the size used in training. Regions are sampled from torch's
        global random state.

    Returns
    -------
    int
        How many layers were measured; 0 for the protocol detectron2, whose normalisation is frozen.

    Raises
    ------
    InputError
        There is no batch.

    Notes
    -----
    A layer's mean and variance are those of all values that reach it in all batches, each batch having been normalised
    with its own statistics on the way; the variance is divided by n - 1, as torch does for its running variance.
    With several processes, call it in each with the same batches and the same random state.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not layers:
        return 0
    kept = [{name: buffer.clone() for name, buffer in layer.named_buffers()} for layer in layers]
    moments = [_Moments() for _ in layers]
    hooks = [layer.register_forward_pre_hook(each.hook) for layer, each in zip(layers, moments, strict=True)]
    try:
        with torch.no_grad():
            for images, targets in batches:
                engine.losses(model, images, targets)
    finally:
        for hook in hooks:
            hook.remove()
        for layer, buffers in zip(layers, kept, strict=True):
            layer.load_state_dict(buffers, strict=False)
    if not any(each.count for each in moments):
        raise InputError("no batches to measure normalisation on", "some training batches", "give at least one")
    for layer, each in zip(layers, moments, strict=True):
        each.store(layer)
    return len(layers)


class _Moments:
    """Sums of all values of each channel, and of their squares, in double precision."""

    def __init__(self) -> None:
        self.count = 0
        self.total: Tensor | float = 0.0
        self.squares: Tensor | float = 0.0

    @property
    def hook(self) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def add(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            values = inputs[0].detach().double().transpose(0, 1).flatten(1)
            self.count += values.shape[1]
            self.total = self.total + values.sum(dim=1)
            self.squares = self.squares + values.square().sum(dim=1)

        return add

    def store(self, layer: _BatchNorm) -> None:
        mean = torch.as_tensor(self.total / self.count)
        deviations = (self.squares - self.count * mean.square()).clamp(min=0)
        layer.get_buffer("running_mean").copy_(mean)
        layer.get_buffer("running_var").copy_(deviations / max(self.count - 1, 1))
