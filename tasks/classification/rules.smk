# Fine-tuning: one job does some repeats of one cell, each in its own run folder.

from evalkit import workflow as facts
from evalkit.fingerprints import code_hash

RETRY_FAILED = str(config.get("retry_failed", False)).lower() == "true"
# Not a parameter: the jobs that have something to retry are told by `attempt`, and no other may run for it.
RETRY_OPTION = "--retry-failed" if RETRY_FAILED else ""


rule finetune:
    input:
        data=lambda wildcards: facts.dataset_files(study, study.evaluation(wildcards.evaluation).dataset),
        splits=layout.splits("{evaluation}"),
        weights=lambda wildcards: facts.weights_files(study, wildcards.backbone),
        apart=lambda wildcards: facts.apart_files(study, wildcards.backbone, wildcards.evaluation),
    output:
        layout.job("{evaluation}", "{setting}", "{backbone}", "{span}"),
    log:
        layout.root / "logs/runs/{evaluation}/{setting}/{backbone}/repeats-{span}.log",
    threads: study.file.threads
    resources:
        training=1,
        gpu=facts.gpus(study),
    params:
        recipe=lambda wildcards: facts.run_hash(study, wildcards.evaluation, wildcards.setting, wildcards.backbone),
        code=code_hash("tasks.classification.multilabel"),
        attempt=lambda wildcards: facts.attempt(study, wildcards, retry_failed=RETRY_FAILED),
    shell:
        "{PYTHON} -m tasks.classification run --study {study.source:q} --evaluation {wildcards.evaluation}"
        " --setting {wildcards.setting:q} --backbone {wildcards.backbone} --repeat {wildcards.span}"
        " --attempt {params.attempt} {RETRY_OPTION} --record {output:q} > {log:q} 2>&1"
