"""Two processes give what one gives for the same global batch: losses, gradients, keys, feature maps and weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from evalkit.pretraining.exchange import Shuffle
from evalkit.pretraining.losses import nt_xent
from evalkit.training.distributed import Ranks

HERE = Path(__file__).resolve()

#: A batch that two processes cannot share equally.
BATCH = 7

SCRIPT = """
import importlib.util, sys
from pathlib import Path
import torch
from evalkit.pretraining.exchange import Shuffle, gather
from evalkit.pretraining.losses import nt_xent
from evalkit.training.devices import choose_hardware
from evalkit.training.distributed import joined_ranks

spec = importlib.util.spec_from_file_location("bench", sys.argv[1])
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)
folder, batch = Path(sys.argv[2]), int(sys.argv[3])
given = torch.load(folder / "given.pt")
with joined_ranks() as ranks:
    assert ranks.size == 2
    here = bench.Bench(folder, choose_hardware("cpu", "auto", 1, local_rank=ranks.local))
    found = {}

    share = ranks.share(batch)
    views = given["views"][share].requires_grad_()
    whole = gather(views, ranks, batch)
    found["gathered"] = whole.detach()
    firsts, seconds = views[:, 0], views[:, 1]
    loss = nt_xent(firsts, seconds, temperature=0.2, whole=(whole[:, 0], whole[:, 1]), start=share.start)
    loss.backward()
    found["loss"], found["gradient"] = ranks.add(loss.detach()), views.grad

    shuffle = Shuffle(ranks, batch, seed=3, step=0)
    rows = given["maps"][torch.from_numpy(shuffle.own)]
    found["own"] = torch.from_numpy(shuffle.own)
    found["all"], found["share"] = shuffle.restore_all(rows), shuffle.restore_share(rows)

    for name in ("moco", "simclr"):
        entry = bench.make_entry(name, batch_size=batch, ifa={"preset": "released-code"})
        method = here.method(entry, norm="group", ranks=ranks)
        course = here.contrast(method, entry, ranks=ranks, state=f"{name}-{ranks.rank}.pt")
        found[name] = {"history": course.history, "state": method.state()}

    entry = bench.make_entry("moco", batch_size=batch, ifa={"preset": "paper"})
    method = here.method(entry, norm="batch", ranks=ranks)
    comparison = method.compare(0)
    method.follow()
    found["queue"], found["positives"] = method.queue.keys[:batch], comparison.second
    torch.save(found, folder / f"found-{ranks.rank}.pt")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes left what they found."""
    folder = tmp_path_factory.mktemp("two")
    generator = torch.Generator().manual_seed(0)
    given = {
        "views": functional.normalize(torch.randn(BATCH, 2, 8, generator=generator), dim=2),
        "maps": torch.randn(BATCH, 3, 2, 2, generator=generator),
    }
    torch.save(given, folder / "given.pt")
    script = folder / "compare.py"
    script.write_text(SCRIPT, encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, str(script), str(HERE.with_name("conftest.py")), str(folder), str(BATCH)],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[3]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> list[dict]:
    return [torch.load(folder / f"found-{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.fixture(scope="module")
def given(folder: Path) -> dict:
    return torch.load(folder / "given.pt", weights_only=True)


def test_gathered_rows_are_in_order_and_their_gradients_are_those_of_the_whole(found, given) -> None:
    views = given["views"].requires_grad_()
    loss = nt_xent(views[:, 0], views[:, 1], temperature=0.2)
    loss.backward()
    for each in found:
        assert torch.equal(each["gathered"], given["views"])
        assert each["loss"].item() == pytest.approx(loss.item(), abs=1e-6)
    torch.testing.assert_close(torch.cat([each["gradient"] for each in found]), views.grad, atol=1e-6, rtol=0)


def test_shuffled_rows_come_back_in_the_order_of_the_batch(found, given) -> None:
    own = torch.cat([each["own"] for each in found])
    assert sorted(own.tolist()) == list(range(BATCH))
    assert own.tolist() != list(range(BATCH))
    for rank, each in enumerate(found):
        assert torch.equal(each["all"], given["maps"])
        assert torch.equal(each["share"], given["maps"][Ranks(rank, 2).share(BATCH)])


@pytest.mark.parametrize("method", ["moco", "simclr"])
def test_two_processes_pretrain_what_one_does(found, bench, entry, method: str) -> None:
    settings = entry(method, batch_size=BATCH, ifa={"preset": "released-code"})
    alone = bench.method(settings, norm="group")
    course = bench.contrast(alone, settings)
    assert len(course.history) == 4
    for each in found:
        for ours, expected in zip(each[method]["history"], course.history, strict=True):
            assert ours == pytest.approx(expected, abs=1e-5)
        assert each[method]["history"] == found[0][method]["history"]
    for part, expected in alone.state().items():
        first, second = (each[method]["state"][part] for each in found)
        for name, value in expected.items() if isinstance(expected, dict) else [(None, torch.as_tensor(expected))]:
            one, other = (torch.as_tensor(each if name is None else each[name]) for each in (first, second))
            assert torch.equal(one, other), "both processes hold the same"
            torch.testing.assert_close(one, value, atol=1e-5, rtol=0)


def test_keys_are_normalised_with_the_shuffled_neighbours(found, bench, entry) -> None:
    """What each process of two works out, done by one: a pass for each shuffled share."""
    settings = entry("moco", batch_size=BATCH, ifa={"preset": "paper"})
    method = bench.method(settings, norm="batch")
    expected = torch.empty(BATCH, 8)
    for rank in range(2):
        own = Shuffle(Ranks(rank, 2), BATCH, seed=1, step=0).own
        _, views = bench.pairs(settings).load(0, np.arange(1), own)
        expected[torch.from_numpy(own)] = method.key_encoder(views)[0]
    for rank, each in enumerate(found):
        torch.testing.assert_close(each["queue"], expected, atol=1e-6, rtol=0)
        torch.testing.assert_close(each["positives"], expected[Ranks(rank, 2).share(BATCH)], atol=1e-6, rtol=0)
    unshuffled = method.key_encoder(bench.pairs(settings).load(0, np.arange(1), np.arange(BATCH))[1])[0]
    assert not torch.allclose(unshuffled, expected, atol=1e-3)


def test_the_order_is_a_function_of_seed_and_step() -> None:
    def order(seed: int, step: int) -> list[int]:
        return [place for rank in range(3) for place in Shuffle(Ranks(rank, 3), 24, seed=seed, step=step).own]

    assert order(1, 0) == order(1, 0)
    assert len({tuple(order(seed, step)) for seed in (1, 2) for step in (0, 1)}) == 4
    assert Shuffle(Ranks(), 24, seed=1, step=0).own.tolist() == list(range(24)), "one process has nobody to trade with"
