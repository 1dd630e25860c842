# From a checkpoint of any format, or from images, to canonical weights.

from evalkit import workflow as facts
from evalkit.fingerprints import code_hash


# No patient that a backbone is made from may be in an evaluation. An evaluation's runs wait for this too.
rule check_apart:
    input:
        lambda wildcards: facts.compared_files(study, wildcards.dataset, wildcards.other),
    output:
        layout.apart("{dataset}", "{other}"),
    log:
        layout.root / "logs/apart/{dataset}/{other}.log",
    params:
        sources=lambda wildcards: facts.patient_sources(study, wildcards.dataset, wildcards.other),
        code=code_hash("evalkit.pretraining.sources"),
    shell:
        "{PYTHON} -m evalkit.pretraining.sources --study {study.source:q} --dataset {wildcards.dataset}"
        " --other {wildcards.other} > {log:q} 2>&1"


# The checkpoint and its record are no outputs: Snakemake would delete them before the job, which could then no longer
# see that it has nothing to do.
rule pretrain:
    input:
        data=lambda wildcards: facts.pretraining_data(study, wildcards.backbone),
        start=lambda wildcards: facts.pretraining_start(study, wildcards.backbone),
        apart=lambda wildcards: facts.pretraining_checks(study, wildcards.backbone),
    output:
        layout.pretraining_job("{backbone}"),
    log:
        layout.root / "logs/pretraining/{backbone}.log",
    # Runs that start from these weights wait for them, while those from scratch can fill any gap.
    priority: 10
    threads: study.file.threads
    resources:
        training=1,
        gpu=facts.gpus(study),
    params:
        recipe=lambda wildcards: facts.pretraining_hash(study, wildcards.backbone),
        code=lambda wildcards: code_hash(facts.pretraining_module(study, wildcards.backbone)),
        attempt=lambda wildcards: facts.pretraining_attempt(study, wildcards.backbone),
        apart_from=lambda wildcards: facts.pretraining_apart_from(study, wildcards.backbone),
    shell:
        "{PYTHON} -m evalkit.pretraining --study {study.source:q} --backbone {wildcards.backbone}"
        " --attempt {params.attempt} --apart-from {params.apart_from} --record {output:q} > {log:q} 2>&1"


# For others' code, and for an entry that reads a backbone back from another layout.
rule export_moco:
    input:
        weights=layout.weights("{backbone}"),
        report=layout.weights("{backbone}").with_suffix(".json"),
    output:
        layout.export("{backbone}"),
    log:
        layout.root / "logs/exports/{backbone}.log",
    params:
        code=code_hash("evalkit.checkpoints.exporting"),
    shell:
        "{PYTHON} -m evalkit.checkpoints.exporting --study {study.source:q} --backbone {wildcards.backbone} > {log:q} 2>&1"


rule canonicalise:
    input:
        lambda wildcards: facts.checkpoint_inputs(study, wildcards.backbone),
    output:
        weights=layout.weights("{backbone}"),
        report=layout.weights("{backbone}").with_suffix(".json"),
    log:
        layout.root / "logs/backbones/{backbone}.log",
    params:
        entry=lambda wildcards: facts.backbone_hash(study, wildcards.backbone),
        file=lambda wildcards: facts.checkpoint_state(study, wildcards.backbone),
        code=code_hash("evalkit.checkpoints.__main__"),
    shell:
        "{PYTHON} -m evalkit.checkpoints --study {study.source:q} --backbone {wildcards.backbone} > {log:q} 2>&1"
