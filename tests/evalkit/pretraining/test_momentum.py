from __future__ import annotations

import numpy as np
import pytest
import torch

from evalkit.pretraining.momentum import KeyQueue, follow, make_key_encoder

CPU = torch.device("cpu")


def numbered(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None].expand(-1, 3)


def test_the_queue_begins_with_points_on_the_sphere() -> None:
    first, same, other = (KeyQueue(12, 8, seed=seed, device=CPU).keys for seed in (1, 1, 2))
    torch.testing.assert_close(first.norm(dim=1), torch.ones(12))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_new_keys_take_the_place_of_the_oldest() -> None:
    queue = KeyQueue(6, 3, seed=0, device=CPU)
    begun = queue.keys.clone()
    queue.enqueue(numbered(1, 2))
    assert torch.equal(queue.keys[:2], numbered(1, 2))
    assert torch.equal(queue.keys[2:], begun[2:])
    queue.enqueue(numbered(3, 4))
    queue.enqueue(numbered(5, 6))
    assert (queue.keys[:, 0].tolist(), queue.pointer) == ([1, 2, 3, 4, 5, 6], 0)
    queue.enqueue(numbered(7, 8))
    assert (queue.keys[:, 0].tolist(), queue.pointer) == ([7, 8, 3, 4, 5, 6], 2)


def test_a_queue_that_batches_do_not_fill_evenly_is_an_error() -> None:
    with pytest.raises(ValueError, match="6 keys does not take batches of 4"):
        KeyQueue(6, 3, seed=0, device=CPU).enqueue(numbered(1, 2, 3, 4))


def test_the_key_encoder_follows_with_its_parameters_and_not_with_its_buffers(encoder) -> None:
    network = encoder()
    keys = make_key_encoder(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape))
        for name, buffer in network.named_buffers():
            buffer.add_(3 if "tracked" in name else 3.0)
    before = {name: each.clone() for name, each in keys.state_dict().items()}
    follow(network, keys, 0.9)
    parameters = dict(network.named_parameters())
    for name, found in keys.state_dict().items():
        if name in parameters:
            expected = 0.9 * before[name].double().numpy() + 0.1 * parameters[name].detach().double().numpy()
            np.testing.assert_allclose(found, expected, atol=1e-6)
        else:
            assert torch.equal(found, before[name])


def test_keys_have_no_gradient_and_queries_all_have(bench, entry) -> None:
    method = bench.method(entry(ifa={"preset": "released-code"}))
    comparison = method.compare(0)
    comparison.loss.backward()
    assert comparison.ifa > 0
    assert all(each.grad is not None and each.grad.any() for each in method.encoder.parameters())
    assert all(each.grad is None and not each.requires_grad for each in method.key_encoder.parameters())
    assert not comparison.second.requires_grad
    assert not method.queue.keys.requires_grad


def test_both_views_of_simclr_have_gradients(bench, entry) -> None:
    method = bench.method(entry("simclr", ifa={"preset": "paper"}))
    method.compare(0).loss.backward()
    # The last block's output is behind the third's, so only the contrastive part reaches it.
    assert all(each.grad is not None and each.grad.any() for each in method.encoder.parameters())


def test_keys_go_into_the_queue_after_they_were_used_and_in_the_order_of_the_batch(bench, entry) -> None:
    method = bench.method(entry())
    begun = method.queue.keys.clone()
    for step in range(2):
        comparison = method.compare(step)
        assert torch.equal(method.queue.keys[6 * step :], begun[6 * step :]), "not yet"
        method.follow()
        assert torch.equal(method.queue.keys[6 * step : 6 * (step + 1)], comparison.second)
    assert method.queue.pointer == 12


def test_the_key_encoder_normalises_with_statistics_of_its_own_passes(bench, entry) -> None:
    method = bench.method(entry())
    inputs = {}
    for name, each in (("encoder", method.encoder), ("keys", method.key_encoder)):
        each.trunk.block1[0].register_forward_hook(lambda *args, name=name: inputs.update({name: args[2].detach()}))
    method.compare(0)
    for name, each in (("encoder", method.encoder), ("keys", method.key_encoder)):
        statistics = each.trunk.block1[1]
        assert statistics.num_batches_tracked == 1
        torch.testing.assert_close(statistics.running_mean, 0.1 * inputs[name].mean(dim=(0, 2, 3)))
    assert not torch.equal(inputs["encoder"], inputs["keys"])
