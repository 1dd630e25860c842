"""The figure of a generator's training, from a real one of a few steps."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from evalkit.atomic import write_json
from evalkit.config.generator import GeneratorSpec
from evalkit.config.loading import load_study
from evalkit.errors import InputError
from evalkit.figures.files import read_figure_data
from evalkit.figures.making import compute_figure, write_figure
from evalkit.splits.stored import load_splits
from evalkit.stylegan2.cells import describe_cells
from evalkit.stylegan2.frechet import frechet_distance
from evalkit.stylegan2.generator import Generator
from evalkit.stylegan2.loading import save_generator
from evalkit.stylegan2.snapshots import save_snapshots
from reports.figures.drawing import draw_figure
from tasks.inversion.generators import make_generator

SIDE = 32
SPEC = {"resolution": SIDE, "z_dim": 8, "w_dim": 8, "mapping_layers": 2, "channel_base": 128, "channel_max": 8}
RECIPE = {"steps": 12, "batch_size": 4, "notes": 6, "samples": 4, "frechet_images": 8}


@pytest.fixture
def trained(make_inversion):
    """Train a generator and give its study, with a figure; keywords change the recipe and the figure."""

    def make(*, figure=None, channels=1, only=None, **recipe):
        spec = {**SPEC, "img_channels": channels}
        make_inversion(only=only, generator={"train": {"spec": spec, "recipe": {**RECIPE, **recipe}}})
        path = Path("tiny.yaml")
        entry = {"kind": "generator", "evaluation": "main", "images": 3, **(figure or {})}
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "figures": {"figure_generator": entry}}))
        study = load_study("tiny.yaml")
        make_generator(study, "main", record=study.layout.generator_job("main"))
        return study

    return make


def read_images(study):
    """Packed pixels, the manifest's rows in their order, and the ids of training images."""
    pixels = np.load(study.layout.packed("discs", SIDE) / "images.npy")
    manifest = pd.read_parquet(study.layout.manifest("discs")).set_index("image_id", drop=False)
    return pixels, manifest, sorted(load_splits(study.layout.splits("main")).image_ids("train"))


def test_rows_are_the_notes_and_pictures_samples_and_training_images(trained):
    study = trained()
    data = compute_figure(study, "figure_generator")
    folder = study.layout.generator("main").parent
    history = json.loads((folder / "generator.json").read_text())["history"]
    assert data.frame["step"].tolist() == [2, 4, 6, 8, 10, 12]
    for number, note in enumerate(history):
        row = data.frame.iloc[number].dropna().to_dict()
        assert row == note
    assert [each["step"] for each in data.facts["snapshots"]] == [2, 4, 6, 10, 12]
    assert [each["images"] for each in data.facts["snapshots"]] == [8, 16, 24, 40, 48]
    with np.load(folder / "snapshots.npz") as stored:
        expected = stored["images"][[0, 1, 2, 4, 5], :3].reshape(-1, SIDE, SIDE)
    pixels, manifest, training = read_images(study)
    examples = data.facts["examples"]
    assert set(examples) <= set(training)
    assert manifest.loc[examples, "patient_id"].is_unique
    np.testing.assert_array_equal(data.pictures[:15], expected)
    np.testing.assert_array_equal(data.pictures[15:], pixels[manifest.index.get_indexer(examples)])
    assert data.facts["training"] == {
        "images": len(training),
        "patients": manifest.loc[training, "patient_id"].nunique(),
    }
    assert (data.facts["target"], data.facts["steps"], data.facts["batch_size"]) == (0.6, 12, 4)
    again = load_study("tiny.yaml")
    assert compute_figure(again, "figure_generator").facts == data.facts
    Path("tiny.yaml").write_text(Path("tiny.yaml").read_text() + "seed: 5\n")
    assert compute_figure(load_study("tiny.yaml"), "figure_generator").facts["examples"] != examples


def test_the_reference_is_of_as_many_images_of_other_patients(trained):
    study = trained()
    data = compute_figure(study, "figure_generator")
    pixels, manifest, training = read_images(study)
    chosen = [training[number * len(training) // 8] for number in range(8)]
    patients = set(manifest.loc[chosen, "patient_id"])
    others = [name for name in training if manifest.loc[name, "patient_id"] not in patients]
    others = [others[number * len(others) // 8] for number in range(8)]
    real, other = (describe_cells(pixels[manifest.index.get_indexer(names)]) for names in (chosen, others))
    assert data.facts["compared"] == 8
    assert data.facts["reference"] == pytest.approx(frechet_distance(real, other))
    data = compute_figure(trained(frechet_images=500), "figure_generator")
    assert data.facts["compared"] == len(training)
    assert data.facts["reference"] is None, "no patient is left"


def test_of_few_notes_all_are_shown_and_only_what_was_learnt_from(trained):
    study = trained(only=["Large"], notes=2, augmentation=None, channels=3)
    data = compute_figure(study, "figure_generator")
    assert [each["step"] for each in data.facts["snapshots"]] == [6, 12]
    assert len(data.pictures) == 9
    assert {picture.shape for picture in data.pictures} == {(SIDE, SIDE)}
    assert (data.facts["colour"], data.facts["target"]) == (True, None)
    _, manifest, training = read_images(study)
    large = manifest.loc[training, "Large"] == 1
    assert data.facts["training"]["images"] == large.sum() < len(training)
    assert large[data.facts["examples"]].all()


def test_it_is_written_read_and_drawn(trained):
    path = write_figure(trained(), "figure_generator")
    data = read_figure_data(path)
    assert len(data.pictures) == 18
    assert data.facts["backbones"] == []
    before = path.with_suffix(".npz").read_bytes()
    assert write_figure(load_study("tiny.yaml"), "figure_generator").with_suffix(".npz").read_bytes() == before
    _, png = draw_figure(path)
    assert Image.open(png).width == 2100


def test_a_training_that_is_not_there_is_refused(trained):
    study = trained()
    folder = study.layout.generator("main").parent
    snapshots, report = folder / "snapshots.npz", json.loads((folder / "generator.json").read_text())
    whole = snapshots.read_bytes()
    with np.load(snapshots) as stored:
        images = stored["images"]
    for broken in (whole[:-30], b"no archive"):
        snapshots.write_bytes(broken)
        with pytest.raises(InputError, match=r"(?s)snapshots.npz is not readable.*python -m tasks.inversion generator"):
            compute_figure(study, "figure_generator")
    save_snapshots(snapshots, images[:, :2], [2, 4, 6, 8, 10, 12])
    with pytest.raises(InputError, match=r"(?s)holds 2 samples at the steps 2, 4, 6, 8, 10, 12.*3 or more"):
        compute_figure(study, "figure_generator")
    save_snapshots(snapshots, images, [1, 2, 3, 4, 5, 6])
    with pytest.raises(InputError, match="at the steps 1, 2, 3, 4, 5, 6"):
        compute_figure(study, "figure_generator")
    snapshots.unlink()
    with pytest.raises(InputError, match=r"snapshots\.npz is not readable: .*No such file"):
        compute_figure(study, "figure_generator")
    snapshots.write_bytes(whole)
    report["data"]["train"]["sha256"] = "0" * 64  # As many images of as many patients, and others.
    write_json(folder / "generator.json", report)
    with pytest.raises(InputError, match=r"(?s)learnt from \d+ images of .* are for training now.*make it again"):
        compute_figure(study, "figure_generator")
    (folder / "generator.json").unlink()
    with pytest.raises(InputError, match=r"generator\.json is not readable"):
        compute_figure(study, "figure_generator")


def test_a_generator_that_was_read_from_a_file_was_not_trained(trained, make_inversion):
    study = trained()
    save_generator(Path("theirs.safetensors"), Generator(GeneratorSpec.model_validate(SPEC)))
    make_generator(make_inversion(generator={"path": "theirs.safetensors"}), "main")
    with pytest.raises(InputError, match=r"generator\.json is of a generator from theirs\.safetensors"):
        compute_figure(study, "figure_generator")
