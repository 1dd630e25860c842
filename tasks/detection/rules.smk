# Detection: one job trains and tests a detector, in its own run folder.

from evalkit import workflow as facts
from evalkit.fingerprints import code_hash


rule detect:
    input:
        data=lambda wildcards: facts.evaluated_files(study, wildcards.evaluation),
        splits=layout.splits("{evaluation}"),
        weights=lambda wildcards: facts.weights_files(study, wildcards.backbone),
        apart=lambda wildcards: facts.apart_files(study, wildcards.backbone, wildcards.evaluation),
    output:
        layout.job("{evaluation}", "{setting}", "{backbone}", "{span}"),
    log:
        layout.root / "logs/runs/{evaluation}/{setting}/{backbone}/repeats-{span}.log",
    wildcard_constraints:
        setting="head=[^/]+",
    threads: study.file.threads
    resources:
        training=1,
        gpu=facts.gpus(study),
    params:
        recipe=lambda wildcards: facts.run_hash(study, wildcards.evaluation, wildcards.setting, wildcards.backbone),
        code=code_hash("tasks.detection.runs"),
        attempt=lambda wildcards: facts.attempt(study, wildcards, retry_failed=RETRY_FAILED),
    shell:
        "{PYTHON} -m tasks.detection run " + JOB
