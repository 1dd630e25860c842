from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from evalkit.errors import InputError
from evalkit.training.distributed import Ranks, check_batch

HERE = Path(__file__).resolve()
SCRIPT = """
import importlib.util, sys
from pathlib import Path
import torch
from evalkit.training.devices import choose_hardware
from evalkit.training.distributed import joined_ranks

spec = importlib.util.spec_from_file_location("bench", sys.argv[1])
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)
with joined_ranks() as ranks:
    here = bench.Bench(Path(sys.argv[2]), choose_hardware("cpu", "auto", 1, local_rank=ranks.local))
    network = bench.make_network()
    calls = []
    fit = here.fit(network, here.recipe(batch_size=7, augmentation={}), ranks=ranks, state=f"{ranks.rank}.pt")
    assert ranks.size == 2
    assert fit.micro_batch == (3 if ranks.is_first else 4)
    torch.save(network.state_dict(), Path(sys.argv[2]) / f"weights-{ranks.rank}.pt")
"""


def test_shares_cover_the_batch_once() -> None:
    for count, size in ((7, 2), (8, 3), (5, 5)):
        shares = [list(range(count))[Ranks(rank, size, rank).share(count)] for rank in range(size)]
        assert [each for share in shares for each in share] == list(range(count))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_more_processes_than_images_are_refused() -> None:
    with pytest.raises(InputError, match="at most 2 processes"):
        check_batch(2, Ranks(0, 3, 0))


def test_two_processes_train_what_one_does(bench, small_network, tmp_path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[3]), "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*torchrun, str(script), str(HERE.with_name("conftest.py")), str(tmp_path)],
        env=environment,
        check=True,
        capture_output=True,
        timeout=120,
    )
    alone = small_network()
    bench.fit(alone, bench.recipe(batch_size=7, augmentation={}))
    first, second = (torch.load(tmp_path / f"weights-{rank}.pt", weights_only=True) for rank in range(2))
    for name, value in alone.state_dict().items():
        assert torch.equal(first[name], second[name]), "both processes hold the same network"
        torch.testing.assert_close(first[name], value, atol=1e-5, rtol=0)
