from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from evalkit.errors import InputError
from evalkit.training.devices import Hardware, choose_hardware, is_out_of_memory, lock_card
from tasks.classification.jobs import run_job

ROOT = Path(__file__).resolve().parents[3]
HOLD = """
import sys, time
from pathlib import Path
from evalkit.training.devices import lock_card
index, lock = lock_card(["one", "two"], folder=Path(sys.argv[1]))
print(index, flush=True)
time.sleep(60)
"""


def test_each_process_takes_a_card_of_its_own_and_a_kill_gives_it_back(tmp_path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "0"
        index, lock = lock_card(["one", "two"], folder=tmp_path)
        assert index == 1
        other.kill()
        other.wait()
    again, first = lock_card(["one", "two"], folder=tmp_path)
    assert again == 0
    first.release()
    lock.release()


def test_the_cpu_computes_in_32_bits_with_the_given_threads_and_deterministically() -> None:
    hardware = choose_hardware("cpu", "auto", 1)
    assert (hardware.device.type, hardware.precision, hardware.name) == ("cpu", "fp32", "cpu")
    assert torch.get_num_threads() == 1
    assert torch.are_deterministic_algorithms_enabled()
    assert hardware.peak_memory() > 50e6
    with hardware.autocast():
        assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype == torch.float32


def test_bf16_on_a_cpu_is_used_where_it_is_asked_for() -> None:
    with choose_hardware("cpu", "bf16", 1).autocast():
        assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype == torch.bfloat16


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_an_error_and_auto_takes_the_cpu() -> None:
    with pytest.raises(InputError, match="device: auto"):
        choose_hardware("cuda", "auto", 1)
    assert choose_hardware("auto", "auto", 1).device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_a_gpu_is_taken_with_the_precision_it_has() -> None:
    hardware = choose_hardware("auto", "auto", 1)
    assert hardware.on_gpu
    assert hardware.precision == ("bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32")
    assert choose_hardware("cuda", "fp32", 1).precision == "fp32"


def test_lack_of_memory_is_told_from_other_errors() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("x"))
    assert is_out_of_memory(MemoryError())
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 60)
    assert is_out_of_memory(error.value)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_peak_of_an_earlier_run_is_not_that_of_the_next() -> None:
    hardware = choose_hardware("cuda", "auto", 1)
    earlier = torch.zeros(2**26, device=hardware.device)
    assert hardware.peak_memory() >= 2**28
    del earlier
    hardware.forget_peak_memory()
    assert hardware.peak_memory() < 2**28


def test_each_training_forgets_the_peak_before_it(make_study, monkeypatch) -> None:
    forgotten = []
    monkeypatch.setattr(Hardware, "forget_peak_memory", lambda hardware: forgotten.append(hardware.name))
    run_job(make_study(steps=1, validations=1), "main", "regime=finetune,fraction=0.5", "scratch", [0, 1])
    assert forgotten == ["cpu", "cpu"]
