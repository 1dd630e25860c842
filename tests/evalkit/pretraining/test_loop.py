from __future__ import annotations

import contextlib
import math

import pytest
import torch
from torch import Tensor

from evalkit.errors import InputError
from evalkit.pretraining.losses import ifa_loss, info_nce
from evalkit.training.devices import choose_hardware
from evalkit.training.distributed import Ranks

METHODS = ["moco", "simclr"]
PARTS = ("contrastive", "ifa")


def flat(state: object) -> Tensor:
    """Everything a method has learnt, as one row."""
    values = state.values() if isinstance(state, dict) else [state]
    parts = [flat(each) if isinstance(each, dict) else torch.as_tensor(each).double().flatten() for each in values]
    return torch.cat(parts)


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_falls_and_the_same_seed_gives_the_same_bits(bench, entry, method: str) -> None:
    settings = entry(method, steps=60, lr=0.1, ifa={"preset": "paper"})
    runs = [bench.method(settings, seed=seed) for seed in (1, 1, 2)]
    courses = [
        bench.contrast(each, settings, seed=seed, state=f"{k}.pt")
        for k, (each, seed) in enumerate(zip(runs, (1, 1, 2), strict=True))
    ]
    assert torch.equal(flat(runs[0].state()), flat(runs[1].state()))
    assert courses[0].history == courses[1].history
    assert not torch.equal(flat(runs[0].state()), flat(runs[2].state()))
    assert courses[0].history[-1]["ifa"] < courses[0].history[0]["ifa"]
    assert (courses[0].outcome, courses[0].step) == ("done", 60)


def test_a_note_has_what_happened_since_the_note_before(bench, entry) -> None:
    settings = entry("moco", steps=5, ifa={"preset": "released-code"}, schedule="constant").model_copy(
        update={"records": 2}
    )
    method = bench.method(settings)
    seen = []
    compare = method.compare

    def watch(step: int):
        seen.append(compare(step))
        return seen[-1]

    method.compare = watch
    course = bench.contrast(method, settings)
    assert [each["step"] for each in course.history] == [2, 5]
    for note, steps in zip(course.history, (seen[:2], seen[2:]), strict=True):
        contrastive, ifa = (sum(getattr(each, part).item() for each in steps) / len(steps) for part in PARTS)
        assert note["contrastive"] == pytest.approx(contrastive, rel=1e-6)
        assert note["ifa"] == pytest.approx(ifa, rel=1e-6)
        assert note["loss"] == pytest.approx(contrastive + ifa, rel=1e-6)
        assert note["lr"] == 0.05
        last = steps[-1]
        distance = (last.first - last.second).square().sum(dim=1).mean().item()
        assert note["alignment"] == pytest.approx(distance, rel=1e-5)
        assert 0 < note["feature_std"] < 1.5
        assert -4 < note["uniformity"] < 0


def test_a_step_is_that_of_a_bare_loop(bench, entry) -> None:
    """One step of MoCo with IFA, written out from its parts."""
    settings = entry("moco", steps=1, ifa={"blocks": {2: {"target": 0.5, "weight": 0.7}}}, weight_decay=0, momentum=0)
    method, bare = bench.method(settings), bench.method(settings)
    course = bench.contrast(method, settings)
    places = torch.arange(6).numpy()
    views, key_views = bench.pairs(settings).load(0, places, places)
    queries, maps = bare.encoder(views)
    keys, key_maps = bare.key_encoder(key_views)
    contrastive = info_nce(queries, keys, bare.queue.keys, temperature=0.2, images=6)
    ifa = ifa_loss(maps, key_maps, settings.ifa.terms, images=6)
    (contrastive + ifa).backward()
    with torch.no_grad():
        for parameter in bare.encoder.parameters():
            parameter -= 0.05 * parameter.grad
    assert course.history[0]["loss"] == pytest.approx((contrastive + ifa).item(), rel=1e-6)
    for found, expected in zip(method.encoder.parameters(), bare.encoder.parameters(), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-5)
    for found, before, query in zip(
        method.key_encoder.parameters(), bare.key_encoder.parameters(), bare.encoder.parameters(), strict=True
    ):
        torch.testing.assert_close(found, 0.9 * before + 0.1 * query, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stop_at", [1, 5, 7])
def test_a_pretraining_goes_on_where_it_was_stopped(bench, entry, monkeypatch, method: str, stop_at: int) -> None:
    settings = entry(method, steps=7, optimizer="adamw", lr=0.01, ifa={"preset": "released-code"})
    whole = bench.method(settings)
    expected = bench.contrast(whole, settings, state="whole.pt")
    monkeypatch.setenv("EVALKIT_SAVE_SECONDS", "0")
    steps = []

    class Stopped(Exception):
        pass

    def stopping(each, at: int):
        compare = each.compare

        def wrapped(step: int):
            if len(steps) == at:
                raise Stopped
            steps.append(step)
            return compare(step)

        each.compare = wrapped
        return each

    with pytest.raises(Stopped) if stop_at < 7 else contextlib.nullcontext():
        bench.contrast(stopping(bench.method(settings), stop_at), settings)
    resumed = stopping(bench.method(settings), 8)
    course = bench.contrast(resumed, settings)
    assert steps == list(range(7)), "no step is left out or done twice"
    assert torch.equal(flat(resumed.state()), flat(whole.state()))
    assert course.history == expected.history
    if method == "moco":
        assert resumed.queue.pointer == whole.queue.pointer == 6


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(bench, entry, bad: float) -> None:
    settings = entry("simclr", steps=6).model_copy(update={"records": 6})
    method = bench.method(settings)
    calls = []
    method.encoder.head.register_forward_hook(
        lambda _, __, output: calls.append(1) or output * (bad if len(calls) == 4 else 1)
    )
    course = bench.contrast(method, settings)
    assert (course.outcome, course.step) == ("diverged", 4)
    assert [each["step"] for each in course.history] == [1, 2, 3]


def test_weights_that_break_in_the_last_step_are_noticed(bench, entry) -> None:
    settings = entry("simclr", steps=1)
    method = bench.method(settings)
    method.encoder.head[2].bias.register_hook(lambda gradient: gradient * math.inf)
    assert bench.contrast(method, settings).outcome == "diverged"


def test_a_batch_that_does_not_fit_is_named(bench, entry) -> None:
    settings = entry("moco")
    method = bench.method(settings)

    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("no room")

    method.encoder.head.register_forward_hook(fail)
    with pytest.raises(InputError, match=r"out of memory on cpu with recipe.batch_size 6") as refused:
        bench.contrast(method, settings)
    assert "to 3, say" in refused.value.remedy


def test_other_errors_are_not_taken_for_lack_of_memory(bench, entry) -> None:
    settings = entry("simclr")
    method = bench.method(settings)
    method.encoder.head[2] = torch.nn.Linear(5, 8)
    with pytest.raises(RuntimeError, match="shapes"):
        bench.contrast(method, settings)


def test_more_processes_than_images_are_refused(bench, entry) -> None:
    settings = entry("simclr")
    with pytest.raises(InputError, match="at most 6 processes"):
        bench.contrast(bench.method(settings), settings, ranks=Ranks(0, 7, 0))


@pytest.mark.parametrize("method", METHODS)
def test_mixed_precision_comes_to_about_the_same(bench, entry, method: str) -> None:
    settings = entry(method, ifa={"preset": "released-code"})
    exact = bench.contrast(bench.method(settings), settings, state="exact.pt")
    bench.hardware = choose_hardware("cpu", "bf16", 1)
    run = bench.method(settings)
    rounded = bench.contrast(run, settings)
    assert [each["loss"] for each in rounded.history] != [each["loss"] for each in exact.history]
    for found, expected in zip(rounded.history, exact.history, strict=True):
        # The small network's features start close together, so rounding counts for much.
        assert found["loss"] == pytest.approx(expected["loss"], rel=0.1)
    assert {each.dtype for each in run.encoder.parameters()} == {torch.float32}
