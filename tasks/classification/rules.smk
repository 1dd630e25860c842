# Fine-tuning and probing: one job does some repeats of one cell, each in its own run folder.

from evalkit import workflow as facts
from evalkit.fingerprints import code_hash

CLASSIFY = "{PYTHON} -m tasks.classification run " + JOB


rule finetune:
    input:
        data=lambda wildcards: facts.evaluated_files(study, wildcards.evaluation),
        copies=lambda wildcards: facts.copies_files(study, wildcards.evaluation, wildcards.setting),
        splits=layout.splits("{evaluation}"),
        weights=lambda wildcards: facts.weights_files(study, wildcards.backbone),
        apart=lambda wildcards: facts.apart_files(study, wildcards.backbone, wildcards.evaluation),
    output:
        layout.job("{evaluation}", "{setting}", "{backbone}", "{span}"),
    log:
        layout.root / "logs/runs/{evaluation}/{setting}/{backbone}/repeats-{span}.log",
    wildcard_constraints:
        setting="(?!regime=probe)(regime|fraction|trainset)=[^/]+",
    threads: study.file.threads
    resources:
        training=1,
        gpu=facts.gpus(study),
    params:
        recipe=lambda wildcards: facts.run_hash(study, wildcards.evaluation, wildcards.setting, wildcards.backbone),
        code=code_hash("tasks.classification.finetuning"),
        attempt=lambda wildcards: facts.attempt(study, wildcards, retry_failed=RETRY_FAILED),
    shell:
        CLASSIFY


# The features themselves are no output: Snakemake would delete them before a job that has nothing to do.
rule extract_features:
    input:
        data=lambda wildcards: facts.dataset_files(study, wildcards.dataset),
        weights=lambda wildcards: facts.weights_files(study, wildcards.backbone),
    output:
        layout.features_job("{dataset}", "{backbone}"),
    log:
        layout.root / "logs/features/{dataset}/{backbone}.log",
    threads: study.file.threads
    resources:
        training=1,
        gpu=facts.gpus(study),
    params:
        network=lambda wildcards: facts.network_hash(study, wildcards.backbone),
        code=code_hash("evalkit.training.features"),
        attempt=lambda wildcards: facts.features_attempt(study, wildcards),
    shell:
        "{PYTHON} -m tasks.classification features --study {study.source:q} --dataset {wildcards.dataset}"
        " --backbone {wildcards.backbone} --attempt {params.attempt} --record {output:q} > {log:q} 2>&1"


rule probe:
    input:
        data=lambda wildcards: facts.evaluated_files(study, wildcards.evaluation),
        features=lambda wildcards: facts.features_files(study, wildcards.evaluation, wildcards.backbone),
        splits=layout.splits("{evaluation}"),
        apart=lambda wildcards: facts.apart_files(study, wildcards.backbone, wildcards.evaluation),
    output:
        layout.job("{evaluation}", "{setting}", "{backbone}", "{span}"),
    log:
        layout.root / "logs/runs/{evaluation}/{setting}/{backbone}/repeats-{span}.log",
    wildcard_constraints:
        setting="regime=probe[^/]*",
    threads: study.file.threads
    resources:
        training=1,
    params:
        recipe=lambda wildcards: facts.run_hash(study, wildcards.evaluation, wildcards.setting, wildcards.backbone),
        code=code_hash("tasks.classification.probing"),
        attempt=lambda wildcards: facts.attempt(study, wildcards, retry_failed=RETRY_FAILED),
    shell:
        CLASSIFY
