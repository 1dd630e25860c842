# Inversion: one job makes an evaluation's generator; then one job per backbone and space inverts its images.

from evalkit import workflow as facts
from evalkit.fingerprints import code_hash


# The generator itself is no output: Snakemake would delete it before the job, which could then no longer see that it
# has nothing to do.
rule make_generator:
    input:
        lambda wildcards: facts.generator_inputs(study, wildcards.evaluation),
    output:
        layout.generator_job("{evaluation}"),
    log:
        layout.root / "logs/generators/{evaluation}.log",
    # Every run of the evaluation waits for it.
    priority: 20
    threads: study.file.threads
    resources:
        training=1,
        gpu=facts.gpus(study),
    params:
        recipe=lambda wildcards: facts.generator_hash(study, wildcards.evaluation),
        code=code_hash("tasks.inversion.generators"),
        attempt=lambda wildcards: facts.generator_attempt(study, wildcards.evaluation),
    shell:
        "{PYTHON} -m tasks.inversion generator --study {study.source:q} --evaluation {wildcards.evaluation}"
        " --attempt {params.attempt} --record {output:q} > {log:q} 2>&1"


rule invert:
    input:
        data=lambda wildcards: facts.evaluated_files(study, wildcards.evaluation),
        splits=layout.splits("{evaluation}"),
        generator=layout.generator_job("{evaluation}"),
        weights=lambda wildcards: facts.weights_files(study, wildcards.backbone),
        identity=lambda wildcards: facts.identity_files(study, wildcards.evaluation),
        apart=lambda wildcards: facts.apart_files(study, wildcards.backbone, wildcards.evaluation),
    output:
        layout.job("{evaluation}", "{setting}", "{backbone}", "{span}"),
    log:
        layout.root / "logs/runs/{evaluation}/{setting}/{backbone}/repeats-{span}.log",
    wildcard_constraints:
        setting="space=[^/]+",
    threads: study.file.threads
    resources:
        training=1,
        gpu=facts.gpus(study),
    params:
        recipe=lambda wildcards: facts.run_hash(study, wildcards.evaluation, wildcards.setting, wildcards.backbone),
        code=code_hash("tasks.inversion.runs"),
        attempt=lambda wildcards: facts.attempt(study, wildcards, retry_failed=RETRY_FAILED),
    shell:
        "{PYTHON} -m tasks.inversion run " + JOB
