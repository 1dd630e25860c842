"""What the Snakefile asks: inputs, arguments and the values whose change makes a job run again.

Snakemake compares the parameters a job was run with to those it would get now. Each hash here covers the part of the
configuration that one kind of job depends on, so that editing a caption retrains nothing and adding a backbone runs
only its own jobs. Nothing here needs data or weights to be present: a dry run works without them.
"""

from evalkit.workflow.backbones import (
    backbone_hash,
    checkpoint_inputs,
    checkpoint_state,
    contrastive_backbones,
    network_hash,
    pretraining_apart_from,
    pretraining_attempt,
    pretraining_checks,
    pretraining_data,
    pretraining_hash,
    pretraining_mark,
    pretraining_module,
    pretraining_start,
    weights_files,
)
from evalkit.workflow.data import (
    BALANCED_FILES,
    balancing_hash,
    compared_files,
    copies_files,
    dataset_files,
    dataset_hash,
    dataset_state,
    evaluated_files,
    phantom_arguments,
    phantom_mark,
    split_hash,
)
from evalkit.workflow.machine import REAL_CORES, gpus, one_of, training_slots
from evalkit.workflow.opening import open_study
from evalkit.workflow.reports import (
    REPORT_ENDINGS,
    chart_hash,
    chart_inputs,
    counted_files,
    counts_hash,
    pretraining_jobs,
    table_hash,
    table_inputs,
    views_arguments,
    views_inputs,
)
from evalkit.workflow.runs import apart_files, attempt, features_attempt, features_files, run_hash

__all__ = [
    "BALANCED_FILES",
    "REAL_CORES",
    "REPORT_ENDINGS",
    "apart_files",
    "attempt",
    "backbone_hash",
    "balancing_hash",
    "chart_hash",
    "chart_inputs",
    "checkpoint_inputs",
    "checkpoint_state",
    "compared_files",
    "contrastive_backbones",
    "copies_files",
    "counted_files",
    "counts_hash",
    "dataset_files",
    "dataset_hash",
    "dataset_state",
    "evaluated_files",
    "features_attempt",
    "features_files",
    "gpus",
    "network_hash",
    "one_of",
    "open_study",
    "phantom_arguments",
    "phantom_mark",
    "pretraining_apart_from",
    "pretraining_attempt",
    "pretraining_checks",
    "pretraining_data",
    "pretraining_hash",
    "pretraining_jobs",
    "pretraining_mark",
    "pretraining_module",
    "pretraining_start",
    "run_hash",
    "split_hash",
    "table_hash",
    "table_inputs",
    "training_slots",
    "views_arguments",
    "views_inputs",
    "weights_files",
]
