"""Tables and figures: their files, and what makes their jobs run again."""

from __future__ import annotations

from pathlib import Path

from evalkit.config.inversion import Inversion
from evalkit.config.loading import Study
from evalkit.config.pretraining import Contrastive
from evalkit.config.strict import nearest
from evalkit.config.study import BUILT_IN
from evalkit.config.tables import WITH_PICTURES, FractionsFigure, GeneratorFigure, RanksFigure
from evalkit.errors import InputError
from evalkit.fingerprints import value_hash
from evalkit.plan import list_jobs
from evalkit.workflow.backbones import contrastive_backbones, pretraining_of
from evalkit.workflow.data import copies_files, dataset_files, divided_files, evaluated_files
from evalkit.workflow.inversion import generator_inputs
from evalkit.workflow.machine import values_of

#: What a table is rendered as; the first holds the rows, the others their layout.
REPORT_ENDINGS = (".csv", ".md", ".tex", ".html")


def table_inputs(study: Study, table: str) -> list[Path]:
    """The job records of every run a table shows and, for subgroups, the manifest that has sex, age and view.

    Raises
    ------
    SystemExit
        The study has no such table. Snakemake would show any other exception with a traceback.
    """
    try:
        entry = study.table(table)
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
    evaluation = study.evaluation(entry.evaluation)
    settings = entry.settings or evaluation.list_settings()
    manifests = [study.layout.manifest(entry.test_on or evaluation.dataset)] if entry.subgroups else []
    return manifests + [
        study.layout.job(job.evaluation, job.setting, job.backbone, job.span)
        for job in list_jobs(study, entry.evaluation, backbones=entry.backbones)
        if job.setting in settings
    ]


def table_hash(study: Study, table: str) -> str:
    """Changes when a table is to be computed or worded in another way."""
    entry = study.table(table)
    evaluation = study.evaluation(entry.evaluation)
    shown = entry.backbones or list(study.backbones)
    if isinstance(evaluation, Inversion) and evaluation.identity is not None and "identity" in entry.metrics:
        shown = [*shown, evaluation.identity]
    datasets = [evaluation.dataset, *([entry.test_on] if entry.test_on else [])]
    return value_hash(
        {
            "table": values_of(entry),
            "study": [study.file.title, study.file.notes],
            "aggregate": evaluation.aggregate,
            "notes": [study.dataset(dataset).note for dataset in datasets],
            "backbones": {name: values_of(study.backbone(name)) for name in shown},
        }
    )


def counted_files(study: Study, table: str) -> list[Path]:
    """What a table of counts is made from.

    Raises
    ------
    SystemExit
        The study has no such table.
    """
    evaluation = study.counts(table).evaluation
    splits, entry = study.layout.splits(evaluation), study.evaluation(evaluation)
    copies = [copy for setting in entry.list_settings() for copy in copies_files(study, evaluation, setting)]
    return list(dict.fromkeys([splits, splits.with_suffix(".json"), *evaluated_files(study, evaluation), *copies]))


def counts_hash(study: Study, table: str) -> str:
    """Changes when a table of counts is to be made or worded in another way."""
    counts = study.counts(table)
    entry = study.evaluation(counts.evaluation)
    return value_hash(
        {
            "table": values_of(counts),
            "study": [study.file.title, study.file.notes],
            "notes": [study.dataset(name).note for name in (entry.dataset, *entry.test_on)],
            "evaluation": values_of(entry, leave_out={"recipe", "probe", "class_weights", "repeats_per_job", "seeds"}),
        }
    )


def drawn_files(study: Study, figure: str) -> list[Path]:
    """The files of a figure.

    Raises
    ------
    SystemExit
        The study has no such figure. Snakemake would show any other exception with a traceback.
    """
    known = [*study.file.figures, *BUILT_IN]
    if figure not in known:
        raise SystemExit(
            f"error: {study.source} has no figure {figure!r}{nearest(figure, known)}\n"
            "  to do:    correct the name, or add the figure to the study's 'figures'"
        )
    return [study.layout.report(figure + ending) for ending in (".pdf", ".png")]


def figures_with_pictures(study: Study) -> list[str]:
    """The study's figures that show images."""
    return [name for name, entry in study.file.figures.items() if entry.kind in WITH_PICTURES]


def figures_without_pictures(study: Study) -> list[str]:
    """The study's other figures."""
    return [name for name, entry in study.file.figures.items() if entry.kind not in WITH_PICTURES]


def chart_inputs(study: Study, figure: str) -> list[Path]:
    """The job records of what a figure shows, the tables whose rows it draws, and the images."""
    entry = study.figure(figure)
    if isinstance(entry, FractionsFigure):
        return [study.layout.report(f"{entry.table}.csv"), *table_inputs(study, entry.table)]
    if isinstance(entry, RanksFigure):
        jobs = [job for table in entry.tables for job in table_inputs(study, table)]
        return list(dict.fromkeys([*(study.layout.report(f"{table}.csv") for table in entry.tables), *jobs]))
    if isinstance(entry, GeneratorFigure):
        return [*generator_inputs(study, entry.evaluation), study.layout.generator_job(entry.evaluation)]
    setting = entry.setting or study.evaluation(entry.evaluation).list_settings()[-1]
    pixels = divided_files(study, entry.evaluation) if entry.kind in WITH_PICTURES else []
    return pixels + [
        study.layout.job(job.evaluation, job.setting, job.backbone, job.span)
        for job in list_jobs(study, entry.evaluation, backbones=entry.backbones)
        if job.setting == setting
    ]


def chart_hash(study: Study, figure: str) -> str:
    """Changes when a figure is to be computed or worded in another way."""
    entry = study.figure(figure)
    tables = entry.tables if isinstance(entry, RanksFigure) else []
    tables = [entry.table] if isinstance(entry, FractionsFigure) else tables
    backbones = () if isinstance(entry, GeneratorFigure) else study.backbones
    return value_hash(
        {
            "figure": values_of(entry),
            "seed": study.file.seed,
            "study": [study.file.title, study.file.notes],
            "tables": [table_hash(study, table) for table in tables],
            "aggregate": study.evaluation(entry.evaluation).aggregate if hasattr(entry, "evaluation") else None,
            "backbones": {name: values_of(study.backbone(name), leave_out={"pretrain"}) for name in backbones},
        }
    )


def pretraining_jobs(study: Study) -> list[Path]:
    """The jobs' records of contrastive pretraining, for its figure.

    Raises
    ------
    SystemExit
        The study has no such backbone. Snakemake would show any other exception with a traceback.
    """
    jobs = [study.layout.pretraining_job(name) for name in contrastive_backbones(study)]
    if not jobs:
        raise SystemExit(f"error: {study.source} has no contrastive pretraining; there is nothing to draw")
    return jobs


def views_inputs(study: Study) -> list[Path]:
    """The packed images that examples of the first contrastive backbone's views are made from."""
    pretraining_jobs(study)
    return dataset_files(study, pretraining_of(study, contrastive_backbones(study)[0]).data)


def views_arguments(study: Study) -> tuple[str, str]:
    """The backbone whose views are shown, and a hash of them."""
    names = contrastive_backbones(study)
    if not names:
        return "", ""
    entry = pretraining_of(study, names[0])
    assert isinstance(entry, Contrastive)
    return names[0], value_hash(values_of(entry.views))
