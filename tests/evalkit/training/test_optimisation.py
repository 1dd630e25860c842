from __future__ import annotations

import pytest
from torch import nn
from torch.optim import SGD, AdamW

from evalkit.config.recipe import Recipe
from evalkit.training.optimisation import learning_rate, make_optimizer, set_learning_rate


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0.25), (3, 1.0), (4, 1.0), (8, (1 + 2**-0.5) / 2), (12, 0.5), (19, 0.0096)]
)
def test_cosine_rises_then_falls(step: int, expected: float) -> None:
    rate = learning_rate(step, steps=20, base=1.0, schedule="cosine", warmup=0.2)
    assert rate == pytest.approx(expected, abs=1e-4)


def test_constant_stays() -> None:
    assert {learning_rate(step, steps=5, base=0.3, schedule="constant") for step in range(5)} == {0.3}


def test_a_run_of_one_step_has_a_rate() -> None:
    for warmup in (0.0, 0.9):
        assert learning_rate(0, steps=1, base=0.1, schedule="cosine", warmup=warmup) == pytest.approx(0.1)


def test_only_weights_with_several_axes_decay() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 1))
    optimizer = make_optimizer(network, Recipe(lr=0.1, weight_decay=0.3, steps=1), lr=0.1)
    assert isinstance(optimizer, AdamW)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    by_name = {name: decay[id(parameter)] for name, parameter in network.named_parameters()}
    assert by_name == {
        **{"0.weight": 0.3, "0.bias": 0, "1.weight": 0, "1.bias": 0},
        **{"3.weight": 0.3, "3.bias": 0},
    }


def test_a_transformers_position_embedding_does_not_decay() -> None:
    import timm

    network = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=1)
    optimizer = make_optimizer(network, Recipe(lr=0.1, weight_decay=0.3, steps=1), lr=0.1)
    exempt = {id(parameter) for parameter in optimizer.param_groups[1]["params"]}
    assert {id(network.pos_embed), id(network.cls_token)} <= exempt
    assert id(network.blocks[0].mlp.fc1.weight) not in exempt


def test_sgd_takes_the_momentum_and_the_rate_of_each_step() -> None:
    recipe = Recipe(optimizer="sgd", lr=0.1, momentum=0.7, steps=1)
    optimizer = make_optimizer(nn.Linear(2, 1), recipe, lr=0.1)
    assert isinstance(optimizer, SGD)
    set_learning_rate(optimizer, 0.02)
    assert {(group["lr"], group["momentum"]) for group in optimizer.param_groups} == {(0.02, 0.7)}


def test_a_schedule_in_steps_falls_to_a_tenth_at_each_drop() -> None:
    rates = [learning_rate(k, steps=20, base=2.0, schedule="steps", warmup=0.1, drops=[0.5, 0.9]) for k in range(20)]
    expected = [1.0, 2.0, *[2.0] * 8, *[0.2] * 8, *[0.02] * 2]
    assert rates == pytest.approx(expected)
