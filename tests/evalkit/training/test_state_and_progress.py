from __future__ import annotations

import errno
import io
import resource
import sys

import pytest
import torch

from evalkit.errors import InputError
from evalkit.training import progress as progress_module
from evalkit.training.progress import showing_progress
from evalkit.training.state import TrainingState, write_tensors


def test_a_state_is_read_back_and_discarded(tmp_path) -> None:
    state = TrainingState(tmp_path / "deeper" / "a.pt")
    assert state.load() is None
    state.save({"step": 3, "network": {"weight": torch.arange(3.0)}})
    loaded = state.load()
    assert loaded is not None
    assert loaded["step"] == 3
    assert torch.equal(loaded["network"]["weight"], torch.arange(3.0))
    state.discard()
    assert state.load() is None


def test_only_the_first_process_writes(tmp_path) -> None:
    state = TrainingState(tmp_path / "a.pt", writes=False)
    state.save({"step": 1})
    assert not state.path.exists()
    assert not state.is_due()


def test_saving_is_due_after_a_while(tmp_path, monkeypatch) -> None:
    assert not TrainingState(tmp_path / "a.pt").is_due()
    monkeypatch.setenv("EVALKIT_SAVE_SECONDS", "0")
    assert TrainingState(tmp_path / "a.pt").is_due()


@pytest.mark.parametrize("content", [b"PK\x03\x04 cut short", b"no state", b"", b"\x80\x02}q\x00."])
def test_a_damaged_state_is_named(tmp_path, content: bytes) -> None:
    state = TrainingState(tmp_path / "a.pt")
    state.path.write_bytes(content)
    with pytest.raises(InputError, match="delete the file"):
        state.load()


def test_a_full_disk_is_an_error_of_the_system_and_leaves_no_half_file(tmp_path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as error:
            write_tensors(tmp_path / "a.pt", {"weight": torch.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.errno == errno.EFBIG
    assert not list(tmp_path.iterdir())


def test_the_same_values_give_the_same_file(tmp_path) -> None:
    for name in ("a.pth", "b.pth"):
        write_tensors(tmp_path / name, {"weight": torch.arange(5)})
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()


def test_a_log_gets_a_line_now_and_then(monkeypatch, capsys) -> None:
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: float(next(clock)))
    with showing_progress("a run") as progress:
        progress.start(step=10, steps=40)
        for step in range(11, 21):
            progress.update(step=step, steps=40, batch_size=8, images=16)
        progress.say("done")
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "a run: done"
    assert len(lines) == 4, "ten steps of four seconds, a line every ten seconds"
    assert lines[1] == "a run: step 15/40, epoch 7.5, 2 images/s, 1:40 left"


def test_quiet_is_quiet(capsys) -> None:
    with showing_progress("a run", quiet=True) as progress:
        progress.start(step=0, steps=1)
        progress.say("something")
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(monkeypatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress_module, "_TERMINAL_SECONDS", 0)
    monkeypatch.setenv("TERM", "xterm")
    with showing_progress("a run") as progress:
        progress.start(step=0, steps=4)
        progress.update(step=3, steps=4, batch_size=8, images=16)
        progress.say("[not markup]")
    shown = terminal.getvalue()
    assert "3/4" in shown
    assert "epoch 1.5" in shown
    assert "a run: [not markup]" in shown
