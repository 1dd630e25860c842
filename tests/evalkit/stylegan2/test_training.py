"""The training: deterministic, resumable, divisible; and it learns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from evalkit.config.gan import GanRecipe
from evalkit.errors import InputError
from evalkit.stylegan2.adversaries import Adversaries
from evalkit.stylegan2.cells import describe_cells
from evalkit.stylegan2.frechet import frechet_distance
from evalkit.stylegan2.latents import mean_w, mixed_ws, seeded
from evalkit.stylegan2.loading import load_generator, save_generator
from evalkit.stylegan2.snapshots import sample, save_snapshots, to_uint8
from evalkit.stylegan2.training import TrainedGenerator
from evalkit.training.devices import choose_hardware
from evalkit.training.distributed import Ranks
from evalkit.training.state import TrainingState

from .bench import make_images, train
from .conftest import make_generator, make_spec

HERE = Path(__file__).resolve()


def assert_same(one: TrainedGenerator, other: TrainedGenerator) -> None:
    for name, value in one.generator.state_dict().items():
        assert torch.equal(value, other.generator.state_dict()[name]), name
    assert one.course.history == other.course.history
    assert np.array_equal(one.snapshots, other.snapshots)


def test_notes_say_how_it_went(tmp_path: Path) -> None:
    trained = train(tmp_path)
    course = trained.course
    assert (course.outcome, course.step) == ("done", 7)
    assert [note["step"] for note in course.history] == [2, 5, 7]
    assert course.history[-1]["images"] == 56
    names = {"step", "images", "generator", "discriminator", "r_t", "path", "r1", "probability", "frechet"}
    assert all(set(note) == names for note in course.history)
    assert all(np.isfinite(list(note.values())).all() for note in course.history)
    # 8 images in a step, every second step, of 400: 0.04 at a time, up or down.
    steps = {round((note["probability"] - 0.3) / 0.04, 6) for note in course.history}
    assert steps <= {-3, -2, -1, 0, 1, 2, 3}
    assert trained.images_per_second == pytest.approx(56 / course.seconds)
    assert trained.snapshots.shape == (3, 4, 16, 16)
    assert np.array_equal(trained.snapshots[-1], sample(trained.generator, 4, seed=3))
    assert torch.equal(trained.generator.w_avg, mean_w(trained.generator))


def test_same_arguments_same_generator(tmp_path: Path) -> None:
    assert_same(train(tmp_path / "a"), train(tmp_path / "b"))


@pytest.mark.parametrize("stop", [1, 4, 6])
def test_a_killed_training_goes_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int) -> None:
    whole = train(tmp_path / "whole")
    monkeypatch.setenv("EVALKIT_SAVE_SECONDS", "0")

    class Killed(Exception):
        pass

    save = TrainingState.save

    def save_and_die(self: TrainingState, values: dict) -> None:
        save(self, values)
        if values["course"]["step"] == stop:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(TrainingState, "save", save_and_die)
        with pytest.raises(Killed):
            train(tmp_path / "killed")
    assert_same(train(tmp_path / "killed"), whole)


def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import importlib.util, sys\n"
        "from pathlib import Path\n"
        "from evalkit.stylegan2.loading import save_generator\n"
        "from evalkit.training.distributed import joined_ranks\n"
        "spec = importlib.util.spec_from_file_location('bench', sys.argv[1])\n"
        "bench = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(bench)\n"
        "with joined_ranks() as ranks:\n"
        "    trained = bench.train(Path(sys.argv[2]), ranks=ranks)\n"
        "    save_generator(Path(sys.argv[2]) / f'{ranks.rank}.safetensors', trained.generator)\n",
        encoding="utf-8",
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*torchrun, str(script), str(HERE.with_name("bench.py")), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[3]), "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        timeout=120,
    )
    alone = train(tmp_path / "alone").generator.state_dict()
    first, second = (load_generator(tmp_path / f"{rank}.safetensors")[0].state_dict() for rank in range(2))
    for name, value in alone.items():
        assert torch.equal(first[name], second[name]), "both processes hold the same network"
        torch.testing.assert_close(first[name], value, atol=1e-5, rtol=0)


def test_colour_generators_learn_grey_images(tmp_path: Path) -> None:
    trained = train(tmp_path, channels=3)
    assert trained.snapshots.shape == (3, 4, 16, 16, 3)


def test_mixed_precision_trains_nearly_the_same(tmp_path: Path) -> None:
    exact, mixed = train(tmp_path / "a", steps=3), train(tmp_path / "b", steps=3, precision="bf16")
    assert mixed.course.outcome == "done"
    assert mixed.generator.synthesis.constant.dtype == torch.float32
    for name in ("generator", "discriminator", "path", "r1"):
        found, expected = (each.course.history[0][name] for each in (mixed, exact))
        assert found != expected
        assert found == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_distance_is_of_as_many_samples_to_images_from_all_over(tmp_path: Path, channels: int) -> None:
    rows = np.arange(1, 20)
    trained = train(tmp_path, channels=channels, rows=rows, frechet_images=4)
    real = describe_cells(make_images()[rows[[0, 4, 9, 14]]])
    made = describe_cells(sample(trained.generator, 4, seed=3))
    assert trained.course.history[-1]["frechet"] == pytest.approx(frechet_distance(real, made))
    assert all(note["frechet"] > 0 for note in trained.course.history)


def test_measuring_the_distance_changes_nothing_else(tmp_path: Path) -> None:
    few, many = train(tmp_path / "a", frechet_images=2), train(tmp_path / "b", frechet_images=20)
    for name, value in few.generator.state_dict().items():
        assert torch.equal(value, many.generator.state_dict()[name]), name
    for one, other in zip(few.course.history, many.course.history, strict=True):
        assert one.pop("frechet") != other.pop("frechet")
        assert one == other


def test_one_image_has_no_distance(tmp_path: Path) -> None:
    trained = train(tmp_path, rows=np.array([3]))
    assert trained.course.outcome == "done"
    assert not any("frechet" in note for note in trained.course.history)


def test_only_the_chosen_rows_are_used(tmp_path: Path) -> None:
    images, rows = make_images(), np.array([3, 4, 7, 11])
    garbage = np.zeros_like(images)
    garbage[rows] = images[rows]
    assert_same(train(tmp_path / "a", rows=rows), train(tmp_path / "b", rows=rows, images=garbage))


def test_it_learns_discs(tmp_path: Path) -> None:
    recipe = {"steps": 120, "notes": 1, "augmentation": None, "r1_every": 16, "path_every": 16, "average_rise": 0.1}
    trained = train(tmp_path, **recipe)
    real, made = make_images(), sample(trained.generator, 64, seed=1)
    # Bright in the middle, dark in the corners, and not all alike.
    assert made[:, 5:8, 5:8].mean() > 170
    assert made[:, 13:, 13:].mean() < 60
    assert abs(made.mean() - real.mean()) < 25
    assert made.std(axis=0).max() > 25


def test_not_a_number_ends_a_training_as_diverged(tmp_path: Path) -> None:
    trained = train(tmp_path, lr=1e30)
    assert trained.course.outcome == "diverged"
    assert trained.course.step < 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": np.zeros((4, 8, 8), np.uint8)}, "pack the images at 16 pixels"),
        ({"images": np.zeros((4, 16, 16), np.float32)}, "float32"),
        ({"rows": np.array([], dtype=np.int64)}, "of which 0 are chosen"),
        ({"ranks": Ranks(0, 4, 0)}, "multiple of 16"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(tmp_path: Path, arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(tmp_path, **arguments)


def test_a_batch_that_memory_does_not_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Adversaries, step: int) -> torch.Tensor:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(Adversaries, "generate", fail)
    with pytest.raises(InputError, match=r"out of memory on cpu with batch_size 8(.*\n)*.*lower batch_size \(to 4"):
        train(tmp_path)


def test_a_batch_holds_whole_groups() -> None:
    with pytest.raises(ValidationError, match="multiple of group"):
        GanRecipe(steps=1, batch_size=6)


def test_styles_are_mixed_from_a_border_on() -> None:
    generator = make_generator()
    ws = mixed_ws(generator, 400, slice(0, 400), seeded("cpu", a=1), mixing=0.5)
    changes = (ws[:, 1:] != ws[:, :-1]).any(dim=2).sum(dim=1)
    assert set(changes.tolist()) == {0, 1}
    assert 0.4 < changes.float().mean() < 0.6
    assert set(torch.where(ws[:, 1:] != ws[:, :-1])[1].tolist()) == set(range(generator.num_ws - 1))
    part = mixed_ws(generator, 400, slice(100, 103), seeded("cpu", a=1), mixing=0.5)
    torch.testing.assert_close(part, ws[100:103])


def test_average_follows_with_its_half_life() -> None:
    recipe = GanRecipe(steps=1, average_images=16, average_rise=1e9)
    pair = Adversaries(make_spec(), recipe, seed=0, hardware=choose_hardware("cpu", "auto", 1), ranks=Ranks())
    before = pair.average.synthesis.constant.clone()
    with torch.no_grad():
        pair.generator.synthesis.constant += 1
    for step in range(2):
        pair.follow(step)
    torch.testing.assert_close(pair.average.synthesis.constant, before + 0.5)


def test_snapshots_and_generator_are_written_with_the_same_bytes(tmp_path: Path) -> None:
    generator = make_generator()
    images = sample(generator, 3, seed=0)[None]
    for name in ("a", "b"):
        save_snapshots(tmp_path / f"{name}.npz", images, [5])
        save_generator(tmp_path / f"{name}.safetensors", generator)
    for ending in ("npz", "safetensors"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    with np.load(tmp_path / "a.npz") as read:
        assert np.array_equal(read["images"], images)
        assert read["steps"].tolist() == [5]
    assert to_uint8(torch.tensor([-2.0, -1, 0, 1, 2]).reshape(1, 1, 1, 5)).ravel().tolist() == [0, 0, 128, 255, 255]
