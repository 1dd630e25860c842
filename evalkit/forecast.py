"""What a study will take: jobs, images, disk and hours, before anything is run."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.markup import escape
from rich.table import Column
from rich.table import Table as RichTable

from evalkit.config.datasets import CheXpertEntry, Dataset
from evalkit.config.detection import Detection
from evalkit.config.evaluations import Classification
from evalkit.config.generator import GeneratorSpec
from evalkit.config.inversion import Inversion
from evalkit.config.loading import Study
from evalkit.plan import count_repeats, list_jobs, list_runs
from evalkit.settings import parse_setting, read_setting
from evalkit.speeds import (
    has_gpu,
    measure_detector_speed,
    measure_generator_speed,
    measure_inversion_speed,
    measure_speed,
)
from evalkit.workflow import gpus, training_slots

#: Images of the public releases, for a forecast without the data: counted on their own annotation files
#: (CheXpert train and valid, by view; ChestX-ray14; RSNA), or as published (Kermany, SIIM).
PUBLISHED_IMAGES = {
    ("chexpert", "frontal"): 191_229,
    ("chexpert", "all"): 223_648,
    ("nih", ""): 112_120,
    ("kermany", ""): 5_856,
    ("siim", ""): 6_334,
    ("rsna", ""): 26_684,
}

#: Those of them that are for testing: valid.csv, where the released test set is not there, the official test list, and
#: Kermany's public test folder.
PUBLISHED_TEST_IMAGES = {
    ("chexpert", "frontal"): 202,
    ("chexpert", "all"): 234,
    ("nih", ""): 25_596,
    ("kermany", ""): 624,
}

#: What is run for an inversion; see `EvaluationForecast.head`.
INVERSION, GENERATOR = "inversion", "generator"
_PARTS = (INVERSION, GENERATOR)

#: A forward pass costs about a third of a training step (forward, backward with respect to inputs and weights).
FORWARD_SHARE = 1 / 3


@dataclass(frozen=True)
class DatasetForecast:
    """One data set: how many images, where that number is from, and what packing them takes.

    Attributes
    ----------
    images : int or None
        None where neither the data nor a published count is at hand.
    basis : str
        ``packed``, ``manifest``, ``phantoms``, ``published`` or ``unknown``.
    packed_bytes : int
        Size of the packed pixels.
    """

    name: str
    images: int | None
    basis: str
    packed_bytes: int


@dataclass(frozen=True)
class EvaluationForecast:
    """One evaluation (or pretraining) and backbone: runs, jobs, images through the network, bytes of predictions.

    Attributes
    ----------
    head : str
        What is on the network, where that decides the speed: a detection's head; `INVERSION` where a generator is, or
        `GENERATOR` where there is nothing else; empty for any other.
    training_images : int
        Images trained on, counted once per time they are seen, over all runs and learning rates.
    predicted_images : int
        Images validated and tested on, likewise.
    """

    evaluation: str
    backbone: str
    runs: int
    jobs: int
    training_images: int
    predicted_images: int
    prediction_bytes: int
    head: str = ""

    def hours(self, images_per_second: float) -> float:
        """Hours of one training process at a training speed in images/s."""
        return (self.training_images + self.predicted_images * FORWARD_SHARE) / images_per_second / 3600


def forecast_datasets(study: Study) -> list[DatasetForecast]:
    """Forecast every data set of a study."""
    return [_forecast_dataset(study, name) for name in study.file.datasets]


def forecast_evaluations(study: Study) -> list[EvaluationForecast]:
    """Forecast every evaluation of a study, backbone by backbone; an unknown data set counts as no images."""
    images = {forecast.name: forecast.images or 0 for forecast in forecast_datasets(study)}
    forecasts = []
    for name, evaluation in study.file.evaluations.items():
        if isinstance(evaluation, Inversion) and evaluation.generator.train is not None:
            recipe = evaluation.generator.train.recipe
            seen = recipe.steps * recipe.batch_size
            forecasts.append(EvaluationForecast(name, "generator", 1, 1, seen, 0, 0, head=GENERATOR))
        for backbone in study.asked_rows(name):
            if isinstance(evaluation, Inversion):
                forecasts.append(_forecast_inversion(study, name, backbone, images))
            elif isinstance(evaluation, Detection):
                forecasts += [
                    _forecast_detection(study, name, each, backbone, images) for each in evaluation.settings.head
                ]
            else:
                forecasts.append(_forecast_classification(study, name, backbone, images))
    return forecasts


def forecast_pretraining(study: Study) -> list[EvaluationForecast]:
    """Forecast the pretraining that the workflow does itself, of backbones included that are needed but not listed."""
    images = {forecast.name: forecast.images or 0 for forecast in forecast_datasets(study)}
    forecasts = []
    for name, entry in (study.unlisted | study.backbones).items():
        pretrain = entry.pretrain
        if pretrain is None:
            continue
        seen = pretrain.recipe.count_steps(images=images[pretrain.data]) * pretrain.recipe.batch_size
        # SimCLR learns from both views of an image; MoCo only looks at the second one, and so does a validation.
        trained = 2 * seen if pretrain.method == "simclr" else seen
        looked = {"simclr": 0, "moco": seen, "supervised": pretrain.recipe.validations * images[pretrain.data] // 10}
        forecasts.append(EvaluationForecast("pretraining", name, 1, 1, trained, looked[pretrain.method], 0))
    return forecasts


def recorded_speeds(study: Study) -> dict[tuple[str, str], float]:
    """Training speed by architecture and head, in images/s: the median over the runs this study has finished here."""
    speeds: dict[tuple[str, str], list[float]] = {}
    for evaluation in study.file.evaluations:
        for run in list_runs(study, evaluation):
            record = _read(study.layout.run(*run) / "run.json")
            speed = record.get("images_per_second")
            if record.get("outcome") == "done" and speed:
                of_inversion = study.evaluation(evaluation).task == "inversion"
                head = INVERSION if of_inversion else str(parse_setting(run.setting).get("head", ""))
                speeds.setdefault((study.backbone(run.backbone).arch, head), []).append(float(speed))
    return {key: statistics.median(values) for key, values in speeds.items()}


def render_forecast(study: Study, *, images_per_second: float | None = None, at_once: int | None = None) -> Group:
    """Lay a study's forecast out for the terminal.

    Parameters
    ----------
    images_per_second : float, optional
        Training speed of one process. By default what finished runs of the study recorded or, for architectures
        without one, what `measure_speed` finds here.
    at_once : int, optional
        Trainings at once. By default one on a GPU, else as many as the workflow would start here.
    """
    slots = at_once or (1 if gpus(study) else training_slots(study))
    data = RichTable("data set", "images", "basis", "packed", title=escape(f"{study.name}: {study.file.title}"))
    for forecast in forecast_datasets(study):
        count = "unknown" if forecast.images is None else f"{forecast.images:,}"
        packed = "unknown" if forecast.images is None else _size(forecast.packed_bytes)
        data.add_row(forecast.name, count, forecast.basis, packed)
    speeds = {key: (speed, "recorded") for key, speed in recorded_speeds(study).items()}
    names = [Column(name, overflow="fold", no_wrap=True) for name in ("evaluation", "backbone")]
    figures = [Column(name, justify="right", no_wrap=True) for name in ("jobs", "runs", "images", "images/s", "time")]
    runs = RichTable(*names, *figures, Column("speed", no_wrap=True), collapse_padding=True, pad_edge=False)
    hours, bytes_predicted = 0.0, 0
    for planned in forecast_pretraining(study) + forecast_evaluations(study):
        arch, channels = _network_of(study, planned)
        key = (arch, planned.head)
        if images_per_second is not None:
            speeds[key] = (images_per_second, "given")
        elif key not in speeds:
            speed = _measure(study, planned, arch, channels)
            speeds[key] = (speed, "measured")
        speed, basis = speeds[key]
        taken = planned.hours(speed)
        hours += taken
        bytes_predicted += planned.prediction_bytes
        runs.add_row(
            " ".join(filter(None, [planned.evaluation, "" if planned.head in _PARTS else planned.head])),
            planned.backbone,
            f"{planned.jobs}",
            f"{planned.runs}",
            f"{planned.training_images:,}",
            f"{speed:.1f}",
            _duration(taken),
            basis,
        )
    disk = sum(forecast.packed_bytes for forecast in forecast_datasets(study)) + bytes_predicted
    unknown = any(forecast.images is None for forecast in forecast_datasets(study))
    measured = any(basis == "measured" for _, basis in speeds.values())
    total = (
        f"{_duration(hours)} of one process, {_duration(hours / slots)} with {slots} at once; {_size(disk)} of disk "
        "for pixels and predictions. Images are those trained on, and every step of the search for one, over all runs."
        + (f" Speeds that were measured are of this machine's {'GPU' if has_gpu() else 'CPU'}." if measured else "")
        + (" A data set of unknown size counts as empty: it is known once it has been read." if unknown else "")
    )
    return Group(data, runs, total)


def _network_of(study: Study, planned: EvaluationForecast) -> tuple[str, int]:
    """Architecture and channels of what is run; a generator alone has no name in timm."""
    if planned.head == GENERATOR:
        return "", 1
    entry = study.backbone(planned.backbone)
    return entry.arch, entry.in_channels or 3


def _measure(study: Study, planned: EvaluationForecast, arch: str, in_channels: int) -> float:
    threads = study.file.threads
    if planned.head in _PARTS:
        train = study.inversion(planned.evaluation).generator.train
        # How wide one from a file is, is not known before it is read: the published widths.
        spec = train.spec if train is not None else GeneratorSpec.model_validate({"resolution": study.file.image_size})
        if planned.head == GENERATOR:
            return measure_generator_speed(spec, threads=threads)
        return measure_inversion_speed(spec, arch, in_channels=in_channels, threads=threads)
    if planned.head:
        entry = study.detection(planned.evaluation)
        return measure_detector_speed(entry, arch, planned.head, in_channels=in_channels, threads=threads)
    return measure_speed(arch, in_channels=in_channels, size=study.file.image_size, threads=threads)


def _duration(hours: float) -> str:
    if hours < 1:
        return f"{60 * hours:.1f} min"
    return f"{hours:,.1f} h"


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


def _forecast_dataset(study: Study, name: str) -> DatasetForecast:
    entry, size = study.dataset(name), study.file.image_size
    images, basis = _count_images(study, name)
    if images is not None and basis == "published":
        first, second = entry.patients
        images = round(images * (second - first))
    # An image for detection keeps its aspect ratio: this is the most that it can take.
    sides = [(size, size), *((longest, longest) for longest in _longest_sides(study, name))]
    return DatasetForecast(name, images, basis, (images or 0) * sum(height * width for height, width in sides))


def _longest_sides(study: Study, dataset: str) -> set[int]:
    """The sizes at which a data set is packed for detection."""
    detections = [each for each in study.file.evaluations.values() if isinstance(each, Detection)]
    return {each.longest for each in detections if each.dataset == dataset}


def _count_images(study: Study, name: str) -> tuple[int | None, str]:
    entry = study.dataset(name)
    folders = [study.layout.packed(name, study.file.image_size)]
    folders += [study.layout.ragged(name, longest) for longest in _longest_sides(study, name)]
    for folder in folders:
        packed = _read(folder / "packing.json").get("images")
        if packed:
            return int(packed), "packed"
    manifest = study.layout.manifest(name)
    if manifest.exists():
        import pyarrow.parquet

        return pyarrow.parquet.read_metadata(manifest).num_rows, "manifest"
    if entry.phantom is not None:
        return round(entry.phantom.patients * IMAGES_PER_PHANTOM), "phantoms"
    published = PUBLISHED_IMAGES.get(_release(entry))
    return published, "published" if published else "unknown"


#: Frontal images that the phantom draws per patient, on average.
IMAGES_PER_PHANTOM = 1.5


def _forecast_detection(
    study: Study, name: str, head: str, backbone: str, images: dict[str, int]
) -> EvaluationForecast:
    evaluation = study.detection(name)
    counts, recipe = _split_sizes(study, name, images[evaluation.dataset]), evaluation.recipe
    runs, rates = evaluation.seeds, len(recipe.learning_rates)
    trained = rates * recipe.count_steps(images=counts["train"]) * recipe.batch_size
    measured = recipe.precise_bn * recipe.batch_size if evaluation.way == "moco" else 0
    looked = rates * recipe.validations * (counts["validation"] + measured) + counts["validation"] + counts["test"]
    return EvaluationForecast(
        evaluation=name,
        backbone=backbone,
        runs=runs,
        jobs=-(-runs // evaluation.repeats_per_job),
        training_images=runs * trained,
        predicted_images=runs * looked,
        prediction_bytes=runs * (counts["validation"] + counts["test"]) * _DETECTION_BYTES,
        head=head,
    )


def _forecast_inversion(study: Study, name: str, backbone: str, images: dict[str, int]) -> EvaluationForecast:
    """Each step of an image counts as an image; those that 'only' leaves out are not known before, and count."""
    evaluation = study.inversion(name)
    inverted = evaluation.images or _split_sizes(study, name, images[evaluation.dataset])["test"]
    runs = len(evaluation.list_settings()) * evaluation.seeds
    steps = 0 if study.backbone(backbone).control == "mean-w" else evaluation.projection.steps
    return EvaluationForecast(
        evaluation=name,
        backbone=backbone,
        runs=runs,
        jobs=sum(1 for _ in list_jobs(study, name, backbones=[backbone])),
        training_images=runs * inverted * steps,
        predicted_images=0,
        prediction_bytes=runs * inverted * (5 * study.file.image_size**2 + _LATENT_BYTES),
        head=INVERSION,
    )


def _forecast_classification(study: Study, name: str, backbone: str, images: dict[str, int]) -> EvaluationForecast:
    evaluation = study.classification(name)
    counts = _split_sizes(study, name, images[evaluation.dataset])
    elsewhere = sum(images[other] for other in evaluation.test_on)
    runs = training = 0
    # A probe runs each image through the network once, whatever it is then fitted to.
    predicted = images[evaluation.dataset] + elsewhere if "probe" in evaluation.regimes else 0
    for setting in evaluation.list_settings():
        regime, fraction, trainset = read_setting(setting)
        repeats = count_repeats(evaluation, setting)
        if regime == "probe":
            runs += repeats
            continue
        drawn = max(1, round(_count_training(study, name, counts["train"], trainset) * fraction))
        validated = counts["validation"] * (fraction if evaluation.validation == "fraction" else 1)
        steps = evaluation.training.count_steps(images=drawn, fraction=fraction)
        rates = len(evaluation.training.learning_rates)
        runs += repeats
        training += repeats * rates * steps * evaluation.training.batch_size
        tested = validated + counts["test"] + elsewhere
        predicted += repeats * round(rates * evaluation.training.validations * validated + tested)
    return EvaluationForecast(
        evaluation=name,
        backbone=backbone,
        runs=runs,
        jobs=sum(1 for _ in list_jobs(study, name, backbones=[backbone])),
        training_images=training,
        predicted_images=predicted,
        prediction_bytes=runs * (counts["validation"] + counts["test"] + elsewhere) * _row_bytes(evaluation),
    )


def _split_sizes(study: Study, name: str, images: int) -> dict[str, int]:
    report = _read(study.layout.splits(name).with_suffix(".json"))
    roles = report.get("roles", {})
    if all(isinstance(roles.get(role), dict) for role in ("train", "validation", "test")):
        return {role: int(roles[role]["images"]) for role in ("train", "validation", "test")}
    evaluation = study.evaluation(name)
    entry = study.dataset(evaluation.dataset)
    release = _release(entry)
    test = round(images * evaluation.test_share)
    if entry.phantom is None and release in PUBLISHED_TEST_IMAGES:
        test = round(images * PUBLISHED_TEST_IMAGES[release] / PUBLISHED_IMAGES[release])
    validation = round((images - test) * evaluation.validation_share)
    return {"train": images - test - validation, "validation": validation, "test": test}


def _count_training(study: Study, name: str, train: int, trainset: str) -> int:
    """Images of a training set; before the splits are made, those of a set cut or grown to its classes count as all."""
    modified = study.classification(name).modified
    if trainset == "modified" and modified is not None:
        return sum(modified.values())
    report = _read(study.layout.splits(name).with_suffix(".json"))
    if trainset == "full" or report.get("task") != "multiclass":
        return train
    sizes = [each["positive"]["images"] for each in report["roles"]["train"]["classes"].values()]
    return len(sizes) * (min if trainset == "undersampled" else max)(sizes)


def _release(entry: Dataset) -> tuple[str, str]:
    """What `PUBLISHED_IMAGES` knows a data set by."""
    return entry.format, entry.views if isinstance(entry, CheXpertEntry) else ""


#: Latents and convergence curve of an inverted image.
_LATENT_BYTES = 20_000


#: Truth and some ten detections of an image in COCO's files.
_DETECTION_BYTES = 2_000


def _row_bytes(evaluation: Classification) -> int:
    return 40 + 10 * len(evaluation.labels or range(5))


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
