from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from evalkit.training.distributed import Ranks
from evalkit.training.progress import Progress
from evalkit.training.rates import best_fit, fit_rates
from evalkit.training.selection import score_labels
from evalkit.training.state import TrainingState


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_grid_of_rates_keeps_the_best_and_is_not_repeated(bench, small_network, hardware) -> None:
    recipe = bench.recipe(lr=[1e-5, 0.05, 1e38], optimizer="sgd", steps=40)
    built = []

    def make() -> nn.Module:
        built.append(small_network())
        built[-1].register_forward_pre_hook(lambda module, _: trained.append(1) if module.training else None)
        return built[-1]

    def run() -> tuple[nn.Module, list]:
        return fit_rates(
            make,
            bench.batches(recipe),
            recipe,
            steps=40,
            seed=1,
            hardware=hardware,
            ranks=Ranks(),
            validate=lambda net, _: score_labels(bench.targets[30:], bench.logits(net)),
            states=[TrainingState(bench.folder / f"{k}.pt") for k in range(3)],
            progress=Progress("test", bar=None, quiet=True),
        )

    trained: list[int] = []
    network, fits = run()
    assert [each.outcome for each in fits] == ["done", "done", "diverged"]
    scores = [each.best.value for each in fits[:2]]
    assert best_fit(fits) is fits[int(np.argmax(scores))]
    assert same(network.state_dict(), best_fit(fits).weights)
    first = len(trained)
    again, _ = run()
    assert len(trained) - first == fits[2].step, "finished rates are read back; only the diverged one runs again"
    assert same(again.state_dict(), network.state_dict())
