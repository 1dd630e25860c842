from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from evalkit.training.schedule import validation_steps
from evalkit.training.selection import Score


class Limited(nn.Module):
    """Runs out of memory with more than `limit` images, as a card does: part of the way through."""

    def __init__(self, network: nn.Module, limit: int) -> None:
        super().__init__()
        self.network, self.limit = network, limit
        self.seen: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(len(images))
        logits = self.network(images)
        if self.training and len(images) > self.limit:
            raise torch.OutOfMemoryError("no room")
        return logits


def weights(network: nn.Module) -> Tensor:
    return torch.cat([value.double().flatten() for value in network.state_dict().values()])


@pytest.mark.parametrize(
    ("steps", "validations", "expected"),
    [(8, 1, {8}), (8, 2, {4, 8}), (10, 3, {3, 7, 10}), (2, 5, {1, 2})],
)
def test_validations_are_equally_spaced_and_end_with_the_run(steps: int, validations: int, expected: set) -> None:
    assert validation_steps(steps, validations) == expected


def test_training_learns_and_the_same_seed_gives_the_same_bits(bench, small_network) -> None:
    recipe = bench.recipe(steps=60, augmentation={}, lr=0.05)
    networks = [small_network(norm=True, dropout=0.2) for _ in range(3)]
    fits = [
        bench.fit(network, recipe, seed=seed, state=f"{k}.pt")
        for k, (network, seed) in enumerate(zip(networks, (1, 1, 2), strict=True))
    ]
    assert fits[0].outcome == "done"
    assert fits[0].history[-1]["loss"] < 0.69
    assert torch.equal(weights(networks[0]), weights(networks[1]))
    assert fits[0].history == fits[1].history
    assert not torch.equal(weights(networks[0]), weights(networks[2]))


@pytest.mark.parametrize("stop_at", [1, 5, 8])
def test_a_training_goes_on_where_it_was_stopped(bench, small_network, monkeypatch, stop_at: int) -> None:
    recipe = bench.recipe(augmentation={}, validations=3, optimizer="adamw")
    whole = small_network(norm=True, dropout=0.3)
    expected = bench.fit(whole, recipe, state="whole.pt")
    monkeypatch.setenv("EVALKIT_SAVE_SECONDS", "0")
    steps = []

    class Stopped(Exception):
        pass

    def stop_after(network: nn.Module) -> nn.Module:
        network.register_forward_pre_hook(lambda module, _: note(module))
        return network

    def note(module: nn.Module) -> None:
        if module.training:
            if len(steps) == stop_at:
                raise Stopped
            steps.append(1)

    with pytest.raises(Stopped) if stop_at < 8 else contextlib.nullcontext():
        bench.fit(stop_after(small_network(norm=True, dropout=0.3)), recipe)
    done = len(steps)
    resumed = small_network(norm=True, dropout=0.3)
    resumed.register_forward_pre_hook(lambda module, _: steps.append(1) if module.training else None)
    fit = bench.fit(resumed, recipe)
    assert done == stop_at
    assert len(steps) == 8, "no step is done twice"
    assert torch.equal(weights(resumed), weights(whole))
    assert fit.history == expected.history
    assert (fit.best, fit.best_step) == (expected.best, expected.best_step)


def test_the_first_of_the_best_scores_is_kept(bench, small_network) -> None:
    recipe = bench.recipe(validations=4)
    kept = {}
    scores = iter([0.5, 0.7, 0.7, 0.6])

    def validate(network: nn.Module, _: int) -> Score:
        kept[len(kept)] = weights(network)
        return Score(next(scores), "mean auc")

    network = small_network()
    fit = bench.fit(network, recipe, validate=validate)
    assert (fit.best_step, fit.best) == (4, Score(0.7, "mean auc"))
    assert torch.equal(weights(network), kept[1])
    assert [each["step"] for each in fit.history] == [2, 4, 6, 8]


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_batch(bench, small_network) -> None:
    recipe = bench.recipe(batch_size=20, augmentation={})
    whole, limited = small_network(), Limited(small_network(), limit=6)
    bench.fit(whole, recipe, state="whole.pt")
    fit = bench.fit(limited, recipe)
    assert fit.outcome == "done"
    assert fit.micro_batch == 5
    assert torch.allclose(weights(limited), weights(whole), atol=1e-6, rtol=0)
    in_training = [count for count in limited.seen if count > 4]
    assert in_training[:3] == [20, 10, 5]
    assert set(in_training[3:]) == {5}


def test_an_attempt_that_did_not_fit_leaves_no_trace_in_the_running_statistics(bench, small_network) -> None:
    limited = Limited(small_network(norm=True), limit=4)
    bench.fit(limited, bench.recipe(steps=1))
    assert limited.network[1].num_batches_tracked == 2, "two halves of one step, and not the whole that did not fit"


def test_one_image_that_does_not_fit_ends_the_run(bench, small_network) -> None:
    fit = bench.fit(Limited(small_network(), limit=0), bench.recipe())
    assert (fit.outcome, fit.micro_batch, fit.step) == ("out of memory", 1, 0)


def test_other_errors_are_not_taken_for_lack_of_memory(bench, small_network) -> None:
    network = small_network()
    network[-1] = nn.Linear(5, 3)
    with pytest.raises(RuntimeError, match="shapes"):
        bench.fit(network, bench.recipe())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(bench, small_network, bad: float) -> None:
    network = small_network()
    calls = []

    def spoil(module: nn.Module, _: object, logits: Tensor) -> Tensor:
        calls.append(module.training)
        return logits * (bad if sum(calls) == 5 and module.training else 1)

    network.register_forward_hook(spoil)
    fit = bench.fit(network, bench.recipe())
    assert (fit.outcome, fit.step, fit.weights) == ("diverged", 5, {})
    assert [each["step"] for each in fit.history] == [4]


def test_weights_that_break_in_the_last_step_are_noticed(bench, small_network) -> None:
    fit = bench.fit(small_network(), bench.recipe(lr=1e38, optimizer="sgd", schedule="constant", steps=1))
    assert fit.outcome == "diverged"


def test_images_without_any_label_change_nothing(bench, small_network) -> None:
    bench.targets[:] = np.nan
    network, before = small_network(), weights(small_network())
    fit = bench.fit(network, bench.recipe(optimizer="sgd", weight_decay=0))
    assert fit.outcome == "done"
    assert torch.equal(weights(network), before)
