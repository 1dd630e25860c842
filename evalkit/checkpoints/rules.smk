# From a checkpoint of any format, or from images, to canonical weights.

from evalkit import workflow as facts
from evalkit.fingerprints import code_hash


rule pretrain:
    input:
        lambda wildcards: facts.pretraining_inputs(study, wildcards.backbone),
    output:
        checkpoint=layout.pretraining("{backbone}") / "checkpoint.pth",
        record=layout.pretraining("{backbone}") / "run.json",
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
    shell:
        "{PYTHON} -m evalkit.pretraining --study {study.source:q} --backbone {wildcards.backbone} > {log:q} 2>&1"


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
